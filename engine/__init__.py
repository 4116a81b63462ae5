"""Aino's player as a library: `Engine` searches positions, and `engine.nn` is an independent learning library.

Modules and folders in dependency order, each importing only earlier ones: errors, options, backend, files, native; nn
and board; tactics; network; evaluation; search; and `player`, the facade. The commands' web pages share `pages`.
`Engine` loads on first use, so importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.player import Engine

__all__ = ["Engine"]


def __getattr__(name: str) -> Any:
    if name == "Engine":
        from engine.player import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
