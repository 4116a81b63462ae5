"""Three games of one's own, the file that they are in, and what is asked of their index."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from uci.library.index import GameIndex, Wanted
from uci.web.shelf import Shelf

GAMES = [
    ("Anna", "Ben", "2024.01.02", "1-0", "e4 e5 Nf3 Nc6 Bc4 Nf6 Ng5 d5"),
    ("Cleo", "anna", "2024.01.03", "0-1", "e4 c5 Nf3 d6 d4 cxd4"),
    ("Dora", "Eve", "2024.01.04", "1/2-1/2", "d4 d5 c4 e6"),
]


def text_of(games: list[tuple[str, ...]] = GAMES, extra: str = "") -> str:
    return "\n".join(
        f'[White "{white}"]\n[Black "{black}"]\n[Date "{date}"]\n[Result "{result}"]\n{extra}\n{moves} {result}\n'
        for white, black, date, result, moves in games
    )


def whites(index: GameIndex, wanted: Wanted = Wanted()) -> list[str]:  # noqa: B008 - frozen
    games, total = index.find(wanted)
    assert total == len(games)
    return [game["white"] for game in games]


def small_engine() -> Engine:
    return Engine(EngineOptions(evaluator="material", threads=1, hash_mib=16))


def shelf_in(folder: Path, tell: Callable[[dict[str, Any]], None] = lambda message: None) -> Shelf:
    """A shelf whose reviews are quick; `tell` hears what a page would."""
    return Shelf(
        folder, small_engine, tell, lambda table, review: None, lambda: False, Limits(nodes=1)
    )
