"""The fully connected layer for lists of active features."""

from __future__ import annotations

import numpy as np

from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_gradient, check_input, check_range, register
from engine.nn.layers.initialization import he_normal
from engine.nn.operations import operations_for


@register("sparse_dense")
class SparseDense(Layer):
    """A dense layer over 0/1 features; the input lists only the active ones.

    forward:  x integer [B, L], indices of active features in [0, inputs), -1 = none -> y [B, outputs]
    backward: dy like y -> None; gradients weight [inputs, outputs], bias [outputs]

    With v the 0/1 vector of a list: y = v W + b is the sum of the listed rows of W, and dW = v^T dy adds dy to the
    listed rows. The cost grows with L, not with ``inputs``. ``active`` is the typical list length; it sets the variance
    of the initial weights. Raises ShapeError for a non-integer dtype and for indices out of range.
    """

    settings = ("inputs", "outputs", "active")

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator, active: int = 32) -> None:
        super().__init__()
        if inputs < 1 or outputs < 1 or active < 1:
            raise ConfigError(f"SparseDense({inputs}, {outputs}, active={active}): all must be >= 1")
        self.inputs, self.outputs, self.active = inputs, outputs, active
        self.params = {
            "weight": he_normal(rng, (inputs, outputs), active),
            "bias": np.zeros(outputs, np.float32),
        }

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "L", dtype="integer")
        check_range(self, x, -1, self.inputs)
        weight = self.params["weight"]

        def backward(dy: Array) -> tuple[None, Gradients]:
            check_gradient(self, dy, (len(x), self.outputs))
            return None, {"weight": operations_for(dy).scatter_rows(dy, x, self.inputs), "bias": dy.sum(axis=0)}

        return operations_for(weight).sum_rows(weight, x) + self.params["bias"], backward
