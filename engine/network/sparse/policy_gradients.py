"""Forward and backward pass of the sparse network over a training batch, in two phases of GIL-free
kernels.

Phase one runs over positions: units, logits, the policy's loss, and the gradients of each
position's own values. With y the units, a the accumulator, t the targets, p the probabilities and s
= sum(t), every gradient times 1 / B:

    policy   g_m = s p_m - t_m          units    dy = sum_m g_m (P_row(m) + T_sort(m)) + what `array_layers` give back
    accumulator, with c = min(max(a, 0), 1)        da_i = dy_i c_{U+i} where 0 < a_i < 1, da_{U+i} = dy_i c_i likewise

Phase two runs over columns of the tables and sums up the gradients of rows that many positions
share:

    dW_f += da for every active feature f      dP_row(m) += g_m y, dT_sort(m) += g_m y

P are the policy rows, T the sort rows. Each column belongs to one call, which adds positions in
order, so the result never depends on the number of threads and no thread needs its own table of
gradients.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.native.aligned_arrays import buffers
from engine.native.elementary import exp, log
from engine.native.jit import kernel
from engine.native.lanes import LANES, load, load_64, splat_64, spread_64, store
from engine.network.accumulator.float_rows import (
    HALF_BLOCK,
    add_64,
    add_rows,
    add_weighted_rows,
    factor_gradient,
    pair_products,
    score_row,
)
from engine.network.sparse.moves import SortRows, list_sort_rows, new_sort_rows, sort_bias


class Scratch(NamedTuple):
    """One thread's buffers of phase one."""

    listed: SortRows
    sort_logits: Annotated[np.ndarray, "float32 [218]"]  # of the listed sort rows


class PositionGradients(NamedTuple):
    """Results of phase one for B positions."""

    units: Annotated[np.ndarray, "float32 [B * U]"]
    dunits: Annotated[np.ndarray, "float32 [B * U]"]
    accumulator: Annotated[np.ndarray, "float32 [B * W]"]  # a, then da
    logits: Annotated[np.ndarray, "float32 [B, M]"]  # logits of the legal moves
    policy: Annotated[np.ndarray, "float32 [B, M]"]  # g
    n_sort_rows: Annotated[np.ndarray, "int32 [B]"]
    sort_rows: Annotated[np.ndarray, "int16 [B, M]"]  # those of the moves, each once
    sort_slopes: Annotated[np.ndarray, "float32 [B, M]"]  # the sum of g over the moves of each
    doutputs: Annotated[np.ndarray, "float32 [B, 4]"]
    losses: Annotated[np.ndarray, "float32 [B, 3]"]  # policy, value, moves left, unweighted
    # S of each loss: 1, or 0 if the target is unknown.
    known: Annotated[np.ndarray, "float32 [B, 3]"]


def new_scratch() -> Scratch:
    """Buffers for one thread."""
    return buffers(Scratch, {"listed": new_sort_rows()})


# ---- phase one: positions ------------------------------------------------------------------------


