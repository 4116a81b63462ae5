"""An attention bias computed from the whole board."""

from typing import Any

import numpy as np

from engine.backend import product
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Layer, register
from engine.nn.layers.activations import Activation
from engine.nn.layers.containers import Sequential
from engine.nn.layers.dense import Dense
from engine.nn.layers.initialization import initial
from engine.nn.layers.normalisation import LayerNorm
from engine.nn.layers.reshape import Flatten

SMOLGEN_EPSILON = 1e-3  # Lc0's, of both norms.


@register("smolgen")
class Smolgen(Layer):
    """Computes an attention bias from the whole board: Lc0's smolgen.

    forward:  (x [B, T, features], table [T * T, generated]) -> bias [B, heads, T, T]
    backward: dbias -> (dx, dtable); gradients compress [compressed, features], dense1.*, norm1.*,
              dense2.*, norm2.*

    c = x compress^T, and g = norm2(act(dense2(norm1(act(dense1 c))))) of all T places together, `generated` numbers
    for each head. The table, which all layers of an encoder share, turns these into a bias for each pair of places:
        bias = g table^T      dg = dbias table      dtable = dbias^T g      dcompress = dc^T x      dx = dc compress
    Raises ShapeError when x or the table does not fit.
    """

    _fixed = ("heads", "places", "activation", "generated")

    def __init__(
        self,
        features: int,
        heads: int,
        places: int,
        rng: np.random.Generator,
        compressed: int = 32,
        hidden: int = 256,
        generated: int = 256,
        activation: str = "swish",
    ) -> None:
        self.features = features
        self.heads = heads
        self.places = places
        self.activation = activation
        self.compressed = compressed
        self.hidden = hidden
        self.generated = generated
        self.params = {
            "compress": initial(rng, "glorot", (compressed, features), features, compressed)
        }
        self.layers: dict[str, Layer] = {
            "flatten": Flatten(),
            "dense1": Dense(places * compressed, hidden, rng),
            "activation1": Activation(activation),
            "norm1": LayerNorm(hidden, SMOLGEN_EPSILON),
            "dense2": Dense(hidden, heads * generated, rng),
            "activation2": Activation(activation),
            "norm2": LayerNorm(heads * generated, SMOLGEN_EPSILON),
        }

    def forward(self, x: tuple[Array, Array], training: bool = False) -> tuple[Array, Any]:
        squares, table = x
        check_input(self, squares, "B", self.places, self.features)
        check_input(self, table, self.places**2, self.generated)
        weight = self.params["compress"]
        batch = len(squares)
        codes, codes_backward = Sequential(**self.layers).forward(
            product(squares, weight.T), training
        )
        codes = codes.reshape(batch * self.heads, self.generated)

        def backward(dy):
            dbias = dy.reshape(batch * self.heads, self.places**2)
            dsmall, grads = codes_backward(
                product(dbias, table).reshape(batch, self.heads * self.generated)
            )
            grads["compress"] = product(
                dsmall.reshape(-1, self.compressed).T, squares.reshape(-1, self.features)
            )
            return (product(dsmall, weight), product(dbias.T, codes)), grads

        return product(codes, table.T).reshape(
            batch, self.heads, self.places, self.places
        ), backward
