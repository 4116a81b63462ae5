"""Converts a teacher's centipawns to win, draw and loss on the scale of long searches.

A shallow score predicts less than a deep one, by an amount that depends on the kind of position. Each calibration here
is fitted to the values of 30,000-node searches of such positions, as `wdl_from_score` converts them. All training
sources therefore share one scale.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from selfplay.records.targets import SCORE_LIMIT_CP

__all__ = ["CALM_VALUE", "MOVE_SCORES", "QUIESCENCE_VALUE", "Calibration", "fit_calibration"]


class Calibration(NamedTuple):
    """w = s((cp + shift - centre) / scale), l = s((-cp - shift - centre) / scale), d = 1 - w - l; all centipawns."""

    shift: float
    centre: float
    scale: float

    def wdl(self, score_cp: np.ndarray) -> np.ndarray:
        """Win, draw, loss float32[n, 3] of scores [n]."""
        cp = np.clip(np.asarray(score_cp, np.float64), -SCORE_LIMIT_CP, SCORE_LIMIT_CP) + self.shift
        win = 1.0 / (1.0 + np.exp((self.centre - cp) / self.scale))
        loss = 1.0 / (1.0 + np.exp((self.centre + cp) / self.scale))
        return np.stack([win, 1.0 - win - loss, loss], axis=1).astype(np.float32)


# Fitted by `aino-train measure --fit` on half of 7,199 positions of Aino's own search trees. CALM_VALUE takes the
# static value of calm positions, QUIESCENCE_VALUE the quiescence of the others, MOVE_SCORES the best move's score of
# all positions. On the other half the mean error of Q is 0.013, 0.007 and 0.011, in this order.
CALM_VALUE = Calibration(6.0, 85.0, 55.0)
QUIESCENCE_VALUE = Calibration(12.0, 80.0, 55.0)
MOVE_SCORES = Calibration(12.0, 85.0, 55.0)

SHIFTS, CENTRES, SCALES = np.arange(-12.0, 37.0, 3.0), np.arange(40.0, 141.0, 5.0), np.arange(30.0, 101.0, 5.0)


def fit_calibration(score_cp: np.ndarray, truth_wdl: np.ndarray) -> Calibration:
    """Grid search for the calibration with the least cross-entropy against truth float32[n, 3]."""
    best, least = Calibration(0.0, 100.0, 60.0), np.inf
    for centre in CENTRES:
        for scale in SCALES:
            for shift in SHIFTS:
                one = Calibration(float(shift), float(centre), float(scale))
                loss = -np.mean(np.sum(truth_wdl * np.log(np.maximum(one.wdl(score_cp), 1e-6)), axis=1))
                if loss < least:
                    best, least = one, loss
    return best
