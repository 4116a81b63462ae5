"""Activation functions of float32 as one pass over memory: for each a kernel of y, and one of dx.

A function of `engine.nn.layers.activations` is the reference, and its docstring has the formulas;
here they stand for sixteen numbers at once, with s = sigmoid x, and e = e^-|x|, which cannot
overflow. Errors are below 3e-7 of the result, or of 1 where it is smaller.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.lanes import (
    LANES,
    choose,
    load,
    load_part,
    minimum,
    relu,
    splat,
    store,
    store_part,
    where_positive,
)
from engine.native.smooth_lanes import (
    decay_lanes,
    exp_lanes,
    expm1_lanes,
    log1p_lanes,
    sigmoid_lanes,
)
from engine.nn.operations.array_operations import Activated
from engine.nn.operations.workspace import empty

LEAK = 0.01  # slope of the leaky ReLU left of zero
SELU_SCALE = 1.0507009873554805  # with SELU_ALPHA, keeps mean 0 and variance 1 as a fixed point
SELU_ALPHA = 1.6732632423543772
GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715
GELU_FAR = 30.0  # it is x or 0 from here on in double precision, too; x^2 of a float32 may overflow


class KernelPair(NamedTuple):
    """The kernels of a function: (x, a) -> y and (x, y, dy, a) -> dx, of flat arrays; `a` is its
    parameter.
    """

    value: Callable[..., None]
    slope: Callable[..., None]
    parameter: float


NATIVE: dict[Any, KernelPair] = {}  # by the reference, which `engine.nn.layers.activations` notes


def activated(pair: KernelPair, x: np.ndarray) -> Activated:
    """Return y and dy -> dx; both lie in memory as x does."""
    if not x.flags.c_contiguous:
        return _activated_in_order(pair, x)
    y = empty(x.shape)
    flat_x = x.reshape(-1)
    flat_y = y.reshape(-1)
    pair.value(flat_x, flat_y, pair.parameter)

    def backward(dy):
        dx = empty(x.shape)
        flat_dy = np.ascontiguousarray(dy, np.float32).reshape(-1)
        pair.slope(flat_x, flat_y, flat_dy, dx.reshape(-1), pair.parameter)
        return dx

    return y, backward


def _activated_in_order(pair: KernelPair, x: np.ndarray) -> Activated:
    """Return `activated` of x with its axes from the largest stride to the smallest."""
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    back = np.argsort(order)
    y, backward = activated(pair, np.ascontiguousarray(x.transpose(order)))
    return y.transpose(back), lambda dy: backward(dy.transpose(order)).transpose(back)


def _pair(
    value: Callable[..., Any], slope: Callable[..., Any], parameter: float = 0.0
) -> KernelPair:
    """Make the loops over functions (x, a) -> y and (x, y, a) -> dy/dx of sixteen numbers."""

    @kernel(contract=True)
    def values(x, y, parameter):
        a = splat(parameter)
        whole = len(x) // LANES * LANES
        for i in range(0, whole, LANES):
            store(y, i, value(load(x, i), a))
        if whole < len(x):
            rest = load_part(x, whole, len(x) - whole, a)
            store_part(y, whole, value(rest, a), len(x) - whole)

    @kernel(contract=True)
    def slopes(x, y, dy, dx, parameter):
        a = splat(parameter)
        whole = len(x) // LANES * LANES
        for i in range(0, whole, LANES):
            store(dx, i, load(dy, i) * slope(load(x, i), load(y, i), a))
        if whole < len(x):
            count = len(x) - whole
            x = load_part(x, whole, count, a)
            y = load_part(y, whole, count, a)
            dy = load_part(dy, whole, count, a)
            store_part(dx, whole, dy * slope(x, y, a), count)

    return KernelPair(values, slopes, parameter)


@kernel(contract=True)
def binary_terms(logits, targets, losses, slopes):
    """Fill -(t log p + (1 - t) log(1 - p)) of p = sigmoid z, and p - t."""
    zero, one = splat(0.0), splat(1.0)
    for i in range(0, len(logits), LANES):
        count = min(len(logits) - i, LANES)
        z = load_part(logits, i, count, zero)
        t = load_part(targets, i, count, zero)
        e = decay_lanes(z)
        wrong = choose(z, one - t, t)
        size = choose(wrong, choose(z, z, zero - z), zero)
        store_part(losses, i, size * wrong + log1p_lanes(e), count)
        store_part(slopes, i, choose(z, one, e) / (one + e) - t, count)


# ---- the functions -------------------------------------------------------------------------------


@kernel(contract=True)
def _one_minus(x):
    return splat(1.0) - x


@kernel(contract=True)
def _relu(x, a):
    return relu(x)


@kernel(contract=True)
def _relu_slope(x, y, a):
    return where_positive(x, splat(1.0))


@kernel(contract=True)
def _leaky_relu(x, a):
    return relu(x) - a * relu(splat(0.0) - x)


@kernel(contract=True)
def _leaky_relu_slope(x, y, a):
    return choose(x, splat(1.0), a)


@kernel(contract=True)
def _elu(x, a):
    return choose(x, x, a * expm1_lanes(minimum(splat(0.0), x)))


@kernel(contract=True)
def _elu_slope(x, y, a):
    return choose(x, splat(1.0), y + a)


@kernel(contract=True)
def _selu(x, a):
    left = expm1_lanes(minimum(splat(0.0), x)) * splat(SELU_SCALE * SELU_ALPHA)
    return choose(x, splat(SELU_SCALE) * x, left)


@kernel(contract=True)
def _selu_slope(x, y, a):
    return choose(x, splat(SELU_SCALE), y + splat(SELU_SCALE * SELU_ALPHA))


@kernel(contract=True)
def _celu(x, a):
    return choose(x, x, a * expm1_lanes(minimum(splat(0.0), x) / a))


@kernel(contract=True)
def _celu_slope(x, y, a):
    return choose(x, splat(1.0), y / a + splat(1.0))


@kernel(contract=True)
def _hard_sigmoid(x, a):
    return minimum(relu(a * x + splat(0.5)), splat(1.0))


@kernel(contract=True)
def _hard_sigmoid_slope(x, y, a):
    return where_positive(y * _one_minus(y), a)


@kernel(contract=True)
def _hard_swish(x, a):
    return x * _hard_sigmoid(x, a)


@kernel(contract=True)
def _hard_swish_slope(x, y, a):
    gate = _hard_sigmoid(x, a)
    return gate + x * _hard_sigmoid_slope(x, gate, a)


@kernel(contract=True)
def _sigmoid(x, a):
    return sigmoid_lanes(x)


@kernel(contract=True)
def _sigmoid_slope(x, y, a):
    return y * _one_minus(y)


@kernel(contract=True)
def _softplus(x, a):
    return relu(x) + log1p_lanes(decay_lanes(x))


@kernel(contract=True)
def _softplus_slope(x, y, a):
    return sigmoid_lanes(x)


@kernel(contract=True)
def _gate(u):
    """Return s = sigmoid u and s (1 - s), without the loss of digits where s is nearly 1."""
    e = decay_lanes(u)
    t = splat(1.0) / (splat(1.0) + e)
    return choose(u, t, e * t), e * t * t


@kernel(contract=True)
def _swish(x, a):
    return x * _gate(x)[0]


@kernel(contract=True)
def _swish_slope(x, y, a):
    s, slope = _gate(x)
    return s + x * slope


@kernel(contract=True)
def _near(x):
    far, zero = splat(GELU_FAR), splat(0.0)
    return zero - minimum(far, zero - minimum(far, x))


@kernel(contract=True)
def _gelu(x, a):
    """By (1 + tanh u) / 2 = sigmoid 2 u."""
    near = _near(x)
    cubic = splat(2 * GELU_SCALE * GELU_CUBIC) * near * near + splat(2 * GELU_SCALE)
    return x * _gate(near * cubic)[0]


@kernel(contract=True)
def _gelu_slope(x, y, a):
    near = _near(x)
    cubic = splat(2 * GELU_SCALE * GELU_CUBIC) * near * near
    s, slope = _gate(near * (cubic + splat(2 * GELU_SCALE)))
    return s + near * slope * (splat(3.0) * cubic + splat(2 * GELU_SCALE))


@kernel(contract=True)
def _below(x):
    """Return P, the chance of a normal number below x, and the density p.

    By erfc z = t e^(f - z^2), t = 1 / (1 + z / 2), with a polynomial f of t: relative errors are
    below 1.2e-7 (Press et al., Numerical Recipes, section 6.2).
    """
    size = _near(choose(x, x, splat(0.0) - x))
    density = decay_lanes(splat(0.5) * size * size)
    t = splat(1.0) / (splat(1.0) + splat(math.sqrt(1 / 8)) * size)
    f = splat(0.17087277) * t - splat(0.82215223)
    f = f * t + splat(1.48851587)
    f = f * t - splat(1.13520398)
    f = f * t + splat(0.27886807)
    f = f * t - splat(0.18628806)
    f = f * t + splat(0.09678418)
    f = f * t + splat(0.37409196)
    f = f * t + splat(1.00002368)
    f = f * t - splat(1.26551223)
    tail = splat(0.5) * t * exp_lanes(f) * density
    return choose(x, _one_minus(tail), tail), density * splat(math.sqrt(0.5 / math.pi))


@kernel(contract=True)
def _exact_gelu(x, a):
    return x * _below(x)[0]


@kernel(contract=True)
def _exact_gelu_slope(x, y, a):
    below, density = _below(x)
    return below + _near(x) * density


@kernel(contract=True)
def _mish_parts(x):
    """Return n, and w so that tanh softplus x = n / (n + w); and e."""
    e = decay_lanes(x)
    two = splat(2.0)
    n = choose(x, two * e + splat(1.0), e * (e + two))
    return n, choose(x, two * e * e, two), e


@kernel(contract=True)
def _mish(x, a):
    n, w, _ = _mish_parts(x)
    return x * (n / (n + w))


@kernel(contract=True)
def _mish_slope(x, y, a):
    """With t = n / d, d = n + w: 1 - t^2 = w (n + d) / d^2."""
    n, w, e = _mish_parts(x)
    inverse = splat(1.0) / (n + w)
    s = choose(x, splat(1.0), e) / (splat(1.0) + e)
    return inverse * (n + x * s * w * (n + n + w) * inverse)


PAIRS = {
    "relu": _pair(_relu, _relu_slope),
    "leaky_relu": _pair(_leaky_relu, _leaky_relu_slope, LEAK),
    "elu": _pair(_elu, _elu_slope, 1.0),
    "selu": _pair(_selu, _selu_slope),
    "celu": _pair(_celu, _celu_slope, 1.0),
    "hard_sigmoid": _pair(_hard_sigmoid, _hard_sigmoid_slope, 1 / 6),
    "hard_swish": _pair(_hard_swish, _hard_swish_slope, 1 / 6),
    "sigmoid": _pair(_sigmoid, _sigmoid_slope),
    "softplus": _pair(_softplus, _softplus_slope),
    "swish": _pair(_swish, _swish_slope),
    "gelu": _pair(_gelu, _gelu_slope),
    "exact_gelu": _pair(_exact_gelu, _exact_gelu_slope),
    "mish": _pair(_mish, _mish_slope),
}
