"""Forward and backward pass of the sparse network over a training batch, in two phases of GIL-free kernels.

Phase one runs over positions: outputs, losses, and the gradients of each position's own values. With y the units, a the
accumulator, t the targets, p the probabilities and s = sum(t), every gradient times 1 / B:

    policy   g_m = s p_m - t_m                     value    d_j = w (s p_j - t_j)     moves left    d_3 = w s clip(e)
    hidden   dh_k = sum_j d_j V2_jk where h_k > 0           units   dy = sum_m g_m P_row(m) + sum_k dh_k V1_k
    accumulator, with c = min(max(a, 0), 1)        da_i = dy_i c_{U+i} where 0 < a_i < 1, da_{U+i} = dy_i c_i likewise

Phase two runs over columns of the tables and sums up the gradients of rows that many positions share:

    dW_f += da for every active feature f          dP_row(m) += g_m y          dV1_k += dh_k y

Each column belongs to one call, which adds positions in order, so the result never depends on the number of threads and
no thread needs its own table of gradients.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import LANES, load, splat, spread, store, where_positive
from engine.native.memory import aligned_zeros
from engine.network.sparse.inference import output_layer, softmax_of_3
from engine.network.sparse.parameters import OUTPUTS, SparseConfig
from engine.network.sparse.rows import add_4, add_rows, add_weighted_rows, clip, pair_products, score_row


class Scratch(NamedTuple):
    """One thread's buffers of phase one."""

    accumulator: np.ndarray  # float32 [W]
    dunits: np.ndarray  # float32 [U]
    hidden: np.ndarray  # float32 [K]
    outputs: np.ndarray  # float32 [4]
    probabilities: np.ndarray  # float32 [3]
    every_hidden: np.ndarray  # int16 [K] 0, 1, ... K - 1


class PositionGradients(NamedTuple):
    """Results of phase one for B positions."""

    units: np.ndarray  # float32 [B * U]
    accumulator: np.ndarray  # float32 [B * W] da
    logits: np.ndarray  # float32 [B, M] logits of the legal moves
    policy: np.ndarray  # float32 [B, M] g
    hidden: np.ndarray  # float32 [B, K] h
    dhidden: np.ndarray  # float32 [B, K]
    doutputs: np.ndarray  # float32 [B, 4]
    losses: np.ndarray  # float32 [B, 3] policy, value, moves left, unweighted
    known: np.ndarray  # float32 [B, 3] s of each loss: 1, or 0 if the target is unknown


def new_scratch(config: SparseConfig) -> Scratch:
    """Buffers for one thread."""
    return Scratch(
        accumulator=aligned_zeros(config.width),
        dunits=aligned_zeros(config.units),
        hidden=aligned_zeros(config.hidden),
        outputs=aligned_zeros(OUTPUTS),
        probabilities=aligned_zeros(3),
        every_hidden=np.arange(config.hidden, dtype=np.int16),
    )


def new_position_gradients(config: SparseConfig, size: int, moves: int) -> PositionGradients:
    """Buffers for a batch of `size` positions with at most `moves` legal moves each."""
    return PositionGradients(
        units=aligned_zeros(size * config.units),
        accumulator=aligned_zeros(size * config.width),
        logits=aligned_zeros(size, moves),
        policy=aligned_zeros(size, moves),
        hidden=aligned_zeros(size, config.hidden),
        dhidden=aligned_zeros(size, config.hidden),
        doutputs=aligned_zeros(size, OUTPUTS),
        losses=aligned_zeros(size, 3),
        known=aligned_zeros(size, 3),
    )


# ---- phase one: positions -----------------------------------------------------------------------------------------


@kernel(contract=True)
def learn_positions(tables, batch, first, last, scale, value_weight, left_weight, scratch, out):
    """Run batch[first:last] forward and backward; `scale`, 1 / B of the whole batch, multiplies the gradients."""
    width, units = len(scratch.accumulator), len(scratch.dunits)
    for b in range(first, last):
        add_rows(tables.weight, width, batch.features[b], batch.n_features[b], tables.bias, scratch.accumulator)
        at = b * units
        pair_products(scratch.accumulator, units, out.units, at)
        _policy_gradient(tables, batch, b, units, scale, out)
        _value_gradient(tables, batch, b, units, scale, value_weight, left_weight, scratch, out)
        for c in range(0, units, LANES):
            store(scratch.dunits, c, splat(0.0))
        add_weighted_rows(tables.policy, units, batch.rows[b], out.policy[b], batch.n_moves[b], scratch.dunits)
        add_weighted_rows(
            tables.hidden, units, scratch.every_hidden, out.dhidden[b], len(scratch.hidden), scratch.dunits
        )
        _accumulator_gradient(scratch.accumulator, scratch.dunits, units, out.accumulator, b * width)


