"""Forward and backward pass of the value trunk over a training batch.

With a the accumulators, u the units and h the outputs of dense1, from whose gradient dh the way
back begins:

    units     du = sum_k dh_k H_k                                da as in `policy_gradients`, for each view

Three phases: forward through the accumulators and dense1, slab by slab; the other layers
(`array_layers`), in array code; back through dense1 and the accumulators, slab by slab. Slabs are
the outer loop because the rows of a position are scattered: within a slab they come from the core's
cache, in whole tables from main memory. What lies between dense1 and the accumulators is therefore
computed twice and never stored.

A batch lists a view as changes of the view before it, in the previous position. The forward pass
therefore adds and subtracts a few rows. The backward pass has P, the sum of da over the positions
since the view was listed anew: a row that is there in positions i to j has the gradient P_j -
P_(i-1), so only rows that come or go are written, and all at the end.
"""

from typing import Annotated, Any, NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import (
    LANES,
    load,
    load_32,
    load_64,
    splat,
    splat_32,
    splat_64,
    spread,
    spread_64,
    store,
)
from engine.network.accumulator.float_rows import add_64, clip, factor_gradient
from engine.network.accumulator.piece_count import PIECE_BUCKETS
from engine.network.value.value_features import MAX_VIEW
from engine.network.value.value_parameters import HIDDEN_1, ValueTables

# ---- slabs of columns ----------------------------------------------------------------------------
#
# Training stores tables of the network's width in slabs, one after the other. A slab has 32 columns
# of the accumulator and the 32 they are multiplied with, all rows of them: 3 MB of the largest
# table, of which a batch reads two. The work on one slab therefore stays in a core's own cache,
# whichever rows the positions ask for; in a table [rows, width], the same columns of all rows would
# share few places of a cache.

HALF_SLAB = 32
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
    for side in range(2):
        first = second = splat_32(0.0)
        for b in range(count):
            first, second = _next_view(tables, batch, b, side, slab, first, second)
            at = ((slab * 2 + side) * size + b) * SLAB
            store(out.accumulator, at, first)
            store(out.accumulator, at + HALF_SLAB, second)
            at = (slab * size + b) * SLAB + (side ^ np.int64(batch.side[b])) * HALF_SLAB
            store(out.units, at, clip(first) * clip(second))
    for b in range(count):
        h0 = h1 = h2 = h3 = splat(0.0)
        u = (slab * size + b) * SLAB
        at = (slab * PIECE_BUCKETS + batch.version[b]) * SLAB * HIDDEN_1
        for i in range(LANES):
            h0 = h0 + spread(out.units, u + i) * load(out.transposed, at + i * HIDDEN_1)
            h1 = h1 + spread(out.units, u + i + 16) * load(out.transposed, at + (i + 16) * HIDDEN_1)
            h2 = h2 + spread(out.units, u + i + 32) * load(out.transposed, at + (i + 32) * HIDDEN_1)
            h3 = h3 + spread(out.units, u + i + 48) * load(out.transposed, at + (i + 48) * HIDDEN_1)
        store(out.sums[slab, b], 0, (h0 + h1) + (h2 + h3))


