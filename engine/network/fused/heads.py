"""Fused inference of the value and moves-left heads.

Arrays are flat float32 unless a shape is given. `act` is an activation code of `smooth`.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.native.aligned_arrays import buffers
from engine.native.elementary import exp
from engine.native.jit import kernel
from engine.native.lanes import LANES, load, store
from engine.network.accumulator.float_rows import softmax_of_3
from engine.network.fused.convolution import BOARD, INNER
from engine.network.fused.multiply import Rows, dense_rows, multiply
from engine.network.fused.smooth import activate
from engine.network.outputs import CHUNK, MOVES_LEFT_SCALE

ORIGIN = np.int64(0)
HALVES = np.int64(2)  # A rank is two groups of four squares.
SQUARES = np.int64(64)


class OneByOne(NamedTuple):
    """1x1 convolutions from C channels to F features (whole lanes); the features of several heads
    lie side by side.
    """

    weight: np.ndarray  # [C * F]
    bias: np.ndarray  # [F]
    channels: np.int64  # C
    head_features: np.ndarray  # int64 [2]: how many of the F are the first head's, the second's


class DenseHead(NamedTuple):
    """The two dense layers of a head. Hidden units fill whole lanes; a head that the tower lacks
    has no outputs.
    """

    weight1: np.ndarray  # [64 * channels * hidden], squares before channels
    bias1: np.ndarray  # [hidden]
    weight2: np.ndarray  # [hidden, outputs]
    bias2: np.ndarray  # [outputs]


class AnswerHeads(NamedTuple):
    """The value head and moves left."""

    # Their 1x1 convolutions: the value head's features, then those of moves left.
    squares: OneByOne
    value: DenseHead
    moves_left: DenseHead


class HeadSpace(NamedTuple):
    """One thread's buffers for one chunk of P positions."""

    features: Annotated[np.ndarray, "float32 [64 * F]"]  # one position's 1x1 convolutions
    value_features: Annotated[np.ndarray, "float32 [P * 64 * value_channels]"]
    value_hidden: Annotated[np.ndarray, "float32 [P * value_units]"]
    # Logits of win, draw, loss, or one number before its tanh.
    value: Annotated[np.ndarray, "float32 [P, 3]"]
    moves_left_features: Annotated[np.ndarray, "float32 [P * 64 * moves_left_channels]"]
    moves_left_hidden: Annotated[np.ndarray, "float32 [P * moves_left_units]"]
    # Plies to the end of the game in hundreds, may be negative.
    moves_left: Annotated[np.ndarray, "float32 [P, 1]"]


def head_space(heads: AnswerHeads) -> HeadSpace:
    """Buffers for one chunk."""
    value_channels, moves_left_channels = heads.squares.head_features.tolist()
    return buffers(
        HeadSpace,
        P=CHUNK,
        F=len(heads.squares.bias),
        value_channels=value_channels,
        value_units=len(heads.value.bias1),
        moves_left_channels=moves_left_channels,
        moves_left_units=len(heads.moves_left.bias1),
    )


@kernel(contract=True)
def value_features(squares, boards, count, act, space):
    """Compute the features of both heads of `count` positions from boards [P, 10, 10, C]."""
    for p in range(count):
        convolve_squares(squares, boards, p, space.features, ORIGIN)
        keep_features(squares, p, act, space)


@kernel(contract=True)
def keep_features(squares, p, act, space):
    """Activate space.features, position p's, and put them in their places for `answer_values`."""
    value_channels, moves_left_channels = squares.head_features
    width = len(squares.bias)
    activate(space.features, squares.bias, SQUARES, act)
    _copy_columns(space.features, width, ORIGIN, space.value_features, p, value_channels)
    _copy_columns(
        space.features, width, value_channels, space.moves_left_features, p, moves_left_channels
    )


@kernel(contract=True)
def answer_values(heads, count, act, space, wdl, plies):
    """Write wdl and plies of the first `count` positions from their features."""
    _hidden_layer(heads.value, count, act, space.value_features, space.value_hidden)
    _last_layer(heads.value, count, space.value_hidden, space.value)
    if heads.squares.head_features[1]:
        moves_left = heads.moves_left
        _hidden_layer(moves_left, count, act, space.moves_left_features, space.moves_left_hidden)
        _last_layer(moves_left, count, space.moves_left_hidden, space.moves_left)
    for p in range(count):
        _write_probabilities(space.value, p, len(heads.value.bias2) == 1, wdl[p])
        plies[p] = max(space.moves_left[p, 0] * np.float32(MOVES_LEFT_SCALE), np.float32(0))


@kernel(contract=True)
def convolve_squares(heads, boards, p, features, start):
    """Write the 1x1 convolutions of position p, without bias, to features [64, F] at features[start]."""
    width = len(heads.bias)
    for rank in range(8):
        board = ((p * BOARD + rank) * BOARD + INNER) * heads.channels
        rows = Rows(board, heads.channels)
        out = Rows(start + rank * 8 * width, width)
        multiply(
            boards, rows, heads.channels, heads.weight, ORIGIN, width, features, out, HALVES, ORIGIN
        )


@kernel(contract=True)
def add_bias(array, bias, rows, columns):
    """Add the bias in place to the first columns of array [rows, columns]."""
    for row in range(0, rows * columns, columns):
        for c in range(0, len(bias), LANES):
            store(array, row + c, load(array, row + c) + load(bias, c))


@kernel()
def _copy_columns(features, width, column, out, p, columns):
    """Copy `columns` columns of features [64, width] to row p of out [P, 64, columns]."""
    for square in range(64):
        for c in range(columns):
            out[(p * 64 + square) * columns + c] = features[square * width + column + c]


@kernel(contract=True)
def _hidden_layer(head, count, act, features, hidden):
    """hidden [P, H] = act(features weight1 + bias1); the row count is rounded up to fours."""
    width = len(head.bias1)
    dense_rows(features, len(head.weight1) // width, head.weight1, width, hidden, count)
    activate(hidden, head.bias1, count, act)


@kernel(contract=True)
def _last_layer(head, count, hidden, outputs):
    """Compute outputs [P, K] = hidden weight2 + bias2."""
    width = len(head.bias1)
    for p in range(count):
        for k in range(len(head.bias2)):
            outputs[p, k] = head.bias2[k]
        for h in range(width):
            x = hidden[p * width + h]
            for k in range(len(head.bias2)):
                outputs[p, k] += x * head.weight2[h, k]


@kernel()
def _write_probabilities(values, p, scalar, wdl):
    """Write probabilities of win, draw, loss [3] from row p of values [P, 3]: logits, or one number
    before its tanh.

    A scalar value v becomes win = (1 + v) / 2 and loss = (1 - v) / 2, so that win - loss = v.
    """
    if scalar:
        v = np.float32(1.0 - 2.0 / (exp(2.0 * np.float64(values[p, 0])) + 1.0))  # tanh
        half = np.float32(0.5)
        wdl[0] = half + half * v
        wdl[1] = np.float32(0)
        wdl[2] = half - half * v
    else:
        softmax_of_3(values[p], wdl)
