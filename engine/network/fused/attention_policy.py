"""Lc0's attention policy: attention from each from-square to each to-square scores the move between
them.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.backend import product, xp_of
from engine.errors import ConfigError
from engine.network.policy_map import ATTENTION_SQUARES
from engine.nn.array_checks import check_input
from engine.nn.layer import Array, Backward, Gradients, Layer, register
from engine.nn.layers.dense import Dense, dense_together
from engine.nn.layers.initialization import initial
from engine.nn.operations import operations_for
from engine.nn.operations.elementwise_steps import inner_products

PromotionsBackward = Callable[[Array], tuple[Array, Array, Array]]
# Squares of the seventh and the eighth rank.
PROMOTION_FROM, PROMOTION_TO = (slice(48, 56), slice(56, 64))


@register("attention_policy")
class AttentionPolicy(Layer):
    """Move logits: the query of the square a move leaves times the key of the square it reaches.

    forward:  x [B, C, 8, 8] or [B, 64, C] -> y [B, 4096 + 192]: from * 64 + to, then 4096 + 24
              from-file + 3 to-file + {q, r, b}
    backward: dy like y -> dx like x; gradients query.*, key.* of two dense layers C -> d, promotion
              [4, d]

    q and k are the queries and keys of the squares; p is `promotion`, with rows for queen, rook, bishop and knight:
        s = q k^T / sqrt(d)                    y[from, to] = s[from, to]
        o = k[rank 8] p^T                      y[from, to, piece] = s[from, to] + o[to, piece] + o[to, n]
        ds = dy + sum of dy over the pieces    do[piece] = sum of dy over from; do[n] = sum of do over the pieces
        dq = ds k / sqrt(d)     dk = ds^T q / sqrt(d), on rank 8 + do p     dp = do^T k[rank 8]

    Raises ShapeError when x has neither shape. This is the head of Lc0's trainer ("apmish" nets).
    The tests compare it with an independent plain implementation on generated numbers, not with a
    reference net.
    """

    def __init__(self, inputs: int, depth: int, rng: np.random.Generator) -> None:
        super().__init__()
        if inputs < 1 or depth < 1:
            raise ConfigError(f"AttentionPolicy({inputs}, {depth}): sizes must be >= 1")
        self.inputs, self.depth = inputs, depth
        self.query: Any = Dense(inputs, depth, rng, initialization="glorot")
        self.key: Any = Dense(inputs, depth, rng, initialization="glorot")
        self.params = {"promotion": initial(rng, "glorot", (4, depth), depth, 4)}

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        squares = self._squares(x)
        batch = len(x)
        (query, key), dense_backward = dense_together(
            {"query": self.query, "key": self.key}, squares, training
        )
        scale = 1 / math.sqrt(self.depth)
        scores = product(query, key.swapaxes(1, 2)) * scale  # (B, 64, 64)
        promotions, promotions_backward = self._promotions(scores, key[:, PROMOTION_TO])
        y = xp_of(x).concatenate([scores.reshape(batch, ATTENTION_SQUARES), promotions], axis=1)

        def backward(dy: Array) -> tuple[Array, Gradients]:
            dscores = dy[:, :ATTENTION_SQUARES].reshape(batch, 64, 64).copy()
            dsteps, dlast_rank, dpromotion = promotions_backward(dy[:, ATTENTION_SQUARES:])
            dscores[:, PROMOTION_FROM, PROMOTION_TO] += dsteps
            dkey = product(dscores.swapaxes(1, 2), query) * scale
            dkey[:, PROMOTION_TO] += dlast_rank
            dsquares, grads = dense_backward([product(dscores, key) * scale, dkey])
            grads["promotion"] = dpromotion
            if x.ndim == 4:
                dsquares = dsquares.swapaxes(1, 2).reshape(x.shape)
            return dsquares, grads

        return y, backward

    def _squares(self, x: Array) -> Array:
        """Return an input of `forward` as [B, 64, C]."""
        if getattr(x, "ndim", 0) == 3:
            check_input(self, x, "B", 64, self.inputs)
            return x
        check_input(self, x, "B", self.inputs, 8, 8)
        return x.reshape(len(x), self.inputs, 64).swapaxes(1, 2)

    def _promotions(self, scores: Array, last_rank: Array) -> tuple[Array, PromotionsBackward]:
        """Return the logits of promotions [B, 192] from the scores of all steps and the keys of the
        eighth rank [B, 8, d], and backward: their gradient -> (that of the scores of steps to this
        rank, that of its keys, that of `promotion`).
        """
        promotion = self.params["promotion"]
        batch = len(scores)
        inner = operations_for(scores).fused(inner_products)
        offsets = inner(last_rank[:, :, None], promotion)  # (B, 8, 4)
        pieces = offsets[:, None, :, :3] + offsets[:, None, :, 3:]  # (B, 1, 8, 3)
        promotions = scores[:, PROMOTION_FROM, PROMOTION_TO, None] + pieces  # (B, 8, 8, 3)

        def backward(dy: Array) -> tuple[Array, Array, Array]:
            dpromotions = dy.reshape(batch, 8, 8, 3)
            dpieces = dpromotions.sum(axis=1)  # (B, 8, 3)
            doffsets = xp_of(dy).concatenate([dpieces, dpieces.sum(axis=2, keepdims=True)], axis=2)
            dlast_rank = inner(doffsets[:, :, None], promotion.T)
            dpromotion = inner(
                doffsets.reshape(-1, 4).T[:, None], last_rank.reshape(-1, self.depth).T
            )
            return dpromotions.sum(axis=3), dlast_rank, dpromotion

        return promotions.reshape(batch, 8 * 8 * 3), backward

    def onnx(self, graph: Any, x: str) -> Any:
        """Add the nodes of `forward` to an ONNX graph."""
        squares = graph.squares(x)
        promotion = self.params["promotion"]
        query, key = graph.layer(self.query, squares), graph.layer(self.key, squares)
        product = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 2, 1]))
        scores = graph.times(product, 1 / math.sqrt(self.depth))
        offsets = graph.node(
            "MatMul", graph.part(key, PROMOTION_TO, 1), (promotion[:3] + promotion[3]).T
        )
        steps = graph.part(graph.part(scores, PROMOTION_FROM, 1), PROMOTION_TO, 2)
        pieces = graph.reshaped(offsets, 0, 1, 8, 3)
        promotions = graph.node("Add", graph.reshaped(steps, 0, 8, 8, 1), pieces)
        flat = graph.reshaped(scores, 0, 64 * 64), graph.reshaped(promotions, 0, 8 * 8 * 3)
        return graph.node("Concat", *flat, axis=1)
