"""The fused forward pass, one chunk of positions at a time, in kernels that hold no GIL and
allocate nothing.

Between the Winograd products of two layers, each position in turn goes through inverse transform,
bias, gate, skip, activation and the transform for the next layer, while its board stays in the
first-level cache. ReLU is part of these steps; mish costs more than they do and is a separate pass
over the board. `fused.convolution` describes the layout of boards and products. Arrays are flat
float32 unless a shape is given; `start` is the index of a position's first float; `smooth` is None
for ReLU and True for mish.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.native.elementary import exp
from engine.native.jit import kernel
from engine.native.lanes import LANES, load, relu, splat, spread, store
from engine.network.fused.convolution import (
    BOARD,
    INNER,
    Filters,
    input_transform,
    multiply_places,
    output_transform,
)
from engine.network.fused.heads import ORIGIN, AnswerHeads, HeadSpace, answer_values, value_features
from engine.network.fused.policy_heads import (
    DENSE,
    LINEAR,
    ConvHead,
    PolicySpace,
    convolution_planes,
)
from engine.network.fused.smooth import MISH, RELU, mish_in_place
from engine.network.tower.input_layer import InputLayer, convolve_masks

PADDED = np.int64(BOARD)  # Squares along a board with its border.


class Gates(NamedTuple):
    """Squeeze-and-excitation of B blocks with H hidden units (whole lanes); H is 0 in a tower
    without gates.
    """

    squeeze: np.ndarray  # [B, C * H]
    squeeze_bias: np.ndarray  # [B, H]
    excite: np.ndarray  # [B, H * 2 C]: scales before the sigmoid, then shifts
    excite_bias: np.ndarray  # [B, 2 C]


class FusedWeights(NamedTuple):
    """All weights of a tower of B blocks and C channels (whole lanes)."""

    input: InputLayer
    trunk: Filters  # of 2 B or 2 B + 1 layers: two of each block, a convolutional policy's first
    trunk_bias: np.ndarray  # [2 B or 2 B + 1, C]
    gates: Gates
    policy: ConvHead
    heads: AnswerHeads


class Space(NamedTuple):
    """The buffers of one thread for one chunk."""

    boards: Annotated[np.ndarray, "float32 [8 * 10 * 10 * C]"]  # the residual stream, borders zero
    transformed: np.ndarray  # V of C channels, of one layer and then of the next
    multiplied: np.ndarray  # M of C channels
    u: Annotated[np.ndarray, "float32 [U]"]  # of a lone board
    policy: PolicySpace
    heads: HeadSpace
    # One position's board inside a block, border zero.
    board: Annotated[np.ndarray, "float32 [10 * 10 * C]"]
    # One position's board while the input layer adds up its bits.
    sums: Annotated[np.ndarray, "float32 [10 * 10 * C]"]
    dense: Annotated[np.ndarray, "float32 [8 * 8 * C]"]
    means: Annotated[np.ndarray, "float32 [8 * C]"]  # means over the squares, by position
    hidden: Annotated[np.ndarray, "float32 [H]"]
    gates: Annotated[np.ndarray, "float32 [2 * C]"]


@kernel(contract=True)
def forward(masks, weights, smooth, space, wdl, moves_left):
    """Evaluate masks, at most one chunk, into wdl and moves_left.

    A convolutional head finds its planes in space.policy afterwards; the other kinds of heads start
    from space.boards.
    """
    channels = weights.heads.squares.channels
    count = len(masks)
    _first_layer(masks, weights.input, channels, smooth, space)
    blocks = weights.gates.squeeze_bias.shape[0]
    for layer in range(weights.trunk_bias.shape[0]):
        filters = Filters(weights.trunk.table[layer], weights.trunk.plain[layer])
        multiply_places(space.transformed, filters, channels, count, space.u, space.multiplied)
        if layer < 2 * blocks and layer % 2 == 1:
            _residual_step(
                weights.trunk_bias[layer], count, weights.gates, layer // 2, smooth, space
            )
        else:
            _plain_step(weights.trunk_bias[layer], count, channels, smooth, space)
    if len(weights.policy.bias):
        convolution_planes(weights.policy, space, count)
    act = RELU if smooth is None else MISH
    value_features(weights.heads.squares, space.boards, count, act, space.heads)
    answer_values(weights.heads, count, act, space.heads, wdl, moves_left)


@kernel(contract=True)
def _first_layer(masks, layer, channels, smooth, space):
    """Set boards = act(conv + bias) and transform it for the next convolution."""
    board = BOARD * BOARD * channels
    for p in range(len(masks)):
        rectify = np.bool_(smooth is None)
        convolve_masks(masks[p], layer, channels, space.sums, space.boards, p * board, rectify)
        if smooth is not None:
            mish_in_place(space.boards, p * board, board)
        input_transform(space.boards, p * board, channels, space.transformed, p)


@kernel(contract=True)
def _plain_step(bias, count, channels, smooth, space):
    """Compute act(conv + bias) and transform it for the next convolution; nothing else needs the
    board.
    """
    a1 = INNER * channels
    for p in range(count):
        output_transform(
            space.multiplied, p, bias, channels, space.board, a1, PADDED, np.bool_(smooth is None)
        )
        if smooth is not None:
            mish_in_place(space.board, ORIGIN, BOARD * BOARD * channels)
        input_transform(space.board, ORIGIN, channels, space.transformed, p)


@kernel(contract=True)
def _residual_step(bias, count, gates, block, smooth, space):
    """Set boards = act(gate(conv + bias) + boards) and transform it for the next convolution."""
    channels = len(bias)
    board = BOARD * BOARD * channels
    for p in range(count):
        output_transform(space.multiplied, p, bias, channels, space.dense, ORIGIN, DENSE, LINEAR)
        if gates.squeeze_bias.shape[1]:
            _take_means(space, p, channels)
            _squeeze(gates.squeeze[block], gates.squeeze_bias[block], p, channels, smooth, space)
            _excite(gates.excite[block], gates.excite_bias[block], channels, space)
            _add_gated(space, channels, p * board, smooth)
        else:
            _add_plain(space, channels, p * board, smooth)
        if smooth is not None:
            mish_in_place(space.boards, p * board, board)
        input_transform(space.boards, p * board, channels, space.transformed, p)


@kernel(contract=True)
def _take_means(space, p, channels):
    """Mean over the squares of space.dense."""
    for c in range(0, channels, LANES):
        total = splat(0.0)
        for square in range(64):
            total = total + load(space.dense, square * channels + c)
        store(space.means, p * channels + c, total * splat(1.0 / 64.0))


@kernel(contract=True)
def _squeeze(weight, bias, p, channels, smooth, space):
    """act(dense layer of the means) into space.hidden."""
    units = len(bias)
    for h in range(0, units, LANES):
        total = load(bias, h)
        for c in range(channels):
            total = total + spread(space.means, p * channels + c) * load(weight, c * units + h)
        store(space.hidden, h, relu(total) if smooth is None else total)
    if smooth is not None:
        mish_in_place(space.hidden, ORIGIN, units)


@kernel(contract=True)
def _excite(weight, bias, channels, space):
    """Dense layer of space.hidden -> (sigmoid scales, shifts) into space.gates."""
    units = len(weight) // (2 * channels)
    for half in range(2):
        for c in range(half * channels, (half + 1) * channels, LANES):
            total = load(bias, c)
            for h in range(units):
                total = total + spread(space.hidden, h) * load(weight, h * 2 * channels + c)
            store(space.gates, c, total)
    for c in range(channels):
        space.gates[c] = np.float32(1.0 / (1.0 + exp(np.float64(-space.gates[c]))))


@kernel(contract=True)
def _add_gated(space, channels, start, smooth):
    for c in range(0, channels, LANES):
        scale, shift = load(space.gates, c), load(space.gates, channels + c)
        for square in range(64):
            at = start + (INNER + (square >> 3) * BOARD + (square & 7)) * channels + c
            total = (
                scale * load(space.dense, square * channels + c) + shift + load(space.boards, at)
            )
            store(space.boards, at, relu(total) if smooth is None else total)


@kernel(contract=True)
def _add_plain(space, channels, start, smooth):
    for square in range(64):
        at = start + (INNER + (square >> 3) * BOARD + (square & 7)) * channels
        for c in range(0, channels, LANES):
            total = load(space.dense, square * channels + c) + load(space.boards, at + c)
            store(space.boards, at + c, relu(total) if smooth is None else total)
