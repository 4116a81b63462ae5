"""What kind of mistake a move was, as its review says: by it mistakes of many games are counted."""

from __future__ import annotations

from typing import NamedTuple

import chess

from uci.annotate.judge import BAD
from uci.annotate.review import GameReview, MoveReview


class Lapse(NamedTuple):
    """A mistake at a ply, counted from 1: it allowed something of a kind, or missed it.

    The kinds are those of `reasons.MoveReason`, for which the page has the words.
    """

    ply: int
    kind: str
    missed: bool


def lapses(review: GameReview, side: chess.Color) -> list[Lapse]:
    """Return a side's mistakes in the order of the game."""
    bad = (move for move in review.moves if move.mover == side and move.judgement in BAD)
    return [lapse(move) for move in bad]


def lapse(move: MoveReview) -> Lapse:
    """Return of what kind a bad move is."""
    told = move.reason()
    return Lapse(move.ply, told.kind, told.is_missed)
