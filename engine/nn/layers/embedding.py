"""Trained vectors for tokens, and for the positions in a sequence."""

from typing import Any

import numpy as np

from engine.backend import bounds, xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Forward, Layer, register
from engine.nn.layers.initialization import normal
from engine.nn.operations import operations_for


@register("embedding")
class Embedding(Layer):
    """Look up a trained vector for each token.

    forward:  x integer [B, ...], each in [0, tokens) -> y [B, ..., features]
    backward: dy like y -> None (tokens have no gradient); gradient weight [tokens, features]

    y = W[x] selects rows, so the gradient of a row is the sum of dy over all positions that
    selected it. New rows have the standard deviation `deviation`: 1 is the scale that other layers
    expect of their inputs; where residual blocks add to the stream that begins here, GPT-2 has
    0.02. The token `padding_idx` fills up short sequences: its vector is 0 and is not trained, and
    layers behind this one in a Sequential do not see its places. Raises
    ShapeError for a non-integer dtype and for tokens out of range.
    """

    def __init__(
        self,
        tokens: int,
        features: int,
        rng: np.random.Generator,
        deviation: float = 1.0,
        padding_idx: int | None = None,
    ) -> None:
        self.tokens = tokens
        self.features = features
        self.deviation = deviation
        if padding_idx is not None and not 0 <= padding_idx < tokens:
            raise ConfigError(
                f"Embedding: padding_idx must be a token from 0 to {tokens - 1}, not {padding_idx}"
            )
        self.padding_idx = padding_idx
        self.params = {"weight": normal(rng, (tokens, features), deviation)}
        if padding_idx is not None:
            self.params["weight"][padding_idx] = 0

    def mask_of(self, x: Array) -> Array | None:
        if self.padding_idx is None or getattr(x, "ndim", 0) != 2:
            return None
        return x != self.padding_idx

    def forward(self, x: Array, training: bool = False) -> Forward:
        check_input(self, x, "B", "...", dtype="integer")
        if x.size:
            smallest, largest = bounds(x)
            if not 0 <= smallest <= largest < self.tokens:
                span = f"{smallest} to {largest}"
                raise ShapeError(f"Embedding: expected tokens 0 to {self.tokens - 1}, found {span}")
        weight = self.params["weight"]
        y = weight[x]
        if self.padding_idx is not None:
            y[x == self.padding_idx] = 0

        def backward(dy):
            rows = dy.reshape(-1, self.features)
            gradient = operations_for(dy).scatter_rows(rows, x.reshape(-1), self.tokens)
            if self.padding_idx is not None:
                gradient[self.padding_idx] = 0
            return None, {"weight": gradient}

        return y, backward


@register("position_embedding")
class PositionEmbedding(Layer):
    """Add a trained vector for each position in a sequence.

    forward:  x [B, T, features], T <= length, optionally state as in Sequential -> y = x + P[:T]
    backward: dy like y -> dx = dy; gradient weight [length, features] = sum of dy over B, 0 at
              other positions

    Its vectors begin with the deviation of those that they are added to (`Embedding`). With a
    state, the first position is the one behind the last of the call before. Raises ShapeError for
    longer sequences. Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
    """

    def __init__(
        self, length: int, features: int, rng: np.random.Generator, deviation: float = 1.0
    ) -> None:
        self.length = length
        self.features = features
        self.deviation = deviation
        self.params = {"weight": normal(rng, (length, features), deviation)}

    def forward(self, x: Array, training: bool = False, state: Any = None) -> Forward:
        weight = self.params["weight"]
        check_input(self, x, "B", "T", self.features, dtype=weight.dtype)
        first = (state or {}).get("places", 0)
        here = slice(first, first + x.shape[1])
        if here.stop > self.length:
            places = str(list(x.shape))
            if first:
                places += f" behind {first} places"
            raise ShapeError(
                f"PositionEmbedding: expected at most {self.length} places, found {places}"
            )
        if state is not None:
            state["places"] = here.stop

        def backward(dy):
            dweight = xp_of(dy).zeros_like(weight)
            dweight[here] = dy.sum(axis=0)
            return dy, {"weight": dweight}

        return x + weight[here], backward
