"""Where the windows of a convolution lie in the image they are read from, and of its gradient in that of the result.

A sum over windows reads, for square p of what it makes and number d of its window, offset_p + delta_d of an image
inside its border, and writes to place_p. Forward, windows lie `stride` squares apart. For the gradient, a square i of
x meets row r of the kernel in row (i + padding - r) / stride of dy, where that is whole: x falls into stride times
stride phases, each with its own rows and columns of the kernel.

Where there are few kernels, some squares beside each other share one wider window, in which a kernel is 0 outside
its own: sixteen lanes are then better filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from engine.native.lanes import LANES
from engine.native.memory import aligned_zeros

Sides = tuple[int, int]


class Axis(NamedTuple):
    """One direction of a sum over windows."""

    squares: list[int]  # of what is made
    starts: list[int]  # of each one's window, inside the border
    kept: list[int]  # rows or columns of the kernel
    steps: list[int]  # of each, from the start of a window


class Windows(NamedTuple):
    """The windows of a sum, in floats, and the part of the kernel that it takes."""

    border: int  # squares around the image that is read
    rank: int  # floats in one of its rows, with the border
    offsets: np.ndarray  # int64 [P]
    deltas: np.ndarray  # int64 [D]
    places: np.ndarray  # int64 [P]
    rows: np.ndarray  # int64 [k]: rows of the kernel
    columns: np.ndarray  # int64 [k, squares together]: its columns, or -1 for none

    def weights(self, weight: np.ndarray) -> np.ndarray:
        """Return a kernel [k, k, inputs, outputs] as flat [D, whole lanes]."""
        outputs, together = weight.shape[3], self.columns.shape[1]
        if together > 1 or weight.shape[:2] != (len(self.rows), len(self.columns)):
            weight = np.pad(weight, ((0, 0), (0, 1), (0, 0), (0, 0)))[self.rows][:, self.columns]
            weight = weight.swapaxes(2, 3)
        flat = weight.reshape(len(self.deltas), together * outputs)
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
    sides: Sides, size: Sides, stride: int, padding: int, channels: int, kernels: int
) -> Windows:
    """Return those of a convolution of images with these sides."""
    axes = []
    for side, k in zip(sides, size, strict=True):
        squares = list(range((side + 2 * padding - k) // stride + 1))
        axes.append(Axis(squares, [stride * i for i in squares], list(range(k)), list(range(k))))
    return _windows(axes, padding, sides[1], channels, kernels)


@lru_cache(256)
def gradient_windows(
    sides: Sides, size: Sides, stride: int, padding: int, channels: int, kernels: int
) -> list[Windows]:
    """Return those of its gradient in x, which has these sides, for each phase; they read dy [B, H', W', K]."""
    results = [(side + 2 * padding - k) // stride + 1 for side, k in zip(sides, size, strict=True)]
    lowest = [-((k - 1) // stride) for k in size]
    highest = [
        (side - 1 + padding) // stride + 1 - result
        for side, result in zip(sides, results, strict=True)
    ]
    border = max(0, *highest, *(-low for low in lowest))
    phases = [
        [_phase(side, k, stride, padding, border, rest) for rest in range(stride)]
        for side, k in zip(sides, size, strict=True)
    ]
    return [
        _windows([rows, columns], border, results[1], kernels, channels, sides[1])
        for rows in phases[0]
        for columns in phases[1]
        if rows.squares and columns.squares
    ]


def _phase(side: int, size: int, stride: int, padding: int, border: int, rest: int) -> Axis:
    """Return the squares i where i + padding leaves this rest, and what they meet."""
    squares = [i for i in range(side) if (i + padding) % stride == rest]
    kept = [r for r in range(size) if (rest - r) % stride == 0]
    starts = [(i + padding) // stride + border for i in squares]
    return Axis(squares, starts, kept, [(rest - r) // stride for r in kept])


def _windows(
    axes: Sequence[Axis], border: int, width: int, inputs: int, outputs: int, made: int = 0
) -> Windows:
    """Join both directions; images that are read are `width` squares wide, those `made` are, or as forward."""
    rows, columns = axes
    rank = (width + 2 * border) * inputs
    made = made or len(columns.squares)
    together = _most_useful(columns, outputs)
    last = len(columns.squares) - together
    firsts = [min(i, last) for i in range(0, len(columns.squares), together)]
    pitch = columns.starts[1] - columns.starts[0] if together > 1 else 0
    steps = _joint_steps(columns, together)
    found = [[_index(columns, step - t * pitch) for t in range(together)] for step in steps]
    starts = np.array(columns.starts)[firsts]
    squares = np.array(columns.squares)[firsts]
    return Windows(
        border,
        rank,
        np.add.outer(np.array(rows.starts) * rank, starts * inputs).reshape(-1),
        np.add.outer(
            np.add.outer(np.array(rows.steps, int) * rank, np.array(steps, int) * inputs),
            np.arange(inputs),
        ).reshape(-1),
        np.add.outer(np.array(rows.squares) * (made * outputs), squares * outputs).reshape(-1),
        np.array(rows.kept, int),
        np.array(found, int).reshape(-1, together),
    )


def _joint_steps(columns: Axis, together: int) -> list[int]:
    pitch = columns.starts[1] - columns.starts[0] if together > 1 else 0
    return [*dict.fromkeys(step + t * pitch for t in range(together) for step in columns.steps)]


def _index(columns: Axis, step: int) -> int:
    return columns.kept[columns.steps.index(step)] if step in columns.steps else -1


def _most_useful(columns: Axis, outputs: int) -> int:
    """Return how many squares beside each other cost the least for each when they share a window."""
    side_by_side = [*range(columns.squares[0], columns.squares[0] + len(columns.squares))]
    if columns.squares != side_by_side:
        return 1
    possible = range(1, max(1, min(LANES // outputs, len(columns.squares))) + 1)
    return min(possible, key=lambda together: len(_joint_steps(columns, together)) / together)
