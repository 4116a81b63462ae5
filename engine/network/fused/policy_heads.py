"""Fused inference of each kind of policy head: first the shared part of a position, then its legal
moves one by one.

    convolution  two 3x3 convolutions; a move's logit is one of their outputs
    classical    a 1x1 convolution; a move's logit is the product of its features with the move's row of weights
    attention    a query and a key for every square; a move's logit is the product of two of them

Only legal moves get a logit: a position uses some 30 of the 1858 rows of a classical head, and no
softmax is ever 1858 wide. Numba compiles only the kernels for the net's own kind. Arrays are flat
float32 unless a shape is given.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, lane_sum, load, splat
from engine.network.fused.convolution import Filters, multiply_places, output_transform
from engine.network.fused.heads import SQUARES, OneByOne, add_bias, convolve_squares
from engine.network.fused.multiply import dense_rows
from engine.network.fused.smooth import activate
from engine.network.policy_map import ATTENTION_INDEX, ATTENTION_SQUARES, CONV_INDEX

DENSE = np.int64(8)
LINEAR = np.bool_(False)


class ConvHead(NamedTuple):
    """The second convolution, to K planes; the first is part of the trunk. Empty for other kinds of
    heads.
    """

    filters: Filters
    bias: np.ndarray  # [K]


class Classical(NamedTuple):
    """A 1x1 convolution to F features per square, and a dense layer."""

    squares: OneByOne
    weight: np.ndarray  # [1858 * 64 * F]
    bias: np.ndarray  # [1858]


class Attention(NamedTuple):
    """An embedding of F numbers per square, and its queries and keys of D numbers each (whole
    lanes).
    """

    squares: OneByOne
    weight: np.ndarray  # [F * 2 D] queries, already divided by sqrt(d), then keys
    bias: np.ndarray  # [2 D]
    promotion: np.ndarray  # [3 * D]: what a key adds to a promotion to queen, rook, bishop


PolicyHead = ConvHead | Classical | Attention


class PolicySpace(NamedTuple):
    """One thread's buffers for one chunk."""

    # Out, 8 positions: [64, K] logits | [64, F] features | [64, 2 D] queries, then keys.
    answers: np.ndarray
    multiplied: np.ndarray  # M of K planes
    embedded: np.ndarray  # [8, 64, F] for attention


@kernel(contract=True)
def square_features(squares, boards, count, act, out):
    """Write act(1x1 convolutions + bias) of `count` positions' boards [8, 10, 10, C] to out [8, 64,
    F].
    """
    width = len(squares.bias)
    for p in range(count):
        convolve_squares(squares, boards, p, out, p * 64 * width)
    activate(out, squares.bias, count * SQUARES, act)


# ---- convolution ---------------------------------------------------------------------------------


@kernel(contract=True)
def convolution_planes(head, space, count):
    """Compute space.policy.answers [8, 64, K] from the already transformed output of the first
    convolution.
    """
    planes = len(head.bias)
    answers, multiplied = space.policy.answers, space.policy.multiplied
    multiply_places(space.transformed, head.filters, planes, count, space.u, multiplied)
    for p in range(count):
        output_transform(multiplied, p, head.bias, planes, answers, p * 64 * planes, DENSE, LINEAR)


@kernel()
def _convolution_logits(head, answers, policy_index, n_moves, logits):
    """Write logits[p, i] of the moves of all positions; policy_index has each move's index below
    1858.
    """
    planes = len(head.bias)
    for p in range(len(n_moves)):
        for i in range(n_moves[p]):
            place = np.int64(CONV_INDEX[policy_index[p, i]])
            logits[p, i] = answers[(p * 64 + (place & 63)) * planes + (place >> 6)]


# ---- classical -----------------------------------------------------------------------------------


@kernel(contract=True)
def _classical_logits(head, answers, policy_index, n_moves, logits):
    """As _convolution_logits."""
    inner = 64 * len(head.squares.bias)
    for p in range(len(n_moves)):
        for i in range(n_moves[p]):
            index = np.int64(policy_index[p, i])
            product = _product(answers, p * inner, head.weight, index * inner, inner)
            logits[p, i] = head.bias[index] + product


# ---- attention -----------------------------------------------------------------------------------


@kernel(contract=True)
def queries_and_keys(head, embedded, count, answers):
    """Compute answers [8, 64, 2 D] from the embedding [8, 64, F]."""
    rows = count * SQUARES
    columns = len(head.bias)
    dense_rows(embedded, len(head.squares.bias), head.weight, columns, answers, rows)
    add_bias(answers, head.bias, rows, columns)


@kernel(contract=True)
def _attention_logits(head, answers, policy_index, n_moves, logits):
    """As _convolution_logits."""
    for p in range(len(n_moves)):
        for i in range(n_moves[p]):
            place = np.int64(ATTENTION_INDEX[policy_index[p, i]])
            logits[p, i] = _attention_logit(head, answers, p * 64, place)


@kernel(contract=True)
def _attention_logit(head, answers, first, place):
    """Return a query times a key; `first` is the row of square a1."""
    columns = len(head.bias)
    depth = columns >> 1
    promotes = place >= ATTENTION_SQUARES
    rest = place - ATTENTION_SQUARES
    source = 48 + rest // 24 if promotes else place >> 6
    target = 56 + rest % 24 // 3 if promotes else place & 63
    key = (first + target) * columns + depth
    logit = _product(answers, (first + source) * columns, answers, key, depth)
    if promotes:
        logit += _product(answers, key, head.promotion, rest % 3 * depth, depth)
    return logit


@kernel(contract=True)
def _product(a, a_at, b, b_at, count):
    """Dot product of `count` floats; `count` is a multiple of 16."""
    total = splat(0.0)
    for i in range(0, count, LANES):
        total = total + load(a, a_at + i) * load(b, b_at + i)
    return lane_sum(total)


MOVE_LOGITS: dict[str, Callable[..., None]] = {
    "convolution": _convolution_logits,
    "classical": _classical_logits,
    "attention": _attention_logits,
}
"""The kernel of each kind of head that computes the logits of moves, behind the part that all moves
share: `convolution_planes` for a convolutional head, else `square_features` and, with attention,
`queries_and_keys`."""
