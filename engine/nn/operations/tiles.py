"""The four transforms of a Winograd convolution F(4x4, 3x3) and its gradient, for float32 images.

A tile of 4x4 outputs needs 6x6 inputs. With the matrices of Lavin and Gray (arXiv:1509.09308), for
each tile

    V = B^T d B      U = G g G^T      M[i] = V[i] U[i] at each of the 36 places i      Y = A^T M A

All steps are linear, so their adjoints in reverse order give the gradient with respect to the
input:

    dM = A dY A^T    dV[i] = dM[i] U[i]^T                             dd = B dV B^T, summed where tiles overlap

Layout: tiles cover an image of any sides up to whole tiles, and its C channels up to `wide`, the
next multiple of 16 lanes; what lies outside the image counts as 0. `board` holds one image inside
its padding, flat [(H + 2) (W + 2) wide] for a result of H W squares in whole tiles (`Frame`).
`products` is [36, stride]; its row i holds [T, wide], one row for each of T tiles. Rows lie a little
more than T wide floats apart, because rows a power of two apart fall into the same few cache sets
(measured on one board of 64 channels: 3.7 us against 0.7 us).
"""

from typing import NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, load, relu, splat, store
from engine.nn.operations.squares import copy_back, copy_image

PLACES = 36  # number of products per tile: 6 x 6
TILE = 4  # output squares along each side of a tile
STRIDE_PAD = 16  # floats of padding after each row of products

G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24


class Frame(NamedTuple):
    """How an image lies on the board."""

    height: int  # of the result, in whole tiles
    width: int
    top: int  # rows of padding before the image
    left: int


# ---- one-dimensional transforms ------------------------------------------------------------------


@kernel(contract=True)
def input_1d(d0, d1, d2, d3, d4, d5):
    """B^T d."""
    two = splat(2.0)
    four = splat(4.0)
    five = splat(5.0)
    a = d4 - four * d2
    b = d3 - four * d1
    c = d4 - d2
    d = two * (d3 - d1)
    return four * d0 - five * d2 + d4, a + b, a - b, c + d, c - d, four * d1 - five * d3 + d5


@kernel(contract=True)
def _input_adjoint_1d(v0, v1, v2, v3, v4, v5):
    """B v."""
    two = splat(2.0)
    four = splat(4.0)
    five = splat(5.0)
    a = v1 + v2
    b = v1 - v2
    c = v3 + v4
    d = two * (v3 - v4)
    return (
        four * v0,
        four * (v5 - b) - d,
        splat(0.0) - five * v0 - four * a - c,
        b + d - five * v5,
        v0 + a + c,
        v5,
    )


@kernel(contract=True)
def output_1d(m0, m1, m2, m3, m4, m5):
    """A^T m."""
    two = splat(2.0)
    four = splat(4.0)
    eight = splat(8.0)
    a = m1 + m2
    b = m1 - m2
    c = m3 + m4
    d = m3 - m4
    return m0 + a + c, b + two * d, a + four * c, b + eight * d + m5


@kernel(contract=True)
def _output_adjoint_1d(y0, y1, y2, y3):
    """Return A y."""
    two = splat(2.0)
    four = splat(4.0)
    eight = splat(8.0)
    a = y0 + y2
    b = y1 + y3
    c = y0 + four * y2
    d = two * y1 + eight * y3
    return y0, a + b, a - b, c + d, c - d, y3


# ---- rows of tiles and images --------------------------------------------------------------------


@kernel()
def _load4(array, at, step):
    return (
        load(array, at),
        load(array, at + step),
        load(array, at + 2 * step),
        load(array, at + 3 * step),
    )


@kernel()
def load6(array, at, step):
    """Load six lane vectors that lie `step` floats apart."""
    return (*_load4(array, at, step), load(array, at + 4 * step), load(array, at + 5 * step))


@kernel()
def _store6(array, at, step, row):
    for place in range(6):
        store(array, at + place * step, row[place])


@kernel()
def _add6(array, at, step, row):
    for place in range(6):
        store(array, at + place * step, load(array, at + place * step) + row[place])


@kernel()
def _store4(array, at, step, row, bias, rectify):
    for place in range(4):
        value = row[place] + bias
        store(array, at + place * step, relu(value) if rectify else value)


# ---- single tiles --------------------------------------------------------------------------------


@kernel()
def input_tile(board, at, rank, channels, products, to, stride):
    """Compute V of the tile whose first float is board[at]; one row of the board is `rank` floats."""
    c0 = input_1d(*load6(board, at, rank))
    c1 = input_1d(*load6(board, at + channels, rank))
    c2 = input_1d(*load6(board, at + 2 * channels, rank))
    c3 = input_1d(*load6(board, at + 3 * channels, rank))
    c4 = input_1d(*load6(board, at + 4 * channels, rank))
    c5 = input_1d(*load6(board, at + 5 * channels, rank))
    for row in range(6):
        _store6(
            products,
            to + 6 * row * stride,
            stride,
            input_1d(c0[row], c1[row], c2[row], c3[row], c4[row], c5[row]),
        )


