"""Scaled dot-product attention, without parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from engine.backend import backend_of

Array = Any
AttendBackward = Callable[[Array], tuple[Array, ...]]


def attend(
    query: Array, key: Array, value: Array, mask: Array | None = None, bias: Array | None = None
) -> tuple[Array, AttendBackward]:
    """Scaled dot-product attention: query [..., T, d], key and value [..., S, d] -> y [..., T, d].

    backward: dy -> (dquery, dkey, dvalue), and dbias where there is a bias. `mask` is bool, broadcasts to
    [..., T, S], and is False where a query may not attend to a key. A query that may attend to no key gets 0.
    `bias` b [..., T, S] is added to the scores. With s = q k^T / sqrt(d) + b and P = softmax(s) along S:
        y = P v      dv = P^T dy      dP = dy v^T      ds = db = P (dP - sum over S of dP P)
        dq = ds k / sqrt(d)      dk = ds^T q / sqrt(d)
    Vaswani et al. 2017, arXiv:1706.03762.
    """
    xp = backend_of(query).xp
    scale = 1 / math.sqrt(query.shape[-1])
    scores = query @ key.swapaxes(-1, -2) * scale  # (..., T, S)
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = xp.where(mask, scores, -xp.inf)
    some = scores if scores.shape[-1] else xp.zeros((*scores.shape[:-1], 1), scores.dtype)  # there may be no key
    largest = some.max(axis=-1, keepdims=True)
    exponentials = xp.exp(scores - xp.where(xp.isfinite(largest), largest, 0))
    normaliser = exponentials.sum(axis=-1, keepdims=True)
    weights = exponentials / xp.where(normaliser > 0, normaliser, 1)

    def backward(dy: Array) -> tuple[Array, ...]:
        dweights = dy @ value.swapaxes(-1, -2)
        dbias = weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))
        dscores = dbias * scale
        parts = dscores @ key, dscores.swapaxes(-1, -2) @ query, weights.swapaxes(-1, -2) @ dy
        return parts if bias is None else (*parts, dbias)

    return weights @ value, backward
