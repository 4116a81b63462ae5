"""The largest number of every window of float32 images, and its gradient, sixteen channels at once."""

import numpy as np

from engine.native.aligned_arrays import aligned
from engine.native.jit import kernel
from engine.native.lanes import LANES, choose, load_part, maximum, splat, store_part
from engine.nn.operations.array_operations import Activated
from engine.nn.operations.geometry import Geometry
from engine.nn.operations.squares import copy_image, images_of
from engine.nn.operations.windows import forward_windows
from engine.nn.operations.workspace import empty


def largest(x: np.ndarray, geometry: Geometry) -> Activated:
    """Like `Operations.max_pool`."""
    batch, channels, height, width = x.shape
    images = images_of(x)
    sides = (height, width)
    windows = forward_windows(geometry, sides, channels, channels, False)
    inside, back = aligned(windows.size), aligned(windows.size)
    y = empty((batch, *geometry.sides(sides), channels))
    steps = windows.deltas[::channels]
    where = windows.first, windows.rank, inside
    places = windows.offsets, steps, windows.places, channels
    inside[:] = -np.inf
    largest_in_windows(images, batch, *where, *places, y.reshape(-1))

    def backward(dy):
        dx = empty((batch, *sides, channels))
        inside[:] = -np.inf
        slopes = images_of(dy)
        rows = aligned(len(windows.offsets) * channels)
        arrays = y.reshape(-1), slopes, rows, back, dx.reshape(-1)
        return_to_largest(images, batch, *where, *places, *arrays)
        return dx.transpose(0, 3, 1, 2)

    return y.transpose(0, 3, 1, 2), backward


@kernel()
def largest_in_windows(images, batch, start, rank, inside, offsets, steps, places, channels, y):
    """Write the largest number of each window to its place in y; the border of `inside` is
    -infinity.
    """
    room = len(y) // batch
    for image in range(batch):
        copy_image(images, image, inside, start, rank, channels)
        for p in range(len(offsets)):
            for c in range(0, channels, LANES):
                count = min(channels - c, LANES)
                at = offsets[p] + c
                most = splat(np.float32(-np.inf))
                for step in steps:
                    most = maximum(most, load_part(inside, at + step, count, most))
                store_part(y, image * room + places[p] + c, most, count)


@kernel()
def return_to_largest(
    images, batch, start, rank, inside, offsets, steps, places, channels, y, slopes, rows, back, dx
):
    """Add each dy to the first square of its window that holds the largest number.

    `rows` is scratch for an image of dy, `back` for one of dx with its border.
    """
    room = len(rows)
    size = images.height * images.width * channels
    zero = splat(0.0)
    for image in range(batch):
        copy_image(images, image, inside, start, rank, channels)
        copy_image(slopes, image, rows, 0, slopes.width * channels, channels)
        back[:] = 0
        for p in range(len(offsets)):
            for c in range(0, channels, LANES):
                count = min(channels - c, LANES)
                at = offsets[p] + c
                place = places[p] + c
                left = load_part(rows, place, count, zero)
                most = load_part(y, image * room + place, count, zero)
                for step in steps:
                    under = most - load_part(inside, at + step, count, zero)
                    taken = load_part(back, at + step, count, zero) + choose(under, zero, left)
                    store_part(back, at + step, taken, count)
                    left = choose(under, left, zero)
        for row in range(images.height):
            for i in range(0, images.width * channels, LANES):
                count = min(images.width * channels - i, LANES)
                inner = load_part(back, start + row * rank + i, count, zero)
                store_part(dx, image * size + row * images.width * channels + i, inner, count)
