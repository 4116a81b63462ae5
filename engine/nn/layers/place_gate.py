"""A trained scale and shift for each place of a board."""

from __future__ import annotations

import numpy as np

from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_input, register


@register("place_gate")
class PlaceGate(Layer):
    """Scale and shift each feature of each place: y = scale x + shift.

    forward:  x [B, T, features], T = places -> y like x
    backward: dy like y -> dx = scale dy; gradients scale [features, T] = sum of dy x over B, shift = sum of dy over B

    Raises ShapeError when x does not fit.
    """

    sizes = ("places", "features")

    def __init__(self, places: int, features: int) -> None:
        super().__init__()
        if places < 1 or features < 1:
            raise ConfigError(f"PlaceGate({places}, {features}): both must be >= 1")
        self.places, self.features = places, features
        shape = features, places
        self.params = {"scale": np.ones(shape, np.float32), "shift": np.zeros(shape, np.float32)}

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", self.places, self.features)
        scale = self.params["scale"].T

        def backward(dy: Array) -> tuple[Array, Gradients]:
            return dy * scale, {"scale": (dy * x).sum(axis=0).T, "shift": dy.sum(axis=0).T}

        return x * scale + self.params["shift"].T, backward
