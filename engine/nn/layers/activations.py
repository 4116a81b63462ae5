"""Activation functions. Each returns its value and its derivative, and is stable at any finite
input.
"""

import inspect
import math
from functools import cache, partial
from typing import Any

from engine.backend import xp_of
from engine.errors import ConfigError
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Forward, Layer, register
from engine.nn.operations import operations_for
from engine.nn.operations.array_operations import Activated, Function, identity
from engine.nn.operations.elementwise import (
    GELU_CUBIC,
    GELU_FAR,
    GELU_SCALE,
    LEAK,
    NATIVE,
    PAIRS,
    SELU_ALPHA,
    SELU_SCALE,
)

# Of f(t) = ln(erfc(z) / t) + z^2 over t from 0 to 1, from 60 nodes in 40 digits.
ERFC_CHEBYSHEV = (
    -1.3026537197817094, 0.6419697923564902, 0.019476473204185836, -0.009561514786808632, -9.465953444820369e-4,
    3.6683949785276145e-4, 4.252332480690777e-5, -2.0278578112534242e-5, -1.6242900046470254e-6,
    1.3036558355805232e-6, 1.5626441722066142e-8, -8.523809591492654e-8, 6.5290544390988515e-9,
    5.059343495551469e-9, -9.91364156493033e-10, -2.273651222931836e-10, 9.646791102015527e-11,
    2.3940380830391146e-12, -6.886027526497553e-12, 8.944879273090725e-13, 3.130921399342958e-13,
    -1.1270822361367252e-13, 3.810905255189232e-16, 7.106097613609237e-15, -1.5230282014571043e-15,
)  # fmt: skip


def relu(x: Array) -> Activated:
    """y = max(x, 0);  dx = dy where x > 0."""
    y = xp_of(x).maximum(x, 0)
    return y, lambda dy: dy * (y > 0)


def _clipped(x: Array, limit: int) -> Activated:
    return xp_of(x).clip(x, 0, limit), lambda dy: dy * ((x > 0) & (x < limit))


def clipped_relu(x: Array) -> Activated:
    """y = min(max(x, 0), 1);  dx = dy where 0 < x < 1."""
    return _clipped(x, 1)


def relu6(x: Array) -> Activated:
    """y = min(max(x, 0), 6);  dx = dy where 0 < x < 6. Howard et al. 2017, arXiv:1704.04861."""
    return _clipped(x, 6)


def _squared(x: Array, function: Function) -> Activated:
    """y = c^2 with c = f(x);  dx = 2 c f'(x) dy."""
    c, slope = function(x)
    return c * c, lambda dy: slope(2 * dy * c)


def squared_clipped_relu(x: Array) -> Activated:
    """y = c^2 with c = min(max(x, 0), 1);  dx = 2 c dy where 0 < x < 1. The square gives feature
    products for free.
    """
    return _squared(x, clipped_relu)


def squared_relu(x: Array) -> Activated:
    """y = max(x, 0)^2;  dx = 2 max(x, 0) dy. So et al. 2021, arXiv:2109.08668."""
    return _squared(x, relu)


def leaky_relu(x: Array, alpha: float = LEAK) -> Activated:
    """y = x where x > 0, else alpha x. The slope is never 0, so no unit stops learning. Maas et al.
    2013.
    """
    slope = xp_of(x).where(x > 0, 1, alpha).astype(x.dtype)
    return x * slope, lambda dy: dy * slope


def _exponential(x: Array, scale: float, alpha: float, width: float) -> Activated:
    """y = scale x where x > 0, else scale alpha (e^(x / width) - 1);  dx = dy scale where x > 0, else
    dy scale alpha / width e^(x / width).
    """
    xp = xp_of(x)
    power = xp.expm1(xp.minimum(x, 0) / width)
    y = scale * xp.where(x > 0, x, alpha * power)
    return y, lambda dy: dy * (scale * xp.where(x > 0, 1, alpha / width * (power + 1)))


def elu(x: Array, alpha: float = 1.0) -> Activated:
    """y = x where x > 0, else alpha (e^x - 1);  dx = dy where x > 0, else dy (y + alpha). Clevert et
    al. 2015, arXiv:1511.07289.
    """
    return _exponential(x, 1.0, alpha, 1.0)


