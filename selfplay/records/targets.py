"""Training targets from scores and results. All functions are vectorised over the positions of a
game.

A shallow score predicts less than a deep one, by an amount that depends on the kind of position.
Each calibration is fitted to the values of 30,000-node searches of such positions, as
`wdl_from_score` converts them. All training sources therefore share one scale.
"""

from typing import NamedTuple

import numpy as np

from selfplay.records.packed import SOURCES
from selfplay.records.positions import UNKNOWN_MOVES_LEFT

# Result text -> White's result: win 1, draw 0, loss -1.
WHITE_POINTS = {"1-0": 1, "1/2-1/2": 0, "0-1": -1}
RESULTS = {points: text for text, points in WHITE_POINTS.items()}

# A mate in n moves scores this minus n; negative if the side to move is mated.
MATE_SCORE_CP = 32_000

# At 100 cp a win has probability 1/2 in engine play; 60 cp is the scale of the logistic around it.
WIN_CENTRE_CP = 100.0
WIN_SCALE_CP = 60.0
SCORE_LIMIT_CP = 3000.0  # beyond it the logistic is 0 or 1 in float32; mates are at MATE_SCORE_CP
VALUE_LIMIT = 1.0 - 1e-9  # of win minus loss: about 1,340 centipawns

# A move this many centipawns worse than the best has 1/e of its probability. The slope widens the
# scale when the game is decided.
POLICY_SCALE_CP = 30.0
POLICY_SCALE_SLOPE = 0.08

MOVES_LEFT_LIMIT = 250.0  # plies; longer games teach nothing more


class Calibration(NamedTuple):
    """w = s((cp + shift - centre) / scale), l = s((-cp - shift - centre) / scale), d = 1 - w - l;
    all centipawns.
    """

    shift: float
    centre: float
    scale: float

    def wdl(self, score_cp: np.ndarray) -> np.ndarray:
        """Win, draw, loss float32[n, 3] of scores [n]."""
        cp = np.clip(np.asarray(score_cp, np.float64), -SCORE_LIMIT_CP, SCORE_LIMIT_CP) + self.shift
        win, loss = (1.0 / (1.0 + np.exp((self.centre - side) / self.scale)) for side in (cp, -cp))
        return np.stack([win, 1.0 - win - loss, loss], axis=1).astype(np.float32)


def wdl_from_score(score_cp: np.ndarray) -> np.ndarray:
    """Win, draw, loss probabilities float32[n, 3] of centipawn scores [n] seen from the side to
    move.

    w = s((cp - 100) / 60), l = s((-cp - 100) / 60), d = 1 - w - l, with s the logistic function.
    """
    return Calibration(0.0, WIN_CENTRE_CP, WIN_SCALE_CP).wdl(score_cp)


def score_from_value(value: np.ndarray) -> np.ndarray:
    """Centipawn scores int16[n] for which `wdl_from_score` gives win minus loss [n], in [-1, 1].

    With u = exp(cp / 60) and a = exp(100 / 60), w = u / (u + a) and l = 1 / (1 + a u). So w - l = v
    is the quadratic equation a (1 - v) u^2 - v (1 + a^2) u - a (1 + v) = 0.
    """
    v = np.clip(np.asarray(value, np.float64), -VALUE_LIMIT, VALUE_LIMIT)
    a = np.exp(WIN_CENTRE_CP / WIN_SCALE_CP)
    b = v * (1.0 + a * a)
    # Of the two forms of the root, each is exact where the other subtracts nearly equal numbers.
    root = np.sqrt(b * b + 4.0 * a * a * (1.0 - v * v))
    u = np.where(v >= 0, (b + root) / (2.0 * a * (1.0 - v)), 2.0 * a * (1.0 + v) / (root - b))
    return np.rint(WIN_SCALE_CP * np.log(u)).astype(np.int16)


def wdl_from_result(white_points: int, black_to_move: np.ndarray) -> np.ndarray:
    """Return the game's result as one-hot float32[n, 3] for positions with black_to_move
    bool[n].
    """
    mover_points = np.where(black_to_move, -white_points, white_points)
    return np.eye(3, dtype=np.float32)[1 - mover_points]


def moves_left_target(stored: np.ndarray) -> np.ndarray:
    """Plies to the end float32[n], at most 250, from the uint16[n] of a PositionSet; -1 if
    unknown.
    """
    limited = np.minimum(stored, MOVES_LEFT_LIMIT).astype(np.float32)
    return np.where(stored == UNKNOWN_MOVES_LEFT, np.float32(-1), limited)


def policy_from_scores(scores_cp: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Move probabilities float32[T] from scores [T]; position i owns first[i]..first[i + 1], never
    empty.

    p ~ exp(-(best - score) / (30 + 0.08 |best|)), normalised over each position.
    """
    counts = np.diff(first)
    scores = np.asarray(scores_cp, np.float32)
    best = np.repeat(np.maximum.reduceat(scores, first[:-1]), counts)
    weights = np.exp((scores - best) / (POLICY_SCALE_CP + POLICY_SCALE_SLOPE * np.abs(best)))
    return weights / np.repeat(np.add.reduceat(weights, first[:-1]), counts)


# Fitted by least cross-entropy to 30,000-node searches: 7,199 positions of trees, 2,312 of games
# and 400 of each other source. Centre and scale are common where the sources agree within error.
# The shift says how much more the side to move gets out of a position than its value shows, which
# is most where its opponent has just moved at random.
_CALM_SHIFTS = {"games": 2.0, "siblings": 21.0, "detours": 17.0, "trees": 9.0}
_MOVE_SHIFTS = {"games": 3.0, "siblings": 12.0, "detours": 12.0, "trees": 13.0}
# By source: static values of calm positions, quiescence values of the others, best scores of moves
# one ply deep.
CALM_VALUES = {source: Calibration(shift, 85.0, 60.0) for source, shift in _CALM_SHIFTS.items()}
UNSETTLED_VALUES = {source: Calibration(12.0, 80.0, 55.0) for source in SOURCES} | {
    "games": Calibration(-6.0, 100.0, 75.0)
}
MOVE_SCORES = {source: Calibration(shift, 85.0, 55.0) for source, shift in _MOVE_SHIFTS.items()} | {
    "games": Calibration(3.0, 95.0, 63.0)
}
