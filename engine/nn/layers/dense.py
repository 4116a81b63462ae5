"""The fully connected layer."""

from __future__ import annotations

import numpy as np

from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_input, register
from engine.nn.layers.initialization import VARIANCES, initial
from engine.nn.operations import operations_for


@register("dense")
class Dense(Layer):
    """Affine map.

    forward:  x [B, ..., inputs] -> y [B, ..., outputs]
    backward: dy like y -> dx like x; gradients weight [outputs, inputs], bias [outputs]

    With all leading axes flattened into rows:
        y = x W^T + b      dW = dy^T x      db = sum over rows of dy      dx = dy W

    `initialization` is one of `VARIANCES`, such as "glorot". Raises ShapeError when x is not [B, ..., inputs].
    """

    input_gradient = True  # False for the first layer of a network that is trained

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator, initialization: str = "he") -> None:
        super().__init__()
        if inputs < 1 or outputs < 1 or initialization not in VARIANCES:
            raise ConfigError(f"Dense({inputs}, {outputs}, {initialization!r}): sizes >= 1, start in {[*VARIANCES]}")
        self.inputs, self.outputs, self.initialization = inputs, outputs, initialization
        weight = initial(rng, initialization, (outputs, inputs), inputs, outputs)
        self.params = {"weight": weight, "bias": np.zeros(outputs, np.float32)}

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        weight = self.params["weight"]
        check_input(self, x, "B", "...", self.inputs, dtype=weight.dtype)
        rows = x.reshape(-1, self.inputs)
        y, rows_backward = operations_for(rows).dense(rows, weight, self.params["bias"])

        def backward(dy: Array) -> tuple[Array, Gradients]:
            drows, dweight, dbias = rows_backward(dy.reshape(-1, self.outputs), self.input_gradient)
            return None if drows is None else drows.reshape(x.shape), {"weight": dweight, "bias": dbias}

        return y.reshape(*x.shape[:-1], self.outputs), backward
