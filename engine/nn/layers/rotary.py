"""Rotary positions: queries and keys turned by angles that grow with their place."""

from __future__ import annotations

from typing import Any

from engine.backend import backend_of

Array = Any
# The slowest pair of numbers turns once in 2 pi LONGEST_TURN places. Su et al. 2021.
LONGEST_TURN = 10_000.0


def rotary_waves(x: Array, first: int = 0) -> tuple[Array, Array]:
    """Return cosine and sine of the angles of places first, first + 1, ... in x [..., T, d]: [T, d
    / 2] each. Pair i turns by LONGEST_TURN^(-2 i / d) a place.
    """
    xp = backend_of(x).xp
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
    one, other = x[..., :half], x[..., half:]
    parts = [one * cosine - other * sine, one * sine + other * cosine]
    return backend_of(x).xp.concatenate(parts, axis=-1)
