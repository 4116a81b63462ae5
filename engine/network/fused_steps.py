"""The fused forward pass, one chunk of positions at a time, in kernels that hold no GIL and allocate nothing.

Between two rounds of Winograd products a position's board stays in the first-level cache: inverse transform, bias,
gate, skip and ReLU, and the transform for the next layer, before the next position's turn. Boards and products are laid
out as in `winograd.py`; arrays are flat float32 unless a shape is given, `start` is a position's first float.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine.jit import LANES, kernel, load, relu, splat, spread, store
from engine.network.input_layer import InputLayer, convolve_masks
from engine.network.multiply import Rows, multiply
from engine.network.winograd import BOARD, input_transform, multiply_places, output_transform

CHUNK = 8  # positions of one pass: its products fill the second-level cache
INNER = BOARD + 1  # square a1 of a padded board
# Typed, because Numba compiles a callee once more for every literal argument.
ORIGIN = np.int64(0)
HALVES = np.int64(2)  # a rank is two groups of four squares
PADDED, DENSE = np.int64(BOARD), np.int64(8)  # squares along a board with and without border
RECTIFIED, LINEAR = np.bool_(True), np.bool_(False)


class Gates(NamedTuple):
    """Squeeze-excitation of B blocks, H hidden units in whole lanes; H is 0 where a tower has none."""

    squeeze: np.ndarray  # [B, C * H]
    squeeze_bias: np.ndarray  # [B, H]
    excite: np.ndarray  # [B, H * 2 C]: scales before the sigmoid, then shifts
    excite_bias: np.ndarray  # [B, 2 C]


class DenseHead(NamedTuple):
    """The two dense layers of a head, hidden units in whole lanes; the first takes squares x channels."""

    weight1: np.ndarray  # [64 * channels * hidden]
    bias1: np.ndarray  # [hidden]
    weight2: np.ndarray  # [hidden, outputs]
    bias2: np.ndarray  # [outputs]


class Weights(NamedTuple):
    """All weights of a tower of B blocks and C channels, in whole lanes, as `folding.py` makes them."""

    input: InputLayer
    trunk: np.ndarray  # [2 B + 1, 36 * C * C] filters of the blocks, two each, and of the policy head's first layer
    trunk_bias: np.ndarray  # [2 B + 1, C]
    gates: Gates
    policy: np.ndarray  # [36 * C * K] filters to the K policy planes, in whole lanes
    policy_bias: np.ndarray  # [K]
    heads: np.ndarray  # [C * F]: 1x1 filters of value and moves left, F in whole lanes
    heads_bias: np.ndarray  # [F]
    value_channels: np.ndarray  # int64 [2]: channels of value and of moves left among the F
    value: DenseHead
    moves_left: DenseHead


class Space(NamedTuple):
    """One thread's buffers for one chunk."""

    boards: np.ndarray  # [8, 10, 10, C] the residual stream, borders zero
    transformed: np.ndarray  # V of C channels
    multiplied: np.ndarray  # M of C channels
    policy_multiplied: np.ndarray  # M of K planes
    policy: np.ndarray  # [8, 64, K] out: policy logits
    features: np.ndarray  # [64 * F] one position's 1x1 convolutions
    value_features: np.ndarray  # [8 * 64 * value channels]
    value_hidden: np.ndarray  # [8 * hidden]
    value: np.ndarray  # [8, 3] out: probabilities of win, draw, loss
    left_features: np.ndarray  # [8 * 64 * moves-left channels]
    left_hidden: np.ndarray  # [8 * hidden]
    left: np.ndarray  # [8, 1] out: plies to the end of the game in hundreds, may be negative
    board: np.ndarray  # [10, 10, C] one position's board inside a block, border zero
    sums: np.ndarray  # [10, 10, C] one position's board while bits are added up
    dense: np.ndarray  # [8, 8, C]
    hidden: np.ndarray  # [H]
    gates: np.ndarray  # [2 C]


