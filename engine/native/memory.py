"""float32 arrays that begin on a cache line: a 16-float vector that straddles two lines costs two accesses."""

from __future__ import annotations

import math

import numpy as np

CACHE_LINE = 64  # bytes; sixteen floats


def aligned(size: int) -> np.ndarray:
    """A float32 array [size] with arbitrary contents that begins on a cache line."""
    raw = np.empty(size + CACHE_LINE // 4, np.float32)
    offset = -raw.ctypes.data % CACHE_LINE // 4
    return raw[offset : offset + size]


def aligned_zeros(*shape: int) -> np.ndarray:
    """A float32 array of zeros with this shape that begins on a cache line."""
    zeros = aligned(math.prod(shape)).reshape(shape)
    zeros[...] = 0
    return zeros


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """A contiguous float32 copy that begins on a cache line."""
    copy = aligned(array.size).reshape(array.shape)
    copy[...] = array
    return copy
