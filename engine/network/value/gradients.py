"""Forward and backward pass of the value trunk over a training batch.

With a the accumulators, u the units, h and g the hidden layers, y the outputs, p = softmax(y_0..2), t the targets,
s = sum(t) and e the error of moves left, every gradient times 1 / B:

    outputs   dy_j = w (s p_j - t_j), dy_3 = w' clip(e)          dg = sum_j dy_j V_j  where 0 < g < 1
    dense1    [dq, dr] = sum_o dg_o U_o                          dh = dq where 0 < h < 1, plus 2 h dr where |h| < 1
    units     du = sum_k dh_k H_k                                da as in `policy/gradients.py`, for each view

Three phases: forward through the accumulators and dense1, slab by slab; the other layers, position
by position; back through dense1 and the accumulators, slab by slab. Slabs are the outer loop because the rows of
a position are scattered: within a slab they come from the core's cache, in whole tables from main memory. What lies
between dense1 and the accumulators is therefore computed twice and never stored.

A batch lists a view as changes of the view before it, in the previous position. The forward pass therefore adds and
subtracts a few rows. The backward pass has P, the sum of da over the positions since the view was listed anew: a row
that is there in positions i to j has the gradient P_j - P_(i-1), so only rows that come or go are written, and all at
the end.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, lane_sum, load, splat, spread, store, where_positive
from engine.network.rows.float_rows import add_4, clip, store_4
from engine.network.rows.piece_count import PIECE_BUCKETS
from engine.network.rows.wdl import output_gradient
from engine.network.value.features import MAX_VIEW
from engine.network.value.parameters import HIDDEN_1, HIDDEN_2, VALUE_OUTPUTS, ValueTables

# ---- slabs of columns ------------------------------------------------------------------------------------------------
#
# Training stores tables of the network's width in slabs, one after the other. A slab has 32 columns of the accumulator
# and the 32 they are multiplied with, all rows of them: 3 MB of the largest table, of which a batch reads two. The work
# on one slab therefore stays in a core's own cache, whichever rows the positions ask for; in a table [rows, width], the
# same columns of all rows would share few places of a cache.

HALF_SLAB = 2 * LANES
SLAB = 2 * HALF_SLAB  # columns


def in_slabs(table: np.ndarray) -> np.ndarray:
    """Return a copy of a table [rows, W] as [W / 64 * rows, 64], slab by slab."""
    halves = table.reshape(len(table), 2, -1, HALF_SLAB)
    return np.ascontiguousarray(halves.transpose(2, 0, 1, 3)).reshape(-1, SLAB)


def from_slabs(slabs: np.ndarray, width: int) -> np.ndarray:
    """Return a copy as [rows, `width`] of a table in slabs."""
    halves = slabs.reshape(width // SLAB, -1, 2, HALF_SLAB)
    return np.ascontiguousarray(halves.transpose(1, 2, 0, 3)).reshape(-1, width)


class ValueScratch(NamedTuple):
    """One thread's buffers."""

    units: Annotated[np.ndarray, "float32 [64]"]  # of a slab
    outputs: Annotated[np.ndarray, "float32 [4]"]
    probabilities: Annotated[np.ndarray, "float32 [3]"]


class ValueGradients(NamedTuple):
    """Results of the passes over B positions and S slabs. The second phase puts gradients in the place of values."""

    accumulator: Annotated[np.ndarray, "float32 [S * B * 2 * 64]"]  # a of White's view, then of Black's, in slabs
    transposed: Annotated[np.ndarray, "float32 [S * 8 * 64 * 16]"]  # dense1 in slabs, of each version [unit, k]
    sums: Annotated[np.ndarray, "float32 [S, B, 16]"]  # what each slab adds to h
    hidden: Annotated[np.ndarray, "float32 [B, 16]"]  # h, then dh
    pairs: Annotated[np.ndarray, "float32 [B, 32]"]  # min(max(h, 0), 1), min(h^2, 1)
    inner: Annotated[np.ndarray, "float32 [B, 32]"]  # g, then dg
    active: Annotated[np.ndarray, "float32 [B, 32]"]  # min(max(g, 0), 1)
    doutputs: Annotated[np.ndarray, "float32 [B, 4]"]
    losses: Annotated[np.ndarray, "float32 [B, 2]"]  # value, moves left, unweighted
    known: Annotated[np.ndarray, "float32 [B, 2]"]  # s of each loss: 1, or 0 if the target is unknown


