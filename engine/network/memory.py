"""float32 memory that begins on a cache line, so that sixteen lanes never straddle two."""

from __future__ import annotations

import math

import numpy as np

from engine.nn.operations.workspace import aligned


def aligned_zeros(*shape: int) -> np.ndarray:
    """Zeros."""
    zeros = aligned(math.prod(shape)).reshape(shape)
    zeros[...] = 0
    return zeros


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """The array as contiguous float32."""
    copy = aligned(array.size).reshape(array.shape)
    copy[...] = array
    return copy
