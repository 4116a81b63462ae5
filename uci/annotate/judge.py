"""Judges moves: losses in expected points, their names and NAGs, accuracy.

Expected points are the chance to win plus half the chance to draw, 0..1, from the side that moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BLUNDER", "GREAT", "INACCURACY", "MISTAKE", "Judgement", "judge", "mean_accuracy", "move_accuracy"]


@dataclass(frozen=True)
class Judgement:
    """A kind of move: name, what chess writers put behind it, and PGN's Numeric Annotation Glyph."""

    name: str
    symbol: str
    nag: int


BLUNDER = Judgement("blunder", "??", 4)
MISTAKE = Judgement("mistake", "?", 2)
INACCURACY = Judgement("inaccuracy", "?!", 6)
GREAT = Judgement("only move", "!", 1)

# Smallest loss of each kind, as on Lichess (there 0.3, 0.2 and 0.1 of a scale from -1 to 1).
_THRESHOLDS = ((0.15, BLUNDER), (0.10, MISTAKE), (0.05, INACCURACY))
_GREAT_GAP = 0.15  # expected points by which every other move must be worse
_STILL_OPEN = (0.1, 0.9)  # expected points between which finding the only move is a feat


def judge(loss: float, gap: float, expected: float) -> Judgement | None:
    """The judgement of a move that lost `loss`; None for a plain one.

    An only move is one with a `gap` to the second-best, in a position in which `expected` points are still open.
    """
    for least, judgement in _THRESHOLDS:
        if loss >= least:
            return judgement
    is_open = _STILL_OPEN[0] <= expected <= _STILL_OPEN[1]
    return GREAT if loss <= 0.0 and gap >= _GREAT_GAP and is_open else None


def move_accuracy(loss: float) -> float:
    """0..100 for a loss in expected points; the curve of Lichess, https://lichess.org/page/accuracy."""
    return min(100.0, max(0.0, 103.1668 * math.exp(-0.04354 * 100.0 * loss) - 3.1669))


def mean_accuracy(losses: Sequence[float]) -> float | None:
    """The mean accuracy of some moves; None without any."""
    return sum(map(move_accuracy, losses)) / len(losses) if losses else None
