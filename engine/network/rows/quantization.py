"""Floats in the layout and the integers that kernels play with."""

from __future__ import annotations

import numpy as np

from engine.errors import ConfigError
from engine.native.lanes import LANES
from engine.native.memory import aligned_zeros

INT16_MAX = int(np.iinfo(np.int16).max)
FINEST_SCALE = 1024  # of sums: any finer, and int16 could hold those of 16 and less only


def as_shorts(weights: np.ndarray, scale: float) -> np.ndarray:
    """round(scale * weights) as int16, beginning on a cache line."""
    out = aligned_zeros(weights.size, dtype=np.int16)
    out[:] = np.rint(weights * np.float32(scale))
    return out


def sum_scale(largest: float, addends: int, coarsest: int) -> int:
    """Return the largest power of two up to FINEST_SCALE at which int16 holds sums up to `largest`.

    Each addend is rounded by half a unit at most. Raises ConfigError if there is none of at least `coarsest`: the
    weights are too large, infinite or NaN.
    """
    scale = FINEST_SCALE
    while not scale * largest + addends / 2 <= INT16_MAX:
        scale //= 2
        if scale < coarsest:
            raise ConfigError(f"expected rows that add up to at most {INT16_MAX // coarsest:,}, found {largest:g}")
    return scale


def by_input(layers: np.ndarray) -> np.ndarray:
    """Small layers [V, outputs, inputs] as flat float32 [V * inputs * outputs], outputs padded to a multiple of LANES.

    A register then holds the outputs of one input, and nothing has to be summed across it.
    """
    versions, outputs, inputs = layers.shape
    padded = -(-outputs // LANES) * LANES
    flat = aligned_zeros(versions * inputs * padded)
    flat.reshape(versions, inputs, padded)[:, :, :outputs] = layers.transpose(0, 2, 1)
    return flat
