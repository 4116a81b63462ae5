"""Names of openings, found by position, so that the order of the moves does not matter."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from importlib import resources

import chess

from engine.errors import DataError


def opening_name(board: chess.Board) -> str:
    """The name of the latest named position in a board's game; "" if no position has a name."""
    names = _names()
    board = board.copy()
    while True:
        name = names.get(board.epd())
        if name is not None:
            return name
        if not board.move_stack:
            return ""
        board.pop()


def is_named(board: chess.Board) -> bool:
    """Whether this exact position has a name, so that the moves to it are known opening moves."""
    return board.epd() in _names()


def named_lines_beyond(board: chess.Board) -> int:
    """How many rows of the table of names pass through a position, or end there."""
    return _passages().get(board.epd(), 0)


@functools.cache
def _passages() -> Counter[str]:
    found: Counter[str] = Counter()
    for board, _ in read_table(_table()):
        found.update(_epds(board))
    return found


def _epds(board: chess.Board) -> Iterator[str]:
    """A position and all those before it."""
    board = board.copy()
    yield board.epd()
    while board.move_stack:
        board.pop()
        yield board.epd()


def _table() -> str:
    return resources.files("uci.terminal").joinpath("openings.txt").read_text(encoding="utf-8")


@functools.cache
def _names() -> dict[str, str]:
    return {board.epd(): name for board, name in read_table(_table())}


def read_table(text: str) -> Iterator[tuple[chess.Board, str]]:
    """Position and name of each line `e4 e5 Nf3 = Name`. Lines with # are comments. Raises DataError."""
    boards = {"": chess.Board()}  # cached by the moves so far, because neighbouring lines share most of them
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        moves, separator, name = line.partition(" = ")
        if not separator or not name.strip():
            raise DataError(f"opening table, line {number}: expected `moves = name`, found {line!r}")
        try:
            yield _board_after(moves.split(), boards), name.strip()
        except ValueError as error:
            raise DataError(f"opening table, line {number}: {error}") from error


def _board_after(moves: list[str], boards: dict[str, chess.Board]) -> chess.Board:
    key = " ".join(moves)
    if key not in boards:
        board = _board_after(moves[:-1], boards).copy()
        board.push_san(moves[-1])
        boards[key] = board
    return boards[key]