@kernel(contract=True)
def compute_units(tables, batch, first, last, out):
    """Compute accumulators and units of batch[first:last]."""
    width = len(tables.bias)
    for b in range(first, last):
        accumulator = out.accumulator[b * width : (b + 1) * width]
        add_rows(
            tables.weight, width, batch.features[b], batch.n_features[b], tables.bias, accumulator
        )
        pair_products(accumulator, width // 2, out.units, b * (width // 2))


@kernel(contract=True)
def learn_policy(tables, batch, first, last, scale, scratch, out):
    """Run the policy of batch[first:last], and add the gradient of the units to `dunits`, which
    hold that of the value.

    scale: 1 / B of the whole batch, multiplies the gradients.
    """
    units = len(tables.bias) // 2
    for b in range(first, last):
        _policy_gradient(tables, batch, b, units, scale, scratch, out)
        dunits, count = out.dunits[b * units : (b + 1) * units], out.n_sort_rows[b]
        add_weighted_rows(
            tables.policy, units, batch.rows[b], out.policy[b], batch.n_moves[b], dunits
        )
        add_weighted_rows(
            tables.sort_weight, units, out.sort_rows[b], out.sort_slopes[b], count, dunits
        )


@kernel(contract=True)
def learn_accumulators(tables, first, last, out):
    """Turn the accumulators first to last - 1 into their gradients, from those of the units."""
    units = len(tables.bias) // 2
    for b in range(first, last):
        dunits = out.dunits[b * units : (b + 1) * units]
        _accumulator_gradient(dunits, units, out.accumulator, 2 * units * b)


@kernel(contract=True)
def _policy_gradient(tables, batch, b, units, scale, scratch, out):
    """Compute logits, the cross-entropy over the legal moves and its gradient."""
    n_moves = batch.n_moves[b]
    listed = scratch.listed
    sort_logits = scratch.sort_logits
    out.n_sort_rows[b] = 0
    if n_moves == 0:  # only the value is known
        out.losses[b, 0] = out.known[b, 0] = 0.0
        return
    logits, gradient = out.logits[b], out.policy[b]
    largest = np.float32(-np.inf)
    out.n_sort_rows[b] = list_sort_rows(batch.sorts[b], n_moves, listed)
    for k in range(out.n_sort_rows[b]):
        row = np.int64(listed.rows[k])
        sort_logits[k] = score_row(tables.sort_weight, row * units, out.units, b * units, units)
        out.sort_rows[b, k] = listed.rows[k]
        out.sort_slopes[b, k] = np.float32(0)
    for i in range(n_moves):
        row = np.int64(batch.rows[b, i])
        bias = (
            tables.policy_bias[row]
            + sort_bias(tables.sort_bias, batch.sorts[b, i])
            + sort_logits[listed.places[i]]
        )
        logits[i] = score_row(tables.policy, row * units, out.units, b * units, units) + bias
        largest = max(largest, logits[i])
    total = np.float32(0)
    share = np.float32(0)
    loss = np.float32(0)
    for i in range(n_moves):
        gradient[i] = np.float32(exp(np.float64(logits[i] - largest)))
        total += gradient[i]
        share += batch.policy[b, i]
        loss += batch.policy[b, i] * (largest - logits[i])
    out.losses[b, 0] = loss + share * np.float32(log(np.float64(total)))
    out.known[b, 0] = share
    for i in range(n_moves):
        gradient[i] = (gradient[i] / total * share - batch.policy[b, i]) * np.float32(scale)
        out.sort_slopes[b, listed.places[i]] += gradient[i]


@kernel(contract=True)
def _accumulator_gradient(dunits, units, accumulator, at):
    for c in range(0, units, LANES):
        a = load(accumulator, at + c)
        b = load(accumulator, at + units + c)
        dy = load(dunits, c)
        store(accumulator, at + c, factor_gradient(a, b, dy))
        store(accumulator, at + units + c, factor_gradient(b, a, dy))


# ---- phase two: columns --------------------------------------------------------------------------


@kernel(contract=True)
def add_feature_columns(batch, count, gradients, width, column, tables):
    """Add `count` positions to the gradients of weight and bias, in columns `column` to `column` +
    128.
    """
    low_bias = high_bias = splat_64(0.0)
    for b in range(count):
        at = b * width + column
        low = load_64(gradients.accumulator, at)
        high = load_64(gradients.accumulator, at + HALF_BLOCK)
        low_bias = low_bias + low
        high_bias = high_bias + high
        for i in range(batch.n_features[b]):
            to = batch.features[b, i] * width + column
            add_64(tables.weight, to, low)
            add_64(tables.weight, to + HALF_BLOCK, high)
    add_64(tables.bias, column, low_bias)
    add_64(tables.bias, column + HALF_BLOCK, high_bias)


@kernel(contract=True)
def add_unit_columns(batch, count, gradients, units, column, tables):
    """Add `count` positions to the gradients of policy and sort rows, in columns `column` to
    `column` + 64.
    """
    for b in range(count):
        y = load_64(gradients.units, b * units + column)
        for i in range(batch.n_moves[b]):
            to = batch.rows[b, i] * units + column
            add_64(tables.policy, to, spread_64(gradients.policy[b], i) * y)
        for i in range(gradients.n_sort_rows[b]):
            to = np.int64(gradients.sort_rows[b, i]) * units + column
            add_64(tables.sort_weight, to, spread_64(gradients.sort_slopes[b], i) * y)


@kernel()
def add_policy_biases(batch, count, gradients, tables):
    """Add `count` positions to the gradients of the biases of policy rows and sorts."""
    for b in range(count):
        for i in range(batch.n_moves[b]):
            tables.policy_bias[batch.rows[b, i]] += gradients.policy[b, i]
            for k in range(batch.sorts.shape[2]):
                tables.sort_bias[batch.sorts[b, i, k]] += gradients.policy[b, i]
