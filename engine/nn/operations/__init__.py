"""The expensive operations of the layers, once as plain array code and once as native kernels.

A layer asks `operations_for(x)` and gets the fastest implementation for the backend and dtype of
`x`: float32 in host memory uses the Numba kernels, CuPy fused ones; everything else (float64 in the
gradient check) uses the reference.
"""

from functools import cache
from typing import Any

import numpy as np

from engine.backend import NUMPY, Backend, backend_of
from engine.nn.operations.array_operations import Operations
from engine.nn.operations.device_operations import DeviceOperations
from engine.nn.operations.native import NativeOperations

__all__ = ["NativeOperations", "Operations", "operations_for", "operations_on"]

_NATIVE = NativeOperations(np)
_PLAIN = Operations(np)


def operations_for(x: Any) -> Operations:
    """Return the implementation for the backend and dtype of `x`."""
    backend = backend_of(x)
    if backend is not NUMPY:
        return operations_on(backend)
    if x.dtype == np.float32:
        return _NATIVE
    return _PLAIN


@cache
def operations_on(backend: Backend) -> Operations:
    """Return the implementation for a device."""
    return DeviceOperations(backend)
