"""Scaled dot-product attention, and rotary positions: queries and keys turned by angles that grow
with their place. Both have no parameters.
"""

import math
from collections.abc import Callable
from typing import Any

from engine.backend import product, xp_of
from engine.nn.operations import operations_for

Array = Any
AttendBackward = Callable[[Array], tuple[Array, ...]]

# The slowest pair of numbers turns once in 2 pi LONGEST_TURN places. Su et al. 2021.
LONGEST_TURN = 10_000.0


def attend(
    query: Array, key: Array, value: Array, mask: Array | None = None, bias: Array | None = None
) -> tuple[Array, AttendBackward]:
    """Scaled dot-product attention: query [..., T, d], key and value [..., S, d] -> y [..., T, d].

    backward: dy -> (dquery, dkey, dvalue), and dbias where there is a bias.

    `mask` is bool, broadcasts to [..., T, S], and is False where a query may not attend to a key. A
    query that may attend to no key gets 0. `bias` b [..., T, S] is added to the scores. With
    s = q k^T / sqrt(d) + b and P = softmax(s) along S:
        y = P v      dv = P^T dy      dP = dy v^T      ds = db = P (dP - r), r = sum over S of dP P
        dq = ds k / sqrt(d)      dk = ds^T q / sqrt(d)
    Vaswani et al. 2017, arXiv:1706.03762.
    """
    xp = xp_of(query)
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
        slopes = product(dbias, key) * scale, dkey.swapaxes(-1, -2), dvalue.swapaxes(-1, -2)
        if bias is None:
            return slopes
        return (*slopes, dbias)

    return y, backward


def rotary_waves(x: Array, first: int = 0) -> tuple[Array, Array]:
    """Return cosine and sine of the angles of places first, first + 1, ... in x [..., T, d]: [T, d
    / 2] each. Pair i turns by LONGEST_TURN^(-2 i / d) a place.
    """
    xp = xp_of(x)
    (places, features) = x.shape[-2:]
    speeds = LONGEST_TURN ** (xp.arange(0, features, 2) / -features)
    angles = xp.arange(first, first + places)[:, None] * speeds
    return xp.cos(angles).astype(x.dtype), xp.sin(angles).astype(x.dtype)


def rotated(x: Array, cosine: Array, sine: Array) -> Array:
    """Turn the pairs (x_i, x_{i + d/2}) of x [..., T, d]; its gradient is turned back, by -sine.

    y_i = x_i cos - x_{i + d/2} sin      y_{i + d/2} = x_i sin + x_{i + d/2} cos

    The product of two turned vectors depends on the difference of their places alone. Su et al.
    2021, arXiv:2104.09864.
    """
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    parts = [first * cosine - second * sine, first * sine + second * cosine]
    return xp_of(x).concatenate(parts, axis=-1)