def celu(x: Array, alpha: float = 1.0) -> Activated:
    """y = x where x > 0, else alpha (e^(x / alpha) - 1);  dx = dy where x > 0, else dy e^(x /
    alpha): smooth at 0 for every alpha. Barron 2017, arXiv:1704.07483.
    """
    return _exponential(x, 1.0, alpha, alpha)


def selu(x: Array) -> Activated:
    """y = s x where x > 0, else s a (e^x - 1);  dx = dy s where x > 0, else dy (y + s a).

    With these s and a, activations keep mean 0 and variance 1 from layer to layer. Klambauer et al.
    2017, arXiv:1706.02515.
    """
    return _exponential(x, SELU_SCALE, SELU_ALPHA, 1.0)


def sigmoid(x: Array) -> Activated:
    """y = 1 / (1 + e^-x);  dx = dy y (1 - y). The code uses e^-|x|, which cannot overflow."""
    xp = xp_of(x)
    small = xp.exp(-xp.abs(x))
    y = xp.where(x >= 0, 1, small) / (1 + small)
    return y, lambda dy: dy * y * (1 - y)


def hard_sigmoid(x: Array, alpha: float = 1 / 6) -> Activated:
    """y = min(max(alpha x + 1/2, 0), 1);  dx = alpha dy where 0 < y < 1."""
    y, slope = clipped_relu(alpha * x + 0.5)
    return y, lambda dy: alpha * slope(dy)


def softsign(x: Array) -> Activated:
    """y = x / (1 + |x|);  dx = dy / (1 + |x|)^2."""
    share = 1 / (1 + xp_of(x).abs(x))
    return x * share, lambda dy: dy * share * share


def tanh(x: Array) -> Activated:
    """y = tanh x;  dx = dy (1 - y^2)."""
    y = xp_of(x).tanh(x)
    return y, lambda dy: dy * (1 - y * y)


def softplus(x: Array) -> Activated:
    """y = ln(1 + e^x);  dx = dy sigmoid x. The code uses max(x, 0) + ln(1 + e^-|x|), which cannot
    overflow.
    """
    xp = xp_of(x)
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))), lambda dy: dy * sigmoid(x)[0]


# ---- x times a gate ------------------------------------------------------------------------------


def _gated(x: Array, gate_function: Function) -> Activated:
    """y = x g with a gate g = g(x);  dx = dy (g + x g')."""
    gate, slope = gate_function(x)
    return x * gate, lambda dy: dy * gate + slope(dy) * x


def hard_swish(x: Array) -> Activated:
    """y = x s with s = min(max(x / 6 + 1/2, 0), 1);  dx = dy (s + x s'), s' = 1/6 where 0 < s < 1.
    Howard et al. 2019, arXiv:1905.02244.
    """
    return _gated(x, hard_sigmoid)


def swish(x: Array) -> Activated:
    """y = x s with s = sigmoid x;  dx = dy (s + x s (1 - s)). Ramachandran et al. 2017,
    arXiv:1710.05941.
    """
    return _gated(x, sigmoid)


def gelu(x: Array) -> Activated:
    """y = x (1 + t) / 2 with t = tanh u, u = c (x + 0.044715 x^3), c = sqrt(2 / pi). This tanh form
    avoids erf.

    dx = dy ((1 + t) / 2 + x (1 - t^2) u' / 2), u' = c (1 + 0.134145 x^2). Hendrycks and Gimpel
    2016, arXiv:1606.08415.
    """
    return _gated(x, _gelu_gate)


def _gelu_gate(x: Array) -> Activated:
    near = xp_of(x).clip(x, -GELU_FAR, GELU_FAR)
    squared = near * near
    t, slope = tanh(GELU_SCALE * near * (1 + GELU_CUBIC * squared))
    return (1 + t) / 2, lambda dy: slope(dy) * (GELU_SCALE / 2 * (1 + 3 * GELU_CUBIC * squared))


def exact_gelu(x: Array) -> Activated:
    """y = x P with P = erfc(-x / sqrt(2)) / 2, the chance of a normal number below x.

    dx = dy (P + x p), p = e^(-x^2 / 2) / sqrt(2 pi). `gelu` differs by 0.0005 at most, and is
    a little quicker. Hendrycks and Gimpel 2016, arXiv:1606.08415.
    """
    return _gated(x, _normal_chance)


