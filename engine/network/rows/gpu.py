"""The sparse networks on a GPU, forward and backward: array code around three kernels for rows of tables.

Parameters are a model's by name. Rows of tables are listed by number, -1 = none: features integer [B, L]; policy rows
integer [B, M] and sorts integer [B, M, S] of the legal moves, as in `policy/moves.py`; rows of the value trunk in both
views, as in `value/features.py`, integer [B, 2, 32]; the version of the small layers, `piece_bucket`, integer [B].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from engine.backend import Backend
from engine.network.rows.small_layers import Array, Arrays, Gradients, Part, inside, judge_units, value_head

THREADS, LANES, ROWS_AT_ONCE = 128, 8, 16  # of a block; for a product of a row; products of a block. Set by hand.
POLICY = ("weight", "bias", "sort_weight", "sort_bias")


def _row_kernels(jit: Any) -> Sequence[Callable[..., None]]:
    """Return what compiles with CuPy's module `jit`. A block has a position, and a slab of the table's columns."""

    def sum_rows(table, numbers, factors, out):
        b, slab = jit.blockIdx.x, jit.blockIdx.y
        for column in range(jit.threadIdx.x, out.shape[2], jit.blockDim.x):
            total = np.float32(0)
            for k in range(numbers.shape[1]):
                if numbers[b, k] >= 0:
                    total += factors[b, k] * table[slab, numbers[b, k], column]
            out[b, slab, column] = total

    def add_rows(table, numbers, factors, x):
        b, slab = jit.blockIdx.x, jit.blockIdx.y
        for column in range(jit.threadIdx.x, x.shape[2], jit.blockDim.x):
            for k in range(numbers.shape[1]):
                if numbers[b, k] >= 0:
                    jit.atomic_add(table, (slab, numbers[b, k], column), factors[b, k] * x[b, slab, column])

    def score_rows(table, numbers, x, out):
        b, lane = jit.blockIdx.x, jit.threadIdx.x
        for k in range(jit.threadIdx.y, numbers.shape[1], jit.blockDim.y):
            if numbers[b, k] >= 0:
                total = np.float32(0)
                for column in range(lane, x.shape[2], jit.blockDim.x):
                    total += table[0, numbers[b, k], column] * x[b, 0, column]
                out[b, k, lane] = total

    return sum_rows, add_rows, score_rows


class RowOperations:
    """What a GPU does with listed rows of a table [S, R, C], which has S slabs of columns.

    numbers integer [B, L], factors [B, L], x [B, S, C].
    """

    def __init__(self, backend: Backend) -> None:
        self.xp = backend.xp
        self._sum, self._add, self._score = backend.kernels(_row_kernels)

    def sums(self, table: Array, numbers: Array, factors: Array) -> Array:
        """Return the sums of factors times rows [B, S, C]."""
        out = self.xp.empty((len(numbers), table.shape[0], table.shape[2]), table.dtype)
        self._sum(out.shape[:2], (THREADS,), (table, numbers, factors, out))
        return out

    def slopes(self, table: Array, numbers: Array, factors: Array, x: Array) -> Array:
        """Return a table like this one, in which a row has the sum of factors times x of the lists that have it."""
        out = self.xp.zeros_like(table)
        self._add(x.shape[:2], (THREADS,), (out, numbers, factors, x))
        return out

    def scores(self, table: Array, numbers: Array, x: Array) -> Array:
        """Return the products of rows and x [B, L], for a table of one slab; 0 where no row is listed."""
        out = self.xp.zeros((*numbers.shape, LANES), table.dtype)
        self._score((len(x),), (LANES, ROWS_AT_ONCE), (table, numbers, x, out))
        return out.sum(axis=2)


def sparse_network(
    ops: RowOperations, p: Arrays, features: Array, rows: Array, sorts: Array, version: Array
) -> tuple[dict[str, Array], Callable[[Arrays], Gradients]]:
    """{"policy": logits of the legal moves [B, M], "value": logits of win, draw and loss, hundreds of plies [B, 4]}."""
    grads = Gradients()
    units, units_back = clipped_products(ops, p, grads, "trunk.accumulator", features)
    policy, policy_back = scored_rows(ops, p, grads, units, rows, sorts)
    value, value_back = value_head(partial(listed_dense, ops, p, grads, version), units[:, 0])

    def backward(dy: Arrays) -> Gradients:
        units_back(policy_back(dy["policy"]) + value_back(dy["value"])[:, None])
        return grads

    return {"policy": policy, "value": value}, backward


def value_network(
    ops: RowOperations, p: Arrays, views: Array, version: Array, at: str = ""
) -> tuple[Array, Callable[[Array], Gradients]]:
    """The value trunk [B, 4] of rows in both views, the mover's first; its parameters' names begin with `at`."""
    grads = Gradients()
    dense = partial(listed_dense, ops, p, grads, version)
    units, units_back = clipped_products(ops, p, grads, f"{at}rows", views.reshape(2 * len(views), -1))
    inputs = units.reshape(len(views), 2, *units.shape[1:]).swapaxes(1, 2)  # slab by slab, as the weights of dense1
    h, first_back = dense(f"{at}dense1", inputs.reshape(len(views), -1))
    y, judge_back = judge_units(dense, h, at)

    def backward(dy: Array) -> Gradients:
        units_back(first_back(judge_back(dy)).reshape(inputs.shape).swapaxes(1, 2).reshape(units.shape))
        return grads

    return y, backward


def clipped_products(ops: RowOperations, p: Arrays, grads: Gradients, name: str, listed: Array) -> Part:
    """Sums of listed rows and a bias, clipped to [0, 1], the first half times the second: [B, S, C / 2] in S slabs.

    y_i = c_i c_{n+i}      dc_i = dy_i c_{n+i}      dc_{n+i} = dy_i c_i      dx = dc where 0 < x < 1
    """
    weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
    table, factors = weight.reshape(-1, *weight.shape[-2:]), (listed >= 0).astype(weight.dtype)
    x = ops.sums(table, listed, factors).reshape(len(listed), len(table), 2, -1)
    x = x + bias.reshape(2, len(table), -1).swapaxes(0, 1)
    c = ops.xp.clip(x, 0, 1)

    def backward(dy: Array) -> None:
        dx = dy[:, :, None] * c[:, :, ::-1] * inside(x)
        grads[f"{name}.bias"] = dx.sum(axis=0).swapaxes(0, 1).reshape(-1)
        slopes = ops.slopes(table, listed, factors, dx.reshape(*dx.shape[:2], -1))
        grads[f"{name}.weight"] = slopes.reshape(weight.shape)

    return c[:, :, 0] * c[:, :, 1], backward


def scored_rows(ops: RowOperations, p: Arrays, grads: Gradients, x: Array, chosen: Array, sorts: Array) -> Part:
    """The policy's logits y [B, M] of the listed moves, from units x [B, 1, C].

    With rows W_c and V_t: y_bm = (W_c + V_t) x_b + b_c + sum over the S sorts k of s_k, where c = chosen_bm and t is
    the first sort, and y_bm = 0 where chosen_bm = -1. So
        dx_b = sum over m of dy_bm (W_c + V_t)      dW_c = sum over all (b, m) that chose c of dy_bm x_b, dV_t likewise
        db_c = sum of dy_bm over the same (b, m)    ds_k = sum of dy_bm over all choices of that sort
    Outputs of one sort share V_t and s_k, so what a sort has in common is learnt once for all its outputs.
    """
    one, (size, moves) = ops.xp.ones_like(x[:, :, :1]), chosen.shape
    sorts = ops.xp.where(chosen[:, :, None] >= 0, sorts, -1)
    listed = (x, chosen), (one, chosen), (x, sorts[:, :, 0]), (one, sorts.reshape(size, -1))
    parts = [listed_rows(ops, p, grads, f"policy.{name}", *pair) for name, pair in zip(POLICY, listed, strict=True)]

    def backward(dy: Array) -> Array:
        of_sorts = ops.xp.repeat(dy, sorts.shape[2], axis=1)
        dx, _, dx_of_sorts, _ = (back(one) for (_, back), one in zip(parts, (dy, dy, dy, of_sorts), strict=True))
        return dx + dx_of_sorts

    return sum(y.reshape(size, moves, -1).sum(axis=2) for y, _ in parts), backward


def listed_dense(ops: RowOperations, p: Arrays, grads: Gradients, version: Array, name: str, x: Array) -> Part:
    """`small_layers.chosen_dense` by rows: those of a version lie side by side."""
    outputs, one = p[f"{name}.bias"].shape[1], ops.xp.ones((len(x), 1, 1), x.dtype)
    numbers = version[:, None] * outputs + ops.xp.arange(outputs)
    y, back = listed_rows(ops, p, grads, f"{name}.weight", x[:, None], numbers)
    bias, bias_back = listed_rows(ops, p, grads, f"{name}.bias", one, numbers)

    def backward(dy: Array) -> Array:
        bias_back(dy)
        return back(dy)[:, 0]

    return y + bias, backward


def listed_rows(ops: RowOperations, p: Arrays, grads: Gradients, name: str, x: Array, numbers: Array) -> Part:
    """Products y [B, L] of x [B, 1, C] and the listed rows of a parameter: dx_b = sum of dy_bk T_k, dT_k += dy_bk x_b."""
    table = p[name].reshape(1, -1, x.shape[2])

    def backward(dy: Array) -> Array:
        grads[name] = ops.slopes(table, numbers, dy, x).reshape(p[name].shape)
        return ops.sums(table, numbers, dy)

    return ops.scores(table, numbers, x), backward
