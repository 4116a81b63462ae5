"""Reshapes an array without changing its elements."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.errors import ConfigError, ShapeError
from engine.nn.layer import Array, Backward, Layer, check_input, register


@register("reshape")
class Reshape(Layer):
    """x [B, ...] -> y [B, *shape] with the same numbers in the same (row-major) order;  dx is dy in the shape of x.

    Raises ConfigError for sizes below 1, ShapeError when x does not hold as many numbers as `shape`.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = list(shape)
        if not all(type(side) is int and side >= 1 for side in self.shape):
            raise ConfigError(f"Reshape({self.shape}): every side must be an integer >= 1")

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "...", dtype="numeric")
        shape = x.shape
        if math.prod(shape[1:]) != math.prod(self.shape):
            raise ShapeError(f"Reshape: expected numbers for [B, {str(self.shape)[1:]}, found {list(shape)}")
        return x.reshape(shape[0], *self.shape), lambda dy: (dy.reshape(shape), {})
