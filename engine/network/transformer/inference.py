"""Fused inference of transformers, chunk by chunk, with the promises of `tower.inference`: a position's output is the
same, bit for bit, whatever shares its batch and whichever thread evaluates it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.errors import ConfigError
from engine.native.jit import kernel
from engine.native.memory import aligned_zeros
from engine.native.pool import PerThread
from engine.network.outputs import CHUNK, MOVES_LEFT_SCALE
from engine.network.tower.fused_heads import ORIGIN, dense_heads, head_space, keep_features, write_probabilities
from engine.network.tower.fused_policy import HEAD_KERNELS
from engine.network.tower.inference import is_finite
from engine.network.tower.multiply import Rows, multiply
from engine.network.transformer.embedding_steps import embed
from engine.network.transformer.encoder_steps import (
    SQUARES,
    activate,
    dense_rows,
    encode_rows,
    encoder_space,
    feed_forward,
    queries_and_keys,
)
from engine.network.transformer.fused_weights import FusedTransformerWeights, fold_transformer
from engine.network.transformer.model import TransformerConfig

GROUPS = np.int64(16)  # 64 squares make 16 groups of four.


class FusedTransformer:
    """A transformer ready to play. Several threads may call it at once: each gets its own buffers.

    `tensors` are the parameters of `model` by name. Raises ConfigError or ShapeError when they do not fit `config` or
    are not finite. The heads go by Lc0's names.
    """

    def __init__(
        self,
        tensors: Mapping[str, np.ndarray],
        config: TransformerConfig,
        policy_head: str = "vanilla",
        value_head: str = "winner",
    ) -> None:
        self.config = config
        with np.errstate(over="ignore", invalid="ignore"):  # The next line refuses the result.
            self.weights = fold_transformer(tensors, config, policy_head, value_head)
        if not is_finite(self.weights):
            raise ConfigError("expected finite weights, found infinity or NaN")
        self.smooth = True if config.activation == "mish" else None
        self._spaces = PerThread()

    def evaluate_chunk(
        self,
        masks: np.ndarray,
        policy_index: np.ndarray,
        n_moves: np.ndarray,
        first: int,
        count: int,
        logits: np.ndarray,
        wdl: np.ndarray,
        moves_left: np.ndarray,
    ) -> None:
        """Evaluate up to eight positions, as `FusedTower.evaluate_chunk` does."""
        space, weights = self._spaces.own(self._new_space), self.weights
        embed(weights.board, masks[first : first + count], space.x, count, space.pre)
        if weights.mix is not None:
            feed_forward(weights.mix, 0, space.x, count, space.mix)
        encode_rows(weights.body, space.x, count, space.body)
        result = wdl[first : first + count], moves_left[first : first + count]
        _value_heads(
            weights.heads, weights.value, weights.moves_left, space.x, count, self.smooth, space.heads, *result
        )
        act = weights.board.act
        embed_policy(weights.policy, space.x, count, act, space.embedded)
        if weights.policy_encoders is not None:
            encode_rows(weights.policy_encoders, space.embedded, count, space.policy)
        queries_and_keys(weights.policy, space.embedded, count, space.answers)
        move_logits = HEAD_KERNELS["attention"][1]
        move_logits(weights.policy, space.answers, policy_index, n_moves, first, count, logits)

    def _new_space(self) -> TransformerSpace:
        return TransformerSpace(self.weights)


class TransformerSpace:
    """The buffers of one thread for one chunk."""

    def __init__(self, w: FusedTransformerWeights) -> None:
        rows = CHUNK * int(SQUARES)
        self.x = aligned_zeros(rows * len(w.board.nothing))
        self.pre = aligned_zeros(len(w.board.pieces_bias))
        self.mix = encoder_space(w.mix) if w.mix is not None else None
        self.body = encoder_space(w.body)
        self.policy = encoder_space(w.policy_encoders) if w.policy_encoders is not None else None
        self.heads = head_space(w.heads, w.value, w.moves_left)
        self.embedded = aligned_zeros(rows * len(w.policy.squares.bias))
        self.answers = aligned_zeros(rows * len(w.policy.bias))


@kernel(contract=True)
def _value_heads(heads, value, left, x, count, smooth, space, wdl, moves_left):
    features = np.int64(len(heads.bias))
    for p in range(count):
        rows = Rows(p * SQUARES * heads.channels, heads.channels, 4 * heads.channels)
        to = Rows(ORIGIN, features, 4 * features)
        multiply(x, rows, heads.channels, heads.weight, ORIGIN, features, space.features, to, GROUPS, ORIGIN)
        keep_features(heads, p, smooth, space)
    dense_heads(heads, value, left, count, smooth, space)
    for p in range(count):
        write_probabilities(space.value, p, len(value.bias2) == 1, wdl[p])
        moves_left[p] = max(space.left[p, 0] * np.float32(MOVES_LEFT_SCALE), np.float32(0))


@kernel(contract=True)
def embed_policy(head, x, count, act, embedded):
    """Write embedded [64 count, F], the policy head's numbers of the squares, from x [64 count, E]."""
    rows = SQUARES * count
    dense_rows(x, head.squares.channels, head.squares.weight, np.int64(len(head.squares.bias)), embedded, rows)
    activate(embedded, head.squares.bias, rows, act)
