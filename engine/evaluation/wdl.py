"""Between centipawns and win, draw, loss.

    Q = atan(cp / 220) / 1.5637541897        d = 0.55 (1 - |Q|)        w = (1 - d + Q) / 2        l = (1 - d - Q) / 2

The shape is that of the centipawn scores that a search reports, scaled there by the evaluator's `cp_scale`. Its long
tails keep a queen and a rook apart from a queen, so that a won position still has better and worse moves; a logistic
curve would call both 1.0. With Lc0's 90 centipawns in place of 220 the search over material plays worse: 42.5% of 240
games at 200 nodes a move, Elo -53 [-90, -16].
"""

from __future__ import annotations

import math

import numpy as np

from engine.evaluation.scores import ATAN_SCALE, MATERIAL_CP_SCALE
from engine.native.jit import kernel

DRAWN_SHARE = 0.55  # how much of what is not decided is a draw


@kernel()
def write_wdl(score_cp, wdl):
    """Probabilities of win, draw and loss for the side that `score_cp` favours when positive, into wdl float32 [3]."""
    q = max(-1.0, min(1.0, math.atan(score_cp / MATERIAL_CP_SCALE) / ATAN_SCALE))
    draw = DRAWN_SHARE * (1.0 - abs(q))
    wdl[0] = np.float32((1.0 - draw + q) / 2)
    wdl[1] = np.float32(draw)
    wdl[2] = np.float32((1.0 - draw - q) / 2)
