"""Sparse networks in array code, forward and backward: the layers behind the units on any backend,
all of it on a GPU.

Parameters are a model's by name. Rows of tables are listed by number, -1 = none: features integer
[B, L]; policy rows integer [B, M] and sorts integer [B, M, S] of the legal moves, as in
`policy/moves.py`; rows of the value trunk in both views, as in `value_features`, integer [B, 2,
32]; the version of the small layers, `piece_bucket`, integer [B].

A function returns its outputs and `backward`, which takes the gradient of the outputs and returns
that of what lies below; gradients of parameters go into `grads`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from engine.backend import Backend, backend_of, xp_of
from engine.network.accumulator.piece_count import PIECE_BUCKETS
from engine.nn.layer import Array, Gradients

NamedArrays = Mapping[str, Array]
Traced = tuple[Array, Callable[[Array], Any]]
# (name, x) -> one version of a dense layer for each position.
LayerByName = Callable[[str, Array], Traced]

# ---- layers behind the units ---------------------------------------------------------------------


def value_head(dense: LayerByName, units: Array) -> Traced:
    """Return logits of win, draw and loss, and hundreds of plies [B, 4], of units [B, U]."""
    xp = backend_of(units).xp
    h, first_back = dense("value.dense1", units)
    g, second_back = dense("value.dense2", xp.maximum(h, 0))
    y, output_back = dense("value.output", xp.maximum(g, 0))
    return y, lambda dy: first_back(second_back(output_back(dy) * (g > 0)) * (h > 0))


def judge_units(dense: LayerByName, h: Array) -> Traced:
    """Return the same by the value trunk, from h [B, 16] of `value_parameters`.

    The square gives small layers products of their inputs. dh = dp where 0 < h < 1, plus 2 h ds
    where |h| < 1, with dp and ds the gradients of the plain and the squared half.
    """
    xp = backend_of(h).xp
    pairs = xp.concatenate([xp.clip(h, 0, 1), xp.minimum(h * h, 1)], axis=1)
    g, second_back = dense("dense2", pairs)
    y, output_back = dense("output", xp.clip(g, 0, 1))

    def backward(dy: Array) -> Array:
        dplain, dsquare = xp.split(second_back(output_back(dy) * inside(g)), 2, axis=1)
        return dplain * inside(h) + 2 * h * dsquare * (xp.abs(h) < 1)

    return y, backward


def inside(x: Array) -> Array:
    """Where the slope of a clipped unit is 1; elsewhere it is 0."""
    return (x > 0) & (x < 1)


def by_version(version: np.ndarray) -> tuple[np.ndarray, list[slice]]:
    """Return (order of positions that sorts them by the version of their layers, the group of each
    version in it).
    """
    order = np.argsort(version, kind="stable")
    ends = np.searchsorted(version[order], np.arange(PIECE_BUCKETS + 1))
    return order, [slice(*pair) for pair in pairwise(ends.tolist())]


def chosen_dense(
    p: NamedArrays, grads: Gradients, groups: list[slice], name: str, x: np.ndarray
) -> Traced:
    """Several dense layers of one shape, of which each group of examples chooses one: x [B, inputs]
    -> y [B, outputs].

    With v the version of group g: y_g = x_g W_v^T + c_v, dx_g = dy_g W_v, dW_v = dy_g^T x_g, dc_v =
    the sum of dy_g.
    """
    weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
    parts = list(zip(groups, weight, bias, strict=True))

    def backward(dy: np.ndarray) -> np.ndarray:
        grads[f"{name}.weight"] = np.stack([dy[group].T @ x[group] for group in groups])
        grads[f"{name}.bias"] = np.stack([dy[group].sum(axis=0) for group in groups])
        return np.concatenate([dy[group] @ w for group, w, _ in parts])

    return np.concatenate([x[group] @ w.T + b for group, w, b in parts]), backward


def output_losses(
    y: Array, wdl: Array, moves_left: Array, weights: Sequence[float]
) -> tuple[Array, Array, Array]:
    """(losses of value and moves left [B, 2], whether their targets are known [B, 2], gradient [B,
    4]) of outputs y.

    Unknown are a wdl [B, 3] of zeros and moves_left [B] below 0. Losses are unweighted:
    cross-entropy and Huber loss.
    """
    xp = backend_of(y).xp
    shifted = y[:, :3] - y[:, :3].max(axis=1, keepdims=True)
    logarithms = shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))
    share = wdl.sum(axis=1)
    is_timed = (moves_left >= 0).astype(y.dtype)
    error = (y[:, 3] - moves_left) * is_timed
    clipped = xp.clip(error, -1, 1)
    losses = xp.stack([-(wdl * logarithms).sum(axis=1), clipped * (error - clipped / 2)], axis=1)
    slopes = [
        weights[0] * (share[:, None] * xp.exp(logarithms) - wdl),
        weights[1] * clipped[:, None],
    ]
    return losses, xp.stack([share, is_timed], axis=1), xp.concatenate(slopes, axis=1)


# ---- rows on a GPU -------------------------------------------------------------------------------


def _row_kernels(jit: Any) -> Sequence[Callable[..., None]]:
    """Return what compiles with CuPy's module `jit`. A block has a position, and a slab of the
    table's columns.
    """

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
                    jit.atomic_add(
                        table, (slab, numbers[b, k], column), factors[b, k] * x[b, slab, column]
                    )

    def score_rows(table, numbers, x, out):
        b, lane = jit.blockIdx.x, jit.threadIdx.x
        for k in range(jit.threadIdx.y, numbers.shape[1], jit.blockDim.y):
            if numbers[b, k] >= 0:
                total = np.float32(0)
                for column in range(lane, x.shape[1], jit.blockDim.x):
                    total += table[0, numbers[b, k], column] * x[b, column]
                out[b, k, lane] = total

    return sum_rows, add_rows, score_rows


class RowOperations:
    """What a GPU does with rows of a table [S, R, C] of S slabs of columns: numbers integer [B, L],
    factors [B, L].
    """

    def __init__(self, backend: Backend) -> None:
        self.xp = backend.xp
        self._sum, self._add, self._score = backend.kernels(_row_kernels)

    def sums(self, table: Array, numbers: Array, factors: Array) -> Array:
        """Return the sums of factors times rows [B, S, C]."""
        out = self.xp.empty((len(numbers), table.shape[0], table.shape[2]), table.dtype)
        self._sum(out.shape[:2], (128,), (table, numbers, factors, out))
        return out

    def slopes(self, table: Array, numbers: Array, factors: Array, x: Array) -> Array:
        """Return a table like this one: the sums of factors times x [B, S, C] of the lists that
        have a row.
        """
        out = self.xp.zeros_like(table)
        self._add(x.shape[:2], (128,), (out, numbers, factors, x))
        return out

    def scores(self, table: Array, numbers: Array, x: Array) -> Array:
        """Return the products of rows and x [B, C], [B, L], for a table of one slab; 0 where no row
        is listed.
        """
        # By thread: eight numbers are a sector of memory.
        out = self.xp.zeros((*numbers.shape, 8), table.dtype)
        self._score((len(x),), (8, 16), (table, numbers, x, out))
        return out.sum(axis=2)


def listed_rows(
    ops: RowOperations, p: NamedArrays, grads: Gradients, name: str, x: Array, numbers: Array
) -> Traced:
    """Return the products y [B, L] of x [B, C] and listed rows T: dx_b = sum of dy_bk T_k, dT_k =
    sum of dy_bk x_b.
    """
    table = p[name].reshape(1, -1, x.shape[1])

    def backward(dy: Array) -> Array:
        grads[name] = ops.slopes(table, numbers, dy, x[:, None]).reshape(p[name].shape)
        return ops.sums(table, numbers, dy)[:, 0]

    return ops.scores(table, numbers, x), backward


def listed_dense(
    ops: RowOperations, p: NamedArrays, grads: Gradients, version: Array, name: str, x: Array
) -> Traced:
    """`chosen_dense` by rows: those of a version lie side by side."""
    outputs = p[f"{name}.bias"].shape[1]
    numbers = version[:, None] * outputs + ops.xp.arange(outputs)
    one = ops.xp.ones_like(x[:, :1])
    y, back = listed_rows(ops, p, grads, f"{name}.weight", x, numbers)
    bias, bias_back = listed_rows(ops, p, grads, f"{name}.bias", one, numbers)

    def backward(dy: Array) -> Array:
        bias_back(dy)
        return back(dy)

    return y + bias, backward


def clipped_products(
    ops: RowOperations, p: NamedArrays, grads: Gradients, name: str, listed: Array
) -> Traced:
    """Return sums of listed rows and a bias, clipped to [0, 1], the first half times the second:
    [B, S, C / 2].

    y_i = c_i c_{n+i}      dc_i = dy_i c_{n+i}      dc_{n+i} = dy_i c_i      dx = dc where 0 < x < 1
    """
    weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
    table = weight.reshape(-1, *weight.shape[-2:])
    factors = (listed >= 0).astype(weight.dtype)
    x = ops.sums(table, listed, factors).reshape(len(listed), len(table), 2, -1)
    x = x + bias.reshape(2, len(table), -1).swapaxes(0, 1)
    c = ops.xp.clip(x, 0, 1)

    def backward(dy: Array) -> None:
        dx = dy[:, :, None] * c[:, :, ::-1] * inside(x)
        grads[f"{name}.bias"] = dx.sum(axis=0).swapaxes(0, 1).reshape(-1)
        slopes = ops.slopes(table, listed, factors, dx.reshape(*dx.shape[:2], -1))
        grads[f"{name}.weight"] = slopes.reshape(weight.shape)

    return c[:, :, 0] * c[:, :, 1], backward


def sparse_network(
    ops: RowOperations, p: NamedArrays, features: Array, rows: Array, sorts: Array, version: Array
) -> tuple[dict[str, Array], Callable[[NamedArrays], Gradients]]:
    """{"policy": logits of the legal moves [B, M], 0 where there is none, "value": the value head's
    outputs [B, 4]}.

    The logit of a move is the product of the units with the sum of its row and of its first sort's
    row, and the biases of its row and of all its sorts.
    """
    grads = Gradients()
    units, units_back = clipped_products(ops, p, grads, "trunk.accumulator", features)
    x = units[:, 0]
    sorts = ops.xp.where(rows[:, :, None] >= 0, sorts, -1)
    policy, policy_back = _scored_moves(partial(listed_rows, ops, p, grads), x, rows, sorts)
    value, value_back = value_head(partial(listed_dense, ops, p, grads, version), x)

    def backward(dy: NamedArrays) -> Gradients:
        dx = policy_back(dy["policy"]) + value_back(dy["value"])
        units_back(dx[:, None])
        return grads

    return {"policy": policy, "value": value}, backward


def _scored_moves(listed: Callable[..., Traced], x: Array, rows: Array, sorts: Array) -> Traced:
    """Return the logits [B, M] of moves; `listed`: `listed_rows` of the network."""
    one = xp_of(x).ones_like(x[:, :1])
    own, own_back = listed("policy.weight", x, rows)
    bias, bias_back = listed("policy.bias", one, rows)
    first, first_back = listed("policy.sort_weight", x, sorts[:, :, 0])
    sort_bias, sort_back = listed("policy.sort_bias", one, sorts.reshape(len(x), -1))

    def backward(dy: Array) -> Array:
        bias_back(dy)
        sort_back(xp_of(dy).repeat(dy, sorts.shape[2], axis=1))
        return own_back(dy) + first_back(dy)

    return own + bias + first + sort_bias.reshape(sorts.shape).sum(axis=2), backward


def value_network(
    ops: RowOperations, p: NamedArrays, views: Array, version: Array
) -> tuple[Array, Callable[[Array], Gradients]]:
    """Return the value trunk's outputs [B, 4]; the mover's view comes first."""
    grads = Gradients()
    dense = partial(listed_dense, ops, p, grads, version)
    units, units_back = clipped_products(ops, p, grads, "rows", views.reshape(2 * len(views), -1))
    # Slab by slab, as the weights of dense1.
    inputs = units.reshape(len(views), 2, *units.shape[1:]).swapaxes(1, 2)
    h, first_back = dense("dense1", inputs.reshape(len(views), -1))
    y, judge_back = judge_units(dense, h)

    def backward(dy: Array) -> Gradients:
        units_back(
            first_back(judge_back(dy)).reshape(inputs.shape).swapaxes(1, 2).reshape(units.shape)
        )
        return grads

    return y, backward
