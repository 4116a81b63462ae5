"""Transformers: attention and feed-forward blocks in skip connections, each with a layer norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError, ShapeError
from engine.nn.layer import (
    Array,
    Backward,
    Gradients,
    Layer,
    check_input,
    form_of,
    forward_part,
    register,
)
from engine.nn.layers.activations import Activation
from engine.nn.layers.attention import CrossAttention, SelfAttention
from engine.nn.layers.containers import Sequential
from engine.nn.layers.dense import Dense
from engine.nn.layers.dropout import Dropout
from engine.nn.layers.initialization import initial
from engine.nn.layers.normalisation import LayerNorm
from engine.nn.layers.smolgen import Smolgen


class _Block(Layer):
    """What blocks of a transformer share: parts inside skip connections, each with a norm.

    y = norm(x + scale drop(f(x))), or with `norm_first` y = x + scale drop(f(norm(x))), where f is
    the part and drop a Dropout in training. With d = the norm's gradient of its input, or d = dy:
    dx = d + the gradient of (scale d) through drop and f, and with `norm_first` through the norm.
    """

    scale: float
    norm_first: bool
    dropout: float

    def _in_skip(
        self,
        name: str,
        norm: Layer,
        x: Array,
        training: bool,
        part: Callable[[Array], tuple[Array, Callable[[Array], tuple[Any, Gradients]]]],
    ) -> tuple[Array, Callable[[Array], tuple[tuple[Array, ...], Gradients]]]:
        """Return y, and backward: dy -> ((dx, gradients of what else the part takes), gradients);
        `name` is that of the norm.
        """
        before, before_backward = (
            forward_part(name, norm, x, training) if self.norm_first else (x, None)
        )
        inner, part_backward = part(before)
        inner, drop_backward = self._dropped(inner, training)
        y, norm_backward = x + inner * self.scale, None
        if not self.norm_first:
            y, norm_backward = forward_part(name, norm, y, training)

        def backward(dy: Array) -> tuple[tuple[Array, ...], Gradients]:
            dsum, grads = (dy, Gradients()) if norm_backward is None else norm_backward(dy)
            dinner, _ = drop_backward(dsum * self.scale)
            found, part_grads = part_backward(dinner)
            dx, *others = found if isinstance(found, tuple) else (found,)
            grads |= part_grads
            if before_backward is not None:
                dx, norm_grads = before_backward(dx)
                grads |= norm_grads
            return (dsum + dx, *others), grads

        return y, backward

    def _dropped(self, x: Array, training: bool) -> tuple[Array, Backward]:
        return self.drop.forward(x, training) if self.dropout else (x, lambda dy: (dy, {}))

    def _set(self, rng: np.random.Generator, **settings: Any) -> None:
        """Keep settings as attributes, and make the dropout of what parts return."""
        for name, value in settings.items():
            setattr(self, name, value)
        if self.dropout:
            self.drop = Dropout(self.dropout, rng)


@register("feed_forward")
class FeedForward(_Block):
    """Two dense layers inside a skip connection: y = norm(scale dense2(act(dense1 x)) + x).

    forward:  x [B, T, features] -> y like x
    backward: dy like y -> dx like x; gradients dense1.*, dense2.*, norm.*

    With d = the norm's gradient of its input: dx = d + the gradient of (scale d) through the dense
    layers. `norm_first` and `dropout` are as in EncoderLayer; another dropout stands behind the
    activation. Not `damped`, the dense layers begin as "he" and "glorot". Raises ShapeError when x
    is not [B, T, features].
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
        *,
        norm_first: bool = False,
        dropout: float = 0.0,
    ) -> None:
        self.features, self.hidden, self.activation = features, hidden, activation
        self.epsilon, self.damped = epsilon, damped
        second = Dense(hidden, features, rng, "small" if damped else "glorot")
        first = Dense(features, hidden, rng, "small" if damped else "he")
        self._set(rng, scale=scale, norm_first=norm_first, dropout=dropout)
        self.layers: dict[str, Layer] = {"dense1": first, "activation": Activation(activation)}
        if dropout:
            self.layers["dropout"] = Dropout(dropout, rng)
        self.layers["dense2"] = second
        self.norm: Layer = LayerNorm(features, epsilon)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        check_input(self, x, "B", "T", self.features)
        inner = Sequential(**self.layers)
        y, skip_backward = self._in_skip(
            "norm", self.norm, x, training, lambda z: inner.forward(z, training)
        )

        def backward(dy: Array) -> tuple[Array, Gradients]:
            (dx,), grads = skip_backward(dy)
            return dx, grads

        return y, backward


