"""The four transforms of a Winograd convolution F(4x4, 3x3) and its gradient, for float32 images.

A tile of 4x4 outputs needs 6x6 inputs. With the matrices of Lavin and Gray (arXiv:1509.09308), for
each tile

    V = B^T d B      U = G g G^T      M[i] = V[i] U[i] at each of the 36 places i      Y = A^T M A

All steps are linear, so their adjoints in reverse order give the gradient with respect to the
input:

    dM = A dY A^T    dV[i] = dM[i] U[i]^T                             dd = B dV B^T, summed where tiles overlap

Layout: images are flat [B, H, W, C] with H and W multiples of 4 and C a multiple of 16 lanes;
`board` holds one image inside a border of one square, flat [(H + 2) (W + 2) C]. `products` is [36,
stride]; its row i holds [T, C], C floats per tile. Rows lie a little more than T C floats apart,
because rows a power of two apart fall into the same few cache sets (measured on one board of 64
channels: 3.7 us against 0.7 us).
"""

from __future__ import annotations

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, load, relu, splat, store

PLACES = 36  # number of products per tile: 6 x 6
TILE = 4  # output squares along each side of a tile
STRIDE_PAD = 16  # floats of padding after each row of products

G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24


# ---- one-dimensional transforms ------------------------------------------------------------------


@kernel(contract=True)
def input_1d(d0, d1, d2, d3, d4, d5):
    """B^T d."""
    two, four, five = splat(2.0), splat(4.0), splat(5.0)
    a = d4 - four * d2
    b = d3 - four * d1
    c = d4 - d2
    d = two * (d3 - d1)
    return four * d0 - five * d2 + d4, a + b, a - b, c + d, c - d, four * d1 - five * d3 + d5


@kernel(contract=True)
def _input_adjoint_1d(v0, v1, v2, v3, v4, v5):
    """B v."""
    two, four, five = splat(2.0), splat(4.0), splat(5.0)
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
    two, four, eight = splat(2.0), splat(4.0), splat(8.0)
    a = m1 + m2
    b = m1 - m2
    c = m3 + m4
    d = m3 - m4
    return m0 + a + c, b + two * d, a + four * c, b + eight * d + m5


@kernel(contract=True)
def _output_adjoint_1d(y0, y1, y2, y3):
    """Return A y."""
    two, four, eight = splat(2.0), splat(4.0), splat(8.0)
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


@kernel()
def _copy_board(images, start, height, width, channels, board, is_adjoint):
    """Copy an image into the inside of the board, whose border is already zero, or as the adjoint
    from there.
    """
    for row in range(height):
        square = start + row * width * channels
        inside = ((row + 1) * (width + 2) + 1) * channels
        for c in range(0, width * channels, LANES):
            if is_adjoint:
                store(images, square + c, load(board, inside + c))
            else:
                store(board, inside + c, load(images, square + c))


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
def input_transform(
    images, first, count, height, width, channels, board, products, stride, is_adjoint
):
    """Compute V of `count` images, starting with image `first`, or as its adjoint their gradient
    from dV.
    """
    rank, size, place = (width + 2) * channels, height * width * channels, 0
    board[: (height + 2) * rank] = 0
    for image in range(first, first + count):
        if is_adjoint:
            board[: (height + 2) * rank] = 0
        else:
            _copy_board(images, image * size, height, width, channels, board, False)
        for row in range(0, height, TILE):
            for column in range(0, width, TILE):
                square = row * rank + column * channels
                for c in range(0, channels, LANES):
                    if is_adjoint:
                        _input_adjoint_tile(
                            products, place + c, stride, board, square + c, rank, channels
                        )
                    else:
                        input_tile(board, square + c, rank, channels, products, place + c, stride)
                place += channels
        if is_adjoint:
            _copy_board(images, image * size, height, width, channels, board, True)


@kernel()
def output_transform(products, stride, first, count, height, width, channels, images, is_adjoint):
    """Compute Y of `count` images from M, starting with image `first`, or as its adjoint dM from
    their gradient.
    """
    rank, place = width * channels, 0
    for image in range(first, first + count):
        for row in range(0, height, TILE):
            for column in range(0, width, TILE):
                square = (image * height + row) * rank + column * channels
                for c in range(0, channels, LANES):
                    if is_adjoint:
                        _output_adjoint_tile(
                            images, square + c, rank, channels, products, place + c, stride
                        )
                    else:
                        output_tile(
                            products,
                            place + c,
                            stride,
                            splat(0.0),
                            images,
                            square + c,
                            rank,
                            channels,
                            False,
                        )
                place += channels


def products_view(products: np.ndarray, stride: int, tiles: int, channels: int) -> np.ndarray:
    """View the products as matrices [36, tiles, channels] for `np.matmul`."""
    rows = products[: PLACES * stride].reshape(PLACES, stride)
    return rows[:, : tiles * channels].reshape(PLACES, tiles, channels)
