"""CUDA graphs: what a function asks of a device is recorded once, and launched again by one call.

CuPy refuses to record its matrix products (its issue 6290). A recording therefore calls cuBLAS itself, with a handle
and memory of its own, as NVIDIA's manual of cuBLAS asks ("CUDA Graphs Support", `cublasSetWorkspace`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from ctypes import CDLL, byref, c_double, c_float, c_longlong, c_size_t, c_void_p
from functools import cache
from typing import Any

import numpy as np

from engine.backend import Backend, multiplying_by
from engine.errors import DeviceError

Array = Any
WORKSPACE = 32 << 20  # bytes; the manual's advice for the newest GPUs, which suffices for older ones
SUMS = 77 if os.environ.get("CUPY_TF32") == "1" else 68  # CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_32F
KINDS = {"float16": (2, 68), "float32": (0, SUMS), "float64": (1, 70)}  # cudaDataType, cublasComputeType_t


class Recording:
    """A function of `arrays` on a device; each call copies others like them into place, and launches what it did.

    The function must not wait for the device, upload or use anything that changes but arrays that stay. What it
    returned is `results`, whose arrays every call fills. Raises what the device fails with.
    """

    def __init__(self, backend: Backend, function: Callable[..., Any], arrays: Sequence[Array]) -> None:
        cuda = backend.xp.cuda
        self._pool = cuda.MemoryPool()  # nobody else gets what is freed here: each launch writes there
        stream, cublas = cuda.Stream(non_blocking=True), _cublas(backend)
        backend.wait()
        with stream, cuda.using_allocator(self._pool.malloc), multiplying_by(cublas.product):
            cublas.join(stream)
            try:
                self._arrays = [array.copy() for array in arrays]
                function(*self._arrays)  # compiles and loads all kernels, and reserves the memory
                self._graph, self.results = _captured(stream, lambda: function(*self._arrays))
            finally:
                stream.synchronize()

    def __call__(self, *arrays: Array) -> Any:
        for mine, array in zip(self._arrays, arrays, strict=True):
            mine[...] = array
        self._graph.launch()
        return self.results


def _captured(stream: Any, work: Callable[[], Any]) -> tuple[Any, Any]:
    """Return (the graph of what the work asks of this stream, what it returned)."""
    stream.begin_capture()
    try:
        results = work()
    except BaseException:
        with suppress(Exception):  # the first error says more
            stream.end_capture()
        raise
    return stream.end_capture(), results


class Cublas:
    """Matrix products on a stream that records."""

    def __init__(self, backend: Backend) -> None:
        self._xp, self._handle = backend.xp, c_void_p()
        version = self._xp.cuda.runtime.runtimeGetVersion() // 1000
        self._library = CDLL(f"libcublas.so.{version}" if os.name == "posix" else f"cublas64_{version}.dll")
        self._call("cublasCreate_v2", byref(self._handle))
        self._workspace = self._xp.empty(WORKSPACE, np.uint8)

    def _call(self, name: str, *arguments: Any) -> None:
        if status := getattr(self._library, name)(*arguments):
            raise DeviceError(f"{name} failed with status {status}")

    def join(self, stream: Any) -> None:
        """Compute on this stream from now on."""
        self._call("cublasSetStream_v2", self._handle, c_void_p(stream.ptr))
        workspace = c_void_p(self._workspace.data.ptr), c_size_t(WORKSPACE)
        self._call("cublasSetWorkspace_v2", self._handle, *workspace)

    def product(self, a: Array, b: Array) -> Array:
        """Return a @ b for a [..., M, K] and b [..., K, N] of one dtype; leading sides broadcast."""
        sides = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        y = self._xp.empty((*sides, a.shape[-2], b.shape[-1]), a.dtype)
        kind, sums = KINDS[a.dtype.name]
        number = c_double if a.dtype == np.float64 else c_float
        one, zero = (byref(number(value)) for value in (1, 0))
        # cuBLAS reads columns where rows lie: it gets, and answers, everything turned.
        right, left = (self._stack(matrix, sides) for matrix in (b, a))
        turns = [stack.strides[-1] != stack.itemsize for stack in (right, left)]
        shape = y.shape[-1], y.shape[-2], a.shape[-1]
        operands = [_operand(stack, is_turned, kind) for stack, is_turned in zip((right, left), turns, strict=True)]
        answer = _operand(y.reshape(-1, *y.shape[-2:]), False, kind)
        arguments = *turns, *shape, one, *operands[0], *operands[1], zero, *answer, len(left), sums, -1
        self._call("cublasGemmStridedBatchedEx", self._handle, *arguments)
        return y

    def _stack(self, matrix: Array, sides: tuple[int, ...]) -> Array:
        """Return matrices [n, R, C] whose rows or columns lie without gaps in their numbers."""
        rows, columns = matrix.shape[-2:]
        stack = self._xp.broadcast_to(matrix, (*sides, rows, columns)).reshape(-1, rows, columns)
        _, down, right = (stride // stack.itemsize for stride in stack.strides)
        by_rows, by_columns = right == 1 and (rows == 1 or down >= columns), down == 1 and right >= rows
        return stack if by_rows or by_columns else self._xp.ascontiguousarray(stack)


def _operand(stack: Array, is_turned: bool, kind: int) -> tuple[Any, int, int, Any]:
    """Return what cuBLAS wants to know of matrices [n, R, C]: place, dtype, leading dimension, distance."""
    whole, *strides = (stride // stack.itemsize for stride in stack.strides)
    leading = max(strides[is_turned], stack.shape[2 - is_turned])
    return c_void_p(stack.data.ptr), kind, leading, c_longlong(whole)


@cache
def _cublas(backend: Backend) -> Cublas:
    return Cublas(backend)
