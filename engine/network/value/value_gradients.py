"""Forward and backward pass of the value trunk over a training batch.

With a the accumulators, u the units and h the outputs of dense1, from whose gradient dh the way
back begins:

    units     du = sum_k dh_k H_k                                da as in `policy_gradients`, for each view

Three phases: forward through the accumulators and dense1, slab by slab; the other layers
(`small_layers`), in array code; back through dense1 and the accumulators, slab by slab. Slabs are
the outer loop because the rows of a position are scattered: within a slab they come from the core's
cache, in whole tables from main memory. What lies between dense1 and the accumulators is therefore
computed twice and never stored.

A batch lists a view as changes of the view before it, in the previous position. The forward pass
therefore adds and subtracts a few rows. The backward pass has P, the sum of da over the positions
since the view was listed anew: a row that is there in positions i to j has the gradient P_j -
P_(i-1), so only rows that come or go are written, and all at the end.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, load, splat, spread, store, where_positive
from engine.network.rows.float_rows import add_4, clip, store_4
from engine.network.rows.piece_count import PIECE_BUCKETS
from engine.network.value.value_features import MAX_VIEW
from engine.network.value.value_parameters import HIDDEN_1, ValueTables

# ---- slabs of columns ----------------------------------------------------------------------------
#
# Training stores tables of the network's width in slabs, one after the other. A slab has 32 columns
# of the accumulator and the 32 they are multiplied with, all rows of them: 3 MB of the largest
# table, of which a batch reads two. The work on one slab therefore stays in a core's own cache,
# whichever rows the positions ask for; in a table [rows, width], the same columns of all rows would
# share few places of a cache.

HALF_SLAB = 2 * LANES
SLAB = 2 * HALF_SLAB  # columns


def in_slabs(table: np.ndarray) -> np.ndarray:
    """Return a copy of a table [rows, W] as [W / 64 * rows, 64], slab by slab."""
    halves = table.reshape(len(table), 2, -1, HALF_SLAB)
    return np.ascontiguousarray(halves.transpose(2, 0, 1, 3)).reshape(-1, SLAB)


def from_slabs(slabs: Any, width: int) -> Any:
    """Return a copy as [rows, `width`] of a table in slabs, an array on any backend."""
    halves = slabs.reshape(width // SLAB, -1, 2, HALF_SLAB)
    return halves.transpose(1, 2, 0, 3).reshape(-1, width)


class ValueGradients(NamedTuple):
    """Results of the passes over B positions and S slabs."""

    # A of White's views, then of Black's, in slabs.
    accumulator: Annotated[np.ndarray, "float32 [S * 2 * B * 64]"]
    # U, then du, in slabs; the mover's come first.
    units: Annotated[np.ndarray, "float32 [S * B * 64]"]
    # Dense1 in slabs, of each version [unit, k].
    transposed: Annotated[np.ndarray, "float32 [S * 8 * 64 * 16]"]
    sums: Annotated[np.ndarray, "float32 [S, B, 16]"]  # what each slab adds to h
    dhidden: Annotated[np.ndarray, "float32 [B, 16]"]
    doutputs: Annotated[np.ndarray, "float32 [B, 4]"]
    # None of the policy, value, moves left, unweighted.
    losses: Annotated[np.ndarray, "float32 [B, 3]"]
    known: Annotated[np.ndarray, "float32 [B, 3]"]  # 1, or 0 if the target is unknown


# ---- phase one: forward, slab by slab ------------------------------------------------------------


def transpose_dense1(tables: ValueTables, out: ValueGradients) -> None:
    """Fill `out.transposed`."""
    slabs = out.transposed.reshape(-1, PIECE_BUCKETS, SLAB, HIDDEN_1)
    slabs[...] = tables.dense1.reshape(-1, PIECE_BUCKETS, HIDDEN_1, SLAB).swapaxes(2, 3)


@kernel(contract=True)
def sum_slab(tables, batch, count, slab, out):
    """Compute a slab of the accumulators of batch[:count], of their units, and what these add to h."""
    size = len(out.dhidden)
    zero = splat(0.0)
    for side in range(2):
        s0 = s1 = s2 = s3 = zero
        for b in range(count):
            s0, s1, s2, s3 = _next_view(tables, batch, b, side, slab, s0, s1, s2, s3)
            store_4(out.accumulator, ((slab * 2 + side) * size + b) * SLAB, s0, s1, s2, s3)
            at = (slab * size + b) * SLAB + (side ^ np.int64(batch.side[b])) * HALF_SLAB
            store(out.units, at, clip(s0) * clip(s2))
            store(out.units, at + LANES, clip(s1) * clip(s3))
    for b in range(count):
        h0 = h1 = h2 = h3 = zero
        u, at = (
            (slab * size + b) * SLAB,
            (slab * PIECE_BUCKETS + batch.version[b]) * SLAB * HIDDEN_1,
        )
        for i in range(LANES):
            h0 = h0 + spread(out.units, u + i) * load(out.transposed, at + i * HIDDEN_1)
            h1 = h1 + spread(out.units, u + i + 16) * load(out.transposed, at + (i + 16) * HIDDEN_1)
            h2 = h2 + spread(out.units, u + i + 32) * load(out.transposed, at + (i + 32) * HIDDEN_1)
            h3 = h3 + spread(out.units, u + i + 48) * load(out.transposed, at + (i + 48) * HIDDEN_1)
        store(out.sums[slab, b], 0, (h0 + h1) + (h2 + h3))


@kernel(contract=True)
def _next_view(tables, batch, b, side, slab, s0, s1, s2, s3):
    """Return a slab of the accumulator of position b, from that of position b - 1."""
    first = side * MAX_VIEW
    coming = np.int64(batch.n_coming[b, side])
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


# ---- phase three: backward, slab by slab ---------------------------------------------------------


@kernel(contract=True)
def slab_gradients(tables, batch, count, slab, gradients, slopes):
    """Write a slab of the gradients of dense1, of the rows and of their bias, from batch[:count]."""
    rows, layer = len(tables.weight) // len(tables.bias) * SLAB, PIECE_BUCKETS * HIDDEN_1 * SLAB
    slopes.weight[slab * rows : (slab + 1) * rows] = 0
    slopes.dense1[slab * layer : (slab + 1) * layer] = 0
    column = slab * HALF_SLAB
    half = len(tables.bias) // 2
    size = len(gradients.dhidden)
    slopes.bias[column : column + HALF_SLAB] = 0
    slopes.bias[half + column : half + column + HALF_SLAB] = 0
    for b in range(count):
        first = slab * layer + batch.version[b] * HIDDEN_1 * SLAB
        _dense1_gradient(
            tables.dense1,
            gradients.dhidden[b],
            first,
            gradients.units,
            (slab * size + b) * SLAB,
            slopes,
        )
    for side in range(2):
        p0 = p1 = p2 = p3 = splat(0.0)  # P
        for b in range(count):
            p0, p1, p2, p3 = _settle_view(batch, b, side, slab, p0, p1, p2, p3, slopes)
            at = ((slab * 2 + side) * size + b) * SLAB
            a = gradients.accumulator
            a0 = load(a, at)
            a1 = load(a, at + 16)
            a2 = load(a, at + 32)
            a3 = load(a, at + 48)
            at = (slab * size + b) * SLAB + (side ^ np.int64(batch.side[b])) * HALF_SLAB
            x0, x1 = load(gradients.units, at), load(gradients.units, at + LANES)
            p0, p1 = p0 + _factor_gradient(a0, a2, x0), p1 + _factor_gradient(a1, a3, x1)
            p2, p3 = p2 + _factor_gradient(a2, a0, x0), p3 + _factor_gradient(a3, a1, x1)
        _add_to_rows(batch, count - 1, side, slab, p0, p1, p2, p3, slopes)


@kernel(contract=True)
def _dense1_gradient(dense1, dh, first, units, at, slopes):
    """Add a position to the gradient of dense1, whose rows begin at `first`; writes du to units [at
    : at + 64].
    """
    u0 = load(units, at)
    u1 = load(units, at + 16)
    u2 = load(units, at + 32)
    u3 = load(units, at + 48)
    x0 = x1 = x2 = x3 = splat(0.0)
    for k in range(HIDDEN_1):
        if dh[k] != 0:
            x = spread(dh, k)
            w = first + k * SLAB
            x0, x1 = x0 + x * load(dense1, w), x1 + x * load(dense1, w + 16)
            x2, x3 = x2 + x * load(dense1, w + 32), x3 + x * load(dense1, w + 48)
            add_4(slopes.dense1, w, x * u0, x * u1, x * u2, x * u3)
    store_4(units, at, x0, x1, x2, x3)


@kernel(contract=True)
def _factor_gradient(a, b, dy):
    """Return the gradient of a, where y = clip(a) clip(b)."""
    return where_positive(a, where_positive(splat(1.0) - a, dy * clip(b)))


@kernel(contract=True)
def _settle_view(batch, b, side, slab, p0, p1, p2, p3, slopes):
    """Give the rows that come and go at position b their part of P; returns P, which starts again
    with a new list.
    """
    coming = np.int64(batch.n_coming[b, side])
    zero = splat(0.0)
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
    column = slab * HALF_SLAB
    half = len(slopes.bias) // 2
    one = splat(1.0)
    _add_2(slopes.bias, column, one, p0, p1)
    _add_2(slopes.bias, half + column, one, p2, p3)


@kernel(contract=True)
def _add_2(table, at, x, first, second):
    store(table, at, load(table, at) + x * first)
    store(table, at + LANES, load(table, at + LANES) + x * second)
