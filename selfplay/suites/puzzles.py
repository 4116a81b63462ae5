"""Read Lichess's puzzles as problems: what solves each position, in bands of rating and by theme."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from engine.board.fen import Note
from engine.board.puzzle_rows import PuzzleFields, puzzle_fields, read_puzzle
from engine.errors import DataError, FenError, MoveError
from selfplay.suites.problem import Problem, gathered, sample

BAND = 200  # width of a rating band, in rating points


def read_puzzles(path: Path, limit: int | None = None, seed: int = 1, note: Note | None = None) -> list[Problem]:
    """All puzzles of a file, or `limit` of them sampled at random. `note` (default: the log) hears of skipped ones.

    Raises DataError where the file or every puzzle sampled is unreadable.
    """
    rows = list(puzzle_fields(path))
    readers = (partial(_puzzle, row, f"{path}:{number}") for number, row in sample(rows, limit, seed))
    return gathered(path, "puzzles", readers, note)


def _puzzle(fields: PuzzleFields, place: str, note: Note) -> Problem:
    try:
        row = read_puzzle(fields, lambda message: note(f"{place}: {message}"))
    except (FenError, MoveError, DataError) as error:
        raise DataError(f"{place}: not a puzzle: {error}") from error
    line, board = tuple(move.uci() for move in row.line), row.board
    band = int(row.rating) // BAND * BAND
    groups = (f"rating {band}-{band + BAND - 1}", *row.themes)
    name = fields.get("puzzleid") or place
    return Problem(name, groups, board.fen(), frozenset(line[:1]), line=line, chess960=board.chess960)
