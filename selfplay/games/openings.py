"""Opening sets: EPD files, the default one, and how it was drawn.

The default set `selfplay/openings.epd` holds balanced early positions from teacher games (positions scored by a strong
engine, see `selfplay/data/teacher.py`); `aino-train openings --teacher ...` draws such a set again.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterable, Iterator
from pathlib import Path

import chess
import numpy as np

from engine.board.fen import parse_fen
from engine.errors import DataError, FenError
from engine.files.atomic import atomic_write
from selfplay.data.text_files import numbered_lines

__all__ = ["draw_openings", "load_openings", "parse_position", "write_openings"]

LATEST_PLY = 8  # of a teacher game: its start is an opening position already
BALANCED_CP = 30  # the most that the best move may be worth, for either side
FEWEST_PIECES = 28


def load_openings(path: Path | None = None) -> list[chess.Board]:
    """The positions of an EPD (or FEN) file, one a line, or of the default set.

    Raises DataError naming the line for a position that cannot be read or has no legal move.
    """
    name = "openings.epd" if path is None else str(path)
    source = importlib.resources.files("selfplay") / "openings.epd" if path is None else path
    boards = []
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{name}: cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            boards.append(parse_position(line, f"{name}:{number}"))
    if not boards:
        raise DataError(f"{name}: no positions in it")
    return boards


def parse_position(line: str, place: str, chess960: bool = False) -> chess.Board:
    """The position of an EPD or FEN line; `place` names the line in the DataError that a bad one raises."""
    fields = line.split(";")[0].split()
    clocks = fields[4:6] if len(fields) >= 6 and fields[4].isdigit() and fields[5].isdigit() else ["0", "1"]
    try:
        board = parse_fen(" ".join(fields[:4] + clocks), chess960)
    except FenError as error:
        raise DataError(f"{place}: {error}") from error
    if not any(board.legal_moves):
        raise DataError(f"{place}: no legal move in {board.fen()!r}")
    return board


def draw_openings(files: Iterable[Path], count: int, seed: int) -> list[tuple[chess.Board, int]]:
    """Draw distinct balanced positions, one a game at most: (board, score in centipawns from the side to move).

    From each teacher game the first position within LATEST_PLY plies of its start whose best move is worth at most
    BALANCED_CP either way, with FEWEST_PIECES pieces or more and no check. Raises DataError when there are too few.
    """
    found: dict[str, tuple[chess.Board, int]] = {}
    for path in files:
        for board, score_cp in _balanced_positions(path):
            found.setdefault(board.epd(), (board, score_cp))
    if len(found) < count:
        raise DataError(f"only {len(found)} balanced positions found, expected {count}")
    names = sorted(found)
    chosen = np.random.default_rng(seed).permutation(len(names))[:count]
    return [found[names[i]] for i in sorted(chosen)]


def _balanced_positions(path: Path) -> Iterator[tuple[chess.Board, int]]:
    for number, line in numbered_lines(path, "ascii"):
        try:
            fen, _, body = line.split("|")
            board = parse_fen(fen)
            for ply in body.split(";", LATEST_PLY)[:LATEST_PLY]:
                move, _, labels = ply.partition(":")
                scores = [int(label.partition("=")[2]) for label in labels.split(",") if label]
                score_cp = max(scores, default=BALANCED_CP + 1)  # none: a position that was not labelled
                if abs(score_cp) <= BALANCED_CP and len(board.piece_map()) >= FEWEST_PIECES and not board.is_check():
                    yield board, score_cp
                    break
                board.push_uci(move)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not a teacher label line: {error!r}") from error


def write_openings(path: Path, openings: Iterable[tuple[chess.Board, int]]) -> None:
    """Write an EPD file with the centipawn evaluation `ce` of each position."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream:
        for board, score_cp in openings:
            stream.write(f"{board.epd()} ce {score_cp};\n".encode())
