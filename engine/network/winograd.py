"""Winograd convolutions F(4x4, 3x3) on boards: 3x3 filters by 36 matrix products a layer instead of a sliding window.

A tile of 4x4 outputs needs 6x6 inputs. With the matrices of Lavin and Gray (arXiv:1509.09308)

    U = G g G^T    V = B^T d B    M[i] = V[i] U[i] for each of the 36 places i    Y = A^T M A

a tile costs 36 multiplications per pair of channels instead of 144. A board is four tiles.

Layout, all float32 and flat, channels last, the channel count C a multiple of 16 lanes:

    board     [10, 10, C]: 8x8 squares inside a border of zeros that is never written: no tile is a special case
    products  [36, stride]: row i holds [4 * positions, C] tile values; the stride is a little more than that, because
              rows a power of two apart would fall into the same few cache sets (3.7 us a board instead of 0.7)
"""

from __future__ import annotations

import math

import numpy as np

from engine.jit import LANES, kernel, load, relu, splat, store
from engine.network.multiply import Rows, multiply, packed

BOARD = 10  # squares along a padded board
INNER = BOARD + 1  # square a1 of a padded board
PLACES = 36  # products of one tile: 6 x 6
TILES = 4  # tiles of one board
CACHE_LINE = 64  # bytes
STRIDE_PAD = 16  # floats after each row of products

_G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24


def aligned_zeros(*shape: int) -> np.ndarray:
    """float32 zeros that begin on a cache line, so that sixteen lanes never straddle two."""
    size = math.prod(shape)
    memory = np.zeros(size + LANES, np.float32)
    first = -memory.ctypes.data % CACHE_LINE // memory.itemsize
    return memory[first : first + size].reshape(shape)


def aligned_copy(array: np.ndarray) -> np.ndarray:
    """The array as contiguous float32 that begins on a cache line."""
    copy = aligned_zeros(*array.shape)
    copy[...] = array
    return copy


def transform_weights(weights: np.ndarray) -> np.ndarray:
    """Filters [C_out, C_in, 3, 3] -> U [36, C_in, C_out], flat float32 and `packed`, computed in float64."""
    u = np.einsum("ia,kcab,jb->ijck", _G, weights.astype(np.float64), _G)
    return aligned_copy(packed(u.reshape(PLACES, *u.shape[2:])))


def products_buffer(positions: int, channels: int) -> np.ndarray:
    """Zeroed products, flat."""
    return aligned_zeros(PLACES * (TILES * positions * channels + STRIDE_PAD))


@kernel(contract=True)
def multiply_places(transformed, filters, outputs, count, multiplied):
    """M[i] = V[i] U[i] for the 36 places of `count` positions; filters as of `transform_weights`, C_out = outputs."""
    channels = len(filters) // (PLACES * outputs)
    from_stride, to_stride = len(transformed) // PLACES, len(multiplied) // PLACES
    for place in range(PLACES):
        multiply(
            transformed,
            Rows(place * from_stride, channels, TILES * channels),
            channels,
            filters,
            place * channels * outputs,
            outputs,
            multiplied,
            Rows(place * to_stride, outputs, TILES * outputs),
            count,
        )


@kernel()
def _input_1d(d0, d1, d2, d3, d4, d5):
    """One column of B^T d."""
    two, four, five = splat(2.0), splat(4.0), splat(5.0)
    a = d4 - four * d2
    b = d3 - four * d1
    c = d4 - d2
    d = two * (d3 - d1)
    return four * d0 - five * d2 + d4, a + b, a - b, c + d, c - d, four * d1 - five * d3 + d5


@kernel()
def _output_1d(m0, m1, m2, m3, m4, m5):
    """One column of A^T m."""
    two, four, eight = splat(2.0), splat(4.0), splat(8.0)
    a = m1 + m2
    b = m1 - m2
    c = m3 + m4
    d = m3 - m4
    return m0 + a + c, b + two * d, a + four * c, b + eight * d + m5


@kernel()
def _load_input_column(board, at, step):
    return _input_1d(
        load(board, at),
        load(board, at + step),
        load(board, at + 2 * step),
        load(board, at + 3 * step),
        load(board, at + 4 * step),
        load(board, at + 5 * step),
    )


@kernel()
def _store_input_row(products, at, stride, row):
    store(products, at, row[0])
    store(products, at + stride, row[1])
    store(products, at + 2 * stride, row[2])
    store(products, at + 3 * stride, row[3])
    store(products, at + 4 * stride, row[4])
    store(products, at + 5 * stride, row[5])


