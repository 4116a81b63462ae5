"""Fused encoder layers: products over all squares of a chunk, softmax and layer norm in between.

Rows are squares: row 64 p + s is square s of position p. Arrays are flat float32, rows padded with
zeros to whole lanes; a head's queries, keys and values are padded each. What folding has taken out
of the sums: the scores' factor is in the queries, a key's bias moves all scores of a query alike
and drops out of the softmax, and a value's bias passes through to the bias of the output.
"""

import math
from typing import Annotated, NamedTuple

import numpy as np

from engine.native.aligned_arrays import buffers
from engine.native.jit import kernel
from engine.native.lanes import LANES, lane_sum, load, minimum, splat, store
from engine.native.smooth_lanes import exp_lanes
from engine.network.fused.heads import ORIGIN, add_bias
from engine.network.fused.multiply import BLOCK_LANES, Rows, dense_rows, multiply
from engine.network.fused.smooth import activate
from engine.network.outputs import CHUNK

SQUARES = np.int64(64)


class Encoders(NamedTuple):
    """L encoder layers of E numbers a square, N heads of D numbers, F hidden units (E, D, F whole
    lanes).
    """

    width: np.int64  # numbers of a square that count, at most E
    heads: np.int64  # N
    scale: np.float32  # of each block's output
    epsilon: np.float32
    act: np.int64  # activation code of the feed-forward blocks
    smolgen_act: np.int64
    generated: np.int64  # G, numbers of a head from which smolgen makes its bias; 0 = no smolgen
    queries: np.ndarray  # [L, E * 3 N D]: queries, keys, values
    query_bias: np.ndarray  # [L, N D]
    output: np.ndarray  # [L, N D * E]
    output_bias: np.ndarray  # [L, E]
    norm1: np.ndarray  # [L, 2 E]: gamma, beta
    up: np.ndarray  # [L, E * F]
    up_bias: np.ndarray  # [L, F]
    down: np.ndarray  # [L, F * E]
    down_bias: np.ndarray  # [L, E]
    norm2: np.ndarray  # [L, 2 E]
    compress: np.ndarray  # [L, E * S]
    dense1: np.ndarray  # [L, 64 S * H]
    dense1_bias: np.ndarray  # [L, H]
    small_norm1: np.ndarray  # [L, 2 H]
    dense2: np.ndarray  # [L, H * N G], N G rounded up to whole lanes
    dense2_bias: np.ndarray  # [L, N G]
    small_norm2: np.ndarray  # [L, 2 N G]
    counts: np.ndarray  # int64 [2]: units of the two norms that count
    table: np.ndarray  # [G * 4096]


class EncoderSpace(NamedTuple):
    """One thread's buffers for one chunk of P positions; smolgen's are empty without smolgen."""

    queries: Annotated[np.ndarray, "float32 [P * 64 * 3 * I]"]  # I = N D: queries, keys, values
    mixed: Annotated[np.ndarray, "float32 [P * 64 * I]"]
    added: Annotated[np.ndarray, "float32 [P * 64 * E]"]
    hidden: Annotated[np.ndarray, "float32 [P * 64 * F]"]
    small: Annotated[np.ndarray, "float32 [P * 64 * S]"]
    small1: Annotated[np.ndarray, "float32 [P * H]"]
    small2: Annotated[np.ndarray, "float32 [P * C]"]  # C = N G, in whole lanes
    codes: Annotated[np.ndarray, "float32 [P * N * G]"]
    bias: Annotated[np.ndarray, "float32 [P * N * B]"]  # B = 64 * 64
    keys: Annotated[np.ndarray, "float32 [I // N * 64]"]  # one head's keys, transposed and packed
    values: Annotated[np.ndarray, "float32 [I // N * 64]"]  # one head's values, packed
    scores: Annotated[np.ndarray, "float32 [64 * 64]"]


