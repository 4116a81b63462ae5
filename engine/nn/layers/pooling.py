"""Pooling: the maximum or the mean of each window, or the mean of the whole board."""

import math
from operator import ge
from typing import Any

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import check_board, check_input
from engine.nn.layer import Array, Forward, Layer, register
from engine.nn.layers.windowed import Windowed
from engine.nn.operations import operations_for
from engine.nn.operations.array_operations import channels_first, channels_last
from engine.nn.operations.geometry import Geometry


class _Pool(Windowed):
    """Windows of `window` x `window` squares, `stride` apart (default: side by side), over a padded
    board; each a whole number, or one for each axis. With `ceil`, squares at the end that fill no
    window have one, too.
    """

    def __init__(
        self,
        window: Any,
        stride: Any = None,
        padding: Any = 0,
        *,
        dilation: Any = 1,
        ceil: bool = False,
    ) -> None:
        if stride is None:
            stride = window
        call = f"{window}, stride={stride}, padding={padding}"
        settings = self._place(call, window, stride, padding, dilation)
        if any(map(ge, map(max, self.geometry.padding), self.geometry.extents)):
            name = type(self).__name__
            raise ConfigError(f"{name}({call}): a window must be larger than the padding")
        self.window, self.stride, self.padding, self.dilation = settings
        self.ceil = ceil

    def _at(self, *sides: int) -> Geometry:
        if not self.ceil:
            return self.geometry
        return self.geometry._replace(padding=self._extended(sides))

    def _windows(self, image: Array) -> Geometry:
        """Return the windows over boards [B, C, H, W]."""
        windows = self._at(*image.shape[2:])
        self._check_sides(image, windows)
        self._check_squares(image.shape[2:], windows)
        return windows

    def _check_squares(self, sides: tuple[int, int], windows: Geometry) -> None:
        """Raise ShapeError where a window has squares of the padding alone.

        Its places lie `dilation` apart. A board with as many squares always has one of them, since
        the padding is smaller than the window.
        """
        if min(sides) >= max(windows.dilation):
            return
        board = windows.padded(np, np.ones((1, *sides, 1)))
        if not windows.view(np, board).any(axis=(-2, -1)).all():
            raise ShapeError(
                f"{type(self).__name__}: a window has nothing but padding on a board of {[*sides]}"
            )

    def _extended(self, sides: tuple[int, ...]) -> Any:
        """Return the padding with which the last squares have a window; none begins behind them."""
        ends = []
        every = zip(
            sides, self.geometry.padding, self.geometry.extents, self.geometry.stride, strict=True
        )
        for side, (before, behind), extent, stride in every:
            steps = -(-(side + before + behind - extent) // stride)
            if steps * stride >= side + before:
                steps -= 1
            ends.append((before, max(behind, steps * stride + extent - side - before)))
        return tuple(ends)


@register("max_pool2d")
class MaxPool2D(_Pool):
    """The largest value of every window.

    forward:  x [B, C, H, W] -> y [B, C, H', W'], H' = (H + 2 padding - extent) // stride + 1, as in
              Conv2D; with `ceil` the division rounds up, as long as a window begins on the board or
              in the padding before it
    backward: dy like y -> dx like x; no parameters

    y is the largest x of a window, so dx = dy on the square it came from and 0 elsewhere. Among
    equal values the first takes all. A square in several windows gets the sum. Padding never wins.
    Raises ConfigError for a padding as large as a window, ShapeError when x is smaller than one, or
    so small that the places of a dilated window all lie on padding.
    """

    def forward(self, x: Array, training: bool = False) -> Forward:
        image = self._checked(x, "C")
        y, slope = operations_for(x).max_pool(image, self._windows(image))
        return self._sequence(y), lambda dy: (self._sequence(slope(self._image(dy))), {})


@register("average_pool2d")
class AveragePool2D(_Pool):
    """The mean of every window; padding counts as zeros, or with `counts_padding=False` not at all.

    forward:  x [B, C, H, W] -> y [B, C, H', W'], H' = (H + 2 padding - extent) // stride + 1, as in
              Conv2D; with `ceil` the division rounds up, as long as a window begins on the board or
              in the padding before it
    backward: dy like y -> dx like x; no parameters

    y = sum of a window / n, where n is the number of its squares, or of those that are no padding:
    so each of them gets dy / n. A square in several windows gets the sum. Raises ConfigError for a
    padding as large as a window, ShapeError when x is smaller than one.
    """

    def __init__(
        self,
        window: Any,
        stride: Any = None,
        padding: Any = 0,
        *,
        counts_padding: bool = True,
        ceil: bool = False,
    ) -> None:
        super().__init__(window, stride, padding, ceil=ceil)
        self.counts_padding = counts_padding

    def forward(self, x: Array, training: bool = False) -> Forward:
        xp = xp_of(x)
        image = self._checked(x, "C")
        windows = self._windows(image)
        padded = windows.padded(xp, channels_last(image))
        places = [part for _, part in windows.places(windows.sides(image.shape[2:]))]
        count: Any = math.prod(windows.size)
        counted = self._counted(xp, padded, windows, image.shape[2:])
        if counted is not None:
            count = sum(counted[part] for part in places)
        share = 1 / count
        total = sum(padded[part] for part in places)

        def backward(dy):
            dpadded = xp.zeros_like(padded)
            slope = channels_last(self._image(dy)) * share
            for part in places:
                dpadded[part] += slope
            dx = channels_first(windows.cropped(dpadded, image.shape[2:]))
            return self._sequence(dx), {}

        return self._sequence(channels_first(total * share)), backward

    def _counted(
        self, xp: Any, padded: Array, windows: Geometry, sides: tuple[int, int]
    ) -> Array | None:
        """Return 1 where a square of padded boards counts, else 0; None where all do."""
        if windows == self.geometry and (self.counts_padding or not self.padding):
            return None
        counted = xp.zeros((1, *padded.shape[1:3], 1), padded.dtype)
        # What `ceil` adds behind the padding never counts.
        ends = ((0, 0), (0, 0))
        if self.counts_padding:
            ends = self.geometry.padding
        inside = [slice(None)]
        for (start, _), (before, behind), side in zip(windows.padding, ends, sides, strict=True):
            inside.append(slice(start - before, start + side + behind))
        counted[tuple(inside)] = 1
        return counted


@register("max_pool1d")
class MaxPool1D(MaxPool2D):
    """`MaxPool2D` of sequences: x [B, C, T] -> y [B, C, T']; dx like x."""

    axes = 1


@register("average_pool1d")
class AveragePool1D(AveragePool2D):
    """`AveragePool2D` of sequences: x [B, C, T] -> y [B, C, T']; dx like x."""

    axes = 1


@register("global_average_pool")
class GlobalAveragePool(Layer):
    """The mean of every plane: x [B, C, H, W], or [B, C, T] -> y [B, C];  dx = dy / (H W) on every
    square of the plane.
    """

    def forward(self, x: Array, training: bool = False) -> Forward:
        check_input(self, x, "B", "C", "H", "...")
        check_board(self, x)
        shape = x.shape

        def backward(dy):
            slope = dy.reshape(*dy.shape, *[1] * (len(shape) - 2)) / math.prod(shape[2:])
            return xp_of(dy).broadcast_to(slope, shape).copy(), {}

        return x.mean(axis=tuple(range(2, x.ndim))), backward


@register("global_max_pool")
class GlobalMaxPool(Layer):
    """The largest number of every plane: x [B, C, H, W], or [B, C, T] -> y [B, C];  dx = dy on the
    square it came from, the first of several equal ones, and 0 elsewhere.
    """

    def forward(self, x: Array, training: bool = False) -> Forward:
        check_input(self, x, "B", "C", "H", "...")
        check_board(self, x)
        xp = xp_of(x)
        planes = x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
        places = planes.argmax(axis=2)[:, :, None]

        def backward(dy):
            dx = xp.where(xp.arange(planes.shape[2]) == places, dy[:, :, None], 0)
            return dx.astype(x.dtype).reshape(x.shape), {}

        return planes.max(axis=2), backward