def _normal_chance(x: Array) -> Activated:
    xp = xp_of(x)
    near = xp.clip(x, -GELU_FAR, GELU_FAR)
    tail = _erfc(xp, xp.abs(near) * math.sqrt(1 / 2)) / 2
    density = xp.exp(near * near / -2) * math.sqrt(1 / (2 * math.pi))
    return xp.where(near > 0, 1 - tail, tail), lambda dy: dy * density


def _erfc(xp: Any, z: Array) -> Array:
    """Return 1 - erf z for z >= 0, to double precision.

    With t = 2 / (2 + z): erfc z = t e^(f - z^2), where f is smooth in t. The sum of its Chebyshev
    polynomials is by Clenshaw's recurrence.
    """
    t = 2 / (2 + z)
    later = last = z * 0
    for number in reversed(ERFC_CHEBYSHEV[1:]):
        later, last = (4 * t - 2) * later - last + number, later
    return t * xp.exp((2 * t - 1) * later - last + ERFC_CHEBYSHEV[0] / 2 - z * z)


def mish(x: Array) -> Activated:
    """y = x t with t = tanh(ln(1 + e^x)) = n / (n + 2), n = e^x (e^x + 2). Misra 2019,
    arXiv:1908.08681.

    dx = dy (t + x (1 - t^2) sigmoid x). With e = e^-|x|, which cannot overflow, n / (n + 2) is also
    (1 + 2 e) / (1 + 2 e + 2 e^2) where x >= 0.
    """
    return _gated(x, _mish_gate)


def _mish_gate(x: Array) -> Activated:
    xp = xp_of(x)
    e = xp.exp(-xp.abs(x))
    is_right = x >= 0
    n = xp.where(is_right, 1 + 2 * e, e * (e + 2))
    t = n / (n + 2 * xp.where(is_right, e * e, 1))
    return t, lambda dy: dy * ((1 - t * t) * (xp.where(is_right, 1, e) / (1 + e)))


ACTIVATIONS: dict[str, Function] = {
    function.__name__: function
    for function in (
        identity, relu, clipped_relu, squared_clipped_relu, squared_relu, leaky_relu, selu, sigmoid, tanh, softplus,
        swish, gelu, mish, elu, celu, hard_sigmoid, hard_swish, softsign, exact_gelu,
        relu6,
    )
}  # fmt: skip
NATIVE.update({ACTIVATIONS[name]: pair for name, pair in PAIRS.items()})


@cache
def activation_function(name: str, alpha: float | None = None) -> Function:
    """Look up an activation function by name: x -> (y, dy -> dx), with another `alpha` than its
    own.

    Raises ConfigError for an unknown name, and for an alpha where the function has none.
    """
    if name not in ACTIVATIONS:
        raise ConfigError(f"unknown activation {name!r}; known: {', '.join(ACTIVATIONS)}")
    function: Any = ACTIVATIONS[name]
    if alpha is None:
        return function
    least = 0.0
    if name == "celu":  # which divides by it
        least = math.ulp(0.0)
    if "alpha" not in inspect.signature(function).parameters or not least <= alpha < math.inf:
        raise ConfigError(f"activation {name!r}: it has no alpha, or none of {alpha}")
    with_alpha = partial(function, alpha=alpha)
    if function in NATIVE:
        NATIVE[with_alpha] = NATIVE[function]._replace(parameter=alpha)
    return with_alpha


@register("activation")
class Activation(Layer):
    """Apply an activation function to every number.

    forward:  x floating, any shape -> y like x
    backward: dy like y -> dx like x; no parameters

    y = f(x) and dx = dy f'(x); both stand in the docstring of the function with this name, from
    `ACTIVATIONS`. Some have a constant `alpha`, such as the slope of "leaky_relu" left of zero.
    Raises ConfigError for an unknown name, and for an alpha that it has not.
    """

    def __init__(self, function: str, *, alpha: float | None = None) -> None:
        self.function = function
        self.alpha = alpha
        activation_function(function, alpha)  # refuses a name that there is not

    @property
    def apply(self) -> Function:
        """The function, with its constant."""
        return activation_function(self.function, self.alpha)

    def forward(self, x: Array, training: bool = False) -> Forward:
        check_input(self, x, "...")
        y, slope = operations_for(x).activate(self.apply, x)
        return y, lambda dy: (slope(dy), {})
