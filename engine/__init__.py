"""Aino's player as a library: `Engine` searches positions, `engine.nn` is the learning library on its own.

Folders in the order in which they may import each other: errors, options, backend, files, native; then nn and board;
tactics; network; evaluation; search; and `player`, the facade. `pages` is what the commands' web pages share. `Engine`
loads on first use, so that importing this package costs nothing.
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
