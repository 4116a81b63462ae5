"""How images lie in memory: [B, H, W, C] inside the operations, [B, C, H, W] where the user makes
them.
"""

from typing import NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import (
    LANES,
    lane_sum,
    load,
    load_part,
    number_at,
    set_number,
    splat,
    store,
    store_part,
    turn_block,
)
from engine.nn.operations.workspace import empty

Array = np.ndarray  # in host memory


class Images(NamedTuple):
    """Images [B, C, H, W] as flat float32 memory of which kernels read one channel of one square."""

    flat: Array
    height: int
    width: int
    channels: int
    across: int  # floats from a square to the next one
    along: int  # floats from a channel to the next one


def images_of(x: Array) -> Images:
    """View images as they lie; a copy only where neither squares nor planes lie in a row."""
    _, channels, height, width = x.shape
    x = x.astype(np.float32, copy=False)
    if x.flags.c_contiguous and channels > 1:
        return Images(x.reshape(-1), height, width, channels, 1, height * width)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    return Images(last.reshape(-1), height, width, channels, channels, 1)


def channels_last_copy(x: Array) -> Array:
    """Return [B, C, H, W] as contiguous float32 [B, H, W, C]; a view if the memory already is."""
    if x.ndim != 4 or x.dtype != np.float32 or not x.flags.c_contiguous or x.shape[1] == 1:
        return np.ascontiguousarray(x.transpose(0, *range(2, x.ndim), 1), np.float32)
    batch, channels, height, width = x.shape
    y = empty((batch, height, width, channels))
    turn(images_of(x), batch, y.reshape(-1))
    return y


@kernel()
def copy_image(images, image, into, first, rank, wide):
    """Copy an image to into[first]: a row of it lies `rank` floats behind the last, a square
    `wide`.
    """
    width = images.width
    channels = images.channels
    across = images.across
    size = images.height * width
    for row in range(images.height):
        at, to = image * size * channels + row * width * across, first + row * rank
        if images.along == 1 and wide == channels:
            copy_floats(images.flat, at, into, to, width * channels)
        elif images.along == 1:
            for column in range(width):
                copy_floats(images.flat, at + column * across, into, to + column * wide, channels)
        else:
            for c in range(0, channels, LANES):
                planes = min(channels - c, LANES)
                for column in range(0, width, LANES):
                    from_square = at + c * images.along + column
                    to_square = to + column * wide + c
                    squares = min(width - column, LANES)
                    turn_block(
                        images.flat,
                        from_square,
                        images.along,
                        planes,
                        squares,
                        into,
                        to_square,
                        wide,
                    )


@kernel()
def copy_groups(images, image, into, windows, groups, outputs, wide):
    """Copy an image to where its windows read it. Of several groups, `wide` floats hold for each
    channel of a group what every one of the `outputs` reads there.
    """
    first, rank = windows.first, windows.rank
    repeats, depth = outputs // groups, images.channels // groups
    if groups == 1:
        copy_image(images, image, into, first, rank, images.channels)
    elif depth == repeats == 1:
        copy_image(images, image, into, first, rank, wide)
    else:
        width = images.width
        start = image * images.height * width * images.channels
        for square in range(images.height * width):
            at = start + square * images.across
            to = first + square // width * rank + square % width * depth * wide
            for channel in range(images.channels):
                number = number_at(images.flat, at + channel * images.along)
                group, place = divmod(channel, depth)
                for i in range(0, repeats, LANES):
                    lane = to + place * wide + group * repeats + i
                    store_part(into, lane, splat(number), min(repeats - i, LANES))


@kernel()
def copy_floats(source, at, into, to, count):
    """Copy so many floats."""
    whole = count // LANES * LANES
    for i in range(0, whole, LANES):
        store(into, to + i, load(source, at + i))
    if whole < count:
        rest = load_part(source, at + whole, count - whole, splat(0.0))
        store_part(into, to + whole, rest, count - whole)


@kernel()
def copy_back(board, start, rank, wide, height, width, channels, images, at):
    """Copy the squares from board[start] on, `wide` floats each and rows of `rank`, to images[at],
    [H, W, C].
    """
    for row in range(height):
        here, to = start + row * rank, at + row * width * channels
        if wide == channels:
            copy_floats(board, here, images, to, width * channels)
        else:
            for column in range(width):
                copy_floats(board, here + column * wide, images, to + column * channels, channels)


@kernel()
def fold_groups(board, start, rank, groups, outputs, wide, height, width, channels, images, at):
    """As `copy_back`, adding up what `copy_groups` repeated."""
    repeats, depth = outputs // groups, channels // groups
    if depth == repeats == 1:
        copy_back(board, start, rank, wide, height, width, channels, images, at)
    else:
        for square in range(height * width):
            here = start + square // width * rank + square % width * depth * wide
            for channel in range(channels):
                group, place = divmod(channel, depth)
                first = here + place * wide + group * repeats
                total = splat(0.0)
                for i in range(0, repeats, LANES):
                    total = total + load_part(board, first + i, min(repeats - i, LANES), splat(0.0))
                set_number(images, at + square * channels + channel, lane_sum(total))


@kernel()
def turn(images, batch, y):
    """Write all images as [B, H, W, C]."""
    rank = images.width * images.channels
    for image in range(batch):
        copy_image(images, image, y, image * images.height * rank, rank, images.channels)


@kernel()
def add_to_rows(rows, bias):
    """Add bias [C] to each row of C floats."""
    width = len(bias)
    for c in range(0, width, LANES):
        count = min(width - c, LANES)
        added = load_part(bias, c, count, splat(0.0))
        for at in range(c, len(rows), width):
            store_part(rows, at, load_part(rows, at, count, added) + added, count)