@kernel()
def _input_adjoint_tile(products, at, stride, board, to, rank, channels):
    """Add B dV B^T of one tile to the 6x6 squares of the board that start at board[to]."""
    c0 = _input_adjoint_1d(*load6(products, at, 6 * stride))
    c1 = _input_adjoint_1d(*load6(products, at + stride, 6 * stride))
    c2 = _input_adjoint_1d(*load6(products, at + 2 * stride, 6 * stride))
    c3 = _input_adjoint_1d(*load6(products, at + 3 * stride, 6 * stride))
    c4 = _input_adjoint_1d(*load6(products, at + 4 * stride, 6 * stride))
    c5 = _input_adjoint_1d(*load6(products, at + 5 * stride, 6 * stride))
    for row in range(6):
        _add6(
            board,
            to + row * rank,
            channels,
            _input_adjoint_1d(c0[row], c1[row], c2[row], c3[row], c4[row], c5[row]),
        )


@kernel()
def output_tile(products, at, stride, bias, images, to, rank, channels, rectify):
    """Write A^T M A + bias of one tile, with ReLU on request, to the 4x4 squares that start at
    images[to].
    """
    c0 = output_1d(*load6(products, at, 6 * stride))
    c1 = output_1d(*load6(products, at + stride, 6 * stride))
    c2 = output_1d(*load6(products, at + 2 * stride, 6 * stride))
    c3 = output_1d(*load6(products, at + 3 * stride, 6 * stride))
    c4 = output_1d(*load6(products, at + 4 * stride, 6 * stride))
    c5 = output_1d(*load6(products, at + 5 * stride, 6 * stride))
    for row in range(4):
        squares = output_1d(c0[row], c1[row], c2[row], c3[row], c4[row], c5[row])
        _store4(images, to + row * rank, channels, squares, bias, rectify)


@kernel()
def _output_adjoint_tile(images, at, rank, channels, products, to, stride):
    """Compute dM = A dY A^T of the 4x4 squares that start at images[at]."""
    c0 = _output_adjoint_1d(*_load4(images, at, rank))
    c1 = _output_adjoint_1d(*_load4(images, at + channels, rank))
    c2 = _output_adjoint_1d(*_load4(images, at + 2 * channels, rank))
    c3 = _output_adjoint_1d(*_load4(images, at + 3 * channels, rank))
    for row in range(6):
        _store6(
            products,
            to + 6 * row * stride,
            stride,
            _output_adjoint_1d(c0[row], c1[row], c2[row], c3[row]),
        )


# ---- batches of images ---------------------------------------------------------------------------


@kernel()
def input_transform(images, first, count, frame, wide, board, products, stride):
    """Compute V of `count` images, starting with image `first`; `board` is scratch."""
    rank = (frame.width + 2) * wide
    place = 0
    board[: (frame.height + 2) * rank] = 0
    for image in range(first, first + count):
        copy_image(images, image, board, frame.top * rank + frame.left * wide, rank, wide)
        for row in range(0, frame.height, TILE):
            for column in range(0, frame.width, TILE):
                square = row * rank + column * wide
                for c in range(0, wide, LANES):
                    input_tile(board, square + c, rank, wide, products, place + c, stride)
                place += wide


@kernel()
def input_adjoint(
    products, stride, first, count, frame, height, width, channels, wide, board, images
):
    """Compute the gradient [B, H, W, C] of `count` images from dV; `board` is scratch."""
    rank = (frame.width + 2) * wide
    start = frame.top * rank + frame.left * wide
    place = 0
    for image in range(first, first + count):
        board[: (frame.height + 2) * rank] = 0
        for row in range(0, frame.height, TILE):
            for column in range(0, frame.width, TILE):
                square = row * rank + column * wide
                for c in range(0, wide, LANES):
                    _input_adjoint_tile(products, place + c, stride, board, square + c, rank, wide)
                place += wide
        at = image * height * width * channels
        copy_back(board, start, rank, wide, height, width, channels, images, at)


@kernel()
def output_transform(products, stride, first, count, height, width, channels, wide, page, images):
    """Compute Y [B, H, W, C] of `count` images from M; `page` is scratch where images have no whole
    tiles.
    """
    tall, long = -(-height // TILE) * TILE, -(-width // TILE) * TILE
    is_whole = tall == height and long == width and wide == channels
    rank = long * wide
    place = 0
    size = height * width * channels
    target = images if is_whole else page
    for image in range(first, first + count):
        start = image * size if is_whole else 0
        for row in range(0, tall, TILE):
            for column in range(0, long, TILE):
                to = start + row * rank + column * wide
                for c in range(0, wide, LANES):
                    output_tile(
                        products, place + c, stride, splat(0.0), target, to + c, rank, wide, False
                    )
                place += wide
        if not is_whole:
            copy_back(page, 0, rank, wide, height, width, channels, images, image * size)


@kernel()
def output_adjoint(images, first, count, wide, page, products, stride):
    """Compute dM of `count` images of the gradient; `page` is scratch where they have no whole
    tiles.
    """
    height, width = -(-images.height // TILE) * TILE, -(-images.width // TILE) * TILE
    is_whole = height == images.height and width == images.width and wide == images.across
    rank = width * wide
    place = 0
    source = images.flat if is_whole else page
    page[: height * rank] = 0
    for image in range(first, first + count):
        start = image * height * rank if is_whole else 0
        if not is_whole:
            copy_image(images, image, page, 0, rank, wide)
        for row in range(0, height, TILE):
            for column in range(0, width, TILE):
                square = start + row * rank + column * wide
                for c in range(0, wide, LANES):
                    _output_adjoint_tile(
                        source, square + c, rank, wide, products, place + c, stride
                    )
                place += wide