@kernel(contract=True)
def _next_view(tables, batch, b, side, slab, first, second):
    """Return both halves of a slab of the accumulator of position b, from those of position b - 1."""
    weight = tables.weight
    begin = side * MAX_VIEW
    coming = np.int64(batch.n_coming[b, side])
    start = slab * (len(weight) // len(tables.bias)) * SLAB
    if b > 0 and coming >= 0:
        for i in range(begin, begin + coming):
            at = start + batch.changes[b, i] * SLAB
            first = first + load_32(weight, at)
            second = second + load_32(weight, at + HALF_SLAB)
        for i in range(begin + coming, begin + coming + batch.n_going[b, side]):
            at = start + batch.changes[b, i] * SLAB
            first = first - load_32(weight, at)
            second = second - load_32(weight, at + HALF_SLAB)
        return first, second
    column = slab * HALF_SLAB
    first = load_32(tables.bias, column)
    second = load_32(tables.bias, len(tables.bias) // 2 + column)
    for i in range(begin, begin + batch.n_rows[b]):
        at = start + batch.features[b, i] * SLAB
        first = first + load_32(weight, at)
        second = second + load_32(weight, at + HALF_SLAB)
    return first, second


# ---- phase three: backward, slab by slab ---------------------------------------------------------


@kernel(contract=True)
def slab_gradients(tables, batch, count, slab, gradients, slopes):
    """Write a slab of the gradients of dense1, of the rows and of their bias, from batch[:count]."""
    rows = len(tables.weight) // len(tables.bias) * SLAB
    layer = PIECE_BUCKETS * HIDDEN_1 * SLAB
    slopes.weight[slab * rows : (slab + 1) * rows] = 0
    slopes.dense1[slab * layer : (slab + 1) * layer] = 0
    column = slab * HALF_SLAB
    half = len(tables.bias) // 2
    size = len(gradients.dhidden)
    slopes.bias[column : column + HALF_SLAB] = 0
    slopes.bias[half + column : half + column + HALF_SLAB] = 0
    for b in range(count):
        begin = slab * layer + batch.version[b] * HIDDEN_1 * SLAB
        at = (slab * size + b) * SLAB
        dh = gradients.dhidden[b]
        _dense1_gradient(tables.dense1, dh, begin, gradients.units, at, slopes)
    for side in range(2):
        first = second = splat_32(0.0)  # halves of P
        for b in range(count):
            first, second = _settle_view(batch, b, side, slab, first, second, slopes)
            at = ((slab * 2 + side) * size + b) * SLAB
            low = load_32(gradients.accumulator, at)
            high = load_32(gradients.accumulator, at + HALF_SLAB)
            at = (slab * size + b) * SLAB + (side ^ np.int64(batch.side[b])) * HALF_SLAB
            dy = load_32(gradients.units, at)
            first = first + factor_gradient(low, high, dy)
            second = second + factor_gradient(high, low, dy)
        _add_to_rows(batch, count - 1, side, slab, first, second, slopes)


@kernel(contract=True)
def _dense1_gradient(dense1, dh, begin, units, at, slopes):
    """Add a position to the gradient of dense1, whose rows begin at `begin`; writes du to units [at
    : at + 64].
    """
    u = load_64(units, at)
    du = splat_64(0.0)
    for k in range(HIDDEN_1):
        if dh[k] != 0:
            x = spread_64(dh, k)
            row = begin + k * SLAB
            du = du + x * load_64(dense1, row)
            add_64(slopes.dense1, row, x * u)
    store(units, at, du)


@kernel(contract=True)
def _settle_view(batch, b, side, slab, first, second, slopes):
    """Give the rows that come and go at position b their part of P; returns P, which starts again
    with a new list.
    """
    coming = np.int64(batch.n_coming[b, side])
    zero = splat_32(0.0)
    if b > 0 and coming >= 0:
        start = slab * (len(slopes.weight) // len(slopes.bias)) * SLAB
        begin = side * MAX_VIEW
        going = begin + coming
        for i in range(begin, going):
            at = start + batch.changes[b, i] * SLAB
            _add_halves(slopes.weight, at, at + HALF_SLAB, zero - first, zero - second)
        for i in range(going, going + batch.n_going[b, side]):
            at = start + batch.changes[b, i] * SLAB
            _add_halves(slopes.weight, at, at + HALF_SLAB, first, second)
        return first, second
    if b > 0:
        _add_to_rows(batch, b - 1, side, slab, first, second, slopes)
    return zero, zero


@kernel(contract=True)
def _add_to_rows(batch, b, side, slab, first, second, slopes):
    """Add two halves to the rows of a view of position b, and to the bias."""
    start = slab * (len(slopes.weight) // len(slopes.bias)) * SLAB
    for i in range(side * MAX_VIEW, side * MAX_VIEW + batch.n_rows[b]):
        at = start + batch.features[b, i] * SLAB
        _add_halves(slopes.weight, at, at + HALF_SLAB, first, second)
    column = slab * HALF_SLAB
    _add_halves(slopes.bias, column, len(slopes.bias) // 2 + column, first, second)


@kernel()
def _add_halves(table, at, to, first, second):
    """Add 32 numbers to table[at : at + 32] and 32 to table[to : to + 32]."""
    store(table, at, load_32(table, at) + first)
    store(table, to, load_32(table, to) + second)
