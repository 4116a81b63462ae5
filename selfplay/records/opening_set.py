"""Lines of EPD files, read and written; `selfplay/matches/opening_book.py` reads whole files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import chess

from engine.board.fen import parse_fen
from engine.errors import DataError, FenError
from engine.files.atomic import atomic_write


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
