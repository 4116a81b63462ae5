"""Two-dimensional convolution."""

from __future__ import annotations

import numpy as np

from engine.errors import ConfigError, ShapeError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_input, register
from engine.nn.layers.initialization import initial
from engine.nn.operations import operations_for


@register("conv2d")
class Conv2D(Layer):
    """2-D convolution over board planes with zero padding ("same" by default).

    forward:  x [B, C_in, H, W] -> y [B, C_out, H', W'], H' = (H + 2 padding - k) // stride + 1
    backward: dy like y -> dx like x; gradients weight [C_out, C_in, k, k] and, with `bias`, bias [C_out]

    With cols = im2col(x) and W as [C_out, C_in*k*k]:
        y = cols W^T + b      dW = dy^T cols      db = sum dy      dx = col2im(dy W)

    `input_gradient=False` saves the work for dx in the first layer of a network: backward then
    returns None as dx. Raises ConfigError for an even kernel, ShapeError when C_in differs or x is
    smaller than the kernel. He et al. 2015, arXiv:1502.01852 (initialisation).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        rng: np.random.Generator,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
        input_gradient: bool = True,
    ) -> None:
        super().__init__()
        if (
            inputs < 1
            or outputs < 1
            or size < 1
            or size % 2 == 0
            or stride < 1
            or (padding or 0) < 0
        ):
            given = f"Conv2D({inputs}, {outputs}, size={size}, stride={stride}, padding={padding})"
            raise ConfigError(
                f"{given}: channels and stride must be >= 1, the kernel odd, the padding >= 0"
            )
        self.inputs, self.outputs, self.size, self.stride = inputs, outputs, size, stride
        self.padding = size // 2 if padding is None else padding
        self.bias, self.input_gradient = bias, input_gradient
        weight = initial(rng, "he", (outputs, inputs, size, size), inputs * size * size)
        if any(weight.strides):  # else it is one number for all, which will be replaced
            # In memory [k, k, C, K], which the Winograd products need.
            weight = np.ascontiguousarray(weight.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)
        self.params = {"weight": weight}
        if bias:
            self.params["bias"] = np.zeros(outputs, np.float32)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", self.inputs, "H", "W", dtype=self.params["weight"].dtype)
        smallest = self.size - 2 * self.padding
        if min(x.shape[2:]) < max(smallest, 1):
            raise ShapeError(
                f"Conv2D: expected [B, {self.inputs}, H, W], H and W >= {smallest}, found {list(x.shape)}"
            )
        operations = operations_for(x)
        y, conv_backward = operations.conv2d(
            x, self.params["weight"], self.stride, self.padding, self.input_gradient
        )
        if "bias" in self.params:
            y, bias_backward = operations.add_bias(y, self.params["bias"])

        def backward(dy: Array) -> tuple[Array | None, Gradients]:
            dx, dweight = conv_backward(dy)
            grads = {"weight": dweight}
            if "bias" in self.params:
                grads["bias"] = bias_backward(dy)
            return dx, grads

        return y, backward
