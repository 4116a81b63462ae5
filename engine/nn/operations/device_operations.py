"""The operations on a GPU: what happens to each number is one kernel, and boards stay channels last in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from engine.backend import Backend, address, product
from engine.nn.operations import plain
from engine.nn.operations.plain import Array, Convolved, Operations


class DeviceOperations(Operations):
    """Overrides what makes most kernels of a training step. One object for each backend, because it keeps kernels."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.xp)
        self._fuse = cache(backend.fused)
        self._activations = cache(lambda *given: tuple(map(backend.fused, _value_and_slope(*given))))
        self._now = _Now()

    @contextmanager
    def half_products(self) -> Iterator[None]:
        self._now.halves = {}
        try:
            yield
        finally:
            self._now.halves = None

    def _half(self, weight: Array) -> Array:
        """Return a weight in half precision; parts of one array are cast together, once in a block."""
        if (whole := _whole(weight)) is None:
            return weight.astype(np.float16)
        if (half := self._now.halves.get(id(whole))) is None:
            half = self._now.halves[id(whole)] = whole.astype(np.float16)
        start, strides = _start(weight, whole), [stride // 2 for stride in weight.strides]
        return self.xp.lib.stride_tricks.as_strided(half[start:], weight.shape, strides)

    def joined(self, arrays: Sequence[Array]) -> Array | None:
        whole, sizes = _whole(arrays[0]), [array.size for array in arrays]
        if whole is None or not all(_whole(array) is whole and array.flags.c_contiguous for array in arrays):
            return None
        first, *starts = (_start(array, whole) for array in arrays)
        if starts != [first + sum(sizes[:number]) for number in range(1, len(sizes))]:
            return None
        return whole[first : first + sum(sizes)].reshape(-1, *arrays[0].shape[1:])

    def dense(
        self, rows: Array, weight: Array, bias: Array, function: plain.Function = plain.identity
    ) -> tuple[Array, plain.DenseBackward]:
        dtype, of_products = rows.dtype, rows.dtype
        if self._now.halves is not None:
            rows, weight, of_products = rows.astype(np.float16), self._half(weight), np.dtype(np.float16)
        z, (value, slope) = product(rows, weight.T), self._activations(function, of_products)

        def backward(dy: Array, input_gradient: bool) -> tuple[Array | None, Array, Array]:
            dz = dy.astype(of_products, copy=False) if function is plain.identity else slope(z, bias, dy)
            dx = product(dz, weight).astype(dtype, copy=False) if input_gradient else None
            return dx, product(dz.T, rows), dz.sum(axis=0, dtype=dtype)

        return value(z, bias), backward

    def activate(self, function: plain.Function, x: Array) -> plain.Activated:
        value, slope = self._activations(function, x.dtype)
        return value(x, 0.0), lambda dy: slope(x, 0.0, dy)

    def conv2d(self, x: Array, weight: Array, stride: int, padding: int, input_gradient: bool = True) -> Convolved:
        """As in `Operations`; its patches are in half precision, too, where products are."""
        if self._now.halves is None or x.dtype == np.float16:
            return super().conv2d(x, weight, stride, padding, input_gradient)
        y, half_backward = super().conv2d(x.astype(np.float16), self._half(weight), stride, padding, input_gradient)

        def backward(dy: Array) -> tuple[Array | None, Array]:
            dx, dweight = half_backward(dy.astype(np.float16))
            return None if dx is None else dx.astype(x.dtype), dweight

        return y.astype(x.dtype), backward

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._fuse(function)


class _Now(threading.local):
    halves: dict[int, Array] | None = None  # where the thread's products are in half precision: arrays cast to it


def _whole(array: Array) -> Array | None:
    """Return the one-dimensional array that this one is a part of, if it is."""
    whole = getattr(array, "base", None)
    return whole if whole is not None and whole.ndim == 1 and whole.dtype == array.dtype else None


def _start(array: Array, whole: Array) -> int:
    """Return where a part of an array begins, in elements."""
    return (address(array) - address(whole)) // whole.itemsize


def _value_and_slope(function: plain.Function, dtype: Any) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Return (x, bias) -> y and (x, bias, dy) -> dx in `dtype` of an activation function of x + bias."""

    def value(x: Array, bias: Any) -> Array:
        return function(x + bias)[0] * 1  # a fused function may not return what it was given

    def slope(x: Array, bias: Any, dy: Array) -> Array:
        return (function(x + bias)[1](dy) * 1).astype(dtype)

    return value, slope
