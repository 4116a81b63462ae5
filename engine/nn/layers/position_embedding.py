"""Trained vectors for the positions in a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError, ShapeError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_input, register
from engine.nn.layers.initialization import EMBEDDING_DEVIATION, normal


@register("position_embedding")
class PositionEmbedding(Layer):
    """Add a trained vector for each position in a sequence.

    forward:  x [B, T, features], T <= length, optionally state as in Sequential -> y = x + P[:T]
    backward: dy like y -> dx = dy; gradient weight [length, features] = sum of dy over B, 0 at other positions

    With a state, the first position is the one behind the last of the call before. Raises ShapeError
    for longer sequences. Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
    """

    def __init__(self, length: int, features: int, rng: np.random.Generator) -> None:
        super().__init__()
        if length < 1 or features < 1:
            raise ConfigError(f"PositionEmbedding({length}, {features}): both must be >= 1")
        self.length, self.features = length, features
        self.params = {"weight": normal(rng, (length, features), EMBEDDING_DEVIATION)}

    def forward(self, x: Array, training: bool = False, state: Any = None) -> tuple[Array, Backward]:
        weight = self.params["weight"]
        check_input(self, x, "B", "T", self.features, dtype=weight.dtype)
        first = (state or {}).get("places", 0)
        here = slice(first, first + x.shape[1])
        if here.stop > self.length:
            found = f"{list(x.shape)} behind {first} places" if first else list(x.shape)
            raise ShapeError(f"PositionEmbedding: expected at most {self.length} places, found {found}")
        if state is not None:
            state["places"] = here.stop

        def backward(dy: Array) -> tuple[Array, Gradients]:
            dweight = backend_of(dy).xp.zeros_like(weight)
            dweight[here] = dy.sum(axis=0)
            return dy, {"weight": dweight}

        return x + weight[here], backward
