"""Readers of the three perft suites: positions with their counts by depth.

EPD:   FEN ;D1 20 ;D2 400 ...
perft: lines `epd FEN-without-clocks` and `perft DEPTH COUNT`, `id` before each position
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import chess

from engine.board.fen import parse_fen


@dataclass
class Case:
    """A position and its perft counts."""

    name: str
    board: chess.Board
    counts: dict[int, int] = field(default_factory=dict)  # by depth


def read_epd_suite(path: Path, chess960: bool) -> Iterator[Case]:
    for line in path.read_text(encoding="ascii").splitlines():
        if line.strip():
            fen, *counts = line.split(";")
            pairs = (entry.split() for entry in counts)
            known = {int(depth.removeprefix("D")): int(count) for depth, count in pairs}
            yield Case(fen.strip(), parse_fen(fen, chess960), known)


def read_perft_suite(path: Path) -> Iterator[Case]:
    """The positions of a `.perft` file; castling is read as Chess960, which standard castling is a case of."""
    case = None
    for line in path.read_text(encoding="ascii").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "epd":
            case = Case(rest, parse_fen(rest, chess960=True))
        elif word == "perft" and case is not None:
            depth, count = rest.split()
            case.counts[int(depth)] = int(count)
        elif word == "id" and case is not None:
            yield case
            case = None
    if case is not None:
        yield case
