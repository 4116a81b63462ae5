"""From planes to a vector."""

from __future__ import annotations

from typing import Any

from engine.errors import ShapeError
from engine.nn.layer import Array, Backward, Gradients, Layer, register


@register("flatten")
class Flatten(Layer):
    """All but the batch axis in one, in the order channel, row, column: x [B, C, H, W] -> y [B, C*H*W].

    Raises ShapeError for an x without batch axis.
    """

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        if x.ndim < 2:
            raise ShapeError(f"Flatten: expected [B, ...], found {list(x.shape)}")
        shape = x.shape

        def backward(dy: Array) -> tuple[Array, Gradients]:
            return dy.reshape(shape), {}

        return x.reshape(shape[0], -1), backward

    def config(self) -> dict[str, Any]:
        return {"layer": self.kind}
