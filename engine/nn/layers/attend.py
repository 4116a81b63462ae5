"""Scaled dot-product attention, without parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from engine.backend import backend_of, product
from engine.nn.operations import operations_for

Array = Any
AttendBackward = Callable[[Array], tuple[Array, ...]]


def attend(
    query: Array, key: Array, value: Array, mask: Array | None = None, bias: Array | None = None
) -> tuple[Array, AttendBackward]:
    """Scaled dot-product attention: query [..., T, d], key and value [..., S, d] -> y [..., T, d].

    backward: dy -> (dquery, dkey, dvalue), and dbias where there is a bias. `mask` is bool, broadcasts to
    [..., T, S], and is False where a query may not attend to a key. A query that may attend to no key gets 0.
    `bias` b [..., T, S] is added to the scores. With s = q k^T / sqrt(d) + b and P = softmax(s) along S:
        y = P v      dv = P^T dy      dP = dy v^T      ds = db = P (dP - r), r = sum over S of dP P
        dq = ds k / sqrt(d)      dk = ds^T q / sqrt(d)
    Vaswani et al. 2017, arXiv:1706.03762.
    """
    xp = backend_of(query).xp
    scale = 1 / math.sqrt(query.shape[-1])
    query = query * scale
    # (..., T, S), which softmax may overwrite: it is the largest array.
    scores = product(query, key.swapaxes(-1, -2))
    if bias is not None:
        scores += bias
    if mask is not None:
        scores = xp.where(mask, scores, -xp.inf)
    weights, softmax_backward = operations_for(scores).softmax(scores)
    y = product(weights, value)

    def backward(dy):
        dbias = softmax_backward(product(dy, value.swapaxes(-1, -2)))
        # By dk = (q^T ds)^T, because a GPU copies what is transposed, and q is smaller than ds; dv
        # likewise.
        dkey, dvalue = product(query.swapaxes(-1, -2), dbias), product(dy.swapaxes(-1, -2), weights)
        parts = product(dbias, key) * scale, dkey.swapaxes(-1, -2), dvalue.swapaxes(-1, -2)
        return parts if bias is None else (*parts, dbias)

    return y, backward
