"""Where the windows of a convolution lie in the image they are read from.

A sum over windows reads, for square p of what it makes and number d of its window, offset_p +
delta_d of an image inside its border, and writes to place_p.

Where there are few kernels, some squares beside each other share one wider window, in which a
kernel is 0 outside its own: sixteen lanes are then better filled.
"""

from collections.abc import Iterator, Sequence
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
    stride: int  # from a window to the next one, which begin inside the border
    steps: list[int]  # of each row or column of the kernel, from the start of a window


class Windows(NamedTuple):
    """The windows of a sum, in floats, and the part of the kernel that it takes."""

    size: int  # floats in an image with its border
    first: int  # where the image begins inside
    rank: int  # floats in a row
    offsets: np.ndarray  # int64 [P]
    deltas: np.ndarray  # int64 [D]
    places: np.ndarray  # int64 [P]
    columns: np.ndarray  # int64 [k, squares together]: those of the kernel, or -1 for none

    def weights(self, weight: np.ndarray) -> np.ndarray:
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
    together = _most_useful(columns, outputs) if shares and not are_grouped else 1
    pitch = whole_lanes(outputs) if are_grouped else 1
    inputs *= pitch
    rank = (columns.side + sum(columns.border)) * inputs
    firsts = [min(i, columns.made - together) for i in range(0, columns.made, together)]
    steps = _joint_steps(columns, together)
    down = [rank * rows.stride * i for i in range(rows.made)]
    return Windows(
        (rows.side + sum(rows.border)) * rank,
        rows.border[0] * rank + columns.border[0] * inputs,
        rank,
        _sums(down, [inputs * columns.stride * i for i in firsts]),
        _sums([rank * i for i in rows.steps], [inputs * i for i in steps], range(0, inputs, pitch)),
        _sums(
            [columns.made * outputs * i for i in range(rows.made)], [outputs * i for i in firsts]
        ),
        np.array(_met(columns, steps, together), np.int64).reshape(-1, together),
    )


def _axes(geometry: Geometry, sides: Pair) -> Iterator[Axis]:
    made_sides = geometry.sides(sides)
    for side, made, size, stride, border, dilation in zip(
        sides, made_sides, *geometry, strict=True
    ):
        yield Axis(border, side, made, stride, [dilation * i for i in range(size)])


def _met(columns: Axis, steps: list[int], together: int) -> list[list[int]]:
    """Return for each step the column of the kernel that each of the squares together meets there,
    -1 for none.
    """
    kept = {step: column for column, step in enumerate(columns.steps)}
    return [[kept.get(step - t * columns.stride, -1) for t in range(together)] for step in steps]


def _sums(*numbers: Sequence[int]) -> np.ndarray:
    """Return the sums of one of each, the last changing first."""
    total = np.zeros(1, np.int64)
    for more in numbers:
        total = np.add.outer(total, np.array(more, np.int64)).reshape(-1)
    return total


def _joint_steps(columns: Axis, together: int) -> list[int]:
    steps = (step + t * columns.stride for t in range(together) for step in columns.steps)
    return [*dict.fromkeys(steps)]


def _most_useful(columns: Axis, outputs: int) -> int:
    """Return how many squares beside each other cost the least for each when they share a window."""
    possible = range(1, max(1, min(LANES // outputs, columns.made)) + 1)
    return min(possible, key=lambda together: len(_joint_steps(columns, together)) / together)
