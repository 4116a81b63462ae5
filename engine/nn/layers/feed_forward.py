"""The feed-forward block of a transformer."""

from __future__ import annotations

import numpy as np

from engine.nn.layer import Array, Backward, Gradients, Layer, check_input, prefixed, register
from engine.nn.layers.activations import Activation
from engine.nn.layers.containers import Sequential
from engine.nn.layers.dense import Dense
from engine.nn.layers.layernorm import LayerNorm


@register("feed_forward")
class FeedForward(Layer):
    """Two dense layers inside a skip connection: y = norm(scale dense2(act(dense1 x)) + x).

    forward:  x [B, T, features] -> y like x
    backward: dy like y -> dx like x; gradients dense1.*, dense2.*, norm.*

    With d = the norm's gradient of its input: dx = d + the gradient of (scale d) through the dense layers.
    Raises ShapeError when x is not [B, T, features].
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        rng: np.random.Generator,
        activation: str = "relu",
        scale: float = 1.0,
        epsilon: float = 1e-6,
    ) -> None:
        super().__init__()
        self.features, self.hidden, self.activation = features, hidden, activation
        self.scale, self.epsilon = scale, epsilon
        dense2 = Dense(hidden, features, rng, "glorot")
        body = Sequential(dense1=Dense(features, hidden, rng), activation=Activation(activation), dense2=dense2)
        self.layers: dict[str, Layer] = dict(body.layers)
        self.norm: Layer = LayerNorm(features, epsilon)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "T", self.features)
        inner, inner_backward = Sequential(**self.layers).forward(x, training)
        y, norm_backward = self.norm.forward(x + inner * self.scale, training)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            dsum, norm_grads = norm_backward(dy)
            dx, grads = inner_backward(dsum * self.scale)
            return dx + dsum, grads | prefixed("norm", norm_grads)

        return y, backward
