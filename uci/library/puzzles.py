"""Puzzles: positions of one's own games in which one missed the only good move, and rows of Lichess's puzzle file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import chess

from engine.errors import DataError, why_unreadable
from engine.files.text import PACKED_ERRORS, open_unpacked
from uci.annotate.judge import BLUNDER, MISTAKE
from uci.annotate.review import GameReview
from uci.language import _

SET = "puzzles.csv.xz"  # Aino's own, in Lichess's form
_COLUMNS = ("PuzzleId", "FEN", "Moves", "Rating", "RatingDeviation")  # of Lichess's file
_DEVIATION = 100.0  # where a file has none
_HIGHEST = 5000.0  # rating points
_ONLY = 0.15  # winning chances by which every other move must be worse
_OPEN = 0.3  # winning chances that the solution must leave


@dataclass(frozen=True)
class Puzzle:
    """A position and the moves that solve it: one's own, an answer, one's own, ..."""

    fen: str
    moves: tuple[str, ...]  # UCI
    source: str = "mine"
    rating: float = 1500.0
    deviation: float = 350.0

    @property
    def key(self) -> str:
        """What tells it from other puzzles."""
        return f"{self.fen} {self.moves[0]}"

    def accepts(self, board: chess.Board, move: chess.Move, ply: int) -> bool:
        """Whether a move solves the position after `ply` moves: the solution's, or any that mates, as on Lichess."""
        if move.uci() == self.moves[ply]:
            return True
        board = board.copy(stack=False)
        board.push(move)
        return board.is_checkmate()


def is_puzzle(chances: float, gap: float, least_gap: float = _ONLY) -> bool:
    """Whether a best move with these winning chances, so much better than all others, makes a position a puzzle."""
    return gap >= least_gap and chances >= _OPEN


def puzzles_of(review: GameReview, side: chess.Color | None) -> list[dict[str, Any]]:
    """Return the puzzles of a side's mistakes: deep searches found one move only that keeps the chances."""
    return [
        {"fen": move.board.fen(), "moves": [move.best_line[0].uci()]}
        for move in review.moves
        if move.mover == side and move.judgement in (BLUNDER, MISTAKE) and not move.also_good
        and is_puzzle(move.chances[0], move.gap)
    ]  # fmt: skip


def read_set() -> Iterator[Puzzle]:
    """Return the puzzles that come with Aino; `benchmarks.puzzles` drew them from games that were made to train it."""
    with resources.as_file(resources.files("uci.library").joinpath(SET)) as path:
        yield from read_lichess(path, "aino")


def read_lichess(path: Path, source: str = "lichess") -> Iterator[Puzzle]:
    """Return the puzzles of Lichess's file (PuzzleId, FEN, Moves, Rating, RatingDeviation, ...), packed or not.

    The first line may name the columns, in any order; RatingDeviation may be missing. Raises DataError, which names the
    line.
    """
    try:
        with open_unpacked(path) as (stream, _):
            lines = io.TextIOWrapper(stream, "utf-8-sig", newline="")
            names: tuple[str, ...] = _COLUMNS
            for number, row in enumerate(csv.reader(lines), 1):
                if number == 1 and "FEN" in row:
                    names = tuple(row)
                elif row:
                    yield _lichess_puzzle(dict(zip(names, row, strict=False)), f"{path}:{number}", source)
    except (UnicodeDecodeError, csv.Error, *PACKED_ERRORS) as error:
        raise DataError(f"{path}: {why_unreadable(error) if isinstance(error, OSError) else error}") from error


def _lichess_puzzle(row: dict[str, str], place: str, source: str) -> Puzzle:
    """Read a row: its first move is the opponent's, and the puzzle begins behind it."""
    try:
        board = chess.Board(row["FEN"])
        first, *solution = row["Moves"].split()
        board.push(board.parse_uci(first))
        begin = board.fen()
        for uci in solution:
            board.push(board.parse_uci(uci))
        rating, deviation = float(row["Rating"]), float(row.get("RatingDeviation", _DEVIATION))
        if not (0 <= rating <= _HIGHEST and 0 <= deviation <= _HIGHEST):  # it would spoil the person's own
            raise ValueError(f"a rating of {rating} with a deviation of {deviation}")
        return Puzzle(begin, (solution[0], *solution[1:]), source, rating, deviation)
    except (ValueError, IndexError, KeyError) as error:
        told = _("{place}: expected a row of Lichess's puzzle file", place=place)
        raise DataError(f"{told}: {error}") from error
