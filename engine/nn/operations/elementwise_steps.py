"""Elementwise steps of the reference, each one kernel on a GPU (`Operations.fused`).

Numbers of each channel broadcast along the last axis. `floor` is 0 for a ReLU at the end, and
-infinity for none.
"""

from typing import Any

from engine.backend import xp_of

Array = Any


def normalised(
    x: Array, mean: Array, variance: Array, gamma: Array, beta: Array, epsilon: float, floor: float
) -> Array:
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, at least `floor`."""
    xp = xp_of(x)
    return xp.maximum((x - mean) * (gamma / xp.sqrt(variance + epsilon)) + beta, floor)


def variance_about(x: Array, mean: Array, share: float) -> Array:
    """Return the variance over axis 1 of [G, N, C]; `share` is 1 / N."""
    return xp_of(x).sum((x - mean) * (x - mean) * share, axis=1)


def norm_slopes(
    dy: Array, y: Array, x: Array, mean: Array, variance: Array, gain: Any, *rest: Any
) -> Array:
    """Sum g = gain dy over axis 1 of [G, N, C], times the normalised x and alone: [2, G, C]."""
    (epsilon, floor, is_first), xp = rest, xp_of(x)
    return xp.sum(
        dy * gain * (y > floor) * xp.where(is_first, (x - mean) / xp.sqrt(variance + epsilon), 1),
        axis=2,
    )


def norm_gradient(
    dy: Array, y: Array, x: Array, mean: Array, variance: Array, gain: Any, *rest: Any
) -> Array:
    """Return dx of `normalise` from the sums of `norm_slopes`."""
    gamma, along, total, epsilon, share, floor = rest
    factor = 1 / xp_of(x).sqrt(variance + epsilon)
    return (dy * gain * (y > floor) - total * share - (x - mean) * factor * (along * share)) * (
        gamma * factor
    )


def follow(
    a: Array, b: Array, new_a: Array, new_b: Array, momentum: float, out_a: Array, out_b: Array
) -> None:
    """Move two running numbers towards new ones, in place."""
    xp = xp_of(a)
    xp.add(a, (new_a - a) * momentum, out=out_a)
    xp.add(b, (new_b - b) * momentum, out=out_b)


def power(x: Array, largest: Array) -> Array:
    """exp(x - largest), where a largest number of -infinity counts as 0."""
    xp = xp_of(x)
    return xp.exp(x - xp.where(xp.isfinite(largest), largest, 0))


def part(x: Array, total: Array) -> Array:
    """Return x / total, 0 where there is nothing."""
    return x / xp_of(x).where(total == 0, 1, total)


def inner_products(a: Array, b: Array) -> Array:
    """Return the sums of a b along the last axis; both broadcast. It is no matrix product: for few
    numbers.
    """
    return xp_of(a).sum(a * b, axis=-1)


def share_slope(dy: Array, y: Array, along: Array) -> Array:
    """Return the gradient of softmax's scores; `along`: the sums of dy y."""
    return (dy - along) * y


def gated(x: Array, scale: Array, shift: Array, skip: Array, floor: float) -> Array:
    """y = x scale + shift + skip, at least `floor`."""
    return xp_of(x).maximum(x * scale + shift + skip, floor)


def gate_slopes(dy: Array, y: Array, x: Array, floor: float) -> tuple[Array, Array]:
    """Return the gradient of the skip, and its product with x."""
    dskip = dy * (y > floor)
    return dskip, dskip * x


def gate_gradient(dskip: Array, scale: Array, dmean: Array, share: float) -> Array:
    """Return dx of `gate`, with the gradient of its mean."""
    return dskip * scale + dmean * share
