"""Convolution of images and of sequences, and its transpose, which makes them larger."""

import operator
from typing import Any

import numpy as np
from numpy.random import Generator

from engine.backend import xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Forward, register
from engine.nn.layers.initialization import initial
from engine.nn.layers.windowed import Windowed
from engine.nn.operations import operations_for
from engine.nn.operations.geometry import Geometry, short


class _Convolution(Windowed):
    """What convolutions share: settings, weights, and the check of their input.

    Size, stride and dilation are a whole number, or one for each axis; so is the padding, or
    (before, behind) for each axis.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: Any,
        rng: Generator,
        stride: Any = 1,
        padding: Any = None,
        bias: bool = True,
        input_gradient: bool = True,
        *,
        dilation: Any = 1,
        groups: int = 1,
    ) -> None:
        call = f"{inputs}, {outputs}, size={size}"
        settings = self._place(call, size, stride, padding, dilation)
        if inputs % groups or outputs % groups:
            raise ConfigError(
                f"{type(self).__name__}({call}): the groups, {groups}, must divide the channels"
            )
        self.inputs = inputs
        self.outputs = outputs
        self.groups = groups
        self.size, self.stride, self.padding, self.dilation = settings
        self.bias, self.input_gradient = bias, input_gradient
        self.params["weight"] = self._drawn(rng, self.geometry.size[-self.axes :])
        if bias:
            self.params["bias"] = np.zeros(outputs, np.float32)

    def _drawn(self, rng: Generator, size: tuple[int, ...]) -> Array:
        """Draw a weight [C_out, C_in / groups, k, k], in memory [k, k, C, K], which the Winograd
        products need.
        """
        shape = self.outputs, self.inputs // self.groups, *size
        weight = initial(rng, "he", shape, int(np.prod(shape[1:])))
        if not any(weight.strides):  # one number for all, which will be replaced
            return weight
        return np.moveaxis(
            np.ascontiguousarray(np.moveaxis(weight, (0, 1), (-1, -2))), (-1, -2), (0, 1)
        )

    def forward(self, x: Array, training: bool = False, mask: Any = None) -> Forward:
        if mask is None or self.axes == 2:
            return self._convolved(x)
        check_input(self, x, "B", self.inputs, "T")
        check_input(self, mask, x.shape[0], x.shape[2], dtype="bool")
        shown = mask[:, None]
        where = xp_of(x).where
        y, step = self._convolved(where(shown, x, 0))

        def backward(dy):
            dx, grads = step(dy)
            if dx is not None:
                dx = where(shown, dx, 0)
            return dx, grads

        return y, backward

    def _convolved(self, x: Array) -> Forward:
        """Return `forward` of images, or of sequences without what a mask hides."""
        raise NotImplementedError

    def _with_bias(self, y: Array, conv_backward: Any) -> Forward:
        """Add the bias, if there is one, and name the gradients."""
        bias_backward = None
        if "bias" in self.params:
            y, bias_backward = operations_for(y).add_bias(y, self.params["bias"])

        def backward(dy):
            dy = self._image(dy)
            dx, dweight = conv_backward(dy)
            grads = {"weight": self._sequence(dweight)}
            if bias_backward is not None:
                grads["bias"] = bias_backward(dy)
            if dx is not None:
                dx = self._sequence(dx)
            return dx, grads

        return self._sequence(y), backward


@register("conv2d")
class Conv2D(_Convolution):
    """2-D convolution over board planes with zero padding ("same" by default).

    forward:  x [B, C_in, H, W] -> y [B, C_out, H', W'], H' = (H + 2 padding - extent) // stride + 1
    backward: dy like y -> dx like x; gradients weight [C_out, C_in / groups, k, k] and, with
              `bias`, bias [C_out]

    A window reaches over extent = (k - 1) dilation + 1 squares. With cols = im2col(x) and W as
    [C_out, C_in*k*k]:
        y = cols W^T + b      dW = dy^T cols      db = sum dy      dx = col2im(dy W)
    Of several `groups`, each sees its own part of the channels alone; as many groups as channels
    make a depthwise convolution.

    Sizes may differ by axis: size=(3, 5), stride=(2, 1), padding=(1, 2) or ((0, 1), (2, 2)), before
    and behind each axis. Without a padding the sides stay as they are, for stride 1; the patches of
    a vision transformer are size=16, stride=16, padding=0. `input_gradient=False` saves the work
    for dx in the first layer of a network: backward then returns None as dx. Raises ConfigError for
    settings that do not fit, ShapeError when C_in differs or x is smaller than a window. He et al.
    2015, arXiv:1502.01852 (initialisation).
    """

    def _convolved(self, x: Array) -> Forward:
        weight = self._image(self.params["weight"])
        image = self._checked(x, self.inputs, weight.dtype)
        self._check_sides(image, self.geometry)
        settings = self.geometry, self.groups, self.input_gradient
        return self._with_bias(*operations_for(x).conv2d(image, weight, *settings))


@register("conv1d")
class Conv1D(Conv2D):
    """`Conv2D` of sequences: images with one row.

    forward:  x [B, C_in, T], optionally mask bool [B, T] -> y [B, C_out, T'], T' = (T + 2 padding -
              extent) // stride + 1
    backward: dy like y -> dx like x; gradients weight [C_out, C_in / groups, k] and, with `bias`,
              bias [C_out]

    Where the mask is False, x counts as 0, as padding does. Layers of sequences have features last,
    [B, T, C]: put `Transpose` between.
    """

    axes = 1


@register("conv_transpose2d")
class ConvTranspose2D(_Convolution):
    """The transpose of a convolution, such as to enlarge boards: what is dx there is y here.

    forward:  x [B, C_in, H, W] -> y [B, C_out, H', W'], H' = (H - 1) stride + extent - 2 padding +
              output_padding
    backward: dy like y -> dx like x; gradients weight [C_in, C_out / groups, k, k] and, with
              `bias`, bias [C_out]

    With the convolution from C_out to C_in channels that has this weight W [C_in, C_out*k*k]:
        y = col2im(x W) + b      dx = im2col(dy) W^T      dW = x^T im2col(dy)      db = sum dy
    `output_padding`, below the stride, chooses among the sides that this convolution turns to H. Without a padding H' =
    H stride where the stride is no larger than the window. Raises ConfigError for settings that do not fit, ShapeError
    when C_in differs. Dumoulin and Visin 2016, arXiv:1603.07285.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: Any,
        rng: Generator,
        stride: Any = 1,
        padding: Any = None,
        bias: bool = True,
        *,
        output_padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> None:
        if padding is None:
            windows = Geometry.of(size, stride, 0, dilation, self.axes)
            ends = []
            for extent, step in zip(windows.extents, windows.stride, strict=True):
                over = max(extent - step, 0)
                ends.append((over // 2, over - over // 2))
            padding = short(ends[-self.axes :])
        further = {"dilation": dilation, "groups": groups}
        super().__init__(inputs, outputs, size, rng, stride, padding, bias, **further)
        further_windows = Geometry.of(size, stride, output_padding, 1, self.axes)
        self.more = [behind for _, behind in further_windows.padding]
        is_plain = isinstance(output_padding, int | list | tuple)
        if not is_plain or any(map(operator.ge, self.more, further_windows.stride)):
            raise ConfigError(
                f"{type(self).__name__}: output_padding must be below the stride, not {output_padding}"
            )
        self.output_padding = output_padding

    def _drawn(self, rng: Generator, size: tuple[int, ...]) -> Array:
        shape = self.inputs, self.outputs // self.groups, *size
        return initial(rng, "he", shape, self.inputs // self.groups * int(np.prod(size)))

    def _sides(self, sides: tuple[int, ...]) -> list[int]:
        windows = self.geometry
        every = zip(sides, windows.stride, windows.extents, windows.padding, self.more, strict=True)
        result = []
        for side, step, extent, ends, more in every:
            result.append((side - 1) * step + extent - sum(ends) + more)
        return result

    def _convolved(self, x: Array) -> Forward:
        weight = self._image(self.params["weight"])
        image = self._checked(x, self.inputs, weight.dtype)
        sides = self._sides(image.shape[2:])
        operations = operations_for(x)
        if min(*sides, *image.shape[2:]) < 1:
            raise ShapeError(f"{type(self).__name__}: no square is left of {list(x.shape)}")
        y = operations.conv2d_transposed(image, weight, sides, self.geometry, self.groups)

        def backward(dy):
            dx, weight_backward = operations.conv2d(dy, weight, self.geometry, self.groups, False)
            return dx, weight_backward(image)[1]

        return self._with_bias(y, backward)


@register("conv_transpose1d")
class ConvTranspose1D(ConvTranspose2D):
    """`ConvTranspose2D` of sequences: x [B, C_in, T], optionally mask as in Conv1D -> y [B, C_out,
    T']; dx like x, gradients weight [C_in, C_out / groups, k] and bias [C_out].
    """

    axes = 1

    def _needed(self, places: int) -> Array:
        _, made = self._sides((1, places))
        windows = self.geometry
        surplus = windows.extents[1] - sum(windows.padding[1]) + self.more[1]
        return (np.arange(made) - surplus) // windows.stride[1] + 1
