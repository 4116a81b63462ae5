"""Arrays that begin on a cache line: a vector of sixteen floats that straddles two lines costs two accesses."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

CACHE_LINE = 64  # bytes; sixteen floats


def aligned(size: int, dtype: DTypeLike = np.float32) -> np.ndarray:
    """An array [size] with arbitrary contents that begins on a cache line."""
    return _from_a_line(np.empty(size * np.dtype(dtype).itemsize + CACHE_LINE, np.uint8), dtype)


def aligned_zeros(*shape: int, dtype: DTypeLike = np.float32) -> np.ndarray:
    """An array of zeros with this shape that begins on a cache line."""
    raw = np.zeros(math.prod(shape) * np.dtype(dtype).itemsize + CACHE_LINE, np.uint8)
    return _from_a_line(raw, dtype).reshape(shape)


def aligned_copy(array: np.ndarray, dtype: DTypeLike = np.float32) -> np.ndarray:
    """A contiguous copy that begins on a cache line."""
    copy = aligned(array.size, dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _from_a_line(raw: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : len(raw) - CACHE_LINE + start].view(dtype)
