"""The fused forward pass, one chunk of positions at a time, in kernels that hold no GIL and allocate nothing.

Between the Winograd products of two layers, each position in turn goes through inverse transform, bias, gate, skip,
activation and the transform for the next layer, while its board stays in the first-level cache. ReLU is part of these
steps; mish costs more than they do and is a separate pass over the board. `fused_winograd.py` describes the layout of
boards and products. Arrays are flat float32 unless a shape is given; `start` is the index of a position's first float;
`smooth` is None for ReLU and True for mish.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, load, relu, splat, spread, store
from engine.native.team import CALL_LOOKS, STAND_BY_LOOKS, alone, call, meet, nothing, stand_by
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.tower.fused_heads import ORIGIN, DenseHead, HeadSpace, OneByOne, value_heads, write_probabilities
from engine.network.tower.fused_policy import DENSE, LINEAR, Convolution, PolicySpace, convolution_planes
from engine.network.tower.fused_winograd import BOARD, INNER, input_transform, multiply_places, output_transform
from engine.network.tower.input_layer import InputLayer, convolve_masks
from engine.network.tower.multiply import all_of, columns_of
from engine.network.tower.smooth import mish_in_place

# Numbers of threads; from 1 on they are helpers.
ALONE = -1
CALLER = 0

PADDED = np.int64(BOARD)  # Squares along a board with its border.
SQUARES_PADDED = np.int64(BOARD * BOARD)


class Gates(NamedTuple):
    """Squeeze-and-excitation of B blocks with H hidden units (whole lanes); H is 0 in a tower without gates."""

    squeeze: np.ndarray  # [B, C * H]
    squeeze_bias: np.ndarray  # [B, H]
    excite: np.ndarray  # [B, H * 2 C]: scales before the sigmoid, then shifts
    excite_bias: np.ndarray  # [B, 2 C]


class Weights(NamedTuple):
    """All weights of a tower of B blocks and C channels (whole lanes), made by `folding.py`."""

    input: InputLayer
    trunk: np.ndarray  # [2 B or 2 B + 1, 36 * C * C] two filters per block, then a convolutional policy's first
    trunk_bias: np.ndarray  # [2 B or 2 B + 1, C]
    gates: Gates
    policy: Convolution
    heads: OneByOne  # 1x1 convolutions of the value and moves-left heads
    value: DenseHead
    moves_left: DenseHead


class Space(NamedTuple):
    """The buffers for one chunk, of one thread or of T threads that share the chunk."""

    boards: np.ndarray  # [8, 10, 10, C] the residual stream, borders zero
    transformed: np.ndarray  # V of C channels
    transformed_next: np.ndarray  # V of the next layer; one thread alone may use the same buffer for both
    multiplied: np.ndarray  # M of C channels
    policy: PolicySpace
    heads: HeadSpace
    board: np.ndarray  # [10, 10, C] one position's board inside a block, border zero
    sums: np.ndarray  # [10, 10, C] one position's board while the input layer adds up its bits
    dense: np.ndarray  # [8, 8, C]
    means: np.ndarray  # [8, C] means over the squares, by position
    hidden: np.ndarray  # [T, H] each thread's own
    gates: np.ndarray  # [2 C]


@kernel(contract=True)
def take_part(masks, first, count, weights, smooth, space, wdl, moves_left, words, thread):
    """Compute a chunk as `forward` does, ALONE or as the CALLER of helpers who stand by; other threads help callers.

    Returns whether the chunk is computed. One kernel with one call, because each would contain the forward pass, and
    compiling that takes seconds.
    """
    is_computed, share = False, alone(words, count)
    if thread != ALONE:
        share = next_share(words, thread, count)
    while share.members > 0:
        is_computed = forward(masks, first, share.size, weights, smooth, space, wdl, moves_left, share)
        share = nothing(words) if thread <= CALLER else next_share(words, thread, count)
    return is_computed


@kernel()
def next_share(words, thread, count):
    """The caller's share of a chunk of `count` positions, or that of a helper once there is a call."""
    if thread == CALLER:
        return call(words, count, np.int64(CALL_LOOKS))
    return stand_by(words, thread, np.int64(STAND_BY_LOOKS))


@kernel(contract=True)
def forward(masks, first, count, weights, smooth, space, wdl, moves_left, share):
    """Evaluate masks[first : first + count], at most one chunk, into the same rows of wdl and moves_left.

    A convolutional head finds its planes in space.policy afterwards; the other kinds of heads start from space.boards.
    Threads that share the chunk compute some channels of each layer, from the input of all channels; the outputs are
    written by share 0. Every number is the same however many they are, for no sum is ever split. Returns False if the
    threads gave up, and the outputs are undefined.
    """
    channels = weights.heads.channels
    _first_layer(masks, first, count, weights.input, columns_of(channels, share), smooth, space)
    blocks = weights.gates.squeeze_bias.shape[0]
    source, target = space.transformed, space.transformed_next
    for layer in range(weights.trunk_bias.shape[0]):
        if not meet(share):
            return False
        multiply_places(source, weights.trunk[layer], columns_of(channels, share), count, space.multiplied)
        if layer < 2 * blocks and layer % 2 == 1:
            if not _residual_step(
                weights.trunk_bias[layer], count, weights.gates, layer // 2, smooth, space, target, share
            ):
                return False
        else:
            _plain_step(weights.trunk_bias[layer], count, columns_of(channels, share), smooth, space, target)
        source, target = target, source
    if not meet(share):
        return False
    if len(weights.policy.bias):
        convolution_planes(weights.policy, source, count, space.policy, share)
    if not value_heads(
        weights.heads, weights.value, weights.moves_left, space.boards, count, smooth, space.heads, share
    ):
        return False
    if share.number == 0:
        for p in range(count):
            write_probabilities(space.heads.value, p, len(weights.value.bias2) == 1, wdl[first + p])
            moves_left[first + p] = max(space.heads.left[p, 0] * np.float32(MOVES_LEFT_SCALE), np.float32(0))
    return True