# ---- phase one: forward, slab by slab -------------------------------------------------------------------------------


def transpose_dense1(tables: ValueTables, out: ValueGradients) -> None:
    """Fill `out.transposed`."""
    slabs = out.transposed.reshape(-1, PIECE_BUCKETS, SLAB, HIDDEN_1)
    slabs[...] = tables.dense1.reshape(-1, PIECE_BUCKETS, HIDDEN_1, SLAB).swapaxes(2, 3)


@kernel(contract=True)
def sum_slab(tables, batch, count, slab, scratch, out):
    """Compute a slab of the accumulators of batch[:count], and what its units add to h."""
    size, zero = len(out.hidden), splat(0.0)
    w0 = w1 = w2 = w3 = b0 = b1 = b2 = b3 = zero
    for b in range(count):
        w0, w1, w2, w3 = _next_view(tables, batch, b, np.int64(0), slab, w0, w1, w2, w3)
        b0, b1, b2, b3 = _next_view(tables, batch, b, np.int64(1), slab, b0, b1, b2, b3)
        at = (slab * size + b) * 2 * SLAB
        store_4(out.accumulator, at, w0, w1, w2, w3)
        store_4(out.accumulator, at + SLAB, b0, b1, b2, b3)
        white = np.int64(batch.side[b]) * HALF_SLAB  # the mover's units come first
        store(scratch.units, white, clip(w0) * clip(w2))
        store(scratch.units, white + LANES, clip(w1) * clip(w3))
        store(scratch.units, HALF_SLAB - white, clip(b0) * clip(b2))
        store(scratch.units, HALF_SLAB - white + LANES, clip(b1) * clip(b3))
        h0 = h1 = h2 = h3 = zero
        at = (slab * PIECE_BUCKETS + batch.version[b]) * SLAB * HIDDEN_1
        for i in range(LANES):
            h0 = h0 + spread(scratch.units, i) * load(out.transposed, at + i * HIDDEN_1)
            h1 = h1 + spread(scratch.units, i + 16) * load(out.transposed, at + (i + 16) * HIDDEN_1)
            h2 = h2 + spread(scratch.units, i + 32) * load(out.transposed, at + (i + 32) * HIDDEN_1)
            h3 = h3 + spread(scratch.units, i + 48) * load(out.transposed, at + (i + 48) * HIDDEN_1)
        store(out.sums[slab, b], 0, (h0 + h1) + (h2 + h3))