@kernel(contract=True)
def _policy_gradient(tables, batch, b, units, scale, out):
    """Compute logits, the cross-entropy over the legal moves and its gradient."""
    n_moves = batch.n_moves[b]
    if n_moves == 0:  # only the value is known
        out.losses[b, 0] = out.known[b, 0] = 0.0
        return
    logits, gradient = out.logits[b], out.policy[b]
    largest = np.float32(-np.inf)
    for i in range(n_moves):
        row = np.int64(batch.rows[b, i])
        bias = tables.policy_bias[row] + tables.sort_bias[batch.sorts[b, i]]
        logits[i] = score_row(tables.policy, row * units, out.units, b * units, units) + bias
        largest = max(largest, logits[i])
    total, share, loss = np.float32(0), np.float32(0), np.float32(0)
    for i in range(n_moves):
        gradient[i] = np.float32(math.exp(logits[i] - largest))
        total += gradient[i]
        share += batch.policy[b, i]
        loss += batch.policy[b, i] * (largest - logits[i])
    out.losses[b, 0] = loss + share * np.float32(math.log(total))
    out.known[b, 0] = share
    for i in range(n_moves):
        gradient[i] = (gradient[i] / total * share - batch.policy[b, i]) * np.float32(scale)


@kernel(contract=True)
def _value_gradient(tables, batch, b, units, scale, value_weight, left_weight, scratch, out):
    """Compute the value head's outputs and losses, and the gradient down to its hidden units."""
    for k in range(len(scratch.hidden)):
        total = score_row(tables.hidden, k * units, out.units, b * units, units) + tables.hidden_bias[k]
        scratch.hidden[k] = max(total, np.float32(0))
    output_layer(tables, scratch.hidden, scratch.outputs)
    softmax_of_3(scratch.outputs, scratch.probabilities)
    loss, share = np.float32(0), batch.wdl[b, 0] + batch.wdl[b, 1] + batch.wdl[b, 2]
    for j in range(3):
        target = batch.wdl[b, j]
        loss -= target * np.float32(math.log(max(scratch.probabilities[j], np.float32(1e-30))))
        out.doutputs[b, j] = (share * scratch.probabilities[j] - target) * np.float32(scale * value_weight)
    left_known = np.float32(batch.moves_left[b] >= 0)
    error = (scratch.outputs[3] - batch.moves_left[b]) * left_known
    clipped = min(max(error, np.float32(-1)), np.float32(1))
    out.known[b, 1], out.known[b, 2] = share, left_known
    out.losses[b, 1] = loss
    out.losses[b, 2] = clipped * (error - clipped * np.float32(0.5))
    out.doutputs[b, 3] = clipped * np.float32(scale * left_weight)
    count = len(scratch.hidden)
    for k in range(count):
        total = np.float32(0)
        for j in range(OUTPUTS):
            total += out.doutputs[b, j] * tables.output[j * count + k]
        out.hidden[b, k] = scratch.hidden[k]
        out.dhidden[b, k] = total if scratch.hidden[k] > 0 else np.float32(0)


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
    """Add `count` positions to the gradients of policy and hidden rows, in columns `column` to `column` + 64."""
    for b in range(count):
        at = b * units + column
        y = gradients.units
        y0, y1, y2, y3 = load(y, at), load(y, at + 16), load(y, at + 32), load(y, at + 48)
        for i in range(batch.n_moves[b]):
            x = spread(gradients.policy[b], i)
            add_4(tables.policy, batch.rows[b, i] * units + column, x * y0, x * y1, x * y2, x * y3)
        for k in range(gradients.dhidden.shape[1]):
            x = spread(gradients.dhidden[b], k)
            add_4(tables.hidden, k * units + column, x * y0, x * y1, x * y2, x * y3)


@kernel()
def add_small_tables(batch, count, gradients, tables):
    """Add `count` positions to the gradients of the biases and of the output layer."""
    hidden = gradients.hidden.shape[1]
    for b in range(count):
        for i in range(batch.n_moves[b]):
            tables.policy_bias[batch.rows[b, i]] += gradients.policy[b, i]
            tables.sort_bias[batch.sorts[b, i]] += gradients.policy[b, i]
        for k in range(hidden):
            tables.hidden_bias[k] += gradients.dhidden[b, k]
        for j in range(OUTPUTS):
            tables.output_bias[j] += gradients.doutputs[b, j]
            for k in range(hidden):
                tables.output[j * hidden + k] += gradients.doutputs[b, j] * gradients.hidden[b, k]