@kernel(contract=True)
def _first_layer(masks, first, count, layer, columns, smooth, space):
    """Set boards = act(conv + bias) and transform it for the next convolution."""
    channels = columns.width
    board = BOARD * BOARD * channels
    for p in range(count):
        rectify = np.bool_(smooth is None)
        convolve_masks(masks[first + p], layer, columns, space.sums, space.boards, p * board, rectify)
        if smooth is not None:
            mish_in_place(space.boards, p * board, SQUARES_PADDED, columns)
        input_transform(space.boards, p * board, columns, space.transformed, p)


@kernel(contract=True)
def _plain_step(bias, count, columns, smooth, space, target):
    """Compute act(conv + bias) and transform it for the next convolution; nothing else needs the board."""
    a1 = INNER * columns.width
    for p in range(count):
        output_transform(space.multiplied, p, bias, columns, space.board, a1, PADDED, np.bool_(smooth is None))
        if smooth is not None:
            mish_in_place(space.board, ORIGIN, SQUARES_PADDED, columns)
        input_transform(space.board, ORIGIN, columns, target, p)


@kernel(contract=True)
def _residual_step(bias, count, gates, block, smooth, space, target, share):
    """Set boards = act(gate(conv + bias) + boards) and transform it for the next convolution.

    Returns False if the threads gave up: a gate needs the means of all channels.
    """
    columns = columns_of(np.int64(len(bias)), share)
    board = BOARD * BOARD * columns.width
    for p in range(count):
        output_transform(space.multiplied, p, bias, columns, space.dense, ORIGIN, DENSE, LINEAR)
        if gates.squeeze_bias.shape[1]:
            _take_means(space, p, columns)
            if not meet(share):
                return False
            hidden = share.number * gates.squeeze_bias.shape[1]
            _squeeze(gates.squeeze[block], gates.squeeze_bias[block], p, columns.width, smooth, space, hidden)
            _excite(gates.excite[block], gates.excite_bias[block], columns, space, hidden)
            _add_gated(space, columns, p * board, smooth)
        else:
            _add_plain(space, columns, p * board, smooth)
        if smooth is not None:
            mish_in_place(space.boards, p * board, SQUARES_PADDED, columns)
        input_transform(space.boards, p * board, columns, target, p)
    return True


@kernel(contract=True)
def _take_means(space, p, columns):
    """Mean over the squares of space.dense."""
    for c in range(columns.first, columns.last, LANES):
        total = splat(0.0)
        for square in range(64):
            total = total + load(space.dense, square * columns.width + c)
        store(space.means, p * columns.width + c, total * splat(1.0 / 64.0))


@kernel(contract=True)
def _squeeze(weight, bias, p, channels, smooth, space, to):
    """act(dense layer of the means) into space.hidden; each thread computes all of it, which is little, for itself."""
    units = np.int64(len(bias))
    for h in range(0, units, LANES):
        total = load(bias, h)
        for c in range(channels):
            total = total + spread(space.means, p * channels + c) * load(weight, c * units + h)
        store(space.hidden, to + h, relu(total) if smooth is None else total)
    if smooth is not None:
        mish_in_place(space.hidden, to, np.int64(1), all_of(units))


@kernel(contract=True)
def _excite(weight, bias, columns, space, hidden):
    """Dense layer of space.hidden -> (sigmoid scales, shifts) into space.gates."""
    channels = columns.width
    units = len(weight) // (2 * channels)
    for half in range(2):
        for c in range(half * channels + columns.first, half * channels + columns.last, LANES):
            total = load(bias, c)
            for h in range(units):
                total = total + spread(space.hidden, hidden + h) * load(weight, h * 2 * channels + c)
            store(space.gates, c, total)
    for c in range(columns.first, columns.last):
        space.gates[c] = np.float32(1) / (np.float32(1) + math.exp(-space.gates[c]))


@kernel(contract=True)
def _add_gated(space, columns, start, smooth):
    channels = columns.width
    for c in range(columns.first, columns.last, LANES):
        scale, shift = load(space.gates, c), load(space.gates, channels + c)
        for square in range(64):
            at = start + (INNER + (square >> 3) * BOARD + (square & 7)) * channels + c
            total = scale * load(space.dense, square * channels + c) + shift + load(space.boards, at)
            store(space.boards, at, relu(total) if smooth is None else total)


@kernel(contract=True)
def _add_plain(space, columns, start, smooth):
    channels = columns.width
    for square in range(64):
        at = start + (INNER + (square >> 3) * BOARD + (square & 7)) * channels
        for c in range(columns.first, columns.last, LANES):
            total = load(space.dense, square * channels + c) + load(space.boards, at + c)
            store(space.boards, at + c, relu(total) if smooth is None else total)
