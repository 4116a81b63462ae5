"""The largest number of every window of float32 images, and its gradient, sixteen channels at once."""

import numpy as np

from engine.native.aligned_arrays import aligned
from engine.native.jit import kernel
from engine.native.lanes import LANES, choose, load_part, maximum, splat, store_part
from engine.nn.operations.array_operations import Activated
from engine.nn.operations.geometry import Geometry
from engine.nn.operations.squares import Array, copy_back, copy_image, images_of
from engine.nn.operations.windows import forward_windows
from engine.nn.operations.workspace import empty


def largest(x: Array, geometry: Geometry) -> Activated:
    """Like `Operations.max_pool`."""
    batch, channels, height, width = x.shape
    images = images_of(x)
    sides = (height, width)
    windows = forward_windows(geometry, sides, channels, channels, False)
    windows = windows._replace(deltas=windows.deltas[::channels])
    inside = aligned(windows.size)
    inside[:] = -np.inf
    y = empty((batch, *geometry.sides(sides), channels))
    largest_in_windows(images, batch, windows, inside, y.reshape(-1))

    def backward(dy):
        dx = empty((batch, *sides, channels))
        inside[:] = -np.inf
        scratch = inside, aligned(windows.size), aligned(len(windows.offsets) * channels)
        arrays = y.reshape(-1), images_of(dy), dx.reshape(-1)
        return_to_largest(images, batch, windows, *scratch, *arrays)
        return dx.transpose(0, 3, 1, 2)

    return y.transpose(0, 3, 1, 2), backward


@kernel()
def largest_in_windows(images, batch, windows, inside, y):
    """Write the largest number of each window to its place in y; the border of `inside` is
    -infinity.
    """
    room = len(y) // batch
    channels = images.channels
    for image in range(batch):
        copy_image(images, image, inside, windows.first, windows.rank, channels)
        for p in range(len(windows.offsets)):
            for c in range(0, channels, LANES):
                count = min(channels - c, LANES)
                at = windows.offsets[p] + c
                most = splat(np.float32(-np.inf))
                for delta in windows.deltas:
                    most = maximum(most, load_part(inside, at + delta, count, most))
                store_part(y, image * room + windows.places[p] + c, most, count)


@kernel()
def return_to_largest(images, batch, windows, inside, back, rows, y, slopes, dx):
    """Add each dy to the first square of its window that holds the largest number.

    `back` is scratch for an image of dx with its border, `rows` for one of dy.
    """
    room = len(rows)
    channels = images.channels
    size = images.height * images.width * channels
    zero = splat(0.0)
    for image in range(batch):
        copy_image(images, image, inside, windows.first, windows.rank, channels)
        copy_image(slopes, image, rows, 0, slopes.width * channels, channels)
        back[:] = 0
        for p in range(len(windows.offsets)):
            for c in range(0, channels, LANES):
                count = min(channels - c, LANES)
                at = windows.offsets[p] + c
                place = windows.places[p] + c
                slope = load_part(rows, place, count, zero)
                most = load_part(y, image * room + place, count, zero)
                for delta in windows.deltas:
                    under = most - load_part(inside, at + delta, count, zero)
                    sum_there = load_part(back, at + delta, count, zero)
                    store_part(back, at + delta, sum_there + choose(under, zero, slope), count)
                    slope = choose(under, slope, zero)
        copy_back(
            back,
            windows.first,
            windows.rank,
            channels,
            images.height,
            images.width,
            channels,
            dx,
            image * size,
        )
