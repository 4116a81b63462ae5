"""Memory for the native operations, aligned to cache lines and reused instead of freed.

New pages are expensive. The C library returns a worker thread's memory to the system each time, and page faults took a
third of a training step (64x6 tower, 128 positions per thread).
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from typing import Any

import numpy as np

from engine.native.memory import aligned

POOL_LIMIT = 1 << 30  # maximum number of bytes kept for reuse

_free: defaultdict[int, list[np.ndarray]] = defaultdict(list)
_free_bytes = 0
_lock = threading.RLock()  # re-entrant, because a garbage collection inside the lock may free a block
_local = threading.local()


class _Block:
    """Owns an array's memory and returns it to the pool when the last view of it is gone."""

    __slots__ = ("__array_interface__", "memory")

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.memory = _take(math.prod(shape))
        self.__array_interface__: dict[str, Any] = {
            "data": self.memory.__array_interface__["data"],
            "shape": shape,
            "typestr": "<f4",
            "version": 3,
        }

    def __del__(self) -> None:
        _give_back(self.memory)


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 array with arbitrary contents, like `np.empty`; its memory is reused once no view is left."""
    return np.asarray(_Block(shape))


def scratch(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 array of this thread, contents arbitrary; the next call with the same name may return it again.

    Use it only for data that the calling function consumes before it returns; nothing may keep a reference.
    """
    arrays: dict[str, np.ndarray] = _local.__dict__.setdefault("arrays", {})
    size = math.prod(shape)
    if name not in arrays or arrays[name].size < size:
        arrays[name] = aligned(size)
    return arrays[name][:size].reshape(shape)


def _take(size: int) -> np.ndarray:
    global _free_bytes
    with _lock:
        if _free[size]:
            _free_bytes -= 4 * size
            return _free[size].pop()
    return aligned(size)


def _give_back(memory: np.ndarray) -> None:
    global _free_bytes
    with _lock:
        if _free_bytes + memory.nbytes <= POOL_LIMIT:
            _free_bytes += memory.nbytes
            _free[memory.size].append(memory)
