"""The layers behind a sparse network's units, and the loss of their outputs, in array code on any backend.

`dense(name, x)` is one version of a dense layer for each position: `chosen_dense` on the processor. Functions return
their outputs and `backward`, from the gradient of the outputs to that of the inputs; gradients of parameters go into
`grads`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from engine.backend import backend_of
from engine.network.rows.piece_count import PIECE_BUCKETS

Array = Any
Arrays = Mapping[str, Array]
Gradients = dict[str, Array]
Part = tuple[Array, Callable[[Array], Any]]
Dense = Callable[[str, Array], Part]


def value_head(dense: Dense, units: Array) -> Part:
    """The value head [B, 4] of units [B, U]: logits of win, draw and loss, hundreds of plies."""
    xp = backend_of(units).xp
    h, first_back = dense("value.dense1", units)
    g, second_back = dense("value.dense2", xp.maximum(h, 0))
    y, output_back = dense("value.output", xp.maximum(g, 0))
    return y, lambda dy: first_back(second_back(output_back(dy) * (g > 0)) * (h > 0))


def judge_units(dense: Dense, h: Array, at: str = "") -> Part:
    """The value trunk's outputs [B, 4] from h [B, 16], as in `value/parameters.py`; names of layers begin with `at`.

    The square gives small layers products of their inputs. dh = dp where 0 < h < 1, plus 2 h ds where |h| < 1, with dp
    and ds the gradients of the plain and the squared half.
    """
    xp = backend_of(h).xp
    pairs = xp.concatenate([xp.clip(h, 0, 1), xp.minimum(h * h, 1)], axis=1)
    g, second_back = dense(f"{at}dense2", pairs)
    y, output_back = dense(f"{at}output", xp.clip(g, 0, 1))

    def backward(dy: Array) -> Array:
        dplain, dsquare = xp.split(second_back(output_back(dy) * inside(g)), 2, axis=1)
        return dplain * inside(h) + 2 * h * dsquare * (xp.abs(h) < 1)

    return y, backward


def inside(x: Array) -> Array:
    """Where the slope of a clipped unit is 1; elsewhere it is 0."""
    return (x > 0) & (x < 1)


def chosen_dense(p: Arrays, grads: Gradients, groups: list[slice], name: str, x: np.ndarray) -> Part:
    """Several dense layers of one shape, of which each example chooses one: x [B, inputs] -> y [B, outputs].

    With v the version of group g: y_g = x_g W_v^T + c_v, dx_g = dy_g W_v, dW_v = dy_g^T x_g, dc_v = the sum of dy_g.
    """
    weight, bias = p[f"{name}.weight"], p[f"{name}.bias"]
    parts = list(zip(groups, weight, bias, strict=True))

    def backward(dy: np.ndarray) -> np.ndarray:
        grads[f"{name}.weight"] = np.stack([dy[group].T @ x[group] for group in groups])
        grads[f"{name}.bias"] = np.stack([dy[group].sum(axis=0) for group in groups])
        return np.concatenate([dy[group] @ w for group, w, _ in parts])

    return np.concatenate([x[group] @ w.T + b for group, w, b in parts]), backward


def by_version(version: np.ndarray) -> tuple[np.ndarray, list[slice]]:
    """Return (order of positions that sorts them by the version of their layers, the group of each version in it)."""
    order = np.argsort(version, kind="stable")
    ends = np.searchsorted(version[order], np.arange(PIECE_BUCKETS + 1))
    return order, [slice(*pair) for pair in pairwise(ends.tolist())]


def output_losses(
    outputs: Array, wdl: Array, moves_left: Array, value_weight: float, left_weight: float
) -> tuple[Array, Array, Array]:
    """(losses of value and moves left [B, 2], whether their targets are known [B, 2], gradient [B, 4]) of outputs [B, 4].

    wdl [B, 3] is zeros if unknown, moves_left [B] below 0. Losses are unweighted: cross-entropy and Huber loss.
    """
    xp = backend_of(outputs).xp
    shifted = outputs[:, :3] - outputs[:, :3].max(axis=1, keepdims=True)
    logarithms = shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))
    share, is_timed = wdl.sum(axis=1), (moves_left >= 0).astype(outputs.dtype)
    error = (outputs[:, 3] - moves_left) * is_timed
    clipped = xp.clip(error, -1, 1)
    losses = xp.stack([-(wdl * logarithms).sum(axis=1), clipped * (error - clipped / 2)], axis=1)
    slopes = [value_weight * (share[:, None] * xp.exp(logarithms) - wdl), left_weight * clipped[:, None]]
    return losses, xp.stack([share, is_timed], axis=1), xp.concatenate(slopes, axis=1)
