"""Attention: each position of a sequence takes a weighted mean over the positions of the same or another sequence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.backend import backend_of
from engine.errors import ConfigError, ShapeError
from engine.nn.layer import Array, Backward, Gradients, Layer, check_input, prefixed, register
from engine.nn.layers.attend import attend
from engine.nn.layers.dense import Dense

TwoInputsBackward = Callable[[Array], tuple[Array, Array, Gradients]]


class _Attention(Layer):
    """Multi-head projections around ``attend``: x gives the queries, ``context`` gives the keys and values."""

    def __init__(self, features: int, context_features: int, heads: int, rng: np.random.Generator) -> None:
        super().__init__()
        if features < 1 or context_features < 1 or heads < 1 or features % heads:
            raise ConfigError(
                f"{type(self).__name__}({features}, {context_features}, heads={heads}): sizes must be >= 1 and "
                "the heads must divide the features"
            )
        self.features, self.context_features, self.heads = features, context_features, heads
        self.parts: dict[str, Layer] = {
            "query": Dense(features, features, rng, "glorot"),
            "key": Dense(context_features, features, rng, "glorot"),
            "value": Dense(context_features, features, rng, "glorot"),
            "output": Dense(features, features, rng, "glorot"),
        }

    def _apply(self, x: Array, context: Array, mask: Array | None, training: bool) -> tuple[Array, TwoInputsBackward]:
        """Return y [B, T, features] and backward: dy -> (dx, dcontext, gradients)."""
        query, query_backward = self.parts["query"].forward(x, training)
        key, key_backward = self.parts["key"].forward(context, training)
        value, value_backward = self.parts["value"].forward(context, training)
        mixed, attend_backward = attend(self._split(query), self._split(key), self._split(value), mask)
        y, output_backward = self.parts["output"].forward(self._join(mixed), training)

        def backward(dy: Array) -> tuple[Array, Array, Gradients]:
            dmixed, output_grads = output_backward(dy)
            dquery, dkey, dvalue = attend_backward(self._split(dmixed))
            dx, query_grads = query_backward(self._join(dquery))
            dcontext, key_grads = key_backward(self._join(dkey))
            dcontext_too, value_grads = value_backward(self._join(dvalue))
            grads = prefixed("query", query_grads) | prefixed("key", key_grads) | prefixed("value", value_grads)
            return dx, dcontext + dcontext_too, grads | prefixed("output", output_grads)

        return y, backward

    def _split(self, x: Array) -> Array:
        """Split the heads: [B, T, heads * d] -> [B, heads, T, d]."""
        batch, places, features = x.shape
        return x.reshape(batch, places, self.heads, features // self.heads).swapaxes(1, 2)

    def _join(self, x: Array) -> Array:
        """Concatenate the heads: [B, heads, T, d] -> [B, T, heads * d]."""
        batch, _, places, _ = x.shape
        return x.swapaxes(1, 2).reshape(batch, places, self.features)

    def _mask(self, mask: Array | None, batch: int, asking: int, answering: int) -> Array | None:
        """Reshape a mask [B, S] or [B, T, S] so that it broadcasts to [B, heads, T, S]."""
        if mask is None:
            return None
        if getattr(mask, "shape", None) not in ((batch, answering), (batch, asking, answering)) or mask.dtype != bool:
            found = f"{mask.dtype} {list(mask.shape)}" if hasattr(mask, "shape") else type(mask).__name__
            raise ShapeError(
                f"{type(self).__name__}: expected a bool mask [{batch}, {answering}] or "
                f"[{batch}, {asking}, {answering}], found {found}"
            )
        return mask[:, None, None, :] if mask.ndim == 2 else mask[:, None]


@register("self_attention")
class SelfAttention(_Attention):
    """Multi-head attention from a sequence to itself.

    forward:  x [B, T, features], optionally mask bool [B, T] (which keys are visible) or [B, T, T] (to which query)
              -> y [B, T, features]
    backward: dy like y -> dx like x; gradients query.*, key.*, value.*, output.* of the four dense layers

    q, k, v = three dense layers of x, split into ``heads`` parts; y = dense(concatenated ``attend`` of the heads). x
    enters three times, so dx is the sum of three gradients. ``causal`` lets position t attend only to positions <= t.
    Raises ShapeError when x or the mask does not fit.
    """

    settings = ("features", "heads", "causal")

    def __init__(self, features: int, heads: int, rng: np.random.Generator, causal: bool = False) -> None:
        super().__init__(features, features, heads, rng)
        self.causal = causal

    def forward(self, x: Array, training: bool = False, mask: Array | None = None) -> tuple[Array, Backward]:
        check_input(self, x, "B", "T", self.features)
        batch, places, _ = x.shape
        allowed = self._mask(mask, batch, places, places)
        if self.causal:
            past = backend_of(x).xp.tri(places, dtype=bool)
            allowed = past if allowed is None else allowed & past
        y, both_backward = self._apply(x, x, allowed, training)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            dasked, danswered, grads = both_backward(dy)
            return dasked + danswered, grads

        return y, backward


@register("cross_attention")
class CrossAttention(_Attention):
    """Multi-head attention from one sequence to another.

    forward:  (x [B, T, features], context [B, S, context_features]), optionally mask bool [B, S] or [B, T, S]
              -> y [B, T, features]
    backward: dy like y -> (dx, dcontext); gradients query.*, key.*, value.*, output.* of the four dense layers

    q is a dense layer of x; k and v are dense layers of the context. The rest is as in SelfAttention.
    Raises ShapeError when x, the context or the mask does not fit.
    """

    settings = ("features", "context_features", "heads")

    def forward(
        self, x: tuple[Array, Array], training: bool = False, mask: Array | None = None
    ) -> tuple[Array, Backward]:
        if not isinstance(x, tuple) or len(x) != 2:
            raise ShapeError(f"CrossAttention: expected the tuple (x, context), found {type(x).__name__}")
        asking, context = x
        check_input(self, asking, "B", "T", self.features)
        check_input(self, context, asking.shape[0], "S", self.context_features)
        allowed = self._mask(mask, asking.shape[0], asking.shape[1], context.shape[1])
        y, both_backward = self._apply(asking, context, allowed, training)

        def backward(dy: Array) -> tuple[tuple[Array, Array], Gradients]:
            dx, dcontext, grads = both_backward(dy)
            return (dx, dcontext), grads

        return y, backward
