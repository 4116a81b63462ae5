"""Read EPD test suites: `bm`, `am`, `dm`, graded moves, and the small deviations that real files contain.

Beyond the standard, this reads a clock pair as in FEN, castling rights without a rook, stray `;` and NUL characters,
ids without quotes, and moves with a space before `+`, with `!` marks, with zeros for castling, or in long algebraic or
UCI form. Grades have the three forms of the Strategic Test Suite: `c0 "f5=100, Bf2=46"`, or points in `c8` for the
moves in `c9` (UCI) or `c7` (SAN). A file of FEN lines whose name is mateN asks for a mate in N.
"""

from __future__ import annotations

import re
from pathlib import Path

import chess

from engine.board.fen import parse_fen
from engine.errors import DataError, FenError, MoveError
from selfplay.suites.problem import Problem

_OPERATION = re.compile(r'\s*((?:[^;"]|"[^"]*")*);?')  # text up to a semicolon outside quotes
_COUNT = re.compile(r"[0-9]{1,6}")
_GRADES = re.compile(r"[^\s,]+=[0-9]{1,6}(,\s*[^\s,]+=[0-9]{1,6})*")
_MATE_FILE = re.compile(r"mate(\d+)", re.IGNORECASE)
_REMARK = re.compile(r"\s+\(.*\)$")  # the end of `LCTPOS01 (d6!)`
_NUMBER = re.compile(r"[\d.]+$")  # the running number at the end of an id


def read_epd(path: Path) -> list[Problem]:
    """The problems of a file. Raises DataError, naming file and line, for bad text or a problem without a solution."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    match = _MATE_FILE.fullmatch(path.stem)
    mate_in = int(match[1]) if match and path.suffix == ".fen" else None
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.replace("\0", "").strip()
        if line and not line.startswith("#"):
            problems.append(parse_epd_line(line, f"{path}:{number}", f"{path.stem}.{number}", mate_in))
    if not problems:
        raise DataError(f"{path}: no positions in it")
    return problems


def parse_epd_line(line: str, place: str, name: str, mate_in: int | None = None) -> Problem:
    """One problem. Its name is `name` if the line has no id. Raises DataError, which names the place."""
    fields = line.split()
    clocks = fields[4:6] if len(fields) > 5 and fields[4].isdigit() and fields[5].isdigit() else []
    rest = line.split(None, 4 + len(clocks))[4 + len(clocks) :]
    operations = _operations(rest[0] if rest else "")
    try:
        board = _board([*fields[:4], *(clocks or ["0", "1"])])
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
    name = operations.get("id", name)
    return Problem(name, _groups(name), board.fen(), best, avoid, points, mate_in)


def read_epd_move(board: chess.Board, text: str) -> chess.Move:
    """A legal move from SAN or UCI, read as loosely as the suites write it. Raises MoveError."""
    cleaned = text.strip().rstrip("!?+#").replace("0", "O")
    for candidate in (cleaned, cleaned.replace("-", ""), cleaned.replace("x", "").replace("-", "")):
        for parse in (board.parse_san, board.parse_uci):
            try:
                return parse(candidate)
            except ValueError:
                continue
    raise MoveError(f"{text!r} is no legal move in {board.fen()}")


# ---- parts of a line ------------------------------------------------------------------------------------------------


def _board(fields: list[str]) -> chess.Board:
    """The position, without castling rights that lack their rook. Raises FenError."""
    try:
        board = chess.Board(" ".join(fields))
    except ValueError as error:
        raise FenError(str(error)) from error
    board.castling_rights = board.clean_castling_rights()
    return parse_fen(board.fen(en_passant="fen"))


def _operations(text: str) -> dict[str, str]:
    """Map opcodes to operands. A single string loses its quotes."""
    found = {}
    for match in _OPERATION.finditer(text):
        opcode, _, operand = match[1].strip().partition(" ")
        if opcode:
            found[opcode] = operand.strip().strip('"')
    return found


def _moves(board: chess.Board, text: str) -> frozenset[str]:
    words = re.sub(r"\s+([+#!?]+)", r"\1", text).replace(",", " ").split()
    return frozenset(read_epd_move(board, word).uci() for word in words if word not in ("e.p.", "ep"))


def _points(board: chess.Board, operations: dict[str, str]) -> dict[str, int]:
    grades = operations.get("c8", "").split()
    for code in ("c9", "c7"):
        moves = operations.get(code, "").split()
        if moves and len(moves) == len(grades) and all(map(_COUNT.fullmatch, grades)):
            return {read_epd_move(board, move).uci(): int(grade) for move, grade in zip(moves, grades, strict=True)}
    if not _GRADES.fullmatch(operations.get("c0", "")):
        return {}
    pairs = (word.strip().rsplit("=", 1) for word in operations["c0"].split(","))
    return {read_epd_move(board, move).uci(): int(grade) for move, grade in pairs}


def _groups(name: str) -> tuple[str, ...]:
    """The theme in an id: the text after a number and a colon, or else the text before the running number."""
    _, colon, theme = name.partition(":")
    group = theme if colon else _NUMBER.sub("", _REMARK.sub("", name))
    return (group.strip(" ."),) if group.strip(" .") else ()
