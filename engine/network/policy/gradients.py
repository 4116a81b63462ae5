"""Forward and backward pass of the sparse network over a training batch, in two phases of GIL-free kernels.

Phase one runs over positions: outputs, losses, and the gradients of each position's own values. With y the units, a the
accumulator, t the targets, p the probabilities and s = sum(t), every gradient times 1 / B:

    policy   g_m = s p_m - t_m                     value    d_j = w (s p_j - t_j)     moves left    d_3 = w s clip(e)
    inner    di_o = sum_j d_j V3_jo where i_o > 0           hidden   dh_k = sum_o di_o V2_ok where h_k > 0
    units    dy = sum_m g_m (P_row(m) + T_sort(m)) + sum_k dh_k V1_k
    accumulator, with c = min(max(a, 0), 1)        da_i = dy_i c_{U+i} where 0 < a_i < 1, da_{U+i} = dy_i c_i likewise

Phase two runs over columns of the tables and sums up the gradients of rows that many positions share:

    dW_f += da for every active feature f      dP_row(m) += g_m y, dT_sort(m) += g_m y      dV1_k += dh_k y

P are the policy rows, T the sort rows. V1, V2 and V3 are the versions of the value head's layers that the position's
number of pieces chooses.
Each column belongs to one call, which adds positions in order, so the result never depends on the number of threads and
no thread needs its own table of gradients.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from engine.native.elementary import exp, log
from engine.native.jit import kernel
from engine.native.lanes import LANES, load, splat, spread, store, where_positive
from engine.native.memory import buffers
from engine.network.policy.features import PIECE_FEATURES
from engine.network.policy.moves import SortRows, list_sort_rows, new_sort_rows, sort_bias
from engine.network.policy.parameters import OUTPUTS, SparseConfig
from engine.network.rows.float_rows import add_4, add_rows, add_weighted_rows, clip, pair_products, score_row
from engine.network.rows.piece_count import PIECE_BUCKETS, bucket_of
from engine.network.rows.wdl import output_gradient


class Scratch(NamedTuple):
    """One thread's buffers of phase one."""

    accumulator: Annotated[np.ndarray, "float32 [W]"]
    dunits: Annotated[np.ndarray, "float32 [U]"]
    outputs: Annotated[np.ndarray, "float32 [4]"]
    probabilities: Annotated[np.ndarray, "float32 [3]"]
    listed: SortRows
    sort_logits: Annotated[np.ndarray, "float32 [218]"]  # of the listed sort rows
    numbers: Annotated[np.ndarray, "int16 [V, K]"]  # rows of the first layer of each version of the value head


class PositionGradients(NamedTuple):
    """Results of phase one for B positions."""

    units: Annotated[np.ndarray, "float32 [B * U]"]
    accumulator: Annotated[np.ndarray, "float32 [B * W]"]  # da
    logits: Annotated[np.ndarray, "float32 [B, M]"]  # logits of the legal moves
    policy: Annotated[np.ndarray, "float32 [B, M]"]  # g
    n_sort_rows: Annotated[np.ndarray, "int32 [B]"]
    sort_rows: Annotated[np.ndarray, "int16 [B, M]"]  # those of the moves, each once
    sort_slopes: Annotated[np.ndarray, "float32 [B, M]"]  # the sum of g over the moves of each
    version: Annotated[np.ndarray, "int64 [B]"]  # of the value head
    hidden: Annotated[np.ndarray, "float32 [B, K]"]  # h
    dhidden: Annotated[np.ndarray, "float32 [B, K]"]
    inner: Annotated[np.ndarray, "float32 [B, J]"]  # i
    dinner: Annotated[np.ndarray, "float32 [B, J]"]
    doutputs: Annotated[np.ndarray, "float32 [B, 4]"]
    losses: Annotated[np.ndarray, "float32 [B, 3]"]  # policy, value, moves left, unweighted
    known: Annotated[np.ndarray, "float32 [B, 3]"]  # s of each loss: 1, or 0 if the target is unknown


def new_scratch(config: SparseConfig) -> Scratch:
    """Buffers for one thread."""
    numbers = np.arange(PIECE_BUCKETS * config.hidden, dtype=np.int16).reshape(PIECE_BUCKETS, config.hidden)
    return buffers(Scratch, {"listed": new_sort_rows(), "numbers": numbers}, **config.sizes)


# ---- phase one: positions -----------------------------------------------------------------------------------------


