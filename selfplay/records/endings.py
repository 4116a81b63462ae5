"""Decides when and how a game is over, from its positions."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from engine.board import ending
from engine.board.layout import MAX_MOVES, ROW_WORDS, SIDE
from engine.board.makemove import push
from engine.board.movegen import generate
from engine.errors import DataError


class Ending(IntEnum):
    """Why a game ended. Replay records store these numbers, so they must not change."""

    CHECKMATE = 1, "checkmate"
    STALEMATE = 2, "stalemate"
    FIFTY_MOVES = 3, "fifty moves without capture or pawn move"
    REPETITION = 4, "third repetition"
    MATERIAL = 5, "no side can mate"
    # Cut off at the longest allowed length, counted as a draw.
    LENGTH = 6, "the longest allowed game"
    RESIGNATION = 7, "resignation"

    words: str

    def __new__(cls, number: int, words: str = "") -> Ending:
        member = int.__new__(cls, number)
        member._value_, member.words = number, words
        return member


_DRAWS = {
    ending.STALEMATE: Ending.STALEMATE,
    ending.INSUFFICIENT_MATERIAL: Ending.MATERIAL,
    ending.SEVENTY_FIVE_MOVES: Ending.FIFTY_MOVES,
    ending.FIFTY_MOVES: Ending.FIFTY_MOVES,
    ending.FIVEFOLD_REPETITION: Ending.REPETITION,
    ending.THREEFOLD_REPETITION: Ending.REPETITION,
}
# Their result is certain, whatever a file says.
WITHOUT_MOVES = (Ending.CHECKMATE, Ending.STALEMATE)


def game_ending(row: np.ndarray, ply: int, longest: int) -> tuple[Ending, int] | None:
    """Return (ending, White's points -1, 0 or 1) if the rules end the game at position `row`, else
    None.

    ply: plies played; from `longest` plies on the game is a draw. The row itself counts the
    repetitions.
    """
    end = ending.game_end(row, generate(row, np.empty(MAX_MOVES, np.uint16)))
    if end == ending.CHECKMATE:
        return Ending.CHECKMATE, points_if_lost(row)
    if end != ending.ONGOING:
        return _DRAWS[end], 0
    if ply >= longest:
        return Ending.LENGTH, 0
    return None


def points_if_lost(row: np.ndarray) -> int:
    """Return White's points, 1 or -1, where the side to move has lost."""
    return 2 * int(row[SIDE]) - 1


def positions_of(start: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """uint64[n + 1, 16]. Raises DataError for an illegal move, as a damaged record may have."""
    stack = np.zeros((len(moves) + 1, ROW_WORDS), np.uint64)
    legal = np.zeros(MAX_MOVES, np.uint16)
    stack[0] = start
    for ply, move in enumerate(moves.astype(np.uint16)):
        if move not in legal[: generate(stack[ply], legal)]:
            raise DataError(f"illegal move at ply {ply}")
        push(stack, ply, move)
    return stack
