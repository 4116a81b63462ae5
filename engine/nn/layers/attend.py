"""Scaled dot-product attention, without parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from engine.backend import backend_of

Array = Any
AttendBackward = Callable[[Array], tuple[Array, Array, Array]]


def attend(query: Array, key: Array, value: Array, mask: Array | None = None) -> tuple[Array, AttendBackward]:
    """Scaled dot-product attention: query [..., T, d], key and value [..., S, d] -> y [..., T, d].

    backward: dy -> (dquery, dkey, dvalue). ``mask`` is bool, broadcasts to [..., T, S], and is False where a query may
    not attend to a key. A query that may attend to no key gets 0. With s = q k^T / sqrt(d) and P = softmax(s) along S:
        y = P v      dv = P^T dy      dP = dy v^T      ds = P (dP - sum over S of dP P)
        dq = ds k / sqrt(d)      dk = ds^T q / sqrt(d)
    Vaswani et al. 2017, arXiv:1706.03762.
    """
    xp = backend_of(query).xp
    scale = 1 / math.sqrt(query.shape[-1])
    scores = query @ key.swapaxes(-1, -2) * scale  # (..., T, S)
    if mask is not None:
        scores = xp.where(mask, scores, -xp.inf)
    some = scores if scores.shape[-1] else xp.zeros((*scores.shape[:-1], 1), scores.dtype)  # there may be no key
    largest = some.max(axis=-1, keepdims=True)
    exponentials = xp.exp(scores - xp.where(xp.isfinite(largest), largest, 0))
    normaliser = exponentials.sum(axis=-1, keepdims=True)
    weights = exponentials / xp.where(normaliser > 0, normaliser, 1)

    def backward(dy: Array) -> tuple[Array, Array, Array]:
        dweights = dy @ value.swapaxes(-1, -2)
        dscores = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True)) * scale
        return dscores @ key, dscores.swapaxes(-1, -2) @ query, weights.swapaxes(-1, -2) @ dy

    return weights @ value, backward
