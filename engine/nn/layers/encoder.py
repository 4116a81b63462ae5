"""Transformer encoders: attention and a feed-forward block, each in a skip connection with a norm."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError
from engine.nn.layer import Array, Forward, Gradients, Layer, forward_part, register
from engine.nn.layers.attention import SelfAttention
from engine.nn.layers.feed_forward import Block, feed_of
from engine.nn.layers.initialization import initial
from engine.nn.layers.normalisation import LayerNorm
from engine.nn.layers.smolgen import Smolgen


@register("encoder_layer")
class EncoderLayer(Block):
    """Attention inside a skip connection, z = norm(scale attention(x) + x), then a feed-forward
    block of z.

    forward:  x [B, T, features], with `smolgen` (x, table [T * T, generated]); optionally mask and
              state as in SelfAttention -> y [B, T, features]
    backward: dy like y -> dx, or (dx, dtable); gradients attention.*, norm.*, feed.*, smolgen.*

    With d = the norm's gradient of its input: dx = d + the gradient of (scale d) through attention
    and its bias. With `norm_first`, z = x + scale attention(norm(x)), as in GPT-2; `dropout` is
    that of what attention and feed-forward add to the stream, and inside the latter. `smolgen`
    holds the settings of a Smolgen but for features and heads; it sees all places at once, so that
    mask and `causal` raise a ConfigError with it. `rotary` is as in SelfAttention. Raises
    ShapeError when x does not fit.
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
        *,
        norm_first: bool = False,
        dropout: float = 0.0,
        rotary: bool = False,
    ) -> None:
        if not isinstance(smolgen, Mapping | None) or (smolgen is not None and causal):
            expected = (
                "the settings of a Smolgen, which sees all places at once and cannot be causal"
            )
            raise ConfigError(
                f"EncoderLayer: expected {expected}, found {smolgen!r}, causal={causal}"
            )
        if smolgen is not None:
            smolgen = dict(smolgen)
        self.features = features
        self.heads = heads
        self.hidden = hidden
        self.inner = inner
        self.activation = activation
        self.epsilon = epsilon
        self.causal = causal
        self.damped, self.rotary = damped, rotary
        self.keep(rng, scale=scale, norm_first=norm_first, dropout=dropout)
        self.smolgen = smolgen
        self.parts = {
            "attention": SelfAttention(features, heads, rng, causal, inner, damped, rotary=rotary),
            "norm": LayerNorm(features, epsilon),
            "feed": feed_of(self, rng),
        }
        if smolgen is not None:
            self.parts["smolgen"] = Smolgen(features, heads, rng=rng, **smolgen)

    def forward(
        self, x: Any, training: bool = False, mask: Any = None, state: Any = None
    ) -> tuple[Array, Any]:
        table = None
        if isinstance(x, tuple):
            x, table = x
        if table is not None and mask is not None:
            raise ConfigError("EncoderLayer: smolgen sees all places at once, so it takes no mask")

        def attention(z):
            return self._attention(z, table, training, mask, state)

        z, skip_backward = self.in_skip("norm", x, training, attention)
        y, feed_backward = self.run("feed", z, training)

        def backward(dy):
            dz, feed_grads = feed_backward(dy)
            (dx, *dtable), grads = skip_backward(dz)
            if dtable:
                dx = (dx, *dtable)
            return dx, grads | feed_grads

        return y, backward

    def _attention(
        self, x: Array, table: Any, training: bool, mask: Any, state: Any
    ) -> tuple[Array, Any]:
        if table is None:
            return self.run("attention", x, training, mask, state)
        bias, smolgen_backward = self.run("smolgen", (x, table), training)
        y, attention_backward = self.run("attention", (x, bias), training, None, state)

        def backward(dy):
            (dx, dbias), grads = attention_backward(dy)
            (dx_of_smolgen, dtable), smolgen_grads = smolgen_backward(dbias)
            return (dx + dx_of_smolgen, dtable), grads | smolgen_grads

        return y, backward


@register("encoder")
class Encoder(Layer):
    """A chain of encoder layers that share the table of their smolgen.

    forward:  x [B, T, features], or boards [B, features, H, W], T = H W; optionally mask and state
              as in SelfAttention -> y [B, T, features]
    backward: dy like y -> dx like x; gradients layer0.*, layer1.*, ..., and table [T * T,
              generated] with smolgen

    The gradient of the table is the sum of the layers'. `block` holds the settings of an
    EncoderLayer. Vaswani et al. 2017, arXiv:1706.03762; layer norm and smolgen as in Lc0. Raises
    ShapeError when x does not fit.
    """

    _fixed = ("depth", "block")

    def __init__(self, depth: int, block: Mapping[str, Any], rng: np.random.Generator) -> None:
        if not isinstance(block, Mapping):
            raise ConfigError(f"Encoder: expected an EncoderLayer's settings, found {block!r}")
        self.depth = depth
        self.block = dict(block)
        self.layers: dict[str, Layer] = {
            f"layer{n}": EncoderLayer(rng=rng, **block) for n in range(depth)
        }
        smolgen = self.layers["layer0"].children().get("smolgen")
        if smolgen is not None:
            pairs = smolgen.places**2
            shape = pairs, smolgen.generated
            self.params["table"] = initial(rng, "glorot", shape, smolgen.generated, pairs)

    def forward(
        self, x: Array, training: bool = False, mask: Any = None, state: Any = None
    ) -> Forward:
        table = self.params.get("table")
        steps = []
        shape = getattr(x, "shape", [])
        if len(shape) == 4:
            x = x.reshape(*shape[:2], shape[2] * shape[3]).swapaxes(1, 2)
        for name, layer in self.layers.items():
            inputs = x
            if table is not None:
                inputs = (x, table)
            x, step = forward_part(name, layer, inputs, training, mask, state)
            steps.append(step)

        def backward(dy):
            grads: Gradients = {}
            if table is not None:
                grads["table"] = xp_of(dy).zeros_like(table)
            for step in reversed(steps):
                dy, layer_grads = step(dy)
                if table is not None:
                    dy, dtable = dy
                    grads["table"] += dtable
                grads |= layer_grads
            if len(shape) == 4:
                dy = dy.swapaxes(1, 2).reshape(shape)
            return dy, grads

        return x, backward
