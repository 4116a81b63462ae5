"""Aino's player as a library: `Engine` searches positions, and `engine.nn` is an independent
learning library.

    with Engine(EngineOptions(threads=1)) as engine:
        engine.set_position(chess.Board())
        result = engine.search(Limits(nodes=1000))

Modules and folders in dependency order, each importing only earlier ones: errors, options, version,
files, backend, native; nn and board; tactics; network; evaluation; search; and `player`, the facade. The
commands share `cli` and, for web pages, `pages`. The package's names load on first use, so
importing it costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.version import __version__ as __version__

if TYPE_CHECKING:
    from engine.options import EngineOptions
    from engine.player import Engine
    from engine.search.limits import Limits
    from engine.search.result import SearchInfo, SearchResult

_HOME = {
    "Engine": "player",
    "EngineOptions": "options",
    "Limits": "search.limits",
    "SearchInfo": "search.result",
    "SearchResult": "search.result",
}

__all__ = ["Engine", "EngineOptions", "Limits", "SearchInfo", "SearchResult"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
