"""Judges moves: losses in winning chances, their names and NAGs.

Winning chances are expected points among people, 0..1, from the side that moved. Aino's own
expected points are those of two engines, which win with a smaller advantage; `winning_chances`
turns one into the other.
"""

from dataclasses import dataclass, replace

import chess

from uci.annotate.accuracy import winning_cp
from uci.common.evaluation import Evaluation
from uci.language import later


@dataclass(frozen=True)
class MoveMark:
    """A kind of move: name, what chess writers put behind it, and PGN's Numeric Annotation
    Glyph.
    """

    name: str
    symbol: str
    nag: int


BLUNDER = MoveMark(later("blunder"), "??", 4)
MISTAKE = MoveMark(later("mistake"), "?", 2)
INACCURACY = MoveMark(later("inaccuracy"), "?!", 6)
GREAT = MoveMark("only move", "!", 1)
BRILLIANT = MoveMark("brilliant move", "!!", 3)
BAD = (BLUNDER, MISTAKE, INACCURACY)

# Smallest loss of each kind. On Lichess they are 0.15, 0.1 and 0.05 (of a scale from -1 to 1).
# A move is picked for its large loss, so that the true one tends to be smaller: a mark needs 0.035
# more, set by hand on 20 games. Of 73 marks in seven games of club players, the sizes were right
# most often with 0.17 and 0.125. Both were compared with Stockfish by `benchmarks.reviews`.
_THRESHOLDS = ((0.17, BLUNDER), (0.125, MISTAKE), (0.085, INACCURACY))
LEAST_LOSS = _THRESHOLDS[-1][0]  # of a move with a mark
_GREAT_GAP = 0.15  # winning chances by which every other move must be worse
_STILL_OPEN = (0.4, 0.9)  # winning chances after the only move, between which finding it is a feat
# A side three pawns behind has no game left to lose. Set by hand.
_ALREADY_LOST = 0.25  # winning chances of the best move, below which another one is no blunder
_HOPELESS = 0.055  # winning chances that even a mate must cost, about those of an inaccuracy
_HUMAN_SLOPE = 0.62  # of the log odds; fitted to Lichess's curve of Stockfish's scores


def winning_chances(expected: float) -> float:
    """Winning chances among people, 0..1, where an engine expects so many points."""
    if expected in (0.0, 1.0):
        return expected
    return 1.0 / (1.0 + ((1.0 - expected) / expected) ** _HUMAN_SLOPE)


def chances_of(evaluation: Evaluation, side: chess.Color = chess.WHITE) -> float:
    """Return a side's winning chances in an evaluation from White's side: the scale of all that a
    review shows.
    """
    if side == chess.BLACK:
        return winning_chances(1.0 - evaluation.expected)
    return winning_chances(evaluation.expected)


def rank_of(evaluation: Evaluation, side: chess.Color) -> tuple[float, float]:
    """Return what evaluations from White's side are compared by: a side's chances, and of mates how
    near its own is, or how far the other's.
    """
    mate = evaluation.seen_by_white(side).mate
    nearness = 1.0 / mate if mate else 0.0
    return chances_of(evaluation, side), nearness


def for_people(evaluation: Evaluation) -> Evaluation:
    """Return the evaluation with its score on Stockfish's scale, which Lichess and other readers of
    PGN expect. Winning chances follow from it.
    """
    return replace(evaluation, score_cp=winning_cp(chances_of(evaluation)))


def is_only_move(gap: float, chances: float) -> bool:
    """Whether a move that leaves such winning chances is the only good one, given the `gap` to the
    best other move.
    """
    return gap >= _GREAT_GAP and _STILL_OPEN[0] <= chances <= _STILL_OPEN[1]


def mark_of(loss: float, best: float, allows_mate: bool = False) -> MoveMark | None:
    """Return the mark of a move that lost `loss` of the winning chances `best`; None if it
    lost little.

    A blunder needs a position that the best move keeps open. To allow a mate that the best move
    avoids is a mistake at least.
    """
    if allows_mate and best >= _HOPELESS:
        return BLUNDER if best >= _ALREADY_LOST else MISTAKE
    for least, mark in _THRESHOLDS:
        if loss >= least and (mark != BLUNDER or best >= _ALREADY_LOST):
            return mark
    return None
