"""Names of openings, found by position, so that the order of the moves does not matter; and moves
into them.
"""

import functools
import random
from collections import Counter
from collections.abc import Hashable, Iterator
from importlib import resources

import chess

from engine.board.convert import move_of_code

_LONGEST_PLIES = 8  # of an opening that `book_move` plays
_AWAY = 3  # plies off all known lines after which no name is looked for
_MOST_KNOWN = 200_000  # positions kept, some 1 KB each
_LEAST_LINES = 2  # named openings that its move must lead to; a curiosity has one


def opening_name(board: chess.Board) -> str:
    """Return the name of the latest named position in a board's game; "" if no position has a
    name.
    """
    names = _names()
    for key in _keys(board):
        if key in names:
            return names[key]
    return ""


class OpeningNamer:
    """Names the openings of many games, which begin alike: a position that many pass through is
    made once.
    """

    def __init__(self) -> None:
        self._known: dict[
            bytes, tuple[chess.Board, str, int]
        ] = {}  # board, name, plies since the last known line

    def name(self, moves: bytes) -> str:
        """Return the name of a game from the usual start, two bytes a ply as `engine.board.layout`
        codes moves.

        Unlike `opening_name`, it stops some plies after the last position on a way to a named one.
        """
        board = chess.Board()
        name = ""
        away = 0
        for end in range(2, len(moves) + 1, 2):
            line = moves[:end]
            if line not in self._known:
                board = board.copy(stack=False)
                board.push(move_of_code(int.from_bytes(line[-2:], "little")))
                key = _key(board)
                away = 0 if key in _passages() else away + 1
                if len(self._known) > _MOST_KNOWN:
                    self._known.clear()
                self._known[line] = board, _names().get(key, name), away
            board, name, away = self._known[line]
            if away > _AWAY:
                break
        return name


def position_name(board: chess.Board) -> str:
    """Return the name of exactly this position, to which known opening moves lead; "" for none."""
    return _names().get(_key(board), "")


def book_move(board: chess.Board, rng: random.Random) -> chess.Move | None:
    """Return a move into a named opening, by chance, so that no game is like the one before.

    It is the likelier the more known lines come after it. None where no move has several.
    """
    if len(board.move_stack) >= _LONGEST_PLIES or board.root() != chess.Board():
        return None
    passages = _passages()
    counts = {}
    for move in board.legal_moves:
        board.push(move)
        lines = passages[_key(board)]
        board.pop()
        if lines >= _LEAST_LINES:
            counts[move] = lines
    if not counts:
        return None
    return rng.choices(list(counts), list(counts.values()))[0]


@functools.cache
def _names() -> dict[Hashable, str]:
    return {_key(board): name for board, name in read_table()}


@functools.cache
def _passages() -> Counter[Hashable]:
    """How many rows of the table pass through each position; this takes four times as long as the
    names.
    """
    return Counter(key for board, _ in read_table() for key in _keys(board))


def _key(board: chess.Board) -> Hashable:
    """Return what tells a position from others, in a tenth of the time that its EPD takes."""
    passed = board.ep_square if board.has_legal_en_passant() else None
    pieces = (board.pawns, board.knights, board.bishops, board.rooks, board.queens, board.kings)
    return board.turn, board.occupied_co[chess.WHITE], pieces, board.clean_castling_rights(), passed


def _keys(board: chess.Board) -> Iterator[Hashable]:
    """Yield the keys of a position and of all those before it, the latest first."""
    board = board.copy()
    yield _key(board)
    while board.move_stack:
        board.pop()
        yield _key(board)


def read_table() -> Iterator[tuple[chess.Board, str]]:
    """Position and name of each line `e4 e5 Nf3 = Name` of the table, whose comments begin with
    #.
    """
    text = resources.files("uci.openings").joinpath("openings.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            moves, _, name = line.partition(" = ")
            board = chess.Board()
            for san in moves.split():
                board.push_san(san)
            yield board, name
