"""Where the windows of a convolution or a pooling lie in an image: one formulation for every
stride, padding and dilation, and for sequences, which are images with one row.

For the place p of the result and the place k of a window, each for rows and columns:

    padded place = p stride + k dilation      result side = (side + before + behind - extent) // stride + 1

with extent = (size - 1) dilation + 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from engine.errors import ConfigError

Array = Any
Pair = tuple[int, int]  # of rows and columns


class Geometry(NamedTuple):
    """The windows; `of` makes them from what a layer is given."""

    size: Pair
    stride: Pair
    padding: tuple[Pair, Pair]  # before and behind the rows, before and behind the columns
    dilation: Pair

    @classmethod
    def of(cls, size: Any, stride: Any, padding: Any, dilation: Any = 1, axes: int = 2) -> Geometry:
        """Return windows from whole numbers, or one for each of the `axes`.

        The padding of an axis is a number for both ends, or (before, behind). None keeps the sides
        where the stride is 1. Raises ConfigError for other values.
        """
        sizes = _each("size", size, axes, 1)
        strides, dilations = _each("stride", stride, axes, 1), _each("dilation", dilation, axes, 1)
        extents = [(side - 1) * wide + 1 for side, wide in zip(sizes, dilations, strict=True)]
        if padding is None:
            ends: list[Any] = [((side - 1) // 2, side // 2) for side in extents]
        else:
            paddings = padding
            if isinstance(padding, Integral):
                paddings = [padding] * axes
            is_list = isinstance(paddings, Sequence) and not isinstance(paddings, str)
            if not is_list or len(paddings) != axes:
                form = "a whole number, one for each axis, or None to keep the sides"
                raise ConfigError(f"padding must be {form}, not {padding!r}")
            ends = [_each("padding", side, 2, 0) for side in paddings]
        side, none = [1] * (2 - axes), [(0, 0)] * (2 - axes)
        settings = ([*side, *sizes], [*side, *strides], [*none, *ends], [*side, *dilations])
        return cls(*map(tuple, settings))

    @property
    def extents(self) -> Pair:
        """How many rows and columns a window reaches over."""
        (rows, columns), (down, across) = self.size, self.dilation
        return (rows - 1) * down + 1, (columns - 1) * across + 1

    @property
    def least(self) -> Pair:
        """The smallest sides of an image with a window."""
        ends = zip(self.extents, self.padding, strict=True)
        rows, columns = (max(extent - sum(padding), 1) for extent, padding in ends)
        return rows, columns

    def sides(self, sides: Sequence[int]) -> Pair:
        """Return the sides of the result for an image of these sides."""
        every = zip(sides, self.padding, self.extents, self.stride, strict=True)
        height, width = (
            (side + sum(padding) - extent) // stride + 1 for side, padding, extent, stride in every
        )
        return height, width

    def turned(self, sides: Sequence[int]) -> Geometry | None:
        """Return windows over the result that make an image of these sides again, for a stride of 1
        and a kernel turned by half; None where there are none.
        """
        ends: Any = []
        for extent, (before, behind) in zip(self.extents, self.padding, strict=True):
            ends.append((extent - 1 - before, extent - 1 - behind))
        if self.stride != (1, 1) or min(map(min, ends)) < 0:
            return None
        return self._replace(padding=tuple(ends))

    def reach(self, sides: Sequence[int]) -> list[int]:
        """Return sides that hold an image of these sides behind its padding, and all its windows."""
        every = zip(sides, self.sides(sides), self.padding, self.stride, self.extents, strict=True)
        reached = []
        for side, result_side, (before, _), step, extent in every:
            reached.append(max(before + side, (result_side - 1) * step + extent))
        return reached

    def padded(self, xp: Any, image: Array, value: float = 0.0) -> Array:
        """Return an image [B, H, W, C], channels last in memory, with its padding."""
        if self.padding == ((0, 0), (0, 0)):
            return xp.ascontiguousarray(image)
        return xp.pad(image, ((0, 0), *self.padding, (0, 0)), constant_values=value)

    def cropped(self, padded: Array, sides: Sequence[int]) -> Array:
        """Return what lies inside the padding, [B, H, W, C] of these sides."""
        (top, _), (left, _) = self.padding
        return padded[:, top : top + sides[0], left : left + sides[1]]

    def view(self, xp: Any, padded: Array) -> Array:
        """Return all windows of a padded image as a view [B, H', W', C, k, k]."""
        batch, *sides, channels = padded.shape
        image, row, column, channel = padded.strides
        (down, across), (tall, wide) = self.stride, self.dilation
        inside = self._replace(padding=((0, 0), (0, 0)))
        return xp.lib.stride_tricks.as_strided(  # `sliding_window_view` waits for a GPU
            padded,
            (batch, *inside.sides(sides), channels, *self.size),
            (image, down * row, across * column, channel, tall * row, wide * column),
        )

    def places(self, sides: Sequence[int]) -> Iterator[tuple[Pair, tuple[slice, ...]]]:
        """Yield each place of a window, and the part of padded images that lies there, for a result
        of these sides.
        """
        (down, across), (tall, wide) = self.stride, self.dilation
        for row in range(self.size[0]):
            rows = slice(row * tall, row * tall + down * (sides[0] - 1) + 1, down)
            for column in range(self.size[1]):
                first = column * wide
                columns = slice(first, first + across * (sides[1] - 1) + 1, across)
                yield (row, column), (slice(None), rows, columns)


def _each(name: str, value: Any, count: int, least: int) -> tuple[int, ...]:
    """Return `count` whole numbers from one, or from as many."""
    values = value
    if isinstance(value, Integral):
        values = [value] * count
    is_list = isinstance(values, list | tuple) and len(values) == count
    if not is_list or any(not isinstance(number, Integral) or number < least for number in values):
        raise ConfigError(
            f"{name} must be a whole number >= {least}, or {count} of them, not {value!r}"
        )
    return tuple(map(int, values))


def short(values: Sequence[Any]) -> Any:
    """Return a setting as one number where all its numbers are the same, else as lists, for files."""
    numbers = np.array(values)
    first = numbers.item(0)
    if (numbers == first).all():
        return first
    return numbers.tolist()
