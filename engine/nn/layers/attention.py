"""Attention: each position of a sequence takes a weighted mean over the positions of the same or
another sequence.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.backend import xp_of
from engine.errors import ConfigError, ShapeError
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Gradients, Layer, forward_part, register
from engine.nn.layers.attend import attend, rotary_waves, rotated
from engine.nn.layers.dense import Dense, dense_together

InputsBackward = Callable[[Array], tuple[tuple[Array, ...], Gradients]]


class _Attention(Layer):
    """Multi-head projections around `attend`: x gives the queries, `context` gives the keys and
    values.
    """

    damped = True  # whether the dense layers begin smaller than others
    rotary = False  # whether queries and keys are turned by their places

    def __init__(
        self,
        features: int,
        context_features: int,
        heads: int,
        rng: np.random.Generator,
        inner: int | None = None,
    ) -> None:
        if inner is None:
            inner = features
        if inner % heads:
            call = f"{type(self).__name__}({features}, {context_features}, heads={heads})"
            raise ConfigError(f"{call}: the heads must divide the features")
        if self.rotary and inner // heads % 2:
            raise ConfigError(f"rotary positions need an even number a head, not {inner // heads}")
        self.features = features
        self.context_features = context_features
        self.heads = heads
        self.inner = inner
        start = "glorot"
        if self.damped:
            start = "small"
        self.parts: dict[str, Any] = {
            "query": Dense(features, inner, rng, start),
            "key": Dense(context_features, inner, rng, start),
            "value": Dense(context_features, inner, rng, start),
            "output": Dense(inner, features, rng, start),
        }

    def _apply(
        self,
        x: Array,
        context: Any,
        mask: Any,
        training: bool,
        bias: Any = None,
        state: Any = None,
    ) -> tuple[Array, InputsBackward]:
        """Return y [B, T, features] and backward: dy -> ((dx[, dcontext][, dbias]), gradients); no
        context means x itself.

        Keys and values of a state stand before those of the context, and are kept there together.
        """
        (query, key, value), projected_backward = self._projected(x, context, training)
        earlier = _earlier(state)
        if self.rotary:
            cosine, sine = rotary_waves(query, earlier)
            query = rotated(query, cosine, sine)
            key = rotated(key, cosine, sine)
        if state is not None:
            key = _kept(state, "key", key, 2)
            value = _kept(state, "value", value, 2)
        mixed, attend_backward = attend(query, key, value, mask, bias)
        output = self.parts["output"]
        y, output_backward = forward_part("output", output, self._joined(mixed), training)

        def backward(dy):
            dmixed, output_grads = output_backward(dy)
            dquery, dkey, dvalue, *dbias = attend_backward(self._split(dmixed))
            dkey, dvalue = dkey[:, :, earlier:], dvalue[:, :, earlier:]
            if self.rotary:
                dquery = rotated(dquery, cosine, -sine)
                dkey = rotated(dkey, cosine, -sine)
            dinputs, grads = projected_backward([dquery, dkey, dvalue])
            return (*dinputs, *dbias), grads | output_grads

        return y, backward

    def _projected(
        self, x: Array, context: Array | None, training: bool
    ) -> tuple[list[Array], Any]:
        """Return queries, keys and values by heads, and backward: their gradients -> (those of x
        and of the context, gradients).
        """
        query = {"query": self.parts["query"]}
        keys = {"key": self.parts["key"], "value": self.parts["value"]}
        if context is None:
            ys, together_backward = dense_together(query | keys, x, training)
        else:
            ys, query_backward = dense_together(query, x, training)
            context_ys, context_backward = dense_together(keys, context, training)
            ys = [*ys, *context_ys]

        def backward(slopes):
            by_place = [slope.swapaxes(1, 2) for slope in slopes]
            if context is None:
                dx, grads = together_backward(by_place)
                return (dx,), grads
            dx, grads = query_backward(by_place[:1])
            dcontext, context_grads = context_backward(by_place[1:])
            return (dx, dcontext), grads | context_grads

        return [*map(self._split, ys)], backward

    def _split(self, x: Array) -> Array:
        """Split the heads: [B, T, heads * d] -> [B, heads, T, d]."""
        batch, places, features = x.shape
        return x.reshape(batch, places, self.heads, features // self.heads).swapaxes(1, 2)

    def _joined(self, x: Array) -> Array:
        """Undo `_split`."""
        return x.swapaxes(1, 2).reshape(len(x), x.shape[2], self.inner)

    def _mask(self, mask: Array | None, batch: int, asking: int, answering: int) -> Array | None:
        """Reshape a mask [B, S] or [B, T, S] so that it broadcasts to [B, heads, T, S]."""
        if mask is None:
            return None
        if getattr(mask, "ndim", 2) == 3:
            check_input(self, mask, batch, asking, answering, dtype="bool")
            return mask[:, None]
        check_input(self, mask, batch, answering, dtype="bool")
        return mask[:, None, None, :]


def _kept(state: Any, name: str, new: Array, axis: int) -> Array:
    """Return what a state keeps under a name, with `new` behind it, which it keeps from now on."""
    if name in state:
        new = xp_of(new).concatenate([state[name], new], axis=axis)
    state[name] = new
    return new


def _earlier(state: Any) -> int:
    """Return the number of places whose keys are in a state."""
    if not state or "key" not in state:
        return 0
    return int(state["key"].shape[2])


@register("self_attention")
class SelfAttention(_Attention):
    """Multi-head attention from a sequence to itself.

    forward:  x [B, T, features], or (x, bias [B, heads, T, T]); optionally mask bool [B, T] (which
              keys are visible) or [B, T, T] (to which query), and state as in Sequential -> y [B,
              T, features]
    backward: dy like y -> dx, or (dx, dbias); gradients query.*, key.*, value.*, output.* of the
              four dense layers

    q, k, v = three dense layers of x to `inner` (default: features) numbers, split into `heads`
    parts; y = dense(concatenated `attend` of the heads). x enters three times, so dx is the sum of
    three gradients. `causal` lets position t attend only to positions <= t; the bias is added to
    each head's scores, as in Shaw et al. 2018 and later. A state holds the keys and values of the S
    places before x, and which of them the masks show; the bias then is [B, heads, T, S + T]. Not
    `damped`, the dense layers begin as "glorot". With `rotary`, queries and keys are turned by
    their places (`attend.py`). Raises ShapeError when x, bias or mask does not fit, ConfigError for
    a state that does not, and without `causal`: what was read could not see what follows.
    """

    def __init__(
        self,
        features: int,
        heads: int,
        rng: np.random.Generator,
        causal: bool = False,
        inner: int | None = None,
        damped: bool = True,
        *,
        rotary: bool = False,
    ) -> None:
        self.causal = causal
        self.damped = damped
        self.rotary = rotary
        super().__init__(features, features, heads, rng, inner)

    def forward(
        self, x: Any, training: bool = False, mask: Any = None, state: Any = None
    ) -> tuple[Array, Any]:
        bias = None
        if isinstance(x, tuple):
            x, bias = x
        check_input(self, x, "B", "T", self.features)
        batch, places, _ = x.shape
        xp = xp_of(x)
        earlier = _earlier(state)
        if bias is not None:
            check_input(self, bias, batch, self.heads, places, earlier + places)
        allowed = self._mask(mask, batch, places, places)
        if state is not None:
            shown = allowed
            if shown is None:
                shown = xp.ones((batch, 1, 1, places), bool)
            is_another_batch = earlier and len(state["shown"]) != batch
            if not self.causal or shown.shape[2] > 1 or is_another_batch:
                expected = "causal=True, a mask [B, T], and as many sequences as before"
                raise ConfigError(f"SelfAttention: a state needs {expected}")
            allowed = _kept(state, "shown", shown, 3)
        if self.causal:
            past = xp.tri(places, earlier + places, earlier, dtype=bool)
            if allowed is not None:
                past = allowed & past
            allowed = past
        y, inputs_backward = self._apply(x, None, allowed, training, bias, state)

        def backward(dy):
            (dx, *dbias), grads = inputs_backward(dy)
            if dbias:
                return (dx, *dbias), grads
            return dx, grads

        return y, backward


@register("cross_attention")
class CrossAttention(_Attention):
    """Multi-head attention from one sequence to another.

    forward:  (x [B, T, features], context [B, S, context_features]), optionally mask bool [B, S] or
              [B, T, S] -> y [B, T, features]
    backward: dy like y -> (dx, dcontext); gradients query.*, key.*, value.*, output.* of the four
              dense layers

    q is a dense layer of x; k and v are dense layers of the context; `inner` (default: features)
    numbers each. The rest is as in SelfAttention. Raises ShapeError when x, the context or the mask
    does not fit.
    """

    def forward(
        self, x: tuple[Array, Array], training: bool = False, mask: Array | None = None
    ) -> tuple[Array, InputsBackward]:
        if not isinstance(x, tuple) or len(x) != 2:
            raise ShapeError(
                f"CrossAttention: expected the tuple (x, context), found {type(x).__name__}"
            )
        asking, context = x
        check_input(self, asking, "B", "T", self.features)
        check_input(self, context, asking.shape[0], "S", self.context_features)
        allowed = self._mask(mask, asking.shape[0], asking.shape[1], context.shape[1])
        return self._apply(asking, context, allowed, training)
