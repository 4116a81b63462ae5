"""Trained vectors for tokens."""

from __future__ import annotations

import numpy as np

from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_input, check_range, register
from engine.nn.layers.initialization import normal
from engine.nn.operations import operations_for


@register("embedding")
class Embedding(Layer):
    """Look up a trained vector for each token.

    forward:  x integer [B, ...], each in [0, tokens) -> y [B, ..., features]
    backward: dy like y -> None (tokens have no gradient); gradient weight [tokens, features]

    y = W[x] selects rows, so the gradient of a row is the sum of dy over all positions that selected it. New rows have
    the standard deviation `deviation`: 1 is the scale that other layers expect of their inputs; where residual blocks
    add to the stream that begins here, GPT-2 has EMBEDDING_DEVIATION, 0.02.
    Raises ShapeError for a non-integer dtype and for tokens out of range.
    """

    def __init__(self, tokens: int, features: int, rng: np.random.Generator, deviation: float = 1.0) -> None:
        super().__init__()
        if tokens < 1 or features < 1:
            raise ConfigError(f"Embedding({tokens}, {features}): both must be >= 1")
        self.tokens, self.features, self.deviation = tokens, features, deviation
        self.params = {"weight": normal(rng, (tokens, features), deviation)}

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "...", dtype="integer")
        check_range(self, x, 0, self.tokens)
        weight = self.params["weight"]

        def backward(dy: Array) -> tuple[None, Gradients]:
            rows = dy.reshape(-1, self.features)
            return None, {"weight": operations_for(dy).scatter_rows(rows, x.reshape(-1, 1), self.tokens)}

        return weight[x], backward
