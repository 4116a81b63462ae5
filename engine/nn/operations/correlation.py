"""Convolution without patches in memory: sixteen kernels are the lanes of a value, and eight sums
run side by side.

For squares p of the result and numbers d of a window (`windows.py`):

    y[p, k] = sum over d of x[offset_p + delta_d] w[d, k]       dw[d, k] = sum over p of x[offset_p + delta_d] dy[p, k]

The gradient dx is the first sum again, over dy.
"""

from __future__ import annotations

import numpy as np

from engine.native.aligned_arrays import aligned_zeros
from engine.native.jit import kernel
from engine.native.lanes import LANES, load, splat, spread, store, store_part
from engine.nn.operations.array_operations import Convolved
from engine.nn.operations.geometry import Geometry
from engine.nn.operations.squares import Images, copy_image, images_of
from engine.nn.operations.windows import Windows, forward_windows, gradient_windows, whole_lanes
from engine.nn.operations.workspace import empty

TOGETHER = 8  # sums that run side by side: so many hide the time that a multiply-add takes


def convolve(
    x: np.ndarray, weight: np.ndarray, geometry: Geometry, input_gradient: bool
) -> Convolved:
    """Like `Operations.conv2d`, for float32 and one group."""
    kernels, channels, *_ = weight.shape
    batch, _, height, width = x.shape
    sides = (height, width)
    images = images_of(x)
    y = empty((batch, *geometry.sides(sides), kernels))
    windows = forward_windows(geometry, sides, channels, kernels)
    _make(images, batch, windows, weight.transpose(2, 3, 1, 0), y)

    def backward(dy):
        windows = forward_windows(geometry, sides, channels, kernels, False)
        dweight = _kernel_gradient(images, images_of(dy), batch, windows, weight.shape)
        return convolve_back(dy, weight, sides, geometry) if input_gradient else None, dweight

    return y.transpose(0, 3, 1, 2), backward


def convolve_back(
    dy: np.ndarray, weight: np.ndarray, sides: tuple[int, int], geometry: Geometry
) -> np.ndarray:
    """Like `Operations.conv2d_transposed`, for float32 and one group."""
    kernels, channels, *_ = weight.shape
    slopes = images_of(dy)
    dx = empty((len(dy), *sides, channels))
    for phase in gradient_windows(geometry, sides, kernels, channels):
        _make(slopes, len(dy), phase, weight.transpose(2, 3, 0, 1), dx)
    return dx.transpose(0, 3, 1, 2)


def _make(images: Images, batch: int, windows: Windows, weight: np.ndarray, y: np.ndarray) -> None:
    """Write the sums over windows of all images into y [B, H, W, outputs]."""
    outputs = windows.columns.shape[1] * weight.shape[3]
    offsets, places = _in_eights(windows.offsets), _in_eights(windows.places)
    inside = aligned_zeros(windows.size)
    weights = windows.weights(weight)
    where = windows.first, windows.rank, inside, offsets, windows.deltas
    correlate(images, batch, *where, weights, outputs, y.reshape(-1), places)


def _kernel_gradient(
    images: Images, slopes: Images, batch: int, windows: Windows, shape: tuple[int, ...]
) -> np.ndarray:
    kernels, channels, *size = shape
    wide = whole_lanes(kernels)
    deltas = _in_eights(windows.deltas)
    sums = aligned_zeros(len(deltas), wide)
    rows = aligned_zeros(len(windows.offsets) * wide)
    where = windows.first, windows.rank, aligned_zeros(windows.size), windows.offsets, deltas
    add_products(images, slopes, batch, *where, rows, sums.reshape(-1))
    dweight = np.ascontiguousarray(sums[: len(windows.deltas), :kernels])
    return dweight.reshape(*size, channels, kernels).transpose(3, 2, 0, 1)


def _in_eights(places: np.ndarray) -> np.ndarray:
    """Return places up to a multiple of eight, the last one repeated."""
    return np.append(places, np.full(-len(places) % TOGETHER, places[-1:]))


@kernel(contract=True)
def correlate(images, batch, start, rank, inside, offsets, deltas, weight, outputs, y, places):
    """Write the sums of every window to its place in y; squares are in eights.

    `inside` is scratch for an image in its border of zeros, where it begins at `start` and has rows
    of `rank`. weight is [D, whole lanes].
    """
    room, wide = len(y) // batch, -(-outputs // LANES) * LANES
    for image in range(batch):
        copy_image(images, image, inside, start, rank, images.channels)
        for p in range(0, len(offsets), TOGETHER):
            for k in range(0, wide, LANES):
                sums = _sums(inside, deltas, offsets, p, weight, k, wide)
                for square in range(TOGETHER):
                    to = image * room + places[p + square] + k
                    store_part(y, to, sums[square], min(outputs - k, LANES))


@kernel(contract=True)
def add_products(images, slopes, batch, start, rank, inside, offsets, deltas, rows, sums):
    """Add up dw as [D, whole lanes] in sums, which begin as zeros; deltas are in eights.

    `rows` is scratch, zeros, for one image of dy in whole lanes; the rest is as in `correlate`.
    """
    wide = len(rows) // len(offsets)
    for image in range(batch):
        copy_image(images, image, inside, start, rank, images.channels)
        copy_image(slopes, image, rows, 0, slopes.width * wide, wide)
        for d in range(0, len(deltas), TOGETHER):
            for k in range(0, wide, LANES):
                more = _sums(inside, offsets, deltas, d, rows, k, wide)
                for number in range(TOGETHER):
                    at = (d + number) * wide + k
                    store(sums, at, load(sums, at) + more[number])


@kernel(contract=True)
def _sums(x, inner, outer, first, factors, k, wide):
    """Sum x[outer + inner_i] factors[i, k] over i, for eight numbers of `outer` from `first` on."""
    o0 = outer[first]
    o1 = outer[first + 1]
    o2 = outer[first + 2]
    o3 = outer[first + 3]
    o4 = outer[first + 4]
    o5 = outer[first + 5]
    o6 = outer[first + 6]
    o7 = outer[first + 7]
    zero = splat(0.0)
    s0 = zero
    s1 = zero
    s2 = zero
    s3 = zero
    s4 = zero
    s5 = zero
    s6 = zero
    s7 = zero
    for i in range(len(inner)):
        factor = load(factors, i * wide + k)
        at = inner[i]
        s0 = s0 + spread(x, o0 + at) * factor
        s1 = s1 + spread(x, o1 + at) * factor
        s2 = s2 + spread(x, o2 + at) * factor
        s3 = s3 + spread(x, o3 + at) * factor
        s4 = s4 + spread(x, o4 + at) * factor
        s5 = s5 + spread(x, o5 + at) * factor
        s6 = s6 + spread(x, o6 + at) * factor
        s7 = s7 + spread(x, o7 + at) * factor
    return s0, s1, s2, s3, s4, s5, s6, s7
