"""The first convolution, computed directly from bit masks: a board sets about 250 bits on its 112
planes, and each bit touches nine squares.

Adding the filter taps of every set bit costs a fifth of the arithmetic of a dense convolution and
needs no expanded planes. A plane of ones (castling rights, repetitions, the constant) adds one
precomputed board instead of 64 bits; the fifty-move counter and the rating add a multiple of such a
board.
"""

from typing import NamedTuple

import numpy as np

from engine.board.attacks import ONE, ZERO
from engine.native.aligned_arrays import aligned_copy
from engine.native.bits import ctz
from engine.native.jit import kernel
from engine.native.lanes import LANES, load, relu, splat, store
from engine.network.fused.convolution import BOARD, INNER
from engine.network.planes import ALL_ONES, FIFTY_MOVE_PLANE, PLANES, RATING_PLANE, rating_value


class InputLayer(NamedTuple):
    """Filters [C, 112, 3, 3] and bias [C] prepared for `convolve_masks`; flat float32, C a multiple
    of 16.
    """

    # [112, 3, 3, C]: what a bit adds to the squares around it, by rank and file step -1, 0, 1.
    taps: np.ndarray
    full: np.ndarray  # [112, 8, 8, C]: what a plane of ones adds
    bias: np.ndarray  # [C]


def input_layer(weights: np.ndarray, bias: np.ndarray) -> InputLayer:
    """Prepare filters [C, 112, 3, 3] and bias [C]."""
    # As out[y, x] = sum w[i, j] in[y + i - 1, x + j - 1], each input bit spreads through the filter
    # turned 180 degrees.
    taps = weights[:, :, ::-1, ::-1].transpose(1, 2, 3, 0).astype(np.float64)
    full = np.zeros((PLANES, 8, 8, len(bias)))
    for i in range(3):
        for j in range(3):
            ranks, files = (slice(max(0, step - 1), 8 + min(0, step - 1)) for step in (i, j))
            full[:, ranks, files] += taps[:, i, j][:, None, None]
    return InputLayer(*(aligned_copy(a).reshape(-1) for a in (taps, full, bias)))


@kernel()
def convolve_masks(masks, layer, channels, sums, board, start, rectify):
    """Write conv(planes) + bias of one position, masks uint64 [112], to some channels of the padded
    board at board[start].

    Applies ReLU if `rectify` is true; `sums` is scratch for one padded board.
    """
    for i in range(0, BOARD * BOARD * channels, LANES):
        store(sums, i, splat(0.0))
    for plane in range(PLANES):
        mask = masks[plane]
        if plane == FIFTY_MOVE_PLANE:
            _add_full_plane(layer.full, plane, np.float32(mask), channels, sums)
        elif plane == RATING_PLANE:
            if mask != ZERO:
                _add_full_plane(layer.full, plane, rating_value(mask), channels, sums)
        elif mask == ALL_ONES:
            _add_full_plane(layer.full, plane, np.float32(1), channels, sums)
        else:
            _add_bits(layer.taps, plane, mask, channels, sums)
    _finish(sums, layer.bias, channels, board, start, rectify)


@kernel()
def _add_bits(taps, plane, mask, channels, sums):
    """Add each set bit's taps, three squares of a rank at a time."""
    while mask != ZERO:
        square = ctz(mask)
        at = ((square >> 3) * BOARD + (square & 7)) * channels
        tap = plane * 9 * channels
        for _ in range(3):
            for c in range(0, channels, LANES):  # Three at once: looping alone would cost as much.
                a = load(sums, at + c) + load(taps, tap + c)
                b = load(sums, at + c + channels) + load(taps, tap + c + channels)
                d = load(sums, at + c + 2 * channels) + load(taps, tap + c + 2 * channels)
                store(sums, at + c, a)
                store(sums, at + c + channels, b)
                store(sums, at + c + 2 * channels, d)
            at += BOARD * channels
            tap += 3 * channels
        mask &= mask - ONE


@kernel()
def _add_full_plane(full, plane, factor, channels, sums):
    times = splat(factor)
    for square in range(64):
        at = (INNER + (square >> 3) * BOARD + (square & 7)) * channels
        source = (plane * 64 + square) * channels
        for c in range(0, channels, LANES):
            store(sums, at + c, load(sums, at + c) + times * load(full, source + c))


@kernel()
def _finish(sums, bias, channels, board, start, rectify):
    for square in range(64):
        at = (INNER + (square >> 3) * BOARD + (square & 7)) * channels
        for c in range(0, channels, LANES):
            x = load(sums, at + c) + load(bias, c)
            store(board, start + at + c, relu(x) if rectify else x)
