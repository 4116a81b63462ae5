"""Transformer encoders: attention and feed-forward blocks with layer norm after each sum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError
from engine.nn.layer import Array, Backward, Gradients, Layer, forward_part, prefixed, register
from engine.nn.layers.attention import SelfAttention
from engine.nn.layers.feed_forward import FeedForward
from engine.nn.layers.initialization import glorot_normal
from engine.nn.layers.layernorm import LayerNorm
from engine.nn.layers.smolgen import Smolgen


@register("encoder_layer")
class EncoderLayer(Layer):
    """Attention inside a skip connection, z = norm(scale attention(x) + x), then a feed-forward block of z.

    forward:  x [B, T, features], with `smolgen` (x, table [T * T, generated]); optionally mask and state as in
              SelfAttention -> y [B, T, features]
    backward: dy like y -> dx, or (dx, dtable); gradients attention.*, norm.*, feed.*, smolgen.*

    With d = the norm's gradient of its input: dx = d + the gradient of (scale d) through attention and its bias.
    `smolgen` holds the settings of a Smolgen but for features and heads; it sees all places at once, so that mask and
    `causal` raise a ConfigError with it. Raises ShapeError when x does not fit.
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
    ) -> None:
        super().__init__()
        if not isinstance(smolgen, Mapping | None):
            raise ConfigError(f"EncoderLayer: expected the settings of a Smolgen, found {smolgen!r}")
        if smolgen is not None and causal:
            raise ConfigError("EncoderLayer: smolgen sees all places at once, so it cannot be causal")
        self.features, self.heads, self.hidden, self.inner = features, heads, hidden, inner
        self.activation, self.scale, self.epsilon = activation, scale, epsilon
        self.causal = causal
        self.smolgen = None if smolgen is None else dict(smolgen)
        self.parts: dict[str, Layer] = {
            "attention": SelfAttention(features, heads, rng, causal, inner),
            "norm": LayerNorm(features, epsilon),
            "feed": FeedForward(features, hidden, rng, activation, scale, epsilon),
        }
        if smolgen is not None:
            self.parts["smolgen"] = Smolgen(features, heads, rng=rng, **smolgen)

    def forward(self, x: Any, training: bool = False, mask: Any = None, state: Any = None) -> tuple[Array, Any]:
        x, table = x if isinstance(x, tuple) else (x, None)
        inputs = x
        if table is not None:
            if mask is not None:
                raise ConfigError("EncoderLayer: smolgen sees all places at once, so it takes no mask")
            bias, smolgen_backward = self.parts["smolgen"].forward((x, table), training)
            inputs = x, bias
        mixed, attention_backward = forward_part("attention", self.parts["attention"], inputs, training, mask, state)
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

    forward:  x [B, T, features], or boards [B, features, H, W], T = H W; optionally mask and state as in
              SelfAttention -> y [B, T, features]
    backward: dy like y -> dx like x; gradients layer0.*, layer1.*, ..., and table [T * T, generated] with smolgen

    The gradient of the table is the sum of the layers'. `block` holds the settings of an EncoderLayer.
    Vaswani et al. 2017, arXiv:1706.03762; layer norm and smolgen as in Lc0. Raises ShapeError when x does not fit.
    """

    def __init__(self, depth: int, block: Mapping[str, Any], rng: np.random.Generator) -> None:
        super().__init__()
        if depth < 1:
            raise ConfigError(f"Encoder({depth}): expected at least one layer")
        if not isinstance(block, Mapping):
            raise ConfigError(f"Encoder: expected the settings of an EncoderLayer, found {block!r}")
        self.depth, self.block = depth, dict(block)
        self.layers: dict[str, Layer] = {f"layer{n}": EncoderLayer(rng=rng, **block) for n in range(depth)}
        if smolgen := self.layers["layer0"].children().get("smolgen"):
            settings = smolgen.config()
            places, generated = settings["places"] ** 2, settings["generated"]
            self.params = {"table": glorot_normal(rng, (places, generated), generated, places)}

    def forward(self, x: Array, training: bool = False, mask: Any = None, state: Any = None) -> tuple[Array, Backward]:
        table, steps, shape = self.params.get("table"), [], x.shape
        if len(shape) == 4:
            x = x.reshape(*shape[:2], math.prod(shape[2:])).swapaxes(1, 2)
        for name, layer in self.layers.items():
            x, step = forward_part(name, layer, x if table is None else (x, table), training, mask, state)
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
