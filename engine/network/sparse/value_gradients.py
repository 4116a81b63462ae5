"""Forward and backward pass of the value trunk over a training batch, in two phases as in `gradients.py`.

With a the accumulators, u the units, h and g the hidden layers, y the outputs, p = softmax(y_0..2), t the targets,
s = sum(t) and e the error of moves left, every gradient times 1 / B:

    outputs   dy_j = w (s p_j - t_j), dy_3 = w' clip(e)          dg = sum_j dy_j V_j  where 0 < g < 1
    dense1    [dq, dr] = sum_o dg_o U_o                          dh = dq where 0 < h < 1, plus 2 h dr where |h| < 1
    units     du = sum_k dh_k H_k                                da as in `gradients.py`, for each view

Siblings, positions after moves of one position, have a loss of their own, because search chooses among them. With
q = p_0 - p_2, t of the targets likewise, and c(x) = x minus its mean over the siblings of a batch, it is
v / 2 sum (c(q) - c(t))^2, whose gradient is v (c(q) - c(t)) p_j (s_j - q) more in dy_j, s = (1, 0, -1).

Phase one computes these for every position, phase two the sums over positions, each column of a table by one call.

A batch lists a view as changes of the view before it, in the previous position. Phase one therefore adds and subtracts
a few rows. Phase two has P, the sum of da over the positions since the view was listed anew: a row that is there in
positions i to j has the gradient P_j - P_(i-1), so only rows that come or go are written, and all at the end.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, lane_sum, load, splat, spread, store, where_positive
from engine.native.memory import aligned_zeros
from engine.network.sparse.features import MEN_BUCKETS
from engine.network.sparse.inference import softmax_of_3
from engine.network.sparse.rows import add_4, add_rows, add_weighted_rows, clip, pair_products, score_row, subtract_rows
from engine.network.sparse.value_features import MAX_VIEW
from engine.network.sparse.value_parameters import HIDDEN_1, HIDDEN_2, VALUE_OUTPUTS, ValueConfig


class ValueScratch(NamedTuple):
    """One thread's buffers of phase one."""

    white: np.ndarray  # float32 [W] accumulator of White's view
    black: np.ndarray  # float32 [W] of Black's
    dunits: np.ndarray  # float32 [W]
    outputs: np.ndarray  # float32 [4]
    probabilities: np.ndarray  # float32 [3]
    numbers: np.ndarray  # int16 [8, 16] rows of dense1 of each version


class ValueGradients(NamedTuple):
    """Results of phase one for B positions. Its backward pass puts gradients in the place of values."""

    units: np.ndarray  # float32 [B * W]
    accumulator: np.ndarray  # float32 [B * 2 * W] a, then da, of White's view, then of Black's
    hidden: np.ndarray  # float32 [B, 16] h, then dh
    pairs: np.ndarray  # float32 [B, 32] min(max(h, 0), 1), min(h^2, 1)
    inner: np.ndarray  # float32 [B, 32] g, then dg
    active: np.ndarray  # float32 [B, 32] min(max(g, 0), 1)
    doutputs: np.ndarray  # float32 [B, 4]
    wdl: np.ndarray  # float32 [B, 3] p
    losses: np.ndarray  # float32 [B, 2] value, moves left, unweighted
    known: np.ndarray  # float32 [B, 2] s of each loss: 1, or 0 if the target is unknown


def new_value_scratch(config: ValueConfig) -> ValueScratch:
    """Buffers for one thread."""
    return ValueScratch(
        white=aligned_zeros(config.width),
        black=aligned_zeros(config.width),
        dunits=aligned_zeros(config.width),
        outputs=aligned_zeros(VALUE_OUTPUTS),
        probabilities=aligned_zeros(3),
        numbers=np.arange(MEN_BUCKETS * HIDDEN_1, dtype=np.int16).reshape(MEN_BUCKETS, HIDDEN_1),
    )


def new_value_gradients(config: ValueConfig, size: int) -> ValueGradients:
    """Buffers for a batch of `size` positions."""
    return ValueGradients(
        units=aligned_zeros(size * config.width),
        accumulator=aligned_zeros(size * 2 * config.width),
        hidden=aligned_zeros(size, HIDDEN_1),
        pairs=aligned_zeros(size, 2 * HIDDEN_1),
        inner=aligned_zeros(size, HIDDEN_2),
        active=aligned_zeros(size, HIDDEN_2),
        doutputs=aligned_zeros(size, VALUE_OUTPUTS),
        wdl=aligned_zeros(size, 3),
        losses=aligned_zeros(size, 2),
        known=aligned_zeros(size, 2),
    )


