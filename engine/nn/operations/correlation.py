"""Convolution without patches in memory: sixteen kernels are the lanes of a value, and several sums
run side by side.

For squares p of the result and numbers d of a window (`windows.py`):

    y[p, k] = sum over d of x[offset_p + delta_d] w[d, k]       dw[d, k] = sum over p of x[offset_p + delta_d] dy[p, k]

The gradient of x[offset_p + delta_d] is the sum of dy[p, k] w[d, k] over k: a product of matrices,
which is added up where windows overlap. Of several groups, each lane reads a number of its
own, x[offset_p + delta_d + k]: the scratch image holds for each of a group's C / G channels what
all kernels read there. No sum depends on how many run side by side.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from engine.native.aligned_arrays import aligned_zeros
from engine.native.jit import generated_kernel, kernel
from engine.native.lanes import (
    LANES,
    WIDE_REGISTERS,
    load,
    load_part,
    splat,
    spread,
    store,
    store_part,
)
from engine.nn.operations.geometry import Geometry
from engine.nn.operations.squares import (
    Array,
    Images,
    channels_last_copy,
    copy_back,
    copy_groups,
    copy_image,
    fold_groups,
    images_of,
)
from engine.nn.operations.windows import Windows, forward_windows, whole_lanes
from engine.nn.operations.workspace import empty

# Sums that run side by side hide the time that a multiply-add takes, and share what they load. AVX2
# has sixteen registers, of which a sum takes two.
TOGETHER = 8 if WIDE_REGISTERS else 6
SINGLE_SQUARES = Geometry.of(1, 1, 0)
FEW_SUMS = 32  # sums of which a remainder would be a large part
MOST_SLOPES = 2**17  # of windows that stay in the second-level cache
MOST_PLACES = 1024  # of a gradient in the second-level cache


def convolve(
    x: Array, weight: Array, geometry: Geometry, groups: int
) -> tuple[Array, Callable[[Array], Array]]:
    """Return y of `Operations.conv2d` for float32, and dy -> dweight."""
    kernels, channels, *_ = weight.shape
    batch, _, height, width = x.shape
    sides = (height, width)
    images = images_of(x)
    y = empty((batch, *geometry.sides(sides), kernels))
    windows = forward_windows(geometry, sides, channels, kernels, True, groups > 1)
    outputs = windows.columns.shape[1] * kernels
    weights = windows.weights(weight.transpose(2, 3, 1, 0))
    in_groups = windows._replace(
        offsets=_repeated(windows.offsets, TOGETHER), places=_repeated(windows.places, TOGETHER)
    )
    inside = aligned_zeros(windows.size)
    correlate = _correlate(TOGETHER, *_form(whole_lanes(outputs), groups))
    correlate(images, batch, groups, in_groups, inside, weights, outputs, y.reshape(-1))

    def backward(dy):
        windows = forward_windows(geometry, sides, channels, kernels, False, groups > 1)
        return _kernel_gradient(images, images_of(dy), batch, windows, weight.shape, groups)

    return y.transpose(0, 3, 1, 2), backward


def convolve_back(
    dy: Array, weight: Array, sides: tuple[int, int], geometry: Geometry, groups: int
) -> Array:
    """Like `Operations.conv2d_transposed`, for float32."""
    kernels, channels, *size = weight.shape
    windows = forward_windows(geometry, sides, channels, kernels, False, groups > 1)
    dx = empty((len(dy), *sides, channels * groups))
    if groups > 1:
        weights = windows.weights(weight.transpose(2, 3, 1, 0))
        inside = aligned_zeros(windows.size)
        rows = aligned_zeros(len(windows.offsets) * whole_lanes(kernels))
        add_by_lanes(images_of(dy), groups, windows, inside, weights, kernels, rows, dx)
    else:
        by_number = weight.transpose(0, 2, 3, 1).reshape(kernels, -1)
        rows = channels_last_copy(dy).reshape(len(dy), -1, kernels)
        if geometry == SINGLE_SQUARES:
            np.matmul(rows, by_number, out=dx.reshape(*rows.shape[:2], channels))
        else:
            run = channels
            if geometry.dilation[1] == 1:
                run *= size[1]
            _add_slopes(rows, by_number, windows, run, dx)
    return dx.transpose(0, 3, 1, 2)


def _add_slopes(rows: Array, by_number: Array, windows: Windows, run: int, dx: Array) -> None:
    """Fill dx [B, H, W, C] from dy [B, P, K] and the weight [K, D], some images at a time; `run`
    numbers of a window lie side by side.
    """
    runs = windows._replace(deltas=windows.deltas[::run])
    inside = aligned_zeros(windows.size)
    chunk = max(1, MOST_SLOPES // (rows.shape[1] * by_number.shape[1]))
    for first in range(0, len(rows), chunk):
        slopes = rows[first : first + chunk] @ by_number
        add_windows(slopes.reshape(-1), runs, run, inside, dx[first : first + chunk])


def _kernel_gradient(
    images: Images,
    slopes: Images,
    batch: int,
    windows: Windows,
    shape: tuple[int, ...],
    groups: int,
) -> Array:
    kernels, channels, *size = shape
    wide = whole_lanes(kernels)
    together = _side_by_side(len(windows.deltas))
    in_groups = windows._replace(deltas=_repeated(windows.deltas, together))
    inside = aligned_zeros(windows.size)
    sums = aligned_zeros(len(in_groups.deltas), wide)
    rows = aligned_zeros(len(windows.offsets) * wide)
    add_products = _add_products(together, *_form(wide, groups))
    add_products(images, slopes, batch, groups, in_groups, inside, rows, kernels, sums.reshape(-1))
    dweight = np.ascontiguousarray(sums[: len(windows.deltas), :kernels])
    return dweight.reshape(*size, channels, kernels).transpose(3, 2, 0, 1)


def _side_by_side(count: int) -> int:
    """Return how many of so many sums run side by side: few leave a small remainder."""
    if count >= FEW_SUMS:
        return TOGETHER
    return min(range(TOGETHER, 2, -1), key=lambda together: -(-count // together) * (together + 1))


def _repeated(places: Array, together: int) -> Array:
    """Return places up to a multiple of `together`, the last one repeated."""
    return np.append(places, np.full(-len(places) % together, places[-1:]))


def _form(wide: int, groups: int) -> tuple[int, Any]:
    """Return how many values of lanes stand side by side in kernels for so many numbers, and how
    lanes read x.
    """
    values = 1
    if WIDE_REGISTERS and wide % (2 * LANES) == 0:
        values = 2
    take = _own
    if groups == 1:
        take = _same
    return values, take


@cache
def _sums(together: int, values: int, take: Any) -> Any:
    names = {"load": load, "splat": splat, "take": take}
    parameters = "x, inner, outer, first, factors, k, wide"
    return generated_kernel("sums", parameters, _lines(together, values), names)


@cache
def _correlate(together: int, values: int, take: Any) -> Any:
    sums = _sums(together, values, take)
    step = values * LANES

    @kernel(contract=True)
    def correlate(images, batch, groups, windows, inside, weight, outputs, y):
        """Write the sums of every window to its place in y; squares are in groups of `together`.

        `inside` is scratch for an image in its border of zeros. weight is [D, whole lanes].
        """
        room, wide = len(y) // batch, -(-outputs // LANES) * LANES
        offsets = windows.offsets
        for image in range(batch):
            copy_groups(images, image, inside, windows, groups, outputs, wide)
            for p in range(0, len(offsets), together):
                for k in range(0, wide, step):
                    totals = sums(inside, windows.deltas, offsets, p, weight, k, wide)
                    for square in range(together):
                        to = image * room + windows.places[p + square]
                        for value in range(values):
                            lane = k + value * LANES
                            total = totals[square * values + value]
                            store_part(y, to + lane, total, min(outputs - lane, LANES))

    return correlate


@cache
def _add_products(together: int, values: int, take: Any) -> Any:
    sums = _sums(together, values, take)
    step = values * LANES

    @kernel(contract=True)
    def add_products(images, slopes, batch, groups, windows, inside, rows, kernels, dweight):
        """Add up dw as [D, whole lanes] in `dweight`, which begins as zeros; deltas are in groups of
        `together`.

        `rows` is scratch, zeros, for one image of dy in whole lanes; the rest is as in `correlate`.
        """
        offsets, deltas = windows.offsets, windows.deltas
        wide = len(rows) // len(offsets)
        for image in range(batch):
            copy_groups(images, image, inside, windows, groups, kernels, wide)
            copy_image(slopes, image, rows, 0, slopes.width * wide, wide)
            for first in range(0, len(offsets), MOST_PLACES):
                here = offsets[first : first + MOST_PLACES]
                for d in range(0, len(deltas), together):
                    for k in range(0, wide, step):
                        totals = sums(inside, here, deltas, d, rows, first * wide + k, wide)
                        for number in range(together):
                            for value in range(values):
                                at = (d + number) * wide + k + value * LANES
                                total = totals[number * values + value]
                                store(dweight, at, load(dweight, at) + total)

    return add_products


def _lines(together: int, values: int) -> Iterator[str]:
    """Yield the body of a kernel: the sums of x[outer + inner_i] factors[i, k] over i, for numbers
    of `outer` from `first` on, and for so many values of lanes from `k` on.
    """
    sums = [(number, value) for number in range(together) for value in range(values)]
    for number in range(together):
        yield f"at_{number} = outer[first + {number}]"
    for number, value in sums:
        yield f"sum_{number}_{value} = splat(0.0)"
    yield "for i in range(len(inner)):"
    yield "    at = inner[i]"
    for value in range(values):
        yield f"    k_{value} = k + {value * LANES}"
        yield f"    factor_{value} = load(factors, i * wide + k_{value})"
    for number, value in sums:
        read = f"take(x, at_{number} + at, k_{value})"
        yield f"    sum_{number}_{value} = sum_{number}_{value} + {read} * factor_{value}"
    yield f"return {', '.join(f'sum_{number}_{value}' for number, value in sums)}"


@kernel(contract=True)
def add_windows(slopes, windows, run, inside, dx):
    """Add the slopes [B, P, D] of all windows to dx [B, H, W, C], in runs of so many floats, whose
    first ones are the deltas.

    `inside` is scratch as in `correlate`.
    """
    batch, height, width, channels = dx.shape
    flat = dx.reshape(-1)
    zero = splat(0.0)
    at = 0
    for image in range(batch):
        inside[:] = 0
        for offset in windows.offsets:
            for delta in windows.deltas:
                for i in range(0, run, LANES):
                    count = min(run - i, LANES)
                    to = offset + delta + i
                    slope = load_part(slopes, at + i, count, zero)
                    store_part(inside, to, load_part(inside, to, count, zero) + slope, count)
                at += run
        start = image * height * width * channels
        border = windows.first, windows.rank
        copy_back(inside, *border, channels, height, width, channels, flat, start)


@kernel(contract=True)
def add_by_lanes(slopes, groups, windows, inside, weight, kernels, rows, dx):
    """Add what every window gives to dx [B, H, W, C] of several groups, whose lanes read numbers of
    their own; the rest is as in `add_products`.
    """
    batch, height, width, channels = dx.shape
    flat = dx.reshape(-1)
    offsets, deltas = windows.offsets, windows.deltas
    wide = len(rows) // len(offsets)
    for image in range(batch):
        inside[:] = 0
        copy_image(slopes, image, rows, 0, slopes.width * wide, wide)
        for p in range(len(offsets)):
            for k in range(0, wide, LANES):
                dy = load(rows, p * wide + k)
                for d in range(len(deltas)):
                    at = offsets[p] + deltas[d] + k
                    store(inside, at, load(inside, at) + dy * load(weight, d * wide + k))
        start = image * height * width * channels
        border = windows.first, windows.rank
        sides = height, width, channels
        fold_groups(inside, *border, groups, kernels, wide, *sides, flat, start)


@kernel()
def _same(x, at, k):
    return spread(x, at)


@kernel()
def _own(x, at, k):
    return load(x, at + k)
