"""Convolution without patches in memory: sixteen kernels are the lanes of a value, and several sums
run side by side.

For squares p of the result and numbers d of a window (`windows.py`):

    y[p, k] = sum over d of x[offset_p + delta_d] w[d, k]       dw[d, k] = sum over p of x[offset_p + delta_d] dy[p, k]

The gradient dx is the first sum again, over dy. Of several groups, each lane reads a number of its
own, x[offset_p + delta_d + k]: the scratch image holds for each of a group's C / G channels what
all kernels read there. No sum depends on how many run side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from engine.native.aligned_arrays import aligned_zeros
from engine.native.jit import generated_kernel, kernel
from engine.native.lanes import LANES, WIDE_REGISTERS, load, splat, spread, store, store_part
from engine.nn.operations.array_operations import Convolved
from engine.nn.operations.geometry import Geometry
from engine.nn.operations.squares import Images, copy_groups, copy_image, images_of
from engine.nn.operations.windows import Windows, forward_windows, gradient_windows, whole_lanes
from engine.nn.operations.workspace import empty

# Sums that run side by side hide the time that a multiply-add takes, and share what they load. AVX2
# has sixteen registers, of which a sum takes two.
TOGETHER = 8 if WIDE_REGISTERS else 6
FEW = 32  # sums of which a remainder would be a large part
MOST_PLACES = 1024  # of a gradient in the second-level cache


def convolve(
    x: np.ndarray, weight: np.ndarray, geometry: Geometry, groups: int, input_gradient: bool
) -> Convolved:
    """Like `Operations.conv2d`, for float32."""
    kernels, channels, *_ = weight.shape
    batch, _, height, width = x.shape
    sides = (height, width)
    images = images_of(x)
    y = empty((batch, *geometry.sides(sides), kernels))
    windows = forward_windows(geometry, sides, channels, kernels, groups > 1)
    _make(images, batch, windows, weight.transpose(2, 3, 1, 0), groups, y)

    def backward(dy):
        windows = forward_windows(geometry, sides, channels, kernels, groups > 1, False)
        dweight = _kernel_gradient(images, images_of(dy), batch, windows, weight.shape, groups)
        if not input_gradient:
            return None, dweight
        return convolve_back(dy, weight, sides, geometry, groups), dweight

    return y.transpose(0, 3, 1, 2), backward


def convolve_back(
    dy: np.ndarray, weight: np.ndarray, sides: tuple[int, int], geometry: Geometry, groups: int
) -> np.ndarray:
    """Like `Operations.conv2d_transposed`, for float32."""
    kernels, channels, *size = weight.shape
    slopes = images_of(dy)
    dx = empty((len(dy), *sides, channels * groups))
    by_group = weight.reshape(groups, kernels // groups, channels, *size)
    back = by_group.transpose(3, 4, 1, 0, 2).reshape(*size, kernels // groups, channels * groups)
    settings = kernels // groups, channels * groups, groups > 1
    for phase in gradient_windows(geometry, sides, *settings):
        _make(slopes, len(dy), phase, back, groups, dx)
    return dx.transpose(0, 3, 1, 2)


def _make(
    images: Images,
    batch: int,
    windows: Windows,
    weight: np.ndarray,
    groups: int,
    y: np.ndarray,
) -> None:
    """Write the sums over windows of all images into y [B, H, W, outputs]."""
    outputs = windows.columns.shape[1] * weight.shape[3]
    sums = _kernels(TOGETHER, groups > 1)
    offsets, places = _repeated(windows.offsets, TOGETHER), _repeated(windows.places, TOGETHER)
    inside = aligned_zeros(windows.size)
    where = windows.first, windows.rank, inside, offsets, windows.deltas
    weights = windows.weights(weight)
    sums.correlate(images, batch, groups, *where, weights, outputs, y.reshape(-1), places)


def _kernel_gradient(
    images: Images,
    slopes: Images,
    batch: int,
    windows: Windows,
    shape: tuple[int, ...],
    groups: int,
) -> np.ndarray:
    kernels, channels, *size = shape
    wide = whole_lanes(kernels)
    together = _side_by_side(len(windows.deltas))
    deltas = _repeated(windows.deltas, together)
    sums = aligned_zeros(len(deltas), wide)
    rows = aligned_zeros(len(windows.offsets) * wide)
    where = windows.first, windows.rank, aligned_zeros(windows.size), windows.offsets, deltas
    add_products = _kernels(together, groups > 1).add_products
    add_products(images, slopes, batch, groups, *where, rows, kernels, sums.reshape(-1))
    dweight = np.ascontiguousarray(sums[: len(windows.deltas), :kernels])
    return dweight.reshape(*size, channels, kernels).transpose(3, 2, 0, 1)


def _side_by_side(count: int) -> int:
    """Return how many of so many sums run side by side: few leave a small remainder."""
    if count >= FEW:
        return TOGETHER
    return min(range(TOGETHER, 2, -1), key=lambda together: -(-count // together) * (together + 1))


def _repeated(places: np.ndarray, together: int) -> np.ndarray:
    """Return places up to a multiple of `together`, the last one repeated."""
    return np.append(places, np.full(-len(places) % together, places[-1:]))


class Kernels(NamedTuple):
    """Sums over windows, some of them side by side."""

    correlate: Any
    add_products: Any


@cache
def _kernels(together: int, are_grouped: bool) -> Kernels:
    take = _own if are_grouped else _same
    lines = list(_lines(together))
    parameters = "x, inner, outer, first, factors, k, wide"
    sums = generated_kernel("sums", parameters, lines, {"load": load, "splat": splat, "take": take})

    @kernel(contract=True)
    def correlate(
        images, batch, groups, start, rank, inside, offsets, deltas, weight, outputs, y, places
    ):
        """Write the sums of every window to its place in y; squares are in groups of `together`.

        `inside` is scratch for an image in its border of zeros, where it begins at `start` and has
        rows of `rank`. weight is [D, whole lanes].
        """
        room, wide = len(y) // batch, -(-outputs // LANES) * LANES
        for image in range(batch):
            copy_groups(images, image, inside, start, rank, groups, outputs, wide)
            for p in range(0, len(offsets), together):
                for k in range(0, wide, LANES):
                    made = sums(inside, deltas, offsets, p, weight, k, wide)
                    for square in range(together):
                        to = image * room + places[p + square] + k
                        store_part(y, to, made[square], min(outputs - k, LANES))

    @kernel(contract=True)
    def add_products(
        images, slopes, batch, groups, start, rank, inside, offsets, deltas, rows, kernels, total
    ):
        """Add up dw as [D, whole lanes] in `total`, which begins as zeros; deltas are in groups of
        `together`.

        `rows` is scratch, zeros, for one image of dy in whole lanes; the rest is as in `correlate`.
        """
        wide = len(rows) // len(offsets)
        for image in range(batch):
            copy_groups(images, image, inside, start, rank, groups, kernels, wide)
            copy_image(slopes, image, rows, 0, slopes.width * wide, wide)
            for first in range(0, len(offsets), MOST_PLACES):
                here = offsets[first : first + MOST_PLACES]
                for d in range(0, len(deltas), together):
                    for k in range(0, wide, LANES):
                        more = sums(inside, here, deltas, d, rows, first * wide + k, wide)
                        for number in range(together):
                            at = (d + number) * wide + k
                            store(total, at, load(total, at) + more[number])

    return Kernels(correlate, add_products)


def _lines(together: int) -> Iterator[str]:
    """Yield the body of a kernel: the sums of x[outer + inner_i] factors[i, k] over i, for numbers
    of `outer` from `first` on.
    """
    numbers = range(together)
    for number in numbers:
        yield f"at_{number} = outer[first + {number}]"
        yield f"sum_{number} = splat(0.0)"
    yield "for i in range(len(inner)):"
    yield "    factor = load(factors, i * wide + k)"
    yield "    at = inner[i]"
    for number in numbers:
        yield f"    sum_{number} = sum_{number} + take(x, at_{number} + at, k) * factor"
    yield f"return {', '.join(f'sum_{number}' for number in numbers)}"


@kernel()
def _same(x, at, k):
    return spread(x, at)


@kernel()
def _own(x, at, k):
    return load(x, at + k)
