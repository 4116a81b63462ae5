"""Transformer encoders: attention and feed-forward blocks with layer norm after each sum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_input, forward_part, register
from engine.nn.layers.activations import Activation
from engine.nn.layers.attention import SelfAttention
from engine.nn.layers.containers import Sequential
from engine.nn.layers.dense import Dense
from engine.nn.layers.initialization import initial
from engine.nn.layers.normalisation import LayerNorm
from engine.nn.layers.smolgen import Smolgen


@register("feed_forward")
class FeedForward(Layer):
    """Two dense layers inside a skip connection: y = norm(scale dense2(act(dense1 x)) + x).

    forward:  x [B, T, features] -> y like x
    backward: dy like y -> dx like x; gradients dense1.*, dense2.*, norm.*

    With d = the norm's gradient of its input: dx = d + the gradient of (scale d) through the dense
    layers. Not `damped`, they begin as "he" and "glorot". Raises ShapeError when x is not [B, T,
    features].
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        rng: np.random.Generator,
        activation: str = "relu",
        scale: float = 1.0,
        epsilon: float = 1e-6,
        damped: bool = True,
    ) -> None:
        super().__init__()
        self.features, self.hidden, self.activation = features, hidden, activation
        self.scale, self.epsilon, self.damped = scale, epsilon, damped
        second = Dense(hidden, features, rng, "small" if damped else "glorot")
        first, between = (
            Dense(features, hidden, rng, "small" if damped else "he"),
            Activation(activation),
        )
        self.layers: dict[str, Layer] = {"dense1": first, "activation": between, "dense2": second}
        self.norm: Layer = LayerNorm(features, epsilon)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "T", self.features)
        inner, inner_backward = Sequential(**self.layers).forward(x, training)
        y, norm_backward = forward_part("norm", self.norm, x + inner * self.scale, training)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            dsum, norm_grads = norm_backward(dy)
            dx, grads = inner_backward(dsum * self.scale)
            return dx + dsum, grads | norm_grads

        return y, backward


@register("encoder_layer")
class EncoderLayer(Layer):
    """Attention inside a skip connection, z = norm(scale attention(x) + x), then a feed-forward
    block of z.

    forward:  x [B, T, features], with `smolgen` (x, table [T * T, generated]); optionally mask and state as in
              SelfAttention -> y [B, T, features]
    backward: dy like y -> dx, or (dx, dtable); gradients attention.*, norm.*, feed.*, smolgen.*

    With d = the norm's gradient of its input: dx = d + the gradient of (scale d) through attention
    and its bias. `smolgen` holds the settings of a Smolgen but for features and heads; it sees all
    places at once, so that mask and `causal` raise a ConfigError with it. Raises ShapeError when x
    does not fit.
    """

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
        causal: bool = False,
        damped: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(smolgen, Mapping | None) or (smolgen is not None and causal):
            expected = (
                "the settings of a Smolgen, which sees all places at once and cannot be causal"
            )
            raise ConfigError(
                f"EncoderLayer: expected {expected}, found {smolgen!r}, causal={causal}"
            )
        self.features, self.heads, self.hidden, self.inner, self.damped = (
            features,
            heads,
            hidden,
            inner,
            damped,
        )
        self.activation, self.scale, self.epsilon, self.causal = activation, scale, epsilon, causal
        self.smolgen = None if smolgen is None else dict(smolgen)
        self.parts: dict[str, Layer] = {
            "attention": SelfAttention(features, heads, rng, causal, inner, damped),
            "norm": LayerNorm(features, epsilon),
            "feed": FeedForward(features, hidden, rng, activation, scale, epsilon, damped),
        }
        if smolgen is not None:
            self.parts["smolgen"] = Smolgen(features, heads, rng=rng, **smolgen)

    def forward(
        self, x: Any, training: bool = False, mask: Any = None, state: Any = None
    ) -> tuple[Array, Any]:
        x, table = x if isinstance(x, tuple) else (x, None)
        inputs = x
        if table is not None:
            if mask is not None:
                raise ConfigError(
                    "EncoderLayer: smolgen sees all places at once, so it takes no mask"
                )
            bias, smolgen_backward = forward_part(
                "smolgen", self.parts["smolgen"], (x, table), training
            )
            inputs = x, bias
        mixed, attention_backward = forward_part(
            "attention", self.parts["attention"], inputs, training, mask, state
        )
        z, norm_backward = forward_part(
            "norm", self.parts["norm"], x + mixed * self.scale, training
        )
        y, feed_backward = forward_part("feed", self.parts["feed"], z, training)

        def backward(dy: Array) -> tuple[Any, Gradients]:
            dz, feed_grads = feed_backward(dy)
            dsum, norm_grads = norm_backward(dz)
            dinputs, attention_grads = attention_backward(dsum * self.scale)
            grads = attention_grads | norm_grads | feed_grads
            if table is None:
                return dsum + dinputs, grads
            dx, dbias = dinputs
            (dx_too, dtable), smolgen_grads = smolgen_backward(dbias)
            return (dsum + dx + dx_too, dtable), grads | smolgen_grads

        return y, backward


@register("encoder")
class Encoder(Layer):
    """A chain of encoder layers that share the table of their smolgen.

    forward:  x [B, T, features], or boards [B, features, H, W], T = H W; optionally mask and state as in
              SelfAttention -> y [B, T, features]
    backward: dy like y -> dx like x; gradients layer0.*, layer1.*, ..., and table [T * T, generated] with smolgen

    The gradient of the table is the sum of the layers'. `block` holds the settings of an
    EncoderLayer. Vaswani et al. 2017, arXiv:1706.03762; layer norm and smolgen as in Lc0. Raises
    ShapeError when x does not fit.
    """

    def __init__(self, depth: int, block: Mapping[str, Any], rng: np.random.Generator) -> None:
        super().__init__()
        if depth < 1 or not isinstance(block, Mapping):
            raise ConfigError(
                f"Encoder({depth}, {block!r}): expected a layer at least, and an EncoderLayer's settings"
            )
        self.depth, self.block = depth, dict(block)
        self.layers: dict[str, Layer] = {
            f"layer{n}": EncoderLayer(rng=rng, **block) for n in range(depth)
        }
        if smolgen := self.layers["layer0"].children().get("smolgen"):
            places, generated = (smolgen.config()[name] for name in ("places", "generated"))
            self.params = {
                "table": initial(rng, "glorot", (places**2, generated), generated, places**2)
            }

    def forward(
        self, x: Array, training: bool = False, mask: Any = None, state: Any = None
    ) -> tuple[Array, Backward]:
        table, steps, shape = self.params.get("table"), [], getattr(x, "shape", [])
        if len(shape) == 4:
            x = x.reshape(*shape[:2], shape[2] * shape[3]).swapaxes(1, 2)
        for name, layer in self.layers.items():
            x, step = forward_part(
                name, layer, x if table is None else (x, table), training, mask, state
            )
            steps.append(step)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            grads: Gradients = (
                {} if table is None else {"table": backend_of(dy).xp.zeros_like(table)}
            )
            for step in reversed(steps):
                dy, part = step(dy)
                if table is not None:
                    dy, dtable = dy
                    grads["table"] += dtable
                grads |= part
            return dy if len(shape) == 3 else dy.swapaxes(1, 2).reshape(shape), grads

        return x, backward