# ---- phase one: positions -----------------------------------------------------------------------------------------


@kernel(contract=True)
def learn_values(tables, batch, first, last, scale, value_weight, left_weight, sibling_weight, scratch, out):
    """Run batch[first:last] forward and backward; `scale`, 1 / B of the whole batch, multiplies the gradients."""
    for b in range(first, last):
        _judge_position(tables, batch, b, b == first, scratch, out)
        _output_gradient(batch, b, scale, value_weight, left_weight, scratch, out)
    if sibling_weight > 0:
        _siblings_gradient(batch, first, last, scale * sibling_weight, out)
    for b in range(first, last):
        _position_gradient(tables, batch, b, scratch, out)


@kernel(contract=True)
def _judge_position(tables, batch, b, anew, scratch, out):
    """Evaluate position b: its accumulators, units and layers, and the scratch's outputs.

    Unless `anew`, the scratch's accumulators are those of position b - 1.
    """
    width, version, side = len(scratch.white), np.int64(batch.version[b]), np.int64(batch.side[b])
    sum_view(tables, batch, b, np.int64(0), anew, scratch.white)
    sum_view(tables, batch, b, np.int64(1), anew, scratch.black)
    at = 2 * b * width
    for c in range(0, width, LANES):
        store(out.accumulator, at + c, load(scratch.white, c))
        store(out.accumulator, at + width + c, load(scratch.black, c))
    mover, other = (scratch.black, scratch.white) if side else (scratch.white, scratch.black)
    pair_products(mover, width // 2, out.units, b * width)
    pair_products(other, width // 2, out.units, b * width + width // 2)
    _judge_units(tables, version, b, out, scratch.outputs)


@kernel(contract=True)
def _position_gradient(tables, batch, b, scratch, out):
    """From the gradient of position b's outputs to that of its layers and accumulators."""
    width, version, side = len(scratch.dunits), np.int64(batch.version[b]), np.int64(batch.side[b])
    _hidden_gradient(tables, version, out, b)
    for c in range(0, width, LANES):
        store(scratch.dunits, c, splat(0.0))
    add_weighted_rows(tables.dense1, width, scratch.numbers[version], out.hidden[b], HIDDEN_1, scratch.dunits)
    half = width // 2
    _view_gradient(scratch.dunits, side * half, half, out.accumulator, 2 * b * width)
    _view_gradient(scratch.dunits, (1 - side) * half, half, out.accumulator, (2 * b + 1) * width)


@kernel(contract=True)
def sum_view(tables, batch, b, side, anew, accumulator):
    """Bring the accumulator of a side's view, float32 [W], from position b - 1 to b, or make it anew."""
    width, coming = len(accumulator), batch.n_coming[b, side]
    if anew or coming < 0:
        numbers = batch.features[b, side * MAX_VIEW : (side + 1) * MAX_VIEW]
        add_rows(tables.weight, width, numbers, batch.n_rows[b], tables.bias, accumulator)
        return
    numbers = batch.changes[b, side * MAX_VIEW : (side + 1) * MAX_VIEW]
    add_rows(tables.weight, width, numbers, coming, accumulator, accumulator)
    subtract_rows(tables.weight, width, numbers[coming:], batch.n_going[b, side], accumulator)


@kernel(contract=True)
def _judge_units(tables, version, b, out, outputs):
    """From the units of position b to its layers and outputs [4]."""
    width = len(tables.bias)
    hidden, pairs, inner, active = out.hidden[b], out.pairs[b], out.inner[b], out.active[b]
    for k in range(HIDDEN_1):
        row = version * HIDDEN_1 + k
        hidden[k] = score_row(tables.dense1, row * width, out.units, b * width, width) + tables.dense1_bias[row]
    one, h = splat(1.0), load(hidden, 0)
    store(pairs, 0, clip(h))
    store(pairs, HIDDEN_1, one - clip(one - h * h))
    for o in range(HIDDEN_2):
        row = version * HIDDEN_2 + o
        inner[o] = _dot_32(tables.dense2, row * 32, pairs) + tables.dense2_bias[row]
    for c in range(0, HIDDEN_2, LANES):
        store(active, c, clip(load(inner, c)))
    for j in range(VALUE_OUTPUTS):
        row = version * VALUE_OUTPUTS + j
        outputs[j] = _dot_32(tables.output, row * 32, active) + tables.output_bias[row]


@kernel(contract=True)
def _dot_32(table, at, x):
    """Dot product of table[at : at + 32] and x [32]."""
    return lane_sum(load(table, at) * load(x, 0) + load(table, at + LANES) * load(x, LANES))


@kernel(contract=True)
def _output_gradient(batch, b, scale, value_weight, left_weight, scratch, out):
    """Compute the probabilities, the losses and the gradient of the outputs."""
    softmax_of_3(scratch.outputs, scratch.probabilities)
    loss, share = np.float32(0), batch.wdl[b, 0] + batch.wdl[b, 1] + batch.wdl[b, 2]
    for j in range(3):
        p, target = scratch.probabilities[j], batch.wdl[b, j]
        loss -= target * np.float32(math.log(max(p, np.float32(1e-30))))
        out.wdl[b, j] = p
        out.doutputs[b, j] = (share * p - target) * np.float32(scale * value_weight)
    left_known = np.float32(batch.moves_left[b] >= 0)
    error = (scratch.outputs[3] - batch.moves_left[b]) * left_known
    clipped = min(max(error, np.float32(-1)), np.float32(1))
    out.doutputs[b, 3] = clipped * np.float32(scale * left_weight)
    out.known[b, 0], out.known[b, 1] = share, left_known
    out.losses[b, 0] = loss
    out.losses[b, 1] = clipped * (error - clipped * np.float32(0.5))


@kernel(contract=True)
def _siblings_gradient(batch, first, last, scale, out):
    """Add the gradient of the siblings' loss to that of the outputs."""
    begin = first
    while begin < last:
        end = begin + 1
        while end < last and _is_sibling(batch, end):
            end += 1
        mean = np.float32(0)
        for b in range(begin, end):
            mean += out.wdl[b, 0] - out.wdl[b, 2] - (batch.wdl[b, 0] - batch.wdl[b, 2])
        mean /= np.float32(end - begin)
        for b in range(begin, end):
            q = out.wdl[b, 0] - out.wdl[b, 2]
            slope = (q - (batch.wdl[b, 0] - batch.wdl[b, 2]) - mean) * out.known[b, 0] * np.float32(scale)
            for j in range(3):
                out.doutputs[b, j] += slope * out.wdl[b, j] * (np.float32(1 - j) - q)
        begin = end


@kernel()
def _is_sibling(batch, b):
    """Whether position b and the one before it have one parent: same side to move, both views change little."""
    same_side = batch.side[b] == batch.side[b - 1]
    return same_side and batch.n_coming[b, 0] >= 0 and batch.n_coming[b, 1] >= 0


@kernel(contract=True)
def _hidden_gradient(tables, version, out, b):
    """From the gradient of the outputs to that of both hidden layers, in the place of their values."""
    one = splat(1.0)
    for c in range(0, HIDDEN_2, LANES):
        g, dg = load(out.inner[b], c), splat(0.0)
        for j in range(VALUE_OUTPUTS):
            row = version * VALUE_OUTPUTS + j
            dg = dg + spread(out.doutputs[b], j) * load(tables.output, row * HIDDEN_2 + c)
        store(out.inner[b], c, where_positive(g, where_positive(one - g, dg)))
    plain = square = splat(0.0)
    for o in range(HIDDEN_2):
        at, x = (version * HIDDEN_2 + o) * 2 * HIDDEN_1, spread(out.inner[b], o)
        plain = plain + x * load(tables.dense2, at)
        square = square + x * load(tables.dense2, at + LANES)
    h = load(out.hidden[b], 0)
    inside = where_positive(one - h * h, (h + h) * square)
    store(out.hidden[b], 0, where_positive(h, where_positive(one - h, plain)) + inside)


@kernel(contract=True)
def _view_gradient(dunits, first, half, accumulator, at):
    """From the gradient of a view's units, dunits[first : first + half], to accumulator[at : at + 2 half], in place."""
    one = splat(1.0)
    for c in range(0, half, LANES):
        a, b, dy = load(accumulator, at + c), load(accumulator, at + half + c), load(dunits, first + c)
        store(accumulator, at + c, where_positive(a, where_positive(one - a, dy * clip(b))))
        store(accumulator, at + half + c, where_positive(b, where_positive(one - b, dy * clip(a))))


# ---- phase two: columns -------------------------------------------------------------------------------------------


@kernel(contract=True)
def add_view_columns(batch, count, gradients, width, column, tables):
    """Add `count` positions to the gradients of the rows and their bias, in columns `column` to `column` + 64."""
    zero, da = splat(0.0), gradients.accumulator
    for side in range(2):
        first = side * MAX_VIEW
        p0 = p1 = p2 = p3 = zero
        for b in range(count):
            coming = batch.n_coming[b, side]
            if coming < 0:
                if b > 0:
                    _add_to_rows(tables, batch, b - 1, first, width, column, p0, p1, p2, p3)
                p0 = p1 = p2 = p3 = zero
            else:
                going = first + coming
                for i in range(first, going):
                    to = batch.changes[b, i] * width + column
                    add_4(tables.weight, to, zero - p0, zero - p1, zero - p2, zero - p3)
                for i in range(going, going + batch.n_going[b, side]):
                    add_4(tables.weight, batch.changes[b, i] * width + column, p0, p1, p2, p3)
            at = (2 * b + side) * width + column
            p0, p1 = p0 + load(da, at), p1 + load(da, at + 16)
            p2, p3 = p2 + load(da, at + 32), p3 + load(da, at + 48)
        _add_to_rows(tables, batch, count - 1, first, width, column, p0, p1, p2, p3)


@kernel(contract=True)
def _add_to_rows(tables, batch, b, first, width, column, p0, p1, p2, p3):
    """Add four vectors to the rows of a view of position b, and to the bias."""
    for i in range(first, first + batch.n_rows[b]):
        add_4(tables.weight, batch.features[b, i] * width + column, p0, p1, p2, p3)
    add_4(tables.bias, column, p0, p1, p2, p3)


@kernel(contract=True)
def add_dense1_columns(batch, count, gradients, width, column, tables):
    """Add `count` positions to the gradients of dense1, in columns `column` to `column` + 64."""
    y = gradients.units
    for b in range(count):
        at = b * width + column
        y0, y1, y2, y3 = load(y, at), load(y, at + 16), load(y, at + 32), load(y, at + 48)
        for k in range(HIDDEN_1):
            if gradients.hidden[b, k] != 0:
                x, row = spread(gradients.hidden[b], k), batch.version[b] * HIDDEN_1 + k
                add_4(tables.dense1, row * width + column, x * y0, x * y1, x * y2, x * y3)


@kernel(contract=True)
def add_small_layers(batch, count, gradients, tables):
    """Add `count` positions to the gradients of dense2, of the output layer and of the layers' biases."""
    for b in range(count):
        version = np.int64(batch.version[b])
        at = version * HIDDEN_1
        store(tables.dense1_bias, at, load(tables.dense1_bias, at) + load(gradients.hidden[b], 0))
        p0, p1 = load(gradients.pairs[b], 0), load(gradients.pairs[b], LANES)
        for o in range(HIDDEN_2):
            row = version * HIDDEN_2 + o
            if gradients.inner[b, o] != 0:
                tables.dense2_bias[row] += gradients.inner[b, o]
                _add_2(tables.dense2, row * 32, spread(gradients.inner[b], o), p0, p1)
        g0, g1 = load(gradients.active[b], 0), load(gradients.active[b], LANES)
        for j in range(VALUE_OUTPUTS):
            row = version * VALUE_OUTPUTS + j
            tables.output_bias[row] += gradients.doutputs[b, j]
            _add_2(tables.output, row * 32, spread(gradients.doutputs[b], j), g0, g1)


@kernel(contract=True)
def _add_2(table, at, x, first, second):
    store(table, at, load(table, at) + x * first)
    store(table, at + LANES, load(table, at + LANES) + x * second)


@kernel()
def limit_stretch(table, limit, first, last):
    """Clip table[first:last] to -limit..limit."""
    limit = np.float32(limit)
    for i in range(first, last):
        table[i] = min(max(table[i], -limit), limit)
