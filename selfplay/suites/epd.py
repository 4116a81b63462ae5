"""Read EPD test suites: `bm`, `am`, `dm`, graded moves, and the deviations that real files contain.

`docs/what-aino-reads.md` has the forms. A file of FEN lines whose name is mateN asks for a mate in N.

It skips a line that cannot be used, names it with the reason, and reads the rest of the suite.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import chess

from engine.board.epd import position_lines, read_operations, split_epd
from engine.board.fen import Note
from engine.board.pgn.move_words import legal_move, typed_position
from engine.errors import DataError, FenError, MoveError
from engine.files.text import unpacked_text
from selfplay.suites.problem import Problem, gathered

_COUNT = re.compile(r"[0-9]{1,6}")
_GRADES = re.compile(r"[^\s,]+\s*=\s*[0-9]{1,6}(,\s*[^\s,]+\s*=\s*[0-9]{1,6})*")
_MATE = re.compile(r"#\+?([0-9]{1,6})")  # in place of a best move
_MATE_FILE = re.compile(r"mate(\d+)", re.IGNORECASE)
_REMARK = re.compile(r"\s+\(.*\)$")  # the end of `LCTPOS01 (d6!)`
_NUMBER = re.compile(r"[\d.]+$")  # the running number at the end of an id
_MOVE_NUMBER = re.compile(r"\d+\.+(?=[^\d.])")


def read_epd(path: Path) -> list[Problem]:
    """Return the problems of a file. The log hears of skipped lines, and of changes to others.

    Raises DataError where the file or every line of it is unreadable.
    """
    mate_in = None
    if path.suffix.lower() == ".fen" and (mate := _MATE_FILE.fullmatch(path.stem)):
        mate_in = int(mate[1])
    readers = (
        partial(parse_epd_line, line, f"{path}:{number}", f"{path.stem}.{number}", mate_in)
        for number, line in position_lines(unpacked_text(path))
    )
    return gathered(path, "positions", readers)


def parse_epd_line(
    line: str, place: str, name: str, mate_in: int | None = None, note: Note = lambda message: None
) -> Problem:
    """One problem. Its name is `name` if the line has no id. Raises DataError, which names the
    place.
    """
    operations = read_operations(split_epd(line)[1])
    if mate := _MATE.fullmatch(operations.get("bm", "")):
        operations |= {"bm": "", "dm": mate[1]}
    try:
        board = typed_position(line, note=lambda message: note(f"{place}: {message}"))
        best = _moves(board, operations.get("bm", ""))
        avoid = _moves(board, operations.get("am", ""))
        points = _points(board, operations)
    except (FenError, MoveError) as error:
        raise DataError(f"{place}: {error}") from error
    if _COUNT.fullmatch(operations.get("dm", "")):
        mate_in = int(operations["dm"])
    if not best and points:
        best = frozenset(move for move, value in points.items() if value == max(points.values()))
    if not (best or avoid or mate_in):
        raise DataError(f"{place}: no solution: expected bm, am, dm or graded moves")
    if best and best <= avoid:
        raise DataError(f"{place}: bm and am name the same moves")
    if not any(board.legal_moves):
        raise DataError(f"{place}: no legal move in {board.fen()}")
    name = operations.get("id") or name
    return Problem(
        name, _groups(name), board.fen(), best, avoid, points, mate_in, chess960=board.chess960
    )


# ---- parts of a line -----------------------------------------------------------------------------


def _moves(board: chess.Board, text: str) -> frozenset[str]:
    words = re.sub(r"\s+([+#!?]+)", r"\1", text).replace(",", " ").replace('"', " ").split()
    moves = set[str]()
    for word in words:
        if word not in ("e.p.", "ep") and not re.fullmatch(r"\d+\.+", word):
            moves.add(legal_move(board, _MOVE_NUMBER.sub("", word)).uci())
    return frozenset(moves)


def _points(board: chess.Board, operations: dict[str, str]) -> dict[str, int]:
    pairs = _graded_moves(operations)
    return {legal_move(board, move.strip()).uci(): int(grade) for move, grade in pairs}


def _graded_moves(operations: dict[str, str]) -> Iterable[Sequence[str]]:
    """Return (move, points) of `c8`, as numbers for the moves of `c9` or `c7`, or of `c0`."""
    grades = operations.get("c8", "").split()
    for code in ("c9", "c7"):
        moves = operations.get(code, "").split()
        if moves and len(moves) == len(grades) and all(map(_COUNT.fullmatch, grades)):
            return zip(moves, grades, strict=True)
    if not _GRADES.fullmatch(operations.get("c0", "")):
        return ()
    return (word.rsplit("=", 1) for word in operations["c0"].split(","))


def _groups(name: str) -> tuple[str, ...]:
    """Return the theme in an id: the text after a number and a colon, or else the text before the
    running number.
    """
    _, colon, theme = name.partition(":")
    if not colon:
        theme = _NUMBER.sub("", _REMARK.sub("", name))
    return tuple(filter(None, [theme.strip(" .")]))
