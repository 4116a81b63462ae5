"""How training stores tables of the value trunk's width: in slabs of columns, one after the other.

A slab has 32 columns of the accumulator and the 32 they are multiplied with, all rows of them: 3 MB of the largest
table, of which a batch reads two. The work on one slab therefore stays in a core's own cache, whichever rows the
positions ask for; in a table [rows, width], the same columns of all rows would share few places of a cache.
"""

from __future__ import annotations

import numpy as np

from engine.native.lanes import LANES

HALF_SLAB = 2 * LANES
SLAB = 2 * HALF_SLAB  # columns


def in_slabs(table: np.ndarray) -> np.ndarray:
    """A copy of a table [rows, W] as [W / 64 * rows, 64], slab by slab."""
    halves = table.reshape(len(table), 2, -1, HALF_SLAB)
    return np.ascontiguousarray(halves.transpose(2, 0, 1, 3)).reshape(-1, SLAB)


def from_slabs(slabs: np.ndarray, width: int) -> np.ndarray:
    """A copy as [rows, `width`] of a table in slabs."""
    halves = slabs.reshape(width // SLAB, -1, 2, HALF_SLAB)
    return np.ascontiguousarray(halves.transpose(1, 2, 0, 3)).reshape(-1, width)
