"""Read Lichess's puzzle CSV: a FEN *before* the opponent's move, then moves, rating and themes."""

from __future__ import annotations

import csv
import io
from functools import partial
from pathlib import Path

from engine.board.fen import Note, parse_fen
from engine.errors import DataError, FenError, why_unreadable
from engine.files.text import decode_text
from selfplay.suites.problem import Problem, gathered, sample

BAND = 200  # width of a rating band, in rating points
PUZZLE_COLUMNS = ("PuzzleId", "FEN", "Moves", "Rating", "Themes")


def read_puzzles(path: Path, limit: int | None = None, seed: int = 1, note: Note | None = None) -> list[Problem]:
    """All puzzles of a file, or `limit` of them drawn at random. `note` (default: the log) hears of skipped ones.

    Raises DataError where the file or every puzzle drawn is unreadable.
    """
    try:
        reader = csv.DictReader(io.StringIO(decode_text(path.read_bytes()), newline=""))
        if not set(PUZZLE_COLUMNS) <= set(reader.fieldnames or ()):
            raise DataError(f"{path}:1: expected the columns {', '.join(PUZZLE_COLUMNS)}, found {reader.fieldnames}")
        rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise DataError(f"{path}: {why_unreadable(error)}") from error
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    readers = (partial(_puzzle, row, f"{path}:{number}") for number, row in sample(rows, limit, seed))
    return gathered(path, "puzzles", readers, note)


def _puzzle(row: dict[str, str], place: str, note: Note) -> Problem:
    try:
        board = parse_fen(row["FEN"], note=lambda message: note(f"{place}: {message}"))
        first, *moves = row["Moves"].split()
        board.push_uci(first)
        fen, chess960 = board.fen(), board.chess960
        line = [board.push_uci(move).uci() for move in moves]
        band = int(row["Rating"]) // BAND * BAND
        groups = (f"rating {band}-{band + BAND - 1}", *row["Themes"].split())
    except (FenError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{place}: not a puzzle: {error}") from error
    if len(line) % 2 == 0:
        raise DataError(f"{place}: not a puzzle: its line ends with the opponent's move")
    return Problem(row["PuzzleId"], groups, fen, frozenset(line[:1]), line=tuple(line), chess960=chess960)
