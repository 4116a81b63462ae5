"""The operations on a GPU: what happens to each number is one kernel, and boards stay channels last
in memory.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from engine.backend import Backend
from engine.nn.operations.array_operations import (
    Activated,
    Array,
    Convolved,
    Densed,
    Function,
    Operations,
    identity,
)


class DeviceOperations(Operations):
    """Overrides what makes most kernels of a training step. One object for each backend, because it
    keeps kernels.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.xp)
        self.fused = cache(backend.fused)  # type: ignore[method-assign]
        self._activations = cache(
            lambda function, dtype: [*map(backend.fused, _value_and_slope(function, dtype))]
        )
        # `halves`, in a block of half products: {id of an array: it, and cast}.
        self._now = threading.local()

    @contextmanager
    def half_products(self) -> Iterator[None]:
        self._now.halves = {}
        try:
            yield
        finally:
            self._now.halves = None

    def _half(self, weight: Array) -> Array:
        """Return a weight in half precision, which is cast once in a block."""
        if id(weight) not in self._now.halves:
            # With the weight itself: while it lives, no other array has its id.
            self._now.halves[id(weight)] = (weight, weight.astype(np.float16))
        return self._now.halves[id(weight)][1]

    def dense(
        self, rows: Array, weight: Array, bias: Array, function: Function = identity
    ) -> Densed:
        """As in `Operations`; its products are in half precision, too, where they are."""
        if getattr(self._now, "halves", None) is not None:
            rows = rows.astype(np.float16)
            weight = self._half(weight)
        return super().dense(rows, weight, bias, function)

    def activate(self, function: Function, x: Array, bias: Any = 0.0) -> Activated:
        """As in `Operations`; the gradient has the dtype of x, which may be half precision."""
        value, slope = self._activations(function, x.dtype)

        def backward(dy):
            if function is identity:
                return dy.astype(x.dtype, copy=False)
            return slope(x, bias, dy)

        return value(x, bias), backward

    def conv2d(self, x: Array, weight: Array, *settings: Any) -> Convolved:
        """As in `Operations`; its patches are in half precision, too, where products are."""
        if getattr(self._now, "halves", None) is None or x.dtype == np.float16:
            return super().conv2d(x, weight, *settings)
        y, backward = super().conv2d(x.astype(np.float16), self._half(weight), *settings)
        return y.astype(x.dtype), backward


def _value_and_slope(
    function: Function, dtype: Any
) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """Return (x, bias) -> y and (x, bias, dy) -> dx in `dtype` of an activation function of x +
    bias.
    """

    def value(x, bias):
        return function(x + bias)[0] * 1  # a fused function may not return what it was given

    def slope(x, bias, dy):
        return (function(x + bias)[1](dy) * 1).astype(dtype)

    return value, slope
