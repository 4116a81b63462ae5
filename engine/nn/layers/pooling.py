"""Pooling: the maximum or the mean of each window, or the mean of the whole board."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

from engine.backend import backend_of
from engine.errors import ConfigError, ShapeError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_input, register


class _Pool2D(Layer):
    """Windows of `window` x `window` squares, `stride` apart (default: side by side), over a padded
    board.
    """

    def __init__(self, window: int, stride: int | None = None, padding: int = 0) -> None:
        super().__init__()
        self.window, self.stride, self.padding = (
            window,
            window if stride is None else stride,
            padding,
        )
        if window < 1 or self.stride < 1 or not 0 <= padding <= window // 2:
            given = f"{type(self).__name__}({window}, stride={stride}, padding={padding})"
            raise ConfigError(
                f"{given}: window and stride must be >= 1, the padding between 0 and half a window"
            )

    def _padded(self, x: Array, value: float) -> Array:
        check_input(self, x, "B", "C", "H", "W")
        smallest = max(self.window - 2 * self.padding, 1)
        if min(x.shape[2:]) < smallest:
            raise ShapeError(
                f"{type(self).__name__}: expected H and W >= {smallest}, found {list(x.shape)}"
            )
        p = self.padding
        return (
            backend_of(x).xp.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=value)
            if p
            else x
        )

    def _places(self, padded: Array) -> Iterator[tuple[slice, slice]]:
        """Yield, for each offset in the window, the slices of the board squares at that offset."""
        height, width = (
            (side - self.window) // self.stride * self.stride + 1 for side in padded.shape[2:]
        )
        for row in range(self.window):
            for column in range(self.window):
                yield (
                    slice(row, row + height, self.stride),
                    slice(column, column + width, self.stride),
                )

    def _cropped(self, dpadded: Array) -> Array:
        inner = slice(self.padding, -self.padding or None)
        return dpadded[:, :, inner, inner]


@register("max_pool2d")
class MaxPool2D(_Pool2D):
    """The largest value of every window.

    forward:  x [B, C, H, W] -> y [B, C, H', W'], H' = (H + 2 padding - window) // stride + 1
    backward: dy like y -> dx like x; no parameters

    y is the largest x of a window, so dx = dy on the square it came from and 0 elsewhere. Among
    equal values the first takes all. A square in several windows gets the sum. Padding never wins.
    Raises ConfigError for padding over half a window, ShapeError when x is smaller than a window.
    """

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        xp, padded = backend_of(x).xp, self._padded(x, -math.inf)
        places = list(self._places(padded))
        y = functools.reduce(xp.maximum, (padded[:, :, rows, columns] for rows, columns in places))

        def backward(dy: Array) -> tuple[Array, Gradients]:
            dpadded = xp.zeros_like(padded)
            free = xp.ones(y.shape, bool)  # windows whose maximum has not been found yet
            for rows, columns in places:
                winner = free & (padded[:, :, rows, columns] == y)
                dpadded[:, :, rows, columns] += dy * winner
                free &= ~winner
            return self._cropped(dpadded), {}

        return y, backward


@register("average_pool2d")
class AveragePool2D(_Pool2D):
    """The mean of every window; padding counts as zeros.

    forward:  x [B, C, H, W] -> y [B, C, H', W'], H' = (H + 2 padding - window) // stride + 1
    backward: dy like y -> dx like x; no parameters

    y = sum of a window / window^2, so each of its squares gets dy / window^2. A square in several
    windows gets the sum. Raises ConfigError for padding over half a window, ShapeError when x is
    smaller than a window.
    """

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        padded = self._padded(x, 0.0)
        places = list(self._places(padded))
        total = sum(padded[:, :, rows, columns] for rows, columns in places)
        share = 1 / self.window**2

        def backward(dy: Array) -> tuple[Array, Gradients]:
            dpadded = backend_of(dy).xp.zeros_like(padded)
            for rows, columns in places:
                dpadded[:, :, rows, columns] += dy * share
            return self._cropped(dpadded), {}

        return total * share, backward


@register("global_average_pool")
class GlobalAveragePool(Layer):
    """The mean of every plane: x [B, C, H, W] -> y [B, C];  dx = dy / (H W) on every square of the
    plane.
    """

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "C", "H", "W")
        if 0 in (shape := x.shape)[2:]:
            raise ShapeError(f"GlobalAveragePool: expected H and W >= 1, found {list(shape)}")

        def backward(dy: Array) -> tuple[Array, Gradients]:
            return backend_of(dy).xp.broadcast_to(
                dy[:, :, None, None] / (shape[2] * shape[3]), shape
            ).copy(), {}

        return x.mean(axis=(2, 3)), backward
