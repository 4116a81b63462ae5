"""Transformer encoders: attention and feed-forward blocks with layer norm after each sum, and Lc0's smolgen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_gradient, check_input, prefixed, register
from engine.nn.layers.activations import Activation
from engine.nn.layers.attention import BiasedAttention
from engine.nn.layers.containers import Sequential
from engine.nn.layers.dense import Dense
from engine.nn.layers.flatten import Flatten
from engine.nn.layers.initialization import glorot_normal
from engine.nn.layers.layernorm import LayerNorm

SMOLGEN_EPSILON = 1e-3  # Lc0's, of both norms.


@register("feed_forward")
class FeedForward(Layer):
    """Two dense layers inside a skip connection: y = norm(scale dense2(act(dense1 x)) + x).

    forward:  x [B, T, features] -> y like x
    backward: dy like y -> dx like x; gradients dense1.*, dense2.*, norm.*

    With d = the norm's gradient of its input: dx = d + the gradient of (scale d) through the dense layers.
    Raises ShapeError when x is not [B, T, features].
    """

    settings = ("features", "hidden", "activation", "scale", "epsilon")

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
        self.features, self.hidden, self.activation, self.scale, self.epsilon = (
            features, hidden, activation, scale, epsilon,
        )  # fmt: skip
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


@register("smolgen")
class Smolgen(Layer):
    """Computes an attention bias from the whole board: Lc0's smolgen.

    forward:  (x [B, T, features], table [T * T, generated]) -> bias [B, heads, T, T]
    backward: dbias -> (dx, dtable); gradients compress [compressed, features], dense1.*, norm1.*, dense2.*, norm2.*

    c = x compress^T, and g = norm2(act(dense2(norm1(act(dense1 c))))) of all T places together, ``generated`` numbers
    for each head. The table, which all layers of an encoder share, turns these into a bias for each pair of places:
        bias = g table^T      dg = dbias table      dtable = dbias^T g      dcompress = dc^T x      dx = dc compress
    Raises ShapeError when x or the table does not fit.
    """

    settings = ("features", "heads", "places", "compressed", "hidden", "generated", "activation")

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
        super().__init__()
        self.features, self.heads, self.places, self.activation = features, heads, places, activation
        self.compressed, self.hidden, self.generated = compressed, hidden, generated
        self.params = {"compress": glorot_normal(rng, (compressed, features), features, compressed)}
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
        weight, batch = self.params["compress"], len(squares)
        codes, codes_backward = Sequential(**self.layers).forward(squares @ weight.T, training)
        codes = codes.reshape(batch * self.heads, self.generated)
        shape = batch, self.heads, self.places, self.places

        def backward(dy: Array) -> tuple[tuple[Array, Array], Gradients]:
            check_gradient(self, dy, shape)
            dbias = dy.reshape(batch * self.heads, self.places**2)
            dsmall, grads = codes_backward((dbias @ table).reshape(batch, self.heads * self.generated))
            rows = squares.reshape(-1, self.features)
            grads["compress"] = dsmall.reshape(-1, self.compressed).T @ rows
            return (dsmall @ weight, dbias.T @ codes), grads

        return (codes @ table.T).reshape(shape), backward


@register("encoder_layer")
class EncoderLayer(Layer):
    """Attention inside a skip connection, z = norm(scale attention(x) + x), then a feed-forward block of z.

    forward:  x [B, T, features], with ``smolgen`` (x, table [T * T, generated]) -> y [B, T, features]
    backward: dy like y -> dx, or (dx, dtable); gradients attention.*, norm.*, feed.*, smolgen.*

    With d = the norm's gradient of its input: dx = d + the gradient of (scale d) through attention and its bias.
    ``smolgen`` holds the settings of a Smolgen but for features and heads. Raises ShapeError when x does not fit.
    """

    settings = ("features", "heads", "inner", "hidden", "activation", "scale", "epsilon", "smolgen")

    def __init__(
        self,
        features: int,
        heads: int,
        hidden: int,
        rng: np.random.Generator,
        inner: int | None = None,
        activation: str = "relu",
        scale: float = 1.0,
        epsilon: float = 1e-6,
        smolgen: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.features, self.heads, self.hidden, self.inner = features, heads, hidden, inner
        self.activation, self.scale, self.epsilon = activation, scale, epsilon
        self.smolgen = None if smolgen is None else dict(smolgen)
        self.parts: dict[str, Layer] = {
            "attention": BiasedAttention(features, heads, rng, inner),
            "norm": LayerNorm(features, epsilon),
            "feed": FeedForward(features, hidden, rng, activation, scale, epsilon),
        }
        if smolgen is not None:
            self.parts["smolgen"] = Smolgen(features, heads, rng=rng, **smolgen)

    def forward(self, x: Any, training: bool = False) -> tuple[Array, Any]:
        x, table = x if isinstance(x, tuple) else (x, None)
        inputs = x
        if table is not None:
            bias, smolgen_backward = self.parts["smolgen"].forward((x, table), training)
            inputs = x, bias
        mixed, attention_backward = self.parts["attention"].forward(inputs, training)
        z, norm_backward = self.parts["norm"].forward(x + mixed * self.scale, training)
        y, feed_backward = self.parts["feed"].forward(z, training)

        def backward(dy: Array) -> tuple[Any, Gradients]:
            dz, feed_grads = feed_backward(dy)
            dsum, norm_grads = norm_backward(dz)
            dinputs, attention_grads = attention_backward(dsum * self.scale)
            grads = prefixed("attention", attention_grads) | prefixed("norm", norm_grads) | prefixed("feed", feed_grads)
            if table is None:
                return dsum + dinputs, grads
            dx, dbias = dinputs
            (dx_too, dtable), smolgen_grads = smolgen_backward(dbias)
            return (dsum + dx + dx_too, dtable), grads | prefixed("smolgen", smolgen_grads)

        return y, backward


@register("encoder")
class Encoder(Layer):
    """A chain of encoder layers that share the table of their smolgen.

    forward:  x [B, T, features], or boards [B, features, H, W], T = H W -> y [B, T, features]
    backward: dy like y -> dx like x; gradients layer0.*, layer1.*, ..., and table [T * T, generated] with smolgen

    The gradient of the table is the sum of the layers'. ``layer`` holds the settings of an EncoderLayer.
    Vaswani et al. 2017, arXiv:1706.03762; layer norm and smolgen as in Lc0. Raises ShapeError when x does not fit.
    """

    settings = ("depth", "layer")

    def __init__(self, depth: int, layer: Mapping[str, Any], rng: np.random.Generator) -> None:
        super().__init__()
        if depth < 1:
            raise ConfigError(f"Encoder({depth}): expected at least one layer")
        self.depth, self.layer = depth, dict(layer)
        self.layers: dict[str, Layer] = {f"layer{n}": EncoderLayer(rng=rng, **layer) for n in range(depth)}
        if smolgen := self.layer.get("smolgen"):
            places, generated = smolgen["places"] ** 2, smolgen["generated"]
            self.params = {"table": glorot_normal(rng, (places, generated), generated, places)}

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        table, steps, shape = self.params.get("table"), [], x.shape
        if len(shape) == 4:
            x = x.reshape(*shape[:2], -1).swapaxes(1, 2)
        for name, layer in self.layers.items():
            x, step = layer.forward(x if table is None else (x, table), training)
            steps.append((name, step))

        def backward(dy: Array) -> tuple[Array, Gradients]:
            grads: Gradients = {} if table is None else {"table": backend_of(dy).xp.zeros_like(table)}
            for name, step in reversed(steps):
                dy, part = step(dy)
                if table is not None:
                    dy, dtable = dy
                    grads["table"] += dtable
                grads.update(prefixed(name, part))
            return dy if len(shape) == 3 else dy.swapaxes(1, 2).reshape(shape), grads

        return x, backward


@register("place_gate")
class PlaceGate(Layer):
    """Scale and shift each feature of each place: y = scale x + shift.

    forward:  x [B, T, features], T = places -> y like x
    backward: dy like y -> dx = scale dy; gradients scale [features, T] = sum of dy x over B, shift = sum of dy over B

    Raises ShapeError when x does not fit.
    """

    settings = ("places", "features")
    sizes = ("places", "features")

    def __init__(self, places: int, features: int) -> None:
        super().__init__()
        self.places, self.features = places, features
        shape = features, places
        self.params = {"scale": np.ones(shape, np.float32), "shift": np.zeros(shape, np.float32)}

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", self.places, self.features)
        scale = self.params["scale"].T

        def backward(dy: Array) -> tuple[Array, Gradients]:
            check_gradient(self, dy, x.shape)
            return dy * scale, {"scale": (dy * x).sum(axis=0).T, "shift": dy.sum(axis=0).T}

        return x * scale + self.params["shift"].T, backward
