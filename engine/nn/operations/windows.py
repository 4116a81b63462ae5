"""Where the windows of a convolution lie in the image they are read from, and of its gradient in
that of the result.

A sum over windows reads, for square p of what it makes and number d of its window, offset_p +
delta_d of an image inside its border, and writes to place_p. Forward, windows lie `stride` squares
apart. For the gradient, a square i of x meets row r of the kernel in row (i + before - r dilation)
/ stride of dy, where that is whole: each direction falls into `stride` phases, each with its own
rows or columns of the kernel.

Where there are few kernels, some squares beside each other share one wider window, in which a
kernel is 0 outside its own: sixteen lanes are then better filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from engine.native.aligned_arrays import aligned_zeros
from engine.native.lanes import LANES
from engine.nn.operations.geometry import Geometry, Pair


class Axis(NamedTuple):
    """One direction of a sum over windows."""

    border: Pair  # squares before and behind the image that is read
    side: int  # of that image
    made: int  # side of the image that is made
    squares: list[int]  # of that image, which this sum makes
    starts: list[int]  # of each one's window, inside the border
    kept: list[int]  # rows or columns of the kernel
    steps: list[int]  # of each, from the start of a window


class Windows(NamedTuple):
    """The windows of a sum, in floats, and the part of the kernel that it takes."""

    size: int  # floats in an image with its border
    first: int  # where the image begins inside
    rank: int  # floats in a row
    offsets: np.ndarray  # int64 [P]
    deltas: np.ndarray  # int64 [D]
    places: np.ndarray  # int64 [P]
    rows: np.ndarray  # int64 [k]: rows of the kernel
    columns: np.ndarray  # int64 [k, squares together]: its columns, or -1 for none

    def weights(self, weight: np.ndarray) -> np.ndarray:
        """Return a kernel [k, k, inputs, outputs] as flat [D, whole lanes]."""
        together = self.columns.shape[1]
        if together > 1 or weight.shape[:2] != (len(self.rows), len(self.columns)):
            none = np.pad(weight, ((0, 0), (0, 1), (0, 0), (0, 0)))
            weight = none[self.rows][:, self.columns].swapaxes(2, 3)
        flat = weight.reshape(len(self.deltas), together * weight.shape[-1])
        if flat.shape[1] % LANES == 0:
            return np.ascontiguousarray(flat).reshape(-1)
        wide = aligned_zeros(len(flat), whole_lanes(flat.shape[1]))
        wide[:, : flat.shape[1]] = flat
        return wide.reshape(-1)


def whole_lanes(count: int) -> int:
    """Return the smallest multiple of sixteen that is at least `count`."""
    return -(-count // LANES) * LANES


@lru_cache(256)
def forward_windows(
    geometry: Geometry,
    sides: Pair,
    inputs: int,
    outputs: int,
    are_grouped: bool = False,
    shares: bool = True,
) -> Windows:
    """Return those of a convolution of images with these sides; without `shares` a square each.

    The inputs `are_grouped` where there is one for each lane of the outputs.
    """
    axes = []
    for side, made, size, stride, border, dilation in zip(
        sides, geometry.sides(sides), *geometry, strict=True
    ):
        starts = [stride * i for i in range(made)]
        steps = [dilation * r for r in range(size)]
        axes.append(Axis(border, side, made, list(range(made)), starts, list(range(size)), steps))
    rows, columns = axes
    return _windows(rows, columns, inputs, outputs, are_grouped, shares)


@lru_cache(256)
def gradient_windows(
    geometry: Geometry, sides: Pair, inputs: int, outputs: int, are_grouped: bool = False
) -> list[Windows]:
    """Return those of the gradient [B, H, W, outputs] of images with these sides, for each phase;
    they read dy [B, H', W', inputs].
    """
    found = geometry.sides(sides)
    rows, columns = (
        _phases(side, one, *settings)
        for side, one, *settings in zip(sides, found, *geometry, strict=True)
    )
    settings = inputs, outputs, are_grouped
    return [_windows(down, across, *settings) for down in rows for across in columns]


def _phases(
    side: int, found: int, size: int, stride: int, padding: Pair, dilation: int
) -> list[Axis]:
    """Return for each rest of i + before by the stride the squares i of x, and what they meet."""
    before = padding[0]
    behind = (size - 1) * dilation // stride + 1  # a window reaches back so far, or less
    border = behind, max(0, (side - 1 + before) // stride + 1 - found)
    axes = []
    for rest in range(stride):
        squares = [i for i in range(side) if (i + before) % stride == rest]
        kept = [r for r in range(size) if (rest - r * dilation) % stride == 0]
        starts = [(i + before) // stride + behind for i in squares]
        steps = [(rest - r * dilation) // stride for r in kept]
        axes.append(Axis(border, found, side, squares, starts, kept, steps))
    return [axis for axis in axes if axis.squares]


def _windows(
    rows: Axis,
    columns: Axis,
    inputs: int,
    outputs: int,
    are_grouped: bool,
    shares: bool = True,
) -> Windows:
    """Join both directions."""
    together = _most_useful(columns, outputs) if shares and not are_grouped else 1
    pitch = whole_lanes(outputs) if are_grouped else 1
    inputs *= pitch
    rank = (columns.side + sum(columns.border)) * inputs
    last = len(columns.squares) - together
    firsts = [min(i, last) for i in range(0, len(columns.squares), together)]
    steps = _joint_steps(columns, together)
    return Windows(
        (rows.side + sum(rows.border)) * rank,
        rows.border[0] * rank + columns.border[0] * inputs,
        rank,
        _sums([rank * i for i in rows.starts], [inputs * columns.starts[i] for i in firsts]),
        _sums([rank * i for i in rows.steps], [inputs * i for i in steps], range(0, inputs, pitch)),
        _sums(
            [columns.made * outputs * i for i in rows.squares],
            [outputs * columns.squares[i] for i in firsts],
        ),
        np.array(rows.kept, np.int64),
        np.array(_met(columns, steps, together), np.int64).reshape(-1, together),
    )


def _met(columns: Axis, steps: list[int], together: int) -> list[list[int]]:
    """Return for each step the column of the kernel that each of the squares together meets there,
    -1 for none.
    """
    kept = dict(zip(columns.steps, columns.kept, strict=True))
    pitch = _pitch(columns)
    return [[kept.get(step - t * pitch, -1) for t in range(together)] for step in steps]


def _sums(*numbers: Sequence[int]) -> np.ndarray:
    """Return the sums of one of each, the last changing first."""
    total = np.zeros(1, np.int64)
    for more in numbers:
        total = np.add.outer(total, np.array(more, np.int64)).reshape(-1)
    return total


def _pitch(columns: Axis) -> int:
    """Return how far apart the windows of two squares beside each other begin."""
    return columns.starts[1] - columns.starts[0] if len(columns.starts) > 1 else 0


def _joint_steps(columns: Axis, together: int) -> list[int]:
    pitch = _pitch(columns)
    return [*dict.fromkeys(step + t * pitch for t in range(together) for step in columns.steps)]


def _most_useful(columns: Axis, outputs: int) -> int:
    """Return how many squares beside each other cost the least for each when they share a window."""
    first = columns.squares[0]
    count = len(columns.squares)
    if columns.squares != list(range(first, first + count)):
        return 1
    possible = range(1, max(1, min(LANES // outputs, count)) + 1)
    return min(possible, key=lambda together: len(_joint_steps(columns, together)) / together)
