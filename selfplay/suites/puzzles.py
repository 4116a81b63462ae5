"""Read Lichess's puzzle CSV: a FEN *before* the opponent's move, then moves, rating and themes."""

from __future__ import annotations

import csv
from pathlib import Path

import chess

from engine.errors import DataError
from selfplay.suites.problem import Problem, sample

BAND = 200  # width of a rating band, in rating points
COLUMNS = ("PuzzleId", "FEN", "Moves", "Rating", "Themes")


def read_puzzles(path: Path, limit: int | None = None, seed: int = 1) -> list[Problem]:
    """All puzzles of a file, or `limit` of them drawn at random. Raises DataError, which names file and line."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as stream:
            reader = csv.DictReader(stream)
            if not set(COLUMNS) <= set(reader.fieldnames or ()):
                raise DataError(f"{path}:1: expected the columns {', '.join(COLUMNS)}, found {reader.fieldnames}")
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not rows:
        raise DataError(f"{path}: no puzzles in it")
    return [_puzzle(row, f"{path}:{number}") for number, row in sample(rows, limit, seed)]


def _puzzle(row: dict[str, str], place: str) -> Problem:
    try:
        board = chess.Board(row["FEN"])
        first, *line = row["Moves"].split()
        board.push_uci(first)
        fen = board.fen()
        for move in line:
            board.push_uci(move)
        band = int(row["Rating"]) // BAND * BAND
        groups = (f"rating {band}-{band + BAND - 1}", *row["Themes"].split())
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{place}: not a puzzle: {error}") from error
    if len(line) % 2 == 0:
        raise DataError(f"{place}: not a puzzle: its line ends with the opponent's move")
    return Problem(row["PuzzleId"], groups, fen, frozenset(line[:1]), line=tuple(line))
