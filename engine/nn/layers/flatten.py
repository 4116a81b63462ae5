"""Flattens board planes to a vector."""

from __future__ import annotations

import math

from engine.nn.layer import Array, Backward, Layer, check_input, register


@register("flatten")
class Flatten(Layer):
    """Merge all axes but the batch into one, in the order channel, row, column.

    forward:  x numeric, [B, C, H, W] or any other [B, N, ...] -> y [B, C*H*W], the same numbers
    backward: dy like y -> dx: dy in the shape of x; no parameters

    Raises ShapeError when x has no batch axis.
    """

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "N", "...", dtype="numeric")
        shape = x.shape
        flat_shape = shape[0], math.prod(shape[1:])  # reshape cannot infer a side of an empty batch
        return x.reshape(flat_shape), lambda dy: (dy.reshape(shape), {})
