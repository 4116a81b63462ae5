"""Where the windows of a convolution lie in the image they are read from.

A sum over windows reads, for square p of what it makes and number d of its window, offset_p +
delta_d of an image inside its border, and writes to place_p.

Where there are few kernels, some squares beside each other share one wider window, in which a
kernel is 0 outside its own: sixteen lanes are then better filled.
"""

from collections.abc import Iterator
from functools import lru_cache, reduce
from typing import NamedTuple

import numpy as np

from engine.native.aligned_arrays import aligned_zeros
from engine.native.lanes import LANES
from engine.nn.operations.geometry import Geometry, Pair
from engine.nn.operations.squares import Array


class Axis(NamedTuple):
    """One direction of a sum over windows."""

    border: Pair  # squares before and behind the image that is read
    side: int  # of that image
    result: int  # side of the result
    stride: int  # from a window to the next one, which begin inside the border
    steps: Array  # int64 [k], of each row or column of the kernel, from the start of a window


class Windows(NamedTuple):
    """The windows of a sum, in floats, and the part of the kernel that it takes."""

    size: int  # floats in an image with its border
    first: int  # where the image begins inside
    rank: int  # floats in a row
    offsets: Array  # int64 [P]
    deltas: Array  # int64 [D]
    places: Array  # int64 [P]
    columns: Array  # int64 [k, squares together]: those of the kernel, or -1 for none

    def weights(self, weight: Array) -> Array:
        """Return a kernel [k, k, inputs, outputs] as flat [D, whole lanes]."""
        together = self.columns.shape[1]
        if together > 1:
            none = np.pad(weight, ((0, 0), (0, 1), (0, 0), (0, 0)))
            weight = none[:, self.columns].swapaxes(2, 3)
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
    shares: bool,
    are_grouped: bool = False,
) -> Windows:
    """Return those of a convolution of images with these sides; without `shares` a square each.

    The inputs `are_grouped` where there is one for each lane of the outputs.
    """
    rows, columns = _axes(geometry, sides)
    together = 1
    pitch = 1
    if are_grouped:
        pitch = whole_lanes(outputs)
    elif shares:
        together = _most_useful(columns, outputs)
    inputs *= pitch
    rank = (columns.side + sum(columns.border)) * inputs
    result_rows = np.arange(rows.result)
    firsts = np.minimum(np.arange(0, columns.result, together), columns.result - together)
    steps = _joint_steps(columns, together)
    return Windows(
        (rows.side + sum(rows.border)) * rank,
        rows.border[0] * rank + columns.border[0] * inputs,
        rank,
        _sums(rank * rows.stride * result_rows, inputs * columns.stride * firsts),
        _sums(rank * rows.steps, inputs * steps, np.arange(0, inputs, pitch)),
        _sums(columns.result * outputs * result_rows, outputs * firsts),
        _columns_met(columns, steps, together),
    )


def _axes(geometry: Geometry, sides: Pair) -> Iterator[Axis]:
    result_sides = geometry.sides(sides)
    for side, result, size, stride, border, dilation in zip(
        sides, result_sides, *geometry, strict=True
    ):
        yield Axis(border, side, result, stride, dilation * np.arange(size))


def _columns_met(columns: Axis, steps: Array, together: int) -> Array:
    """Return for each step the column of the kernel that each of the squares together meets there,
    -1 for none.
    """
    met = np.full((len(steps), together), -1)
    for square in range(together):
        for column, step in enumerate(columns.steps + square * columns.stride):
            met[steps == step, square] = column
    return met


def _sums(*terms: Array) -> Array:
    """Return the sums of one of each, the last changing first."""
    return reduce(np.add.outer, terms).reshape(-1)


def _joint_steps(columns: Axis, together: int) -> Array:
    """Return the steps of so many squares beside each other, each once, in the order in which they
    are first met.
    """
    steps = np.add.outer(columns.stride * np.arange(together), columns.steps).reshape(-1)
    _, firsts = np.unique(steps, return_index=True)
    return steps[np.sort(firsts)]


def _most_useful(columns: Axis, outputs: int) -> int:
    """Return how many squares beside each other cost the least for each when they share a window."""
    possible = range(1, max(1, min(LANES // outputs, columns.result)) + 1)
    return min(possible, key=lambda together: len(_joint_steps(columns, together)) / together)
