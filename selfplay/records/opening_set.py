"""Opening sets: EPD files, and the default one.

The default set `selfplay/openings.epd` holds balanced early positions from teacher games;
`aino-train openings --teacher ...` draws such a set again (`selfplay/data/balanced_openings.py`).
"""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Iterable, Sequence
from pathlib import Path

import chess

from engine.board.fen import parse_fen
from engine.errors import DataError, FenError
from engine.files.atomic import atomic_write


def load_openings(path: Path | None = None) -> Sequence[chess.Board]:
    """Load the positions of an EPD (or FEN) file with one position per line, or of the default set.

    Raises DataError naming the line for a position that cannot be read or has no legal move.
    """
    if path is None:
        return _default_openings()
    try:
        return _boards(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


@functools.cache  # each phase of a run needs them, and parsing takes about a second
def _default_openings() -> Sequence[chess.Board]:
    name = "openings.epd"
    return _boards((importlib.resources.files("selfplay") / name).read_text(encoding="utf-8"), name)


def _boards(text: str, name: str) -> Sequence[chess.Board]:
    lines = enumerate(text.splitlines(), 1)
    boards = tuple(
        parse_position(line, f"{name}:{number}") for number, line in lines if line.strip() and not line.startswith("#")
    )
    if not boards:
        raise DataError(f"{name}: no positions in it")
    return boards


def parse_position(line: str, place: str, chess960: bool = False) -> chess.Board:
    """Parse an EPD or FEN line. A bad line raises DataError, which names it by `place`."""
    fields = line.split(";")[0].split()
    clocks = fields[4:6] if len(fields) >= 6 and fields[4].isdigit() and fields[5].isdigit() else ["0", "1"]
    try:
        board = parse_fen(" ".join(fields[:4] + clocks), chess960)
    except FenError as error:
        raise DataError(f"{place}: {error}") from error
    if not any(board.legal_moves):
        raise DataError(f"{place}: no legal move in {board.fen()!r}")
    return board


def write_openings(path: Path, openings: Iterable[tuple[chess.Board, int]]) -> None:
    """Write an EPD file with the centipawn evaluation `ce` of each position."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream:
        for board, score_cp in openings:
            stream.write(f"{board.epd()} ce {score_cp};\n".encode())
