"""Reshapes an array without changing its elements, such as board planes to a vector."""

import math
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Forward, Layer, register


@register("flatten")
class Flatten(Layer):
    """Merge all axes but the batch into one, in the order channel, row, column.

    forward:  x numeric, [B, C, H, W] or any other [B, N, ...] -> y [B, C*H*W], the same numbers
    backward: dy like y -> dx: dy in the shape of x; no parameters

    Raises ShapeError when x has no batch axis.
    """

    def forward(self, x: Array, training: bool = False) -> Forward:
        check_input(self, x, "B", "N", "...", dtype="numeric")
        shape = x.shape  # reshape cannot infer a side of an empty batch
        return x.reshape(shape[0], math.prod(shape[1:])), lambda dy: (dy.reshape(shape), {})


@register("reshape")
class Reshape(Layer):
    """x [B, ...] -> y [B, *shape] with the same numbers in the same (row-major) order;  dx is dy in the shape of x.

    Raises ConfigError for sizes below 1, ShapeError when x does not hold as many numbers as
    `shape`.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape: list[Any] = [*shape]
        for place, side in enumerate(self.shape):
            if isinstance(side, Integral):
                self.shape[place] = int(side)
        if not all(type(side) is int and side >= 1 for side in self.shape):
            raise ConfigError(f"Reshape({self.shape}): every side must be an integer >= 1")

    def forward(self, x: Array, training: bool = False) -> Forward:
        check_input(self, x, "B", "...", dtype="numeric")
        shape = x.shape
        if math.prod(shape[1:]) != math.prod(self.shape):
            raise ShapeError(
                f"Reshape: expected numbers for [B, {str(self.shape)[1:]}, found {list(shape)}"
            )
        return x.reshape(shape[0], *self.shape), lambda dy: (dy.reshape(shape), {})


@register("transpose")
class Transpose(Layer):
    """Exchange axes: between layers of sequences, [B, T, C], and `Conv1D`, [B, C, T].

    forward:  x numeric [B, ...] -> y, whose axis n is the axis order[n - 1] of x
    backward: dy like y -> dx: the axes of dy in their old places; no parameters

    Raises ConfigError unless the order has every axis behind the batch once, ShapeError when x has
    others.
    """

    def __init__(self, order: Sequence[int] = (2, 1)) -> None:
        self.order = [*order]
        if sorted(self.order) != [*range(1, len(self.order) + 1)]:
            raise ConfigError(f"Transpose({self.order}): expected the axes from 1 on, each once")

    def forward(self, x: Array, training: bool = False) -> Forward:
        axes = [0, *self.order]
        check_input(self, x, "B", *[f"N{axis}" for axis in sorted(self.order)], dtype="numeric")
        back = np.argsort(axes).tolist()
        return x.transpose(axes), lambda dy: (dy.transpose(back), {})