def new_encoder_space(encoders: Encoders) -> EncoderSpace:
    """Buffers for an encoder's layers."""
    e = encoders
    generated = int(encoders.generated)
    width, inner, hidden = (array.shape[1] for array in (e.down_bias, e.query_bias, e.up_bias))
    units, codes = e.dense1_bias.shape[1], e.dense2_bias.shape[1]
    sizes = {
        "I": inner,
        "E": width,
        "F": hidden,
        "S": e.compress.shape[1] // width,
        "H": units,
        "C": codes,
    }
    return buffers(
        EncoderSpace, **sizes, P=CHUNK, N=int(e.heads), G=generated, B=64 * 64 if generated else 0
    )


@kernel(contract=True)
def encode_rows(encoders, x, count, space):
    """Apply all layers in place to x [64 count, E]."""
    for layer in range(encoders.up_bias.shape[0]):
        if encoders.generated:
            _smolgen(encoders, layer, x, count, space)
        _attend(encoders, layer, x, count, space)
        feed_forward(encoders, layer, x, count, space)


@kernel(contract=True)
def feed_forward(encoders, layer, x, count, space):
    """Apply a layer's feed-forward block in place to x [64 count, E]."""
    rows = SQUARES * count
    width, hidden = encoders.down_bias.shape[1], encoders.up_bias.shape[1]
    dense_rows(x, width, encoders.up[layer], hidden, space.hidden, rows)
    activate(space.hidden, encoders.up_bias[layer], rows, encoders.act)
    dense_rows(space.hidden, hidden, encoders.down[layer], width, space.added, rows)
    add_and_norm(x, space.added, encoders.down_bias[layer], encoders.norm2[layer], rows, encoders)


@kernel(contract=True)
def _attend(encoders, layer, x, count, space):
    width, inner = encoders.output_bias.shape[1], encoders.query_bias.shape[1]
    all_rows = SQUARES * count
    dense_rows(x, width, encoders.queries[layer], 3 * inner, space.queries, all_rows)
    add_bias(space.queries, encoders.query_bias[layer], all_rows, 3 * inner)
    depth = inner // encoders.heads
    for p in range(count):
        for head in range(encoders.heads):
            start = p * SQUARES * 3 * inner + head * depth
            _pack_keys(space.queries, start + inner, 3 * inner, depth, space.keys)
            rows, to = Rows(start, 3 * inner), Rows(ORIGIN, SQUARES)
            multiply(
                space.queries,
                rows,
                depth,
                space.keys,
                ORIGIN,
                SQUARES,
                space.scores,
                to,
                np.int64(16),
                ORIGIN,
            )
            bias_at = np.int64(-1)
            if encoders.generated:
                bias_at = (p * encoders.heads + head) * SQUARES * SQUARES
            softmax_rows(space.scores, space.bias, bias_at)
            _pack_values(space.queries, start + 2 * inner, 3 * inner, depth, space.values)
            mixed = Rows(p * SQUARES * inner + head * depth, inner)
            multiply(
                space.scores,
                to,
                SQUARES,
                space.values,
                ORIGIN,
                depth,
                space.mixed,
                mixed,
                np.int64(16),
                ORIGIN,
            )
    dense_rows(space.mixed, inner, encoders.output[layer], width, space.added, all_rows)
    bias, norm = encoders.output_bias[layer], encoders.norm1[layer]
    add_and_norm(x, space.added, bias, norm, all_rows, encoders)


