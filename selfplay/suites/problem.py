"""Problems, positions and the moves that solve them, from EPD test suites and from Lichess's puzzles.

Positions are read as everywhere (`engine.board.fen`): with a clock pair as in FEN, the opcodes `hmvc` and `fmvn`, tabs,
Chess960. Moves are read in all forms that games have (`engine.board.pgn.move_words`). Beyond the standard, this reads
stray `;` and NUL characters, and ids without quotes. Grades have the three forms of the Strategic Test Suite:
`c0 "f5=100, Bf2=46"`, or points in `c8` for the moves in `c9` (UCI) or `c7` (SAN). A file of FEN lines whose name is
mateN asks for a mate in N.

A line that cannot be used is skipped and named with the reason, and the rest of the file is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import chess
import numpy as np

from engine.board.epd import position_lines, read_operations, split_epd
from engine.board.fen import Note, parse_fen
from engine.board.notation import board_after
from engine.board.pgn.move_words import legal_move
from engine.board.puzzle_rows import PuzzleFields, puzzle_fields, read_puzzle
from engine.errors import DataError, FenError, MoveError
from engine.files.note_log import NoteLog
from engine.files.text import unpacked_text

Item = TypeVar("Item")


def sample(items: Sequence[Item], limit: int | None, seed: int) -> list[Item]:
    """Sample `limit` items at random and keep their order. Returns all of them when there are no more, or for None."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[number] for number in sorted(np.random.default_rng(seed).permutation(len(items))[:limit])]


def gathered(
    path: Path, what: str, readers: Iterable[Callable[[Note], Problem]], note: Note | None = None
) -> list[Problem]:
    """Return the problems of a file that can be read. `note` (default: the log) hears of the others, and so do readers.

    Raises the first fault, or DataError, where no problem is left.
    """
    notes, problems, faults = NoteLog(path), list[Problem](), list[DataError]()
    note = note or notes.note
    for read in readers:
        try:
            problems.append(read(note))
        except DataError as error:
            faults.append(error)
    if not problems:
        raise faults[0] if faults else DataError(f"{path}: no {what} in it")
    for fault in faults:
        note(f"{fault}; skipping this line")
    notes.close()
    return problems


@dataclass(frozen=True)
class Problem:
    """One position of a suite, or one puzzle. Moves are UCI text, castling as python-chess writes it on that board.

    A problem is solved by a move that is in `best` (if it has any) and not in `avoid`; by announcing a mate in
    `mate_in` moves or fewer; or, for a puzzle, by every move of `line`, whose odd entries are the opponent's replies.
    A move that mates is always right.
    """

    name: str
    groups: tuple[str, ...]  # the themes and rating bands it belongs to
    fen: str
    best: frozenset[str] = frozenset()
    avoid: frozenset[str] = frozenset()
    points: Mapping[str, int] = field(default_factory=dict)  # UCI move -> points; empty when moves are not graded
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
        """Whether `move` is right. mate: full moves to the mate that the engine announces, or None."""
        text = move.uci()
        if text in self.avoid:
            return False
        if text in self.best or board_after(self.board(), move).is_checkmate():
            return True
        if self.mate_in is not None:
            return mate is not None and 0 < mate <= self.mate_in
        return not self.best and bool(self.avoid)


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


_COUNT = re.compile(r"[0-9]{1,6}")
_GRADES = re.compile(r"[^\s,]+=[0-9]{1,6}(,\s*[^\s,]+=[0-9]{1,6})*")
_MATE_FILE = re.compile(r"mate(\d+)", re.IGNORECASE)
_REMARK = re.compile(r"\s+\(.*\)$")  # the end of `LCTPOS01 (d6!)`
_NUMBER = re.compile(r"[\d.]+$")  # the running number at the end of an id
_MOVE_NUMBER = re.compile(r"\d+\.+(?=[^\d.])")


def read_epd(path: Path, note: Note | None = None) -> list[Problem]:
    """Return the problems of a file. `note` (default: the log) hears of skipped lines, and of changes to others.

    Raises DataError where the file or every line of it is unreadable.
    """
    match = _MATE_FILE.fullmatch(path.stem)
    mate_in = int(match[1]) if match and path.suffix.lower() == ".fen" else None
    readers = (
        partial(parse_epd_line, line, f"{path}:{number}", f"{path.stem}.{number}", mate_in)
        for number, line in position_lines(unpacked_text(path))
    )
    return gathered(path, "positions", readers, note)


def parse_epd_line(
    line: str, place: str, name: str, mate_in: int | None = None, note: Note = lambda message: None
) -> Problem:
    """One problem. Its name is `name` if the line has no id. Raises DataError, which names the place."""
    operations = read_operations(split_epd(line)[1])
    try:
        board = parse_fen(line, note=lambda message: note(f"{place}: {message}"))
        best, avoid = (_moves(board, operations.get(code, "")) for code in ("bm", "am"))
        points = _points(board, operations)
    except (FenError, MoveError) as error:
        raise DataError(f"{place}: {error}") from error
    if _COUNT.fullmatch(operations.get("dm", "")):
        mate_in = int(operations["dm"])
    if not best and points:
        best = frozenset(move for move, value in points.items() if value == max(points.values()))
    if not (best or avoid or mate_in):
        raise DataError(f"{place}: no solution: expected bm, am, dm or graded moves")
    if not any(board.legal_moves):
        raise DataError(f"{place}: no legal move in {board.fen()}")
    name = operations.get("id") or name
    return Problem(name, _groups(name), board.fen(), best, avoid, points, mate_in, chess960=board.chess960)


# ---- parts of a line ------------------------------------------------------------------------------------------------


def _moves(board: chess.Board, text: str) -> frozenset[str]:
    words = re.sub(r"\s+([+#!?]+)", r"\1", text).replace(",", " ").replace('"', " ").split()
    moves = (word for word in words if word not in ("e.p.", "ep") and not re.fullmatch(r"\d+\.+", word))
    return frozenset(legal_move(board, _MOVE_NUMBER.sub("", word)).uci() for word in moves)


def _points(board: chess.Board, operations: dict[str, str]) -> dict[str, int]:
    grades = operations.get("c8", "").split()
    for code in ("c9", "c7"):
        moves = operations.get(code, "").split()
        if moves and len(moves) == len(grades) and all(map(_COUNT.fullmatch, grades)):
            return {legal_move(board, move).uci(): int(grade) for move, grade in zip(moves, grades, strict=True)}
    if not _GRADES.fullmatch(operations.get("c0", "")):
        return {}
    pairs = (word.strip().rsplit("=", 1) for word in operations["c0"].split(","))
    return {legal_move(board, move).uci(): int(grade) for move, grade in pairs}


def _groups(name: str) -> tuple[str, ...]:
    """Return the theme in an id: the text after a number and a colon, or else the text before the running number."""
    _, colon, theme = name.partition(":")
    group = theme if colon else _NUMBER.sub("", _REMARK.sub("", name))
    return (group.strip(" ."),) if group.strip(" .") else ()
