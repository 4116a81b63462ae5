"""Memory for the native operations, aligned to cache lines; `keep_freed_memory` lets it be used
again.
"""

import math
import threading
from functools import cache

import numpy as np

from engine.native.aligned_arrays import aligned, keep_freed_memory

_local = threading.local()
_keep_freed_memory_once = cache(keep_freed_memory)


def empty(shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 array with arbitrary contents, like `np.empty`."""
    _keep_freed_memory_once()
    return aligned(math.prod(shape)).reshape(shape)


def scratch(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return a float32 array of this thread, contents arbitrary; the next call with the same name
    may return it again.

    Use it only for data that the calling function consumes before it returns; nothing may keep a
    reference.
    """
    arrays: dict[str, np.ndarray] = _local.__dict__.setdefault("arrays", {})
    size = math.prod(shape)
    if name not in arrays or arrays[name].size < size:
        arrays[name] = aligned(size)
    return arrays[name][:size].reshape(shape)