@kernel(contract=True)
def forward(masks, first, count, weights, space):
    """Evaluate masks[first : first + count], at most a chunk; the answers are in `space`."""
    channels = weights.trunk_bias.shape[1]
    for p in range(count):
        start = p * BOARD * BOARD * channels
        convolve_masks(masks[first + p], weights.input, space.sums, space.boards, start)
        input_transform(space.boards, start, channels, space.transformed, p)
    last = weights.trunk_bias.shape[0] - 1
    for layer in range(last + 1):
        bias = weights.trunk_bias[layer]
        multiply_places(space.transformed, weights.trunk[layer], channels, count, space.multiplied)
        if layer < last and layer % 2 == 1:
            _residual_step(bias, count, weights.gates, layer // 2, space)
        else:
            _relu_step(bias, count, space)
    planes = len(weights.policy_bias)
    multiply_places(space.transformed, weights.policy, planes, count, space.policy_multiplied)
    for p in range(count):
        start = p * 64 * planes
        output_transform(space.policy_multiplied, p, weights.policy_bias, space.policy, start, DENSE, LINEAR)
    _flatten_heads(weights, count, space)
    _dense_head(weights.value, count, space.value_features, space.value_hidden, space.value)
    _softmax(space.value, count)
    _dense_head(weights.moves_left, count, space.left_features, space.left_hidden, space.left)


@kernel(contract=True)
def _relu_step(bias, count, space):
    """relu(conv + bias), transformed for the next convolution; nobody else needs the board."""
    channels = len(bias)
    for p in range(count):
        output_transform(space.multiplied, p, bias, space.board, INNER * channels, PADDED, RECTIFIED)
        input_transform(space.board, ORIGIN, channels, space.transformed, p)


@kernel(contract=True)
def _residual_step(bias, count, gates, block, space):
    """boards = relu(gate(conv + bias) + boards), transformed for the next convolution."""
    channels = len(bias)
    for p in range(count):
        start = p * BOARD * BOARD * channels
        output_transform(space.multiplied, p, bias, space.dense, ORIGIN, DENSE, LINEAR)
        if gates.squeeze_bias.shape[1]:
            _squeeze_excite(
                gates.squeeze[block], gates.squeeze_bias[block], gates.excite[block], gates.excite_bias[block], space
            )
            _add_gated(space, channels, start)
        else:
            _add_plain(space, channels, start)
        input_transform(space.boards, start, channels, space.transformed, p)


@kernel(contract=True)
def _squeeze_excite(squeeze, squeeze_bias, excite, excite_bias, space):
    """Mean over the squares -> dense -> relu -> dense -> (sigmoid scales, shifts) into space.gates."""
    hidden, channels = len(squeeze_bias), len(excite_bias) // 2
    for c in range(0, channels, LANES):
        total = splat(0.0)
        for square in range(64):
            total = total + load(space.dense, square * channels + c)
        store(space.gates, c, total * splat(1.0 / 64.0))
    for h in range(0, hidden, LANES):
        total = load(squeeze_bias, h)
        for c in range(channels):
            total = total + spread(space.gates, c) * load(squeeze, c * hidden + h)
        store(space.hidden, h, relu(total))
    for c in range(0, 2 * channels, LANES):
        total = load(excite_bias, c)
        for h in range(hidden):
            total = total + spread(space.hidden, h) * load(excite, h * 2 * channels + c)
        store(space.gates, c, total)
    for c in range(channels):
        space.gates[c] = np.float32(1) / (np.float32(1) + math.exp(-space.gates[c]))


@kernel(contract=True)
def _add_gated(space, channels, start):
    for c in range(0, channels, LANES):
        scale, shift = load(space.gates, c), load(space.gates, channels + c)
        for square in range(64):
            at = start + (INNER + (square >> 3) * BOARD + (square & 7)) * channels + c
            inner = scale * load(space.dense, square * channels + c) + shift
            store(space.boards, at, relu(inner + load(space.boards, at)))


@kernel(contract=True)
def _add_plain(space, channels, start):
    for square in range(64):
        at = start + (INNER + (square >> 3) * BOARD + (square & 7)) * channels
        for c in range(0, channels, LANES):
            inner = load(space.dense, square * channels + c)
            store(space.boards, at + c, relu(inner + load(space.boards, at + c)))


@kernel(contract=True)
def _flatten_heads(weights, count, space):
    """1x1 convolutions of the value and moves-left heads, bias and relu, split into the two heads' inputs."""
    channels, width = weights.trunk_bias.shape[1], len(weights.heads_bias)
    value_channels, left_channels = weights.value_channels
    for p in range(count):
        for rank in range(8):
            board = ((p * BOARD + rank) * BOARD + INNER) * channels
            rows, to = Rows(board, channels, 4 * channels), Rows(rank * 8 * width, width, 4 * width)
            multiply(space.boards, rows, channels, weights.heads, ORIGIN, width, space.features, to, HALVES)
        for square in range(64):
            at = (p * 64 + square) * value_channels
            for c in range(value_channels):
                x = space.features[square * width + c] + weights.heads_bias[c]
                space.value_features[at + c] = max(x, np.float32(0))
            at = (p * 64 + square) * left_channels
            for c in range(left_channels):
                x = space.features[square * width + value_channels + c] + weights.heads_bias[value_channels + c]
                space.left_features[at + c] = max(x, np.float32(0))


@kernel(contract=True)
def _dense_head(head, count, features, hidden, outputs):
    """outputs [8, K] = relu(features weight1 + bias1) weight2 + bias2; rows are rounded up to fours."""
    width = len(head.bias1)
    inner = len(head.weight1) // width
    rows, to = Rows(ORIGIN, inner, 4 * inner), Rows(ORIGIN, width, 4 * width)
    multiply(features, rows, inner, head.weight1, ORIGIN, width, hidden, to, (count + 3) // 4)
    for p in range(count):
        for k in range(len(head.bias2)):
            outputs[p, k] = head.bias2[k]
        for h in range(width):
            x = max(hidden[p * width + h] + head.bias1[h], np.float32(0))
            for k in range(len(head.bias2)):
                outputs[p, k] += x * head.weight2[h, k]


@kernel()
def _softmax(logits, count):
    """Logits [8, 3] to probabilities, in place."""
    for p in range(count):
        top = max(logits[p, 0], logits[p, 1], logits[p, 2])
        total = np.float32(0)
        for k in range(3):
            logits[p, k] = math.exp(logits[p, k] - top)
            total += logits[p, k]
        for k in range(3):
            logits[p, k] /= total
