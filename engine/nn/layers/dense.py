"""The fully connected layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import ConfigError, ShapeError
from engine.nn.layer import Array, Backward, Gradients, Layer, register
from engine.nn.layers.initialization import glorot_normal, he_normal


@register("dense")
class Dense(Layer):
    """Affine map.

    forward:  x [B, inputs] -> y [B, outputs]
    backward: dy like y -> dx like x; gradients weight [outputs, inputs], bias [outputs]

        y = x W^T + b      dW = dy^T x      db = sum over B of dy      dx = dy W

    ``initialization`` is "he" (a ReLU follows) or "glorot". Raises ShapeError when x is not [B, inputs].
    """

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator, initialization: str = "he") -> None:
        super().__init__()
        if inputs < 1 or outputs < 1 or initialization not in ("he", "glorot"):
            raise ConfigError(f"Dense({inputs}, {outputs}, {initialization!r}): sizes >= 1, start he or glorot")
        self.inputs, self.outputs, self.initialization = inputs, outputs, initialization
        if initialization == "he":
            weight = he_normal(rng, (outputs, inputs), inputs)
        else:
            weight = glorot_normal(rng, (outputs, inputs), inputs, outputs)
        self.params = {"weight": weight, "bias": np.zeros(outputs, np.float32)}

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise ShapeError(f"Dense: expected [B, {self.inputs}], found {list(x.shape)}")
        weight = self.params["weight"]

        def backward(dy: Array) -> tuple[Array, Gradients]:
            return dy @ weight, {"weight": dy.T @ x, "bias": dy.sum(axis=0)}

        return x @ weight.T + self.params["bias"], backward

    def config(self) -> dict[str, Any]:
        return {
            "layer": self.kind,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "initialization": self.initialization,
        }
