"""Problems: positions and the moves that solve them. Also Lichess's puzzles as problems, by rating
and theme.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import chess
import numpy as np

from engine.board.fen import Note
from engine.board.notation import board_after
from engine.board.puzzle_rows import PuzzleFields, puzzle_fields, read_puzzle
from engine.errors import DataError, FenError, MoveError
from engine.files.note_log import NoteLog

Item = TypeVar("Item")


def sample(items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
    """Sample `limit` items at random and keep their order. Returns all of them when there are no
    more, or for None.
    """
    if limit is None or limit >= len(items):
        return list(items)
    return [
        items[number]
        for number in sorted(np.random.default_rng(seed).permutation(len(items))[:limit])
    ]


def gathered(path: Path, what: str, readers: Iterable[Callable[[Note], Problem]]) -> list[Problem]:
    """Return the problems of a file that can be read. The log hears of the others, and of what
    readers note.

    Raises the first fault, or DataError, where no problem is left.
    """
    notes = NoteLog(path)
    problems = list[Problem]()
    faults = list[DataError]()
    for read in readers:
        try:
            problems.append(read(notes.note))
        except DataError as error:
            faults.append(error)
    if not problems:
        faults.append(DataError(f"{path}: no {what} in it"))
        raise faults[0]
    for fault in faults:
        notes.note(f"{fault}; skipping this line")
    notes.close()
    return problems


@dataclass(frozen=True)
class Problem:
    """One position of a suite, or one puzzle. Moves are UCI text, castling as python-chess writes
    it on that board.

    A problem is solved by a move that is in `best` (if it has any) and not in `avoid`; by
    announcing a mate in `mate_in` moves or fewer; or, for a puzzle, by every move of `line`, whose
    odd entries are the opponent's replies. A move that mates is always right.
    """

    name: str
    groups: tuple[str, ...]  # the themes and rating bands it belongs to
    fen: str
    best: frozenset[str] = frozenset()
    avoid: frozenset[str] = frozenset()
    # UCI move -> points; empty when moves are not graded.
    points: Mapping[str, int] = field(default_factory=dict)
    mate_in: int | None = None
    line: tuple[str, ...] = ()
    chess960: bool = False

    def board(self) -> chess.Board:
        return chess.Board(self.fen, chess960=self.chess960)

    @property
    def most_points(self) -> int:
        """Points of the best graded move; 1 when moves are not graded."""
        return max(self.points.values(), default=1)

    def accepts(self, move: chess.Move, mate: int | None) -> bool:
        """Whether `move` is right. mate: full moves to the mate that the engine announces, or
        None.
        """
        text = move.uci()
        if text in self.avoid:
            return False
        if text in self.best or board_after(self.board(), move).is_checkmate():
            return True
        if self.mate_in is not None:
            return mate is not None and 0 < mate <= self.mate_in
        return not self.best and bool(self.avoid)


BAND = 200  # width of a rating band, in rating points


def read_puzzles(path: Path, limit: int | None = None, seed: int = 1) -> list[Problem]:
    """All puzzles of a file, or `limit` of them sampled at random. The log hears of skipped ones.

    Raises DataError where the file or every puzzle sampled is unreadable.
    """
    rows = puzzle_fields(path)
    if limit is not None:
        # All of Lichess's take gigabytes: the file is read twice.
        numbers = {*sample([number for number, _ in puzzle_fields(path)], limit, seed)}
        rows = (row for row in rows if row[0] in numbers)
    readers = (partial(_puzzle, row, f"{path}:{number}") for number, row in rows)
    return gathered(path, "puzzles", readers)


def _puzzle(fields: PuzzleFields, place: str, note: Note) -> Problem:
    try:
        row = read_puzzle(fields, lambda message: note(f"{place}: {message}"))
    except (FenError, MoveError, DataError) as error:
        raise DataError(f"{place}: not a puzzle: {error}") from error
    line = tuple(map(chess.Move.uci, row.line))
    board = row.board
    band = int(row.rating) // BAND * BAND
    groups = (f"rating {band}-{band + BAND - 1}", *row.themes)
    name = fields.get("PuzzleId") or place
    return Problem(
        name, groups, board.fen(), frozenset(line[:1]), line=line, chess960=board.chess960
    )