@kernel()
def _input_tile(board, at, step, channels, products, to, stride):
    """B^T d B of the tile whose first float is board[at], into products[to], products[to + stride], ..."""
    c0 = _load_input_column(board, at, step)
    c1 = _load_input_column(board, at + channels, step)
    c2 = _load_input_column(board, at + 2 * channels, step)
    c3 = _load_input_column(board, at + 3 * channels, step)
    c4 = _load_input_column(board, at + 4 * channels, step)
    c5 = _load_input_column(board, at + 5 * channels, step)
    _store_input_row(products, to, stride, _input_1d(c0[0], c1[0], c2[0], c3[0], c4[0], c5[0]))
    _store_input_row(products, to + 6 * stride, stride, _input_1d(c0[1], c1[1], c2[1], c3[1], c4[1], c5[1]))
    _store_input_row(products, to + 12 * stride, stride, _input_1d(c0[2], c1[2], c2[2], c3[2], c4[2], c5[2]))
    _store_input_row(products, to + 18 * stride, stride, _input_1d(c0[3], c1[3], c2[3], c3[3], c4[3], c5[3]))
    _store_input_row(products, to + 24 * stride, stride, _input_1d(c0[4], c1[4], c2[4], c3[4], c4[4], c5[4]))
    _store_input_row(products, to + 30 * stride, stride, _input_1d(c0[5], c1[5], c2[5], c3[5], c4[5], c5[5]))


@kernel()
def input_transform(board, start, channels, products, position):
    """V of one padded board that starts at board[start], into its four rows of `products`."""
    stride = len(products) // PLACES
    step = BOARD * channels
    for tile in range(TILES):
        at = start + ((tile >> 1) * 4 * BOARD + (tile & 1) * 4) * channels
        to = (position * TILES + tile) * channels
        for c in range(0, channels, LANES):
            _input_tile(board, at + c, step, channels, products, to + c, stride)


@kernel()
def _load_output_column(products, at, stride):
    return _output_1d(
        load(products, at),
        load(products, at + 6 * stride),
        load(products, at + 12 * stride),
        load(products, at + 18 * stride),
        load(products, at + 24 * stride),
        load(products, at + 30 * stride),
    )


@kernel()
def _store_output_row(board, at, channels, row, bias, rectify):
    for_zero, for_one, for_two, for_three = row[0] + bias, row[1] + bias, row[2] + bias, row[3] + bias
    if rectify:
        for_zero, for_one, for_two, for_three = relu(for_zero), relu(for_one), relu(for_two), relu(for_three)
    store(board, at, for_zero)
    store(board, at + channels, for_one)
    store(board, at + 2 * channels, for_two)
    store(board, at + 3 * channels, for_three)


@kernel()
def _output_tile(products, at, stride, bias, board, to, step, channels, rectify):
    """A^T M A + bias of one tile, into the 4x4 squares from board[to] on, which are `step` floats a rank apart."""
    c0 = _load_output_column(products, at, stride)
    c1 = _load_output_column(products, at + stride, stride)
    c2 = _load_output_column(products, at + 2 * stride, stride)
    c3 = _load_output_column(products, at + 3 * stride, stride)
    c4 = _load_output_column(products, at + 4 * stride, stride)
    c5 = _load_output_column(products, at + 5 * stride, stride)
    _store_output_row(board, to, channels, _output_1d(c0[0], c1[0], c2[0], c3[0], c4[0], c5[0]), bias, rectify)
    to += step
    _store_output_row(board, to, channels, _output_1d(c0[1], c1[1], c2[1], c3[1], c4[1], c5[1]), bias, rectify)
    to += step
    _store_output_row(board, to, channels, _output_1d(c0[2], c1[2], c2[2], c3[2], c4[2], c5[2]), bias, rectify)
    to += step
    _store_output_row(board, to, channels, _output_1d(c0[3], c1[3], c2[3], c3[3], c4[3], c5[3]), bias, rectify)


@kernel()
def output_transform(products, position, bias, board, start, side, rectify):
    """Y + bias of one position, rectified on request.

    The squares go to a board of `side` squares a rank (8 dense, 10 padded) whose square a1 is at board[start].
    """
    channels = len(bias)
    stride = len(products) // PLACES
    for tile in range(TILES):
        at = (position * TILES + tile) * channels
        to = start + ((tile >> 1) * 4 * side + (tile & 1) * 4) * channels
        for c in range(0, channels, LANES):
            _output_tile(products, at + c, stride, load(bias, c), board, to + c, side * channels, channels, rectify)
