"""Trained vectors for tokens, for positions in a sequence, and for lists of active features."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError, ShapeError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_gradient, check_input, register
from engine.nn.layers.initialization import he_normal, normal
from engine.nn.operations import operations_for

EMBEDDING_DEVIATION = 0.02  # standard deviation of new vectors, as in GPT-2


@register("embedding")
class Embedding(Layer):
    """Look up a trained vector for each token.

    forward:  x integer [B, ...], each in [0, tokens) -> y [B, ..., features]
    backward: dy like y -> None (tokens have no gradient); gradient weight [tokens, features]

    y = W[x] selects rows, so the gradient of a row is the sum of dy over all positions that selected it.
    Raises ShapeError for a non-integer dtype and for tokens out of range.
    """

    def __init__(self, tokens: int, features: int, rng: np.random.Generator) -> None:
        super().__init__()
        if tokens < 1 or features < 1:
            raise ConfigError(f"Embedding({tokens}, {features}): both must be >= 1")
        self.tokens, self.features = tokens, features
        self.params = {"weight": normal(rng, (tokens, features), EMBEDDING_DEVIATION)}

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "...", dtype="integer")
        check_range(self, x, 0, self.tokens)
        weight = self.params["weight"]

        def backward(dy: Array) -> tuple[None, Gradients]:
            check_gradient(self, dy, (*x.shape, self.features))
            rows = dy.reshape(-1, self.features)
            return None, {"weight": operations_for(dy).scatter_rows(rows, x.reshape(-1, 1), self.tokens)}

        return weight[x], backward

    def config(self) -> dict[str, Any]:
        return {"layer": self.kind, "tokens": self.tokens, "features": self.features}


@register("position_embedding")
class PositionEmbedding(Layer):
    """Add a trained vector for each position in a sequence.

    forward:  x [B, T, features], T <= length -> y = x + P[:T]
    backward: dy like y -> dx = dy; gradient weight [length, features] = sum of dy over B, 0 from position T on

    Raises ShapeError for longer sequences. Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
    """

    def __init__(self, length: int, features: int, rng: np.random.Generator) -> None:
        super().__init__()
        if length < 1 or features < 1:
            raise ConfigError(f"PositionEmbedding({length}, {features}): both must be >= 1")
        self.length, self.features = length, features
        self.params = {"weight": normal(rng, (length, features), EMBEDDING_DEVIATION)}

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        weight = self.params["weight"]
        check_input(self, x, "B", "T", self.features, dtype=weight.dtype)
        steps = x.shape[1]
        if steps > self.length:
            raise ShapeError(f"PositionEmbedding: expected at most {self.length} places, found {list(x.shape)}")

        def backward(dy: Array) -> tuple[Array, Gradients]:
            check_gradient(self, dy, x.shape)
            dweight = backend_of(dy).xp.zeros_like(weight)
            dweight[:steps] = dy.sum(axis=0)
            return dy, {"weight": dweight}

        return x + weight[:steps], backward

    def config(self) -> dict[str, Any]:
        return {"layer": self.kind, "length": self.length, "features": self.features}


@register("sparse_dense")
class SparseDense(Layer):
    """A dense layer over 0/1 features; the input lists only the active ones.

    forward:  x integer [B, L], indices of active features in [0, inputs), -1 = none -> y [B, outputs]
    backward: dy like y -> None; gradients weight [inputs, outputs], bias [outputs]

    With v the 0/1 vector of a list: y = v W + b is the sum of the listed rows of W, and dW = v^T dy adds dy to the
    listed rows. The cost grows with L, not with ``inputs``. ``active`` is the typical list length; it sets the variance
    of the initial weights. Raises ShapeError for a non-integer dtype and for indices out of range.
    """

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator, active: int = 32) -> None:
        super().__init__()
        if inputs < 1 or outputs < 1 or active < 1:
            raise ConfigError(f"SparseDense({inputs}, {outputs}, active={active}): all must be >= 1")
        self.inputs, self.outputs, self.active = inputs, outputs, active
        self.params = {
            "weight": he_normal(rng, (inputs, outputs), active),
            "bias": np.zeros(outputs, np.float32),
        }

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "L", dtype="integer")
        check_range(self, x, -1, self.inputs)
        weight = self.params["weight"]

        def backward(dy: Array) -> tuple[None, Gradients]:
            check_gradient(self, dy, (len(x), self.outputs))
            return None, {"weight": operations_for(dy).scatter_rows(dy, x, self.inputs), "bias": dy.sum(axis=0)}

        return operations_for(weight).sum_rows(weight, x) + self.params["bias"], backward

    def config(self) -> dict[str, Any]:
        return {"layer": self.kind, "inputs": self.inputs, "outputs": self.outputs, "active": self.active}


def check_range(layer: Layer, x: Array, first: int, end: int) -> None:
    """Raise ShapeError unless every index in ``x`` lies in [first, end), the rows the table has."""
    if x.size and not (first <= int(x.min()) and int(x.max()) < end):
        found = f"{int(x.min())} to {int(x.max())}"
        raise ShapeError(f"{type(layer).__name__}: expected numbers from {first} to {end - 1}, found {found}")