@kernel()
def _pack_keys(queries, at, step, depth, keys):
    """Write keys [64, depth] as `packed` has a matrix [depth, 64]."""
    block = BLOCK_LANES * LANES
    for square in range(64):
        source = at + square * step
        target = (square // block) * block * depth + square % block
        for d in range(depth):
            keys[target + d * block] = queries[source + d]


@kernel()
def _pack_values(queries, at, step, depth, values):
    """Write values [64, depth] as `packed` has them."""
    column = np.int64(0)
    while column < depth:
        block = np.int64(BLOCK_LANES * LANES)
        if block > depth - column:
            block = np.int64(LANES)
        for square in range(64):
            source, target = at + square * step + column, column * 64 + square * block
            for c in range(0, block, LANES):
                store(values, target + c, load(queries, source + c))
        column += block


@kernel(contract=True)
def softmax_rows(scores, bias, bias_at):
    """Softmax in place of each row of scores [64, 64], plus bias [64, 64] from bias[bias_at] on
    unless that is < 0.
    """
    for row in range(0, 4096, 64):
        a = load(scores, row)
        b = load(scores, row + 16)
        c = load(scores, row + 32)
        d = load(scores, row + 48)
        if bias_at >= 0:
            at = bias_at + row
            a, b = a + load(bias, at), b + load(bias, at + 16)
            c, d = c + load(bias, at + 32), d + load(bias, at + 48)
        least = minimum(
            minimum(splat(0.0) - a, splat(0.0) - b), minimum(splat(0.0) - c, splat(0.0) - d)
        )
        store(scores, row, least)
        lowest = scores[row]
        for i in range(1, 16):
            lowest = min(lowest, scores[row + i])
        top = splat(lowest)
        a = exp_lanes(a + top)
        b = exp_lanes(b + top)
        c = exp_lanes(c + top)
        d = exp_lanes(d + top)
        share = splat(np.float32(1) / lane_sum((a + b) + (c + d)))
        store(scores, row, a * share)
        store(scores, row + 16, b * share)
        store(scores, row + 32, c * share)
        store(scores, row + 48, d * share)


@kernel(contract=True)
def add_and_norm(x, added, bias, norm, rows, encoders):
    """x = norm(scale (added + bias) + x), in place, row by row."""
    width = len(bias)
    scale = splat(encoders.scale)
    for row in range(0, rows * width, width):
        for c in range(0, width, LANES):
            store(x, row + c, scale * (load(added, row + c) + load(bias, c)) + load(x, row + c))
        norm_row(x, row, width, encoders.width, norm, encoders.epsilon)


@kernel(contract=True)
def norm_row(x, at, width, count, norm, epsilon):
    """Layer norm of x[at : at + width] in place; the last width - count numbers are zero and do not
    count.
    """
    total = splat(0.0)
    for c in range(at, at + width, LANES):
        total = total + load(x, c)
    mean = lane_sum(total) / np.float32(count)
    middle, squares = splat(mean), splat(0.0)
    for c in range(at, at + width, LANES):
        off = load(x, c) - middle
        squares = squares + off * off
    variance = (lane_sum(squares) - np.float32(width - count) * mean * mean) / np.float32(count)
    factor = splat(np.float32(1) / np.float32(math.sqrt(variance + epsilon)))
    for c in range(0, width, LANES):
        store(
            x, at + c, (load(x, at + c) - middle) * factor * load(norm, c) + load(norm, width + c)
        )


@kernel(contract=True)
def _smolgen(encoders, layer, x, count, space):
    """Fill space.bias from x: a few numbers of each square, then of the board, each head, each pair
    of squares.
    """
    width = encoders.down_bias.shape[1]
    generated = encoders.generated
    units, codes = encoders.dense1_bias.shape[1], encoders.dense2_bias.shape[1]
    small = encoders.compress.shape[1] // width
    dense_rows(x, width, encoders.compress[layer], small, space.small, SQUARES * count)
    dense_rows(space.small, SQUARES * small, encoders.dense1[layer], units, space.small1, count)
    bias, norm = encoders.dense1_bias[layer], encoders.small_norm1[layer]
    _finish_small(encoders, space.small1, bias, norm, encoders.counts[0], count)
    dense_rows(space.small1, units, encoders.dense2[layer], codes, space.small2, count)
    bias, norm = encoders.dense2_bias[layer], encoders.small_norm2[layer]
    _finish_small(encoders, space.small2, bias, norm, encoders.counts[1], count)
    used = encoders.heads * generated
    for p in range(count):
        for i in range(used):
            space.codes[p * used + i] = space.small2[p * codes + i]
    pairs = SQUARES * SQUARES
    rows = count * encoders.heads
    dense_rows(space.codes, generated, encoders.table, pairs, space.bias, rows)


@kernel(contract=True)
def _finish_small(encoders, x, bias, norm, units, count):
    """Activate and norm x [count, columns of the bias] in place, of which `units` columns count."""
    activate(x, bias, count, encoders.smolgen_act)
    width = len(bias)
    for p in range(count):
        norm_row(x, p * width, width, units, norm, np.float32(1e-3))
