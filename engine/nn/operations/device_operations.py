"""The operations on a GPU: what happens to each number is one kernel, and boards stay channels last in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from engine.backend import Backend, product
from engine.nn.operations import plain
from engine.nn.operations.plain import Array, Convolved, Operations


class DeviceOperations(Operations):
    """Overrides what makes most kernels of a training step. One object for each backend, because it keeps kernels."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.xp)
        self._fuse = cache(backend.fused)
        self._activations = cache(lambda function: tuple(map(backend.fused, _value_and_slope(function))))
        self._now = _Now()

    @contextmanager
    def half_products(self) -> Iterator[None]:
        self._now.halves = True
        try:
            yield
        finally:
            self._now.halves = False

    def dense(self, rows: Array, weight: Array, bias: Array) -> tuple[Array, plain.DenseBackward]:
        if not self._now.halves:
            return super().dense(rows, weight, bias)
        halves, half_weight = rows.astype(np.float16), weight.astype(np.float16)

        def backward(dy: Array, input_gradient: bool) -> tuple[Array | None, Array, Array]:
            half = dy.astype(np.float16)
            dx = product(half, half_weight).astype(dy.dtype) if input_gradient else None
            return dx, product(half.T, halves).astype(dy.dtype), self.sum_rows(dy)

        return product(halves, half_weight.T) + bias, backward

    def activate(self, function: Callable[[Array], plain.Activated], x: Array) -> plain.Activated:
        value, slope = self._activations(function)
        return value(x), lambda dy: slope(x, dy)

    def conv2d(self, x: Array, weight: Array, stride: int, padding: int, input_gradient: bool = True) -> Convolved:
        """As in `Operations`; its patches are in half precision, too, where products are."""
        if not self._now.halves or x.dtype == np.float16:
            return super().conv2d(x, weight, stride, padding, input_gradient)
        halves = x.astype(np.float16), weight.astype(np.float16)
        y, half_backward = super().conv2d(*halves, stride, padding, input_gradient)

        def backward(dy: Array) -> tuple[Array | None, Array]:
            dx, dweight = half_backward(dy.astype(np.float16))
            return None if dx is None else dx.astype(x.dtype), dweight.astype(x.dtype)

        return y.astype(x.dtype), backward

    def fused(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._fuse(function)


class _Now(threading.local):
    halves = False  # whether the thread's products are in half precision


def _value_and_slope(function: Callable[[Array], plain.Activated]) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Return x -> y and (x, dy) -> dx of an activation function, which a fused function may not return as they are."""

    def value(x: Array) -> Array:
        return function(x)[0] * 1

    def slope(x: Array, dy: Array) -> Array:
        return function(x)[1](dy) * 1

    return value, slope
