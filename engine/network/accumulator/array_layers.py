"""The layers behind the units of sparse networks, forward and backward, in array code.

A function returns its outputs and `backward`, which takes the gradient of the outputs and returns
that of what lies below; gradients of parameters go into `grads`.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from engine.network.accumulator.piece_count import PIECE_BUCKETS
from engine.nn.array_checks import NamedArrays
from engine.nn.layer import Array, Gradients

Traced = tuple[Array, Callable[[Array], Any]]
# (name, x) -> one version of a dense layer for each position.
LayerByName = Callable[[str, Array], Traced]


def value_head(dense: LayerByName, units: Array) -> Traced:
    """Return logits of win, draw and loss, and hundreds of plies [B, 4], of units [B, U]."""
    h, first_back = dense("value.dense1", units)
    g, second_back = dense("value.dense2", np.maximum(h, 0))
    y, output_back = dense("value.output", np.maximum(g, 0))
    return y, lambda dy: first_back(second_back(output_back(dy) * (g > 0)) * (h > 0))


def judge_units(dense: LayerByName, h: Array) -> Traced:
    """Return the same by the value trunk, from h [B, 16] of `value_parameters`.

    The square gives small layers products of their inputs. dh = dp where 0 < h < 1, plus 2 h ds
    where |h| < 1, with dp and ds the gradients of the plain and the squared half.
    """
    pairs = np.concatenate([np.clip(h, 0, 1), np.minimum(h * h, 1)], axis=1)
    g, second_back = dense("dense2", pairs)
    y, output_back = dense("output", np.clip(g, 0, 1))

    def backward(dy: Array) -> Array:
        dplain, dsquare = np.split(second_back(output_back(dy) * inside(g)), 2, axis=1)
        return dplain * inside(h) + 2 * h * dsquare * (np.abs(h) < 1)

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
    shifted = y[:, :3] - y[:, :3].max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    share = wdl.sum(axis=1)
    is_timed = (moves_left >= 0).astype(y.dtype)
    error = (y[:, 3] - moves_left) * is_timed
    clipped = np.clip(error, -1, 1)
    losses = np.stack([-(wdl * logarithms).sum(axis=1), clipped * (error - clipped / 2)], axis=1)
    slopes = [
        weights[0] * (share[:, None] * np.exp(logarithms) - wdl),
        weights[1] * clipped[:, None],
    ]
    return losses, np.stack([share, is_timed], axis=1), np.concatenate(slopes, axis=1)
