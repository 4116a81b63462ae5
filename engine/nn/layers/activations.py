"""Activation functions. Each returns its value and its derivative, and is stable at any finite
input.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.backend import backend_of
from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Layer, check_input, register
from engine.nn.operations import elementwise, operations_for
from engine.nn.operations.elementwise import (
    GELU_CUBIC,
    GELU_FAR,
    GELU_SCALE,
    LEAK,
    SELU_ALPHA,
    SELU_SCALE,
    natively,
)
from engine.nn.operations.plain import identity

Slope = Callable[[Array], Array]  # dy -> dx


@natively(elementwise.RELU)
def relu(x: Array) -> tuple[Array, Slope]:
    """y = max(x, 0);  dx = dy where x > 0."""
    y = backend_of(x).xp.maximum(x, 0)
    return y, lambda dy: dy * (y > 0)


def clipped_relu(x: Array) -> tuple[Array, Slope]:
    """y = min(max(x, 0), 1);  dx = dy where 0 < x < 1."""
    return backend_of(x).xp.clip(x, 0, 1), lambda dy: dy * ((x > 0) & (x < 1))


def squared_clipped_relu(x: Array) -> tuple[Array, Slope]:
    """y = c^2 with c = min(max(x, 0), 1);  dx = 2 c dy where 0 < x < 1. The square gives feature
    products for free.
    """
    c = backend_of(x).xp.clip(x, 0, 1)
    return c * c, lambda dy: 2 * dy * c * (x < 1)


def squared_relu(x: Array) -> tuple[Array, Slope]:
    """y = max(x, 0)^2;  dx = 2 max(x, 0) dy. So et al. 2021, arXiv:2109.08668."""
    c = backend_of(x).xp.maximum(x, 0)
    return c * c, lambda dy: 2 * dy * c


@natively(elementwise.LEAKY_RELU)
def leaky_relu(x: Array) -> tuple[Array, Slope]:
    """y = x where x > 0, else 0.01 x. The slope is never 0, so no unit stops learning. Maas et al.
    2013.
    """
    slope = backend_of(x).xp.where(x > 0, 1, LEAK).astype(x.dtype)
    return x * slope, lambda dy: dy * slope


@natively(elementwise.SELU)
def selu(x: Array) -> tuple[Array, Slope]:
    """y = s x where x > 0, else s a (e^x - 1);  dx = dy s where x > 0, else dy (y + s a).

    With these s and a, activations keep mean 0 and variance 1 from layer to layer. Klambauer et al.
    2017, arXiv:1706.02515.
    """
    xp = backend_of(x).xp
    y = SELU_SCALE * xp.where(x > 0, x, SELU_ALPHA * xp.expm1(xp.minimum(x, 0)))
    return y, lambda dy: dy * xp.where(x > 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA)


@natively(elementwise.SIGMOID)
def sigmoid(x: Array) -> tuple[Array, Slope]:
    """y = 1 / (1 + e^-x);  dx = dy y (1 - y). The code uses e^-|x|, which cannot overflow."""
    xp = backend_of(x).xp
    small = xp.exp(-xp.abs(x))
    y = xp.where(x >= 0, 1, small) / (1 + small)
    return y, lambda dy: dy * y * (1 - y)


def tanh(x: Array) -> tuple[Array, Slope]:
    """y = tanh x;  dx = dy (1 - y^2)."""
    y = backend_of(x).xp.tanh(x)
    return y, lambda dy: dy * (1 - y * y)


@natively(elementwise.SOFTPLUS)
def softplus(x: Array) -> tuple[Array, Slope]:
    """y = ln(1 + e^x);  dx = dy sigmoid x. The code uses max(x, 0) + ln(1 + e^-|x|), which cannot
    overflow.
    """
    xp = backend_of(x).xp
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))), lambda dy: dy * sigmoid(x)[0]


@natively(elementwise.SWISH)
def swish(x: Array) -> tuple[Array, Slope]:
    """y = x s with s = sigmoid x;  dx = dy (s + y (1 - s)). Ramachandran et al. 2017,
    arXiv:1710.05941.
    """
    gate, _ = sigmoid(x)
    y = x * gate
    return y, lambda dy: dy * (gate + y * (1 - gate))


@natively(elementwise.GELU)
def gelu(x: Array) -> tuple[Array, Slope]:
    """y = x (1 + t) / 2 with t = tanh u, u = c (x + 0.044715 x^3), c = sqrt(2 / pi). This tanh form
    avoids erf.

    dx = dy ((1 + t) / 2 + x (1 - t^2) u' / 2), u' = c (1 + 0.134145 x^2). Hendrycks and Gimpel
    2016, arXiv:1606.08415.
    """
    xp = backend_of(x).xp
    near = xp.clip(x, -GELU_FAR, GELU_FAR)
    squared = near * near
    t = xp.tanh(GELU_SCALE * near * (1 + GELU_CUBIC * squared))

    def slope(dy: Array) -> Array:
        return dy * (
            (1 + t) / 2 + near * (1 - t * t) * (GELU_SCALE / 2 * (1 + 3 * GELU_CUBIC * squared))
        )

    return x * ((1 + t) / 2), slope


@natively(elementwise.MISH)
def mish(x: Array) -> tuple[Array, Slope]:
    """y = x t with t = tanh(ln(1 + e^x)) = n / (n + 2), n = e^x (e^x + 2). Misra 2019,
    arXiv:1908.08681.

    dx = dy (t + x (1 - t^2) sigmoid x). With e = e^-|x|, which cannot overflow, n / (n + 2) is also
    (1 + 2 e) / (1 + 2 e + 2 e^2) where x >= 0.
    """
    xp = backend_of(x).xp
    e, is_right = xp.exp(-xp.abs(x)), x >= 0
    n = xp.where(is_right, 1 + 2 * e, e * (e + 2))
    gate = n / (n + 2 * xp.where(is_right, e * e, 1))
    return (
        x * gate,
        lambda dy: dy * (gate + x * (1 - gate * gate) * (xp.where(is_right, 1, e) / (1 + e))),
    )


ACTIVATIONS: dict[str, Callable[[Array], tuple[Array, Slope]]] = {
    function.__name__: function
    for function in (
        identity, relu, clipped_relu, squared_clipped_relu, squared_relu, leaky_relu, selu, sigmoid, tanh, softplus,
        swish, gelu, mish,
    )
}  # fmt: skip


def activation_function(name: str) -> Callable[[Array], tuple[Array, Slope]]:
    """Look up an activation function by name: x -> (y, dy -> dx). Raises ConfigError for an unknown
    name.
    """
    if name not in ACTIVATIONS:
        raise ConfigError(f"unknown activation {name!r}; known: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


@register("activation")
class Activation(Layer):
    """Apply an activation function to every number.

    forward:  x floating, any shape -> y like x
    backward: dy like y -> dx like x; no parameters

    y = f(x) and dx = dy f'(x); both stand in the docstring of the function with this name, from
    `ACTIVATIONS`. Raises ConfigError for an unknown name.
    """

    def __init__(self, function: str) -> None:
        super().__init__()
        self.function = function
        self.apply = activation_function(function)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "...")
        y, slope = operations_for(x).activate(self.apply, x)
        return y, lambda dy: (slope(dy), {})
