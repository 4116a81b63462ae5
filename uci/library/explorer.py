"""An explorer of openings: what was played in a position in the games of a folder, and how those
games ended.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import chess
import numpy as np
from numpy.typing import NDArray

from engine.board.convert import codes_of, decode_move, move_of_code, row_from_board

KEPT_PLIES = 60  # plies of a game that are kept; the page speaks of 30 moves
_RESULTS = ("1-0", "1/2-1/2", "0-1")


@dataclass(frozen=True)
class Continuation:
    """A move, and how many games with it White won, were drawn, and Black won, or had no result."""

    move: chess.Move
    counts: tuple[int, int, int, int]


class Explorer:
    """Games from the usual start: moves as `engine.board.layout` codes them, and results."""

    def __init__(self, games: Sequence[tuple[bytes, str]]) -> None:
        rows = b"".join(moves.ljust(2 * KEPT_PLIES, b"\0") for moves, _ in games)
        # (G, KEPT_PLIES), 0 behind the last move.
        self._moves = np.frombuffer(rows, np.uint16).reshape(-1, KEPT_PLIES)
        codes = {result: code for code, result in enumerate(_RESULTS)}
        self._results = np.array([codes.get(result, len(codes)) for _, result in games], np.int64)

    def explore(self, board: chess.Board) -> list[Continuation]:
        """Return the continuations of a position, the most frequent first."""
        plies = len(board.move_stack)
        if plies >= KEPT_PLIES:
            return []
        rows = self._reaching(board)
        next_moves = self._moves[rows, plies]
        continuations = []
        for code in np.unique(next_moves[next_moves != 0]):
            results = self._results[rows[next_moves == code]]
            counts = tuple(np.bincount(results, minlength=len(_RESULTS) + 1).tolist())
            move = decode_move(row_from_board(board), int(code))
            continuations.append(Continuation(move, counts))
        continuations.sort(key=lambda answer: (-sum(answer.counts), answer.move.uci()))
        return continuations

    def games(self, board: chess.Board) -> list[int]:
        """Return the places of the games that reached a position, in what it was made of."""
        return list(self._reaching(board).tolist())

    def _reaching(self, board: chess.Board) -> NDArray[np.int64]:
        """Return the rows of the games that reached a position.

        Games count whose sides made the same moves in another order, if they reached the same
        position.
        """
        plies = len(board.move_stack)
        # A pass is in no game.
        if plies > KEPT_PLIES or board.root() != chess.Board() or not all(board.move_stack):
            return np.zeros(0, np.int64)
        openings = self._moves[:, :plies]  # (G, plies)
        line = np.array([*codes_of(board.root(), board.move_stack)], np.uint16)  # (plies,)
        has_moves = np.ones(len(openings), bool)
        for side in (0, 1):
            has_moves &= (np.sort(openings[:, side::2]) == np.sort(line[side::2])).all(axis=1)
        candidates = np.flatnonzero(has_moves)
        orders, order_of = np.unique(openings[candidates], axis=0, return_inverse=True)
        reaches = np.array([*_reach(orders.tolist(), board)], bool)  # by order
        return candidates[reaches[order_of]]


def _reach(orders: list[list[int]], board: chess.Board) -> Iterator[bool]:
    """Yield whether each order of moves reaches a position; what it shares with the one before is
    played once.
    """
    played = chess.Board()
    before = list[int]()
    target = board.epd()
    for moves in orders:
        shared = 0
        while shared < len(before) and before[shared] == moves[shared]:
            shared += 1
        for _ in before[shared:]:
            played.pop()
        for code in moves[shared:]:
            played.push(move_of_code(code))
        before = moves
        yield played.epd() == target