@kernel(contract=True)
def learn_positions(tables, batch, first, last, scale, value_weight, left_weight, scratch, out):
    """Run batch[first:last] forward and backward; `scale`, 1 / B of the whole batch, multiplies the gradients."""
    width, units = len(scratch.accumulator), len(scratch.dunits)
    for b in range(first, last):
        add_rows(tables.weight, width, batch.features[b], batch.n_features[b], tables.bias, scratch.accumulator)
        at = b * units
        pair_products(scratch.accumulator, units, out.units, at)
        _policy_gradient(tables, batch, b, units, scale, scratch, out)
        _value_gradient(tables, batch, b, units, scale, value_weight, left_weight, scratch, out)
        for c in range(0, units, LANES):
            store(scratch.dunits, c, splat(0.0))
        add_weighted_rows(tables.policy, units, batch.rows[b], out.policy[b], batch.n_moves[b], scratch.dunits)
        count = out.n_sort_rows[b]
        add_weighted_rows(tables.sort_weight, units, out.sort_rows[b], out.sort_slopes[b], count, scratch.dunits)
        numbers, dhidden = scratch.numbers[out.version[b]], out.dhidden[b]
        add_weighted_rows(tables.hidden, units, numbers, dhidden, len(dhidden), scratch.dunits)
        _accumulator_gradient(scratch.accumulator, scratch.dunits, units, out.accumulator, b * width)


@kernel(contract=True)
def _policy_gradient(tables, batch, b, units, scale, scratch, out):
    """Compute logits, the cross-entropy over the legal moves and its gradient."""
    n_moves, listed, sort_logits = batch.n_moves[b], scratch.listed, scratch.sort_logits
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
        out.sort_rows[b, k], out.sort_slopes[b, k] = listed.rows[k], np.float32(0)
    for i in range(n_moves):
        row = np.int64(batch.rows[b, i])
        bias = tables.policy_bias[row] + sort_bias(tables.sort_bias, batch.sorts[b, i]) + sort_logits[listed.places[i]]
        logits[i] = score_row(tables.policy, row * units, out.units, b * units, units) + bias
        largest = max(largest, logits[i])
    total, share, loss = np.float32(0), np.float32(0), np.float32(0)
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
def _value_gradient(tables, batch, b, units, scale, value_weight, left_weight, scratch, out):
    """Compute the value head's outputs and losses, and the gradient down to its hidden units."""
    out.version[b] = version_of(batch.features[b], batch.n_features[b])
    _value_outputs(tables, b, units, scratch.outputs, out)
    output_gradient(batch, b, scale, value_weight, left_weight, scratch, out, 1)
    _hidden_gradient(tables, b, out)


@kernel()
def version_of(features, count):
    """Return the version of the value head for a position with these features, as `piece_bucket` chooses it."""
    pieces = np.int64(0)
    for i in range(count):
        pieces += np.int64(features[i] < PIECE_FEATURES)
    return bucket_of(pieces)


@kernel(contract=True)
def _value_outputs(tables, b, units, outputs, out):
    """Compute the layers of the value head and its outputs [4]."""
    version, hidden, inner = out.version[b], out.hidden[b], out.inner[b]
    for k in range(len(hidden)):
        row = version * len(hidden) + k
        total = score_row(tables.hidden, row * units, out.units, b * units, units) + tables.hidden_bias[row]
        hidden[k] = max(total, np.float32(0))
    _small_layer(tables.inner, tables.inner_bias, version, hidden, inner)
    for j in range(len(inner)):
        inner[j] = max(inner[j], np.float32(0))
    _small_layer(tables.output, tables.output_bias, version, inner, outputs)


@kernel(contract=True)
def _small_layer(weight, bias, version, x, y):
    """y = one version of a dense layer of x."""
    for j in range(len(y)):
        row = version * len(y) + j
        total = bias[row]
        for k in range(len(x)):
            total += weight[row * len(x) + k] * x[k]
        y[j] = total


