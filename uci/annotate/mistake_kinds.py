"""What kind of mistake a move was, as its review says: by it mistakes of many games are counted."""

from typing import NamedTuple

import chess

from uci.annotate.move_review import GameReview, MoveReview
from uci.annotate.reasons import reason_of


class Mistake(NamedTuple):
    """A mistake at a ply, counted from 1: it allowed something of a kind, or missed it.

    The kinds are those of `MoveReason`, for which the page has the words.
    """

    ply: int
    kind: str
    missed: bool


def mistakes_of(review: GameReview, side: chess.Color) -> list[Mistake]:
    """Return a side's mistakes in the order of the game."""
    return [mistake_of(move) for move in review.turning_points if move.mover == side]


def mistake_of(move: MoveReview) -> Mistake:
    """Return of what kind a bad move is."""
    reason = reason_of(move)
    return Mistake(move.ply, reason.kind, reason.is_missed)
