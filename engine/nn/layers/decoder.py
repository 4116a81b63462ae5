"""Transformer decoders: causal attention, and attention to what an encoder made."""

from typing import Any

import numpy as np

from engine.errors import ShapeError
from engine.nn.array_checks import form_of
from engine.nn.layer import Array, register
from engine.nn.layers.attention import CrossAttention, SelfAttention
from engine.nn.layers.feed_forward import Block, feed_of
from engine.nn.layers.normalisation import LayerNorm


@register("decoder_layer")
class DecoderLayer(Block):
    """Causal attention, attention to a context, and a feed-forward block, each in a skip
    connection.

    forward:  (x [B, T, features], context [B, S, context_features]); optionally mask bool [B, S],
              which places of the context are visible, and state as in SelfAttention -> y [B, T,
              features]
    backward: dy like y -> (dx, dcontext); gradients attention.*, norm.*, cross.*, cross_norm.*,
              feed.*

    z = norm(x + attention(x)), u = norm(z + cross(z, context)), y = feed(u); the gradients run back
    through each as in EncoderLayer, whose settings are the same. Raises ShapeError when x or the
    context does not fit. Vaswani et al. 2017, arXiv:1706.03762.
    """

    def __init__(
        self,
        features: int,
        heads: int,
        hidden: int,
        rng: np.random.Generator,
        context_features: int | None = None,
        activation: str = "relu",
        epsilon: float = 1e-6,
        norm_first: bool = False,
        dropout: float = 0.0,
        rotary: bool = False,
    ) -> None:
        if context_features is None:
            context_features = features
        self.features = features
        self.heads = heads
        self.hidden = hidden
        self.rotary = rotary
        self.context_features = context_features
        self.activation = activation
        self.epsilon = epsilon
        self.damped = True
        self.keep(rng, scale=1.0, norm_first=norm_first, dropout=dropout)
        self.parts = {
            "attention": SelfAttention(features, heads, rng, causal=True, rotary=rotary),
            "norm": LayerNorm(features, epsilon),
            "cross": CrossAttention(features, context_features, heads, rng),
            "cross_norm": LayerNorm(features, epsilon),
            "feed": feed_of(self, rng),
        }

    def forward(
        self, x: Any, training: bool = False, mask: Any = None, state: Any = None
    ) -> tuple[Array, Any]:
        if not isinstance(x, tuple) or len(x) != 2:
            raise ShapeError(f"DecoderLayer: expected the tuple (x, context), found {form_of(x)}")
        x, context = x

        def own(z):
            return self.run("attention", z, training, None, state)

        def cross(z):
            return self.run("cross", (z, context), training, mask)

        z, own_backward = self.in_skip("norm", x, training, own)
        u, cross_backward = self.in_skip("cross_norm", z, training, cross)
        y, feed_backward = self.run("feed", u, training)

        def backward(dy):
            du, grads = feed_backward(dy)
            (dz, dcontext), cross_grads = cross_backward(du)
            (dx,), own_grads = own_backward(dz)
            return (dx, dcontext), own_grads | cross_grads | grads

        return y, backward