@register("encoder_layer")
class EncoderLayer(_Block):
    """Attention inside a skip connection, z = norm(scale attention(x) + x), then a feed-forward
    block of z.

    forward:  x [B, T, features], with `smolgen` (x, table [T * T, generated]); optionally mask and state as in
              SelfAttention -> y [B, T, features]
    backward: dy like y -> dx, or (dx, dtable); gradients attention.*, norm.*, feed.*, smolgen.*

    With d = the norm's gradient of its input: dx = d + the gradient of (scale d) through attention
    and its bias. With `norm_first`, z = x + scale attention(norm(x)), as in GPT-2; `dropout` is that
    of what attention and feed-forward add to the stream, and inside the latter. `smolgen` holds the
    settings of a Smolgen but for features and heads; it sees all places at once, so that mask and
    `causal` raise a ConfigError with it. `rotary` is as in SelfAttention. Raises ShapeError when x
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
        self.features, self.heads, self.hidden, self.inner = features, heads, hidden, inner
        self.activation, self.epsilon, self.causal = activation, epsilon, causal
        self.damped, self.rotary = damped, rotary
        self._set(rng, scale=scale, norm_first=norm_first, dropout=dropout)
        self.smolgen = None if smolgen is None else dict(smolgen)
        self.parts: dict[str, Layer] = {
            "attention": SelfAttention(features, heads, rng, causal, inner, damped, rotary=rotary),
            "norm": LayerNorm(features, epsilon),
            "feed": _feed_of(self, rng),
        }
        if smolgen is not None:
            self.parts["smolgen"] = Smolgen(features, heads, rng=rng, **smolgen)

    def forward(
        self, x: Any, training: bool = False, mask: Any = None, state: Any = None
    ) -> tuple[Array, Any]:
        x, table = x if isinstance(x, tuple) else (x, None)
        if table is not None and mask is not None:
            raise ConfigError("EncoderLayer: smolgen sees all places at once, so it takes no mask")
        z, skip_backward = self._in_skip(
            "norm",
            self.parts["norm"],
            x,
            training,
            lambda one: self._attention(one, table, training, mask, state),
        )
        y, feed_backward = forward_part("feed", self.parts["feed"], z, training)

        def backward(dy: Array) -> tuple[Any, Gradients]:
            dz, feed_grads = feed_backward(dy)
            (dx, *dtable), grads = skip_backward(dz)
            return (dx, *dtable) if dtable else dx, grads | feed_grads

        return y, backward

    def _attention(
        self, x: Array, table: Any, training: bool, mask: Any, state: Any
    ) -> tuple[Array, Any]:
        attention = self.parts["attention"]
        if table is None:
            return forward_part("attention", attention, x, training, mask, state)
        bias, smolgen_backward = forward_part(
            "smolgen", self.parts["smolgen"], (x, table), training
        )
        y, attention_backward = forward_part(
            "attention", attention, (x, bias), training, None, state
        )

        def backward(dy: Array) -> tuple[tuple[Array, Array], Gradients]:
            (dx, dbias), grads = attention_backward(dy)
            (dx_too, dtable), smolgen_grads = smolgen_backward(dbias)
            return (dx + dx_too, dtable), grads | smolgen_grads

        return y, backward


@register("decoder_layer")
class DecoderLayer(_Block):
    """Causal attention, attention to a context, and a feed-forward block, each in a skip connection.

    forward:  (x [B, T, features], context [B, S, context_features]); optionally mask bool [B, S], which places of the
              context are visible, and state as in SelfAttention -> y [B, T, features]
    backward: dy like y -> (dx, dcontext); gradients attention.*, norm.*, cross.*, cross_norm.*, feed.*

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
        self.features, self.heads, self.hidden, self.rotary = features, heads, hidden, rotary
        self.context_features = features if context_features is None else context_features
        self.activation, self.epsilon, self.damped = activation, epsilon, True
        self._set(rng, scale=1.0, norm_first=norm_first, dropout=dropout)
        self.parts: dict[str, Layer] = {
            "attention": SelfAttention(features, heads, rng, causal=True, rotary=rotary),
            "norm": LayerNorm(features, epsilon),
            "cross": CrossAttention(features, self.context_features, heads, rng),
            "cross_norm": LayerNorm(features, epsilon),
            "feed": _feed_of(self, rng),
        }

    def forward(
        self, x: Any, training: bool = False, mask: Any = None, state: Any = None
    ) -> tuple[Array, Any]:
        if not isinstance(x, tuple) or len(x) != 2:
            raise ShapeError(f"DecoderLayer: expected the tuple (x, context), found {form_of(x)}")
        (x, context), parts = x, self.parts
        z, own_backward = self._in_skip(
            "norm",
            parts["norm"],
            x,
            training,
            lambda one: forward_part("attention", parts["attention"], one, training, None, state),
        )
        u, cross_backward = self._in_skip(
            "cross_norm",
            parts["cross_norm"],
            z,
            training,
            lambda one: forward_part("cross", parts["cross"], (one, context), training, mask),
        )
        y, feed_backward = forward_part("feed", parts["feed"], u, training)

        def backward(dy: Array) -> tuple[tuple[Array, Array], Gradients]:
            du, grads = feed_backward(dy)
            (dz, dcontext), cross_grads = cross_backward(du)
            (dx,), own_grads = own_backward(dz)
            return (dx, dcontext), own_grads | cross_grads | grads

        return y, backward


def _feed_of(layer: Any, rng: np.random.Generator) -> FeedForward:
    """Return the feed-forward block with the settings of a layer."""
    further = {"norm_first": layer.norm_first, "dropout": layer.dropout}
    settings = layer.activation, layer.scale, layer.epsilon, layer.damped
    return FeedForward(layer.features, layer.hidden, rng, *settings, **further)


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
