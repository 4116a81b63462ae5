"""Flattens board planes to a vector."""

from __future__ import annotations

from engine.nn.layer import Array, Backward, Gradients, Layer, check_gradient, check_input, register


@register("flatten")
class Flatten(Layer):
    """Merge all axes but the batch into one, in the order channel, row, column.

    forward:  x numeric, [B, C, H, W] or any other [B, N, ...] -> y [B, C*H*W], the same numbers
    backward: dy like y -> dx: dy in the shape of x; no parameters

    Raises ShapeError when x has no batch axis.
    """

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "N", "...", dtype="numeric")
        shape, y = x.shape, x.reshape(x.shape[0], -1)
        flat_shape = y.shape

        def backward(dy: Array) -> tuple[Array, Gradients]:
            check_gradient(self, dy, flat_shape)
            return dy.reshape(shape), {}

        return y, backward
