"""Winograd convolutions F(4x4, 3x3) on boards: 36 matrix products per layer replace the sliding 3x3
window.

The transforms of a tile, U = G g G^T, V = B^T d B, M[i] = V[i] U[i] and Y = A^T M A, are the same
as in training (`engine.nn.operations.tiles`). A tile costs 36 multiplications per pair of channels
instead of 144; a board has four.

Layout, all float32 and flat, channels last, the channel count C a multiple of 16 lanes:

    board     [10, 10, C]: 8x8 squares inside a border that always stays zero, so no tile is a special case
    products  [36, stride]: row i holds [4 * positions, C] tile values and STRIDE_PAD floats
"""

from typing import NamedTuple

import numpy as np

from engine.native.aligned_arrays import aligned_copy, aligned_zeros
from engine.native.jit import kernel
from engine.native.lanes import LANES, load
from engine.network.fused.lone_board import in_columns, multiply_lone, transformed_filters
from engine.network.fused.multiply import Rows, multiply, packed
from engine.network.outputs import CHUNK
from engine.nn.operations.tiles import PLACES, STRIDE_PAD, input_tile, output_tile

BOARD = 10  # Squares along a padded board.
INNER = BOARD + 1  # Index of square a1 on a padded board.
TILES = 4  # Tiles of one board.
LONE_CHANNELS = 128  # From here on, a lone board's filters are transformed anew (measured).


class Filters(NamedTuple):
    """The 3x3 filters of a layer; with another axis in front, of several."""

    table: np.ndarray  # U [36, C_in, C_out], flat and `packed`
    # The filters themselves, for `multiply_lone`; empty where the table is read as fast.
    plain: np.ndarray


def filters_of(weights: np.ndarray) -> Filters:
    """Return filters [C_out, C_in, 3, 3] in the layouts that the products read."""
    plain = np.zeros(0, np.float32)
    if weights.shape[1] >= LONE_CHANNELS:
        plain = in_columns(weights)
    return Filters(aligned_copy(packed(transformed_filters(weights))), plain)


def products_buffer(channels: int) -> np.ndarray:
    """Return a flat buffer of zeroed products of one chunk."""
    return aligned_zeros(PLACES * (TILES * CHUNK * channels + STRIDE_PAD))


@kernel(contract=True)
def multiply_places(transformed, filters, outputs, count, u, multiplied):
    """M[i] = V[i] U[i] for the 36 places of `count` positions; `u` is scratch of
    `multiply_lone`."""
    if count == 1 and len(filters.plain):
        multiply_lone(transformed, filters.plain, outputs, u, multiplied)
        return
    table = filters.table
    channels = len(table) // (PLACES * outputs)
    from_stride, to_stride = len(transformed) // PLACES, len(multiplied) // PLACES
    for place in range(PLACES):
        multiply(
            transformed,
            Rows(place * from_stride, channels),
            channels,
            table,
            place * channels * outputs,
            outputs,
            multiplied,
            Rows(place * to_stride, outputs),
            count,
            (place + 1) * channels * outputs,
        )


@kernel()
def input_transform(board, start, channels, products, position):
    """Write V of the padded board that starts at board[start] to its four rows of `products`."""
    stride = len(products) // PLACES
    step = BOARD * channels
    for tile in range(TILES):
        at = start + ((tile >> 1) * 4 * BOARD + (tile & 1) * 4) * channels
        to = (position * TILES + tile) * channels
        for c in range(0, channels, LANES):
            input_tile(board, at + c, step, channels, products, to + c, stride)


@kernel()
def output_transform(products, position, bias, channels, board, start, side, rectify):
    """Write Y + bias of one position, with ReLU if `rectify` is true.

    The squares go to a board of `side` squares a rank (8 dense, 10 padded) whose square a1 is at
    board[start].
    """
    stride = len(products) // PLACES
    for tile in range(TILES):
        at = (position * TILES + tile) * channels
        to = start + ((tile >> 1) * 4 * side + (tile & 1) * 4) * channels
        for c in range(0, channels, LANES):
            output_tile(
                products,
                at + c,
                stride,
                load(bias, c),
                board,
                to + c,
                side * channels,
                channels,
                rectify,
            )