@kernel(contract=True)
def _next_view(tables, batch, b, side, slab, s0, s1, s2, s3):
    """Return a slab of the accumulator of position b, from that of position b - 1."""
    first, coming = side * MAX_VIEW, np.int64(batch.n_coming[b, side])
    start = slab * (len(tables.weight) // len(tables.bias)) * SLAB
    if b > 0 and coming >= 0:
        for i in range(first, first + coming):
            at = start + batch.changes[b, i] * SLAB
            s0, s1 = s0 + load(tables.weight, at), s1 + load(tables.weight, at + 16)
            s2, s3 = s2 + load(tables.weight, at + 32), s3 + load(tables.weight, at + 48)
        for i in range(first + coming, first + coming + batch.n_going[b, side]):
            at = start + batch.changes[b, i] * SLAB
            s0, s1 = s0 - load(tables.weight, at), s1 - load(tables.weight, at + 16)
            s2, s3 = s2 - load(tables.weight, at + 32), s3 - load(tables.weight, at + 48)
        return s0, s1, s2, s3
    column, half = slab * HALF_SLAB, len(tables.bias) // 2
    s0, s1 = load(tables.bias, column), load(tables.bias, column + 16)
    s2, s3 = load(tables.bias, half + column), load(tables.bias, half + column + 16)
    for i in range(first, first + batch.n_rows[b]):
        at = start + batch.features[b, i] * SLAB
        s0, s1 = s0 + load(tables.weight, at), s1 + load(tables.weight, at + 16)
        s2, s3 = s2 + load(tables.weight, at + 32), s3 + load(tables.weight, at + 48)
    return s0, s1, s2, s3


# ---- phase two: the other layers, position by position --------------------------------------------------------------


@kernel(contract=True)
def learn_values(tables, batch, first, last, scale, value_weight, left_weight, scratch, out):
    """Run batch[first:last] forward and back to dh.

    scale: 1 / B of the whole batch, multiplies the gradients. The weights are w and w'.
    """
    for b in range(first, last):
        version = np.int64(batch.version[b])
        _judge_units(tables, version, b, out, scratch.outputs)
        output_gradient(batch, b, scale, value_weight, left_weight, scratch, out, 0)
        _hidden_gradient(tables, version, out, b)


@kernel(contract=True)
def _judge_units(tables, version, b, out, outputs):
    """From what the slabs of position b add up to, to its layers and outputs [4]."""
    hidden, pairs, inner, active = out.hidden[b], out.pairs[b], out.inner[b], out.active[b]
    one, h = splat(1.0), load(tables.dense1_bias, version * HIDDEN_1)
    for slab in range(len(out.sums)):
        h = h + load(out.sums[slab, b], 0)
    store(hidden, 0, h)
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


# ---- phase three: backward, slab by slab ----------------------------------------------------------------------------


@kernel(contract=True)
def slab_gradients(tables, batch, count, slab, gradients, slopes):
    """Write a slab of the gradients of dense1, of the rows and of their bias, from batch[:count]."""
    rows, layer = len(tables.weight) // len(tables.bias) * SLAB, PIECE_BUCKETS * HIDDEN_1 * SLAB
    slopes.weight[slab * rows : (slab + 1) * rows] = 0
    slopes.dense1[slab * layer : (slab + 1) * layer] = 0
    column, half, size = slab * HALF_SLAB, len(tables.bias) // 2, len(gradients.hidden)
    slopes.bias[column : column + HALF_SLAB] = 0
    slopes.bias[half + column : half + column + HALF_SLAB] = 0
    p0 = p1 = p2 = p3 = q0 = q1 = q2 = q3 = splat(0.0)  # P of White's view, and of Black's
    for b in range(count):
        p0, p1, p2, p3 = _settle_view(batch, b, np.int64(0), slab, p0, p1, p2, p3, slopes)
        q0, q1, q2, q3 = _settle_view(batch, b, np.int64(1), slab, q0, q1, q2, q3, slopes)
        at, a = (slab * size + b) * 2 * SLAB, gradients.accumulator
        w0, w1, w2, w3 = load(a, at), load(a, at + 16), load(a, at + 32), load(a, at + 48)
        b0, b1, b2, b3 = load(a, at + 64), load(a, at + 80), load(a, at + 96), load(a, at + 112)
        white = np.int64(batch.side[b]) * HALF_SLAB
        black, to = HALF_SLAB - white, slab * layer + batch.version[b] * HIDDEN_1 * SLAB
        x0, x1, y0, y1 = _dense1_gradient(
            tables.dense1,
            gradients.hidden[b],
            to + white,
            to + black,
            clip(w0) * clip(w2),
            clip(w1) * clip(w3),
            clip(b0) * clip(b2),
            clip(b1) * clip(b3),
            slopes.dense1,
        )
        p0, p1 = p0 + _factor_gradient(w0, w2, x0), p1 + _factor_gradient(w1, w3, x1)
        p2, p3 = p2 + _factor_gradient(w2, w0, x0), p3 + _factor_gradient(w3, w1, x1)
        q0, q1 = q0 + _factor_gradient(b0, b2, y0), q1 + _factor_gradient(b1, b3, y1)
        q2, q3 = q2 + _factor_gradient(b2, b0, y0), q3 + _factor_gradient(b3, b1, y1)
    _add_to_rows(batch, count - 1, np.int64(0), slab, p0, p1, p2, p3, slopes)
    _add_to_rows(batch, count - 1, np.int64(1), slab, q0, q1, q2, q3, slopes)


@kernel(contract=True)
def _dense1_gradient(dense1, dh, white, black, u0, u1, v0, v1, slopes):
    """Add a position to the gradient of dense1; returns that of its units, in four vectors like u and v.

    dh [16]. white, black: where the first row's weights of the units of White's view, u, and of Black's, v, are.
    """
    x0 = x1 = y0 = y1 = splat(0.0)
    for k in range(HIDDEN_1):
        if dh[k] != 0:
            x, w, b = spread(dh, k), white + k * SLAB, black + k * SLAB
            x0, x1 = x0 + x * load(dense1, w), x1 + x * load(dense1, w + LANES)
            y0, y1 = y0 + x * load(dense1, b), y1 + x * load(dense1, b + LANES)
            _add_2(slopes, w, x, u0, u1)
            _add_2(slopes, b, x, v0, v1)
    return x0, x1, y0, y1


@kernel(contract=True)
def _factor_gradient(a, b, dy):
    """Return the gradient of a, where y = clip(a) clip(b)."""
    return where_positive(a, where_positive(splat(1.0) - a, dy * clip(b)))


@kernel(contract=True)
def _settle_view(batch, b, side, slab, p0, p1, p2, p3, slopes):
    """Give the rows that come and go at position b their part of P; returns P, which starts again with a new list."""
    coming, zero = np.int64(batch.n_coming[b, side]), splat(0.0)
    if b > 0 and coming >= 0:
        start = slab * (len(slopes.weight) // len(slopes.bias)) * SLAB
        first, going = side * MAX_VIEW, side * MAX_VIEW + coming
        for i in range(first, going):
            at = start + batch.changes[b, i] * SLAB
            add_4(slopes.weight, at, zero - p0, zero - p1, zero - p2, zero - p3)
        for i in range(going, going + batch.n_going[b, side]):
            add_4(slopes.weight, start + batch.changes[b, i] * SLAB, p0, p1, p2, p3)
        return p0, p1, p2, p3
    if b > 0:
        _add_to_rows(batch, b - 1, side, slab, p0, p1, p2, p3, slopes)
    return zero, zero, zero, zero


@kernel(contract=True)
def _add_to_rows(batch, b, side, slab, p0, p1, p2, p3, slopes):
    """Add four vectors to the rows of a view of position b, and to the bias."""
    start = slab * (len(slopes.weight) // len(slopes.bias)) * SLAB
    for i in range(side * MAX_VIEW, side * MAX_VIEW + batch.n_rows[b]):
        add_4(slopes.weight, start + batch.features[b, i] * SLAB, p0, p1, p2, p3)
    column, half, one = slab * HALF_SLAB, len(slopes.bias) // 2, splat(1.0)
    _add_2(slopes.bias, column, one, p0, p1)
    _add_2(slopes.bias, half + column, one, p2, p3)


@kernel(contract=True)
def add_small_layers(batch, count, gradients, tables):
    """Write the gradients of dense2, of the output layer and of the layers' biases, from batch[:count]."""
    for table in (tables.dense1_bias, tables.dense2, tables.dense2_bias, tables.output, tables.output_bias):
        table[:] = 0
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
