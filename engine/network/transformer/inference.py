"""Fused inference of transformers, chunk by chunk, with the promises of `fused.inference`: a position's output is the
same, bit for bit, whatever shares its batch and whichever thread evaluates it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import numpy as np

from engine.native.jit import kernel
from engine.native.memory import buffers
from engine.network.fused.encoder_steps import SQUARES, EncoderSpace, encode_rows, feed_forward, new_encoder_space
from engine.network.fused.heads import ORIGIN, HeadSpace, answer_values, head_space, keep_features
from engine.network.fused.inference import Fused
from engine.network.fused.multiply import Rows, dense_rows, multiply
from engine.network.fused.policy_heads import PolicySpace
from engine.network.fused.smooth import activate
from engine.network.fused.tensor_layout import folded_tensors
from engine.network.outputs import FIRST_HEADS, Heads
from engine.network.transformer.embedding_steps import embed
from engine.network.transformer.fused_weights import fold_transformer
from engine.network.transformer.model import TransformerConfig

GROUPS = np.int64(16)  # 64 squares make 16 groups of four.


class TransformerSpace(NamedTuple):
    """The buffers of one thread for one chunk."""

    x: Annotated[np.ndarray, "float32 [8 * 64 * E]"]
    pre: Annotated[np.ndarray, "float32 [S]"]  # one board's numbers of a dense embedding
    mix: EncoderSpace | None
    body: EncoderSpace
    heads: HeadSpace
    policy: PolicySpace


class FusedTransformer(Fused):
    """A transformer ready to play.

    `tensors` are the parameters of `model` by name. Raises ConfigError or ShapeError when they do not fit `config` or
    are not finite. The heads go by Lc0's names.
    """

    config: TransformerConfig

    def __init__(
        self, tensors: Mapping[str, np.ndarray], config: TransformerConfig, heads: Heads = FIRST_HEADS
    ) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # The next line refuses the result.
            self.weights = fold_transformer(folded_tensors(config, tensors), config, heads)
        super().__init__(config, self.weights)
        self.policy, self.encoders = self.weights.policy, self.weights.policy_encoders

    def evaluate_body(
        self, masks: np.ndarray, space: TransformerSpace, wdl: np.ndarray, moves_left: np.ndarray
    ) -> PolicySpace:
        weights, count = self.weights, len(masks)
        embed(weights.board, masks, space.x, count, space.pre)
        if weights.mix is not None:
            feed_forward(weights.mix, 0, space.x, count, space.mix)
        encode_rows(weights.body, space.x, count, space.body)
        parts = weights.heads, weights.value, weights.moves_left
        _answer_values(*parts, space.x, count, weights.board.act, space.heads, wdl, moves_left)
        _embed_policy(weights.policy.squares, space.x, count, weights.board.act, space.policy.embedded)
        return space.policy

    def new_space(self) -> TransformerSpace:
        weights = self.weights
        given = {
            "mix": weights.mix and new_encoder_space(weights.mix),
            "body": new_encoder_space(weights.body),
            "heads": head_space(weights.heads, weights.value, weights.moves_left),
            "policy": self.new_policy_space(),
        }
        return buffers(TransformerSpace, given, E=len(weights.board.nothing), S=len(weights.board.pieces_bias))


@kernel(contract=True)
def _answer_values(heads, value, left, x, count, act, space, wdl, plies):
    """Write wdl and plies of `count` positions from x [64 count, E]."""
    features = np.int64(len(heads.bias))
    for p in range(count):
        rows = Rows(p * SQUARES * heads.channels, heads.channels, 4 * heads.channels)
        to = Rows(ORIGIN, features, 4 * features)
        multiply(x, rows, heads.channels, heads.weight, ORIGIN, features, space.features, to, GROUPS, ORIGIN)
        keep_features(heads, p, act, space)
    answer_values(heads, value, left, count, act, space, wdl, plies)


@kernel(contract=True)
def _embed_policy(squares, x, count, act, embedded):
    """Write embedded [64 count, F], the policy head's numbers of the squares, from x [64 count, E]."""
    rows = SQUARES * count
    dense_rows(x, squares.channels, squares.weight, np.int64(len(squares.bias)), embedded, rows)
    activate(embedded, squares.bias, rows, act)
