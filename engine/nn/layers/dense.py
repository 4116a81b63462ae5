"""The fully connected layer."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from engine.errors import ConfigError
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Backward, Forward, Gradients, Layer, forward_part, register
from engine.nn.layers.initialization import VARIANCES, initial
from engine.nn.operations import operations_for
from engine.nn.operations.array_operations import identity


@register("dense")
class Dense(Layer):
    """Affine map.

    forward:  x [B, ..., inputs] -> y [B, ..., outputs]
    backward: dy like y -> dx like x; gradients weight [outputs, inputs], bias [outputs]

    With all leading axes flattened into rows:
        y = x W^T + b      dW = dy^T x      db = sum over rows of dy      dx = dy W

    `initialization` is one of `VARIANCES`, such as "glorot". Raises ShapeError when x is not [B,
    ..., inputs].
    """

    input_gradient = True  # False for the first layer of a network that is trained
    # Of an `Activation` behind it, which a GPU computes in the same kernel.
    activation = staticmethod(identity)

    def __init__(
        self, inputs: int, outputs: int, rng: np.random.Generator, initialization: str = "he"
    ) -> None:
        if initialization not in VARIANCES:
            raise ConfigError(f"Dense: initialization {initialization!r} is none of {[*VARIANCES]}")
        self.inputs = inputs
        self.outputs = outputs
        self.initialization = initialization
        weight = initial(rng, initialization, (outputs, inputs), inputs, outputs)
        self.params = {"weight": weight, "bias": np.zeros(outputs, np.float32)}

    def forward(self, x: Array, training: bool = False) -> Forward:
        weight = self.params["weight"]
        check_input(self, x, "B", "...", self.inputs, dtype=weight.dtype)
        rows = x.reshape(-1, self.inputs)
        y, rows_backward = operations_for(rows).dense(
            rows, weight, self.params["bias"], self.activation
        )

        def backward(dy):
            dx, dweight, dbias = rows_backward(dy.reshape(-1, self.outputs), self.input_gradient)
            if dx is not None:
                dx = dx.reshape(x.shape)
            return dx, {"weight": dweight, "bias": dbias}

        return y.reshape(*x.shape[:-1], self.outputs), backward


def dense_together(
    layers: Mapping[str, Dense], x: Array, training: bool
) -> tuple[list[Array], Callable[[Sequence[Array]], tuple[Array, Gradients]]]:
    """Run dense layers on the same x [B, T, inputs].

    Returns each y [B, T, outputs], and backward: a dy of each, [B, T, outputs] or with outputs as
    two sides -> (dx, gradients NAME.weight and NAME.bias).
    """
    outputs: list[Array] = []
    steps: list[Backward] = []
    for name, layer in layers.items():
        y, step = forward_part(name, layer, x, training)
        outputs.append(y)
        steps.append(step)

    def backward(slopes):
        dx = None
        grads = Gradients()
        for y, step, dy in reversed([*zip(outputs, steps, slopes, strict=True)]):
            dx_of_layer, layer_grads = step(dy.reshape(y.shape))
            grads = layer_grads | grads
            if dx is not None:
                dx_of_layer = dx_of_layer + dx
            dx = dx_of_layer
        return dx, grads

    return outputs, backward
