"""Activation functions: each is its value and, right beside it, its derivative. Stable at any finite input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.backend import backend_of
from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, register

Slope = Callable[[Array], Array]  # dy -> dx


def identity(x: Array) -> tuple[Array, Slope]:
    """y = x."""
    return x, lambda dy: dy


def relu(x: Array) -> tuple[Array, Slope]:
    """y = max(x, 0);  dx = dy where x > 0."""
    y = backend_of(x).xp.maximum(x, 0)
    return y, lambda dy: dy * (y > 0)


def sigmoid(x: Array) -> tuple[Array, Slope]:
    """y = 1 / (1 + e^-x);  dx = dy y (1 - y). Written with e^-|x|, which cannot overflow."""
    xp = backend_of(x).xp
    small = xp.exp(-xp.abs(x))
    y = xp.where(x >= 0, 1, small) / (1 + small)
    return y, lambda dy: dy * y * (1 - y)


def tanh(x: Array) -> tuple[Array, Slope]:
    """y = tanh x;  dx = dy (1 - y^2)."""
    y = backend_of(x).xp.tanh(x)
    return y, lambda dy: dy * (1 - y * y)


def mish(x: Array) -> tuple[Array, Slope]:
    """y = x t with t = tanh(softplus x);  dx = dy (t + x (1 - t^2) sigmoid x). Misra 2019, arXiv:1908.08681."""
    xp = backend_of(x).xp
    gate = xp.tanh(xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))))
    slope, _ = sigmoid(x)
    return x * gate, lambda dy: dy * (gate + x * (1 - gate * gate) * slope)


ACTIVATIONS: dict[str, Callable[[Array], tuple[Array, Slope]]] = {
    "identity": identity,
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "mish": mish,
}


def activation_function(name: str) -> Callable[[Array], tuple[Array, Slope]]:
    """The function of that name: x -> (y, dy -> dx). Raises ConfigError for an unknown name."""
    if name not in ACTIVATIONS:
        raise ConfigError(f"unknown activation {name!r}; known: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


@register("activation")
class Activation(Layer):
    """An activation function as a layer: x of any shape -> y like x; no parameters."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self.function = function
        self._apply = activation_function(function)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        y, slope = self._apply(x)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            return slope(dy), {}

        return y, backward

    def config(self) -> dict[str, Any]:
        return {"layer": self.kind, "function": self.function}
