"""Read puzzles in the form of Lichess's database, also as spreadsheets and other programs save it
again.

A row has a position before the opponent's move, and moves: the opponent's, then those that solve it
and the answers to them. The first row may name the columns. Columns are separated by commas,
semicolons, tabs or bars; each line is a row.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import chess

from engine.board.fen import Note, parse_fen
from engine.board.pgn.move_words import legal_move
from engine.errors import DataError, message
from engine.files.text import (
    POSITIONS,
    PUZZLES,
    kind_of_file,
    open_unpacked,
    reading,
    utf8_pieces,
    wanted_kind,
)

_COLUMNS = ("puzzleid", "fen", "moves", "rating", "ratingdeviation", "popularity", "nbplays", "themes", "gameurl",
            "openingtags")  # fmt: skip
_SEPARATORS = ";\t|,"
# Where a row has none, and deviations: Glicko-2's, and set by hand.
_RATING = 1500.0
_UNKNOWN = 350.0
_KNOWN = 100.0
_HIGHEST = 5000.0  # rating points

# By names of columns in small letters, without anything between them.
PuzzleFields = Mapping[str, str]


@dataclass(frozen=True)
class PuzzleRow:
    """The board behind the opponent's move, the moves that solve it with their answers, and what is
    known of it.
    """

    board: chess.Board
    line: tuple[chess.Move, ...]  # an odd number
    rating: float
    deviation: float
    themes: tuple[str, ...]
    game: str  # its address, "" for none


def puzzle_fields(path: Path) -> Iterator[tuple[int, PuzzleFields]]:
    """Yield the line, from 1, and the fields of each row of a file, packed or not. Raises
    DataError.
    """
    if (found := kind_of_file(path)) != POSITIONS:  # which begin a row, too
        wanted_kind(found, path, PUZZLES)
    separator = ""
    names = tuple[str, ...]()
    header = list[str]()
    with reading(path), open_unpacked(path) as (stream, _):
        lines = (line.decode() for piece in utf8_pieces(stream) for line in piece.splitlines())
        for number, line in enumerate(lines, 1):
            separator = separator or (max(_SEPARATORS, key=line.count) if line.strip() else "")
            row = _split(line, separator)
            if not any(row) or line.startswith("sep="):  # by which spreadsheets tell the separator
                continue
            if not names:
                names = tuple(re.sub(r"[\W_]", "", field).lower() for field in row)
                names, header = (names, row) if "fen" in names else (_COLUMNS, [])
            if row != header:
                yield number, dict(zip(names, row, strict=False))


def _split(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator or ",", skipinitialspace=True), [])
    except csv.Error:  # of a field without end
        return [line[:100]]


def read_puzzle(fields: PuzzleFields, note: Note = lambda message: None) -> PuzzleRow:
    """Return the puzzle of a row. `note` hears of changes to its position. Raises FenError,
    MoveError, DataError.
    """
    board = parse_fen(fields.get("fen", ""), note=note)
    line = list[chess.Move]()
    for word in fields.get("moves", "").replace(",", " ").split():
        line.append(legal_move(board, word))
        board.push(line[-1])
    if len(line) < 2 or len(line) % 2:
        raise DataError(
            "expected the opponent's move and an odd number of moves that solve the puzzle"
        )
    for _ in line[1:]:
        board.pop()
    texts = [fields.get(name, "").replace(",", ".") for name in ("rating", "ratingdeviation")]
    try:
        rating = float(texts[0] or _RATING)
        deviation = float(texts[1] or (_KNOWN if texts[0] else _UNKNOWN))
    except ValueError:
        rating = deviation = -1.0
    # It would spoil the person's own.
    if not (0 <= rating <= _HIGHEST and 0 <= deviation <= _HIGHEST):
        values = dict(zip(("rating", "deviation"), map(repr, texts), strict=True))
        raise DataError(message("a rating of {rating} with a deviation of {deviation}", **values))
    themes = tuple(re.findall(r"\w+", fields.get("themes", "")))
    return PuzzleRow(board, tuple(line[1:]), rating, deviation, themes, fields.get("gameurl", ""))
