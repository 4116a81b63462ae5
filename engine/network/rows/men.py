"""The number of men, by which small layers have several versions."""

from __future__ import annotations

import numpy as np

from engine.board.layout import BLACK, WHITE
from engine.native.bits import popcount
from engine.native.jit import kernel

MEN_BUCKETS = 8  # versions of small layers, chosen by the number of men


@kernel()
def number_of_men(row):
    """Pieces and pawns of both sides."""
    return np.int64(popcount(row[WHITE] | row[BLACK]))


@kernel()
def men_bucket(row):
    """Which small layers serve a position."""
    return bucket_of(number_of_men(row))


@kernel()
def bucket_of(men):
    """0 for two to four men, and one more for every four more."""
    return min((men - 1) // 4, MEN_BUCKETS - 1)