@kernel(contract=True)
def _hidden_gradient(tables, b, out):
    """From the gradient of the outputs to that of both hidden layers."""
    version, hidden, inner, dhidden, dinner = out.version[b], out.hidden[b], out.inner[b], out.dhidden[b], out.dinner[b]
    count, inners = len(hidden), len(inner)
    dinner[:] = dhidden[:] = np.float32(0)
    for j in range(OUTPUTS):
        row = version * OUTPUTS + j
        for k in range(inners):
            dinner[k] += out.doutputs[b, j] * tables.output[row * inners + k]
    for j in range(inners):
        row = version * inners + j
        if inner[j] > 0:
            for k in range(count):
                dhidden[k] += dinner[j] * tables.inner[row * count + k]
        else:
            dinner[j] = np.float32(0)
    for k in range(count):
        if hidden[k] <= 0:
            dhidden[k] = np.float32(0)


@kernel(contract=True)
def _accumulator_gradient(accumulator, dunits, units, out, at):
    one = splat(1.0)
    for c in range(0, units, LANES):
        a, b, dy = load(accumulator, c), load(accumulator, units + c), load(dunits, c)
        store(out, at + c, where_positive(a, where_positive(one - a, dy * clip(b))))
        store(out, at + units + c, where_positive(b, where_positive(one - b, dy * clip(a))))


# ---- phase two: columns -------------------------------------------------------------------------------------------


@kernel(contract=True)
def add_feature_columns(batch, count, gradients, width, column, tables):
    """Add `count` positions to the gradients of weight and bias, in columns `column` to `column` + 128."""
    b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = splat(0.0)
    for b in range(count):
        at = b * width + column
        da = gradients.accumulator
        d0, d1, d2, d3 = load(da, at), load(da, at + 16), load(da, at + 32), load(da, at + 48)
        d4, d5, d6, d7 = load(da, at + 64), load(da, at + 80), load(da, at + 96), load(da, at + 112)
        b0, b1, b2, b3, b4, b5, b6, b7 = b0 + d0, b1 + d1, b2 + d2, b3 + d3, b4 + d4, b5 + d5, b6 + d6, b7 + d7
        for i in range(batch.n_features[b]):
            to = batch.features[b, i] * width + column
            add_4(tables.weight, to, d0, d1, d2, d3)
            add_4(tables.weight, to + 64, d4, d5, d6, d7)
    add_4(tables.bias, column, b0, b1, b2, b3)
    add_4(tables.bias, column + 64, b4, b5, b6, b7)


@kernel(contract=True)
def add_unit_columns(batch, count, gradients, units, column, tables):
    """Add `count` positions to the gradients of policy, sort and hidden rows, in columns `column` to `column` + 64."""
    for b in range(count):
        at = b * units + column
        y = gradients.units
        y0, y1, y2, y3 = load(y, at), load(y, at + 16), load(y, at + 32), load(y, at + 48)
        for i in range(batch.n_moves[b]):
            x = spread(gradients.policy[b], i)
            add_4(tables.policy, batch.rows[b, i] * units + column, x * y0, x * y1, x * y2, x * y3)
        for i in range(gradients.n_sort_rows[b]):
            x, row = spread(gradients.sort_slopes[b], i), np.int64(gradients.sort_rows[b, i])
            add_4(tables.sort_weight, row * units + column, x * y0, x * y1, x * y2, x * y3)
        hidden = gradients.dhidden.shape[1]
        for k in range(hidden):
            x, row = spread(gradients.dhidden[b], k), gradients.version[b] * hidden + k
            add_4(tables.hidden, row * units + column, x * y0, x * y1, x * y2, x * y3)


@kernel()
def add_small_tables(batch, count, gradients, tables):
    """Add `count` positions to the gradients of the biases and of the value head's last two layers."""
    hidden = gradients.hidden.shape[1]
    for b in range(count):
        for i in range(batch.n_moves[b]):
            tables.policy_bias[batch.rows[b, i]] += gradients.policy[b, i]
            for k in range(batch.sorts.shape[2]):
                tables.sort_bias[batch.sorts[b, i, k]] += gradients.policy[b, i]
        version = gradients.version[b]
        for k in range(hidden):
            tables.hidden_bias[version * hidden + k] += gradients.dhidden[b, k]
        _add_small_layer(gradients.dinner[b], gradients.hidden[b], version, tables.inner, tables.inner_bias)
        _add_small_layer(gradients.doutputs[b], gradients.inner[b], version, tables.output, tables.output_bias)


@kernel()
def _add_small_layer(dy, x, version, weight, bias):
    """Add dy x^T and dy to the gradients of one version of a dense layer."""
    for j in range(len(dy)):
        row = version * len(dy) + j
        bias[row] += dy[j]
        for k in range(len(x)):
            weight[row * len(x) + k] += dy[j] * x[k]
