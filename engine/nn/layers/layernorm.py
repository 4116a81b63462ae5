"""Layer normalisation."""

from __future__ import annotations

import numpy as np

from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_input, register
from engine.nn.operations import operations_for


@register("layer_norm")
class LayerNorm(Layer):
    """Normalise the features of each position separately, then scale and shift them.

    forward:  x [B, ..., C] -> y like x
    backward: dy like y -> dx like x; gradients gamma [C], beta [C]

    With mean and (biased) variance over the C features of a position, h = (x - mean) / sqrt(variance + epsilon),
    y = gamma h + beta, and g = gamma dy; means are over the features:
        dgamma = sum over positions of dy h      dbeta = sum over positions of dy
        dx = (g - mean(g) - h mean(g h)) / sqrt(variance + epsilon)
    Raises ShapeError when C differs. Ba et al. 2016, arXiv:1607.06450.
    """

    sizes = ("features",)

    def __init__(self, features: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        if features < 1 or not epsilon > 0:
            raise ConfigError(f"LayerNorm({features}, epsilon={epsilon}): both must be > 0")
        self.features, self.epsilon = features, epsilon
        self.params = {"gamma": np.ones(features, np.float32), "beta": np.zeros(features, np.float32)}

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        gamma, beta = self.params["gamma"], self.params["beta"]
        check_input(self, x, "B", "...", self.features, dtype=gamma.dtype)
        y, norm_backward = operations_for(x).layer_norm(x, gamma, beta, self.epsilon)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            dx, dgamma, dbeta = norm_backward(dy)
            return dx, {"gamma": dgamma, "beta": dbeta}

        return y, backward
