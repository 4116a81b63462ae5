"""Read puzzles in the form of Lichess's database.

A row has a position before the opponent's move, and moves: the opponent's, then those that solve it
and the answers to them. Commas separate the columns, whose names the first row may tell.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
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

_COLUMNS = "PuzzleId FEN Moves Rating RatingDeviation Popularity NbPlays Themes GameUrl OpeningTags".split()
# Where a row has none, and deviations: Glicko-2's, and set by hand.
_RATING = 1500.0
_UNKNOWN = 350.0
_KNOWN = 100.0
_HIGHEST = 5000.0  # rating points

PuzzleFields = Mapping[str, str]  # by the names of the columns


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
    kind = kind_of_file(path)
    if kind != POSITIONS:  # which begin a row, too
        wanted_kind(kind, path, PUZZLES)
    with reading(path), open_unpacked(path) as (stream, _):
        lines = (line.decode() for piece in utf8_pieces(stream) for line in piece.splitlines())
        columns: Sequence[str] = _COLUMNS
        for number, line in enumerate(lines, 1):
            row = line.split(",")
            if row[0] == _COLUMNS[0]:
                columns = row
            elif line.strip():
                yield number, dict(zip(columns, row, strict=False))


def read_puzzle(fields: PuzzleFields, note: Note = lambda message: None) -> PuzzleRow:
    """Return the puzzle of a row. `note` hears of changes to its position. Raises FenError,
    MoveError, DataError.
    """
    board = parse_fen(fields.get("FEN", ""), note=note)
    line = list[chess.Move]()
    for word in fields.get("Moves", "").split():
        line.append(legal_move(board, word))
        board.push(line[-1])
    if len(line) < 2 or len(line) % 2:
        raise DataError(
            "expected the opponent's move and an odd number of moves that solve the puzzle"
        )
    for _ in line[1:]:
        board.pop()
    rating_text = fields.get("Rating", "")
    deviation_text = fields.get("RatingDeviation", "")
    try:
        rating = float(rating_text or _RATING)
        deviation = float(deviation_text or (_KNOWN if rating_text else _UNKNOWN))
    except ValueError:
        rating = deviation = -1.0
    # It would spoil the person's own.
    if not (0 <= rating <= _HIGHEST and 0 <= deviation <= _HIGHEST):
        words = "a rating of {rating} with a deviation of {deviation}"
        raise DataError(message(words, rating=repr(rating_text), deviation=repr(deviation_text)))
    themes = tuple(re.findall(r"\w+", fields.get("Themes", "")))
    return PuzzleRow(board, tuple(line[1:]), rating, deviation, themes, fields.get("GameUrl", ""))
