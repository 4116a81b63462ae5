"""Fused inference of transformers, chunk by chunk, with the promises of `ready_network`: a
position's output is the same, bit for bit, whatever shares its batch and whichever thread evaluates
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import numpy as np

from engine.native.aligned_arrays import aligned_copy, buffers
from engine.native.jit import kernel
from engine.native.lanes import LANES
from engine.network.fused.encoder_steps import (
    SQUARES,
    Encoders,
    EncoderSpace,
    encode_rows,
    feed_forward,
    new_encoder_space,
)
from engine.network.fused.heads import (
    DenseHead,
    HeadSpace,
    OneByOne,
    answer_values,
    head_space,
    keep_features,
)
from engine.network.fused.multiply import dense_rows
from engine.network.fused.policy_heads import Attention, PolicySpace
from engine.network.fused.ready_network import Fused
from engine.network.fused.smooth import ACTIVATION_CODES, activate
from engine.network.fused.tensor_layout import (
    Tensors,
    affine,
    answer_heads,
    attention_weights,
    feed_weights,
    flat,
    fold_encoders,
    folded_tensors,
    matrix,
    norm_weights,
    pad,
    stacked,
    stacked_encoders,
)
from engine.network.planes import PLANES
from engine.network.transformer.embedding_steps import BoardWeights, embed
from engine.network.transformer.transformer_model import DENSE_EPSILON, TransformerConfig, reach_map


class FusedTransformerWeights(NamedTuple):
    """All weights of a transformer with one policy and one value head."""

    board: BoardWeights
    # The feed-forward block behind a dense embedding, as a layer without attention.
    mix: Encoders | None
    body: Encoders
    heads: OneByOne  # dense layers of the squares: the value head's, then moves left
    value: DenseHead
    moves_left: DenseHead
    policy: Attention
    policy_encoders: Encoders | None


def fold_transformer(tensors: Tensors, config: TransformerConfig) -> FusedTransformerWeights:
    """Lay out a transformer's parameters; names as in `transformer_model`."""
    encoders = None
    mix = None
    if config.policy_layers:
        encoders = fold_encoders(
            tensors, "policy.encoder", config.policy_layers, config.policy_encoder_layer
        )
    if config.embedding == "dense":
        sizes = config.encoder_layer | {"epsilon": DENSE_EPSILON, "smolgen": None}
        mix = stacked_encoders(
            sizes, np.zeros(0, np.float32), stacked(1, [feed_weights(tensors, "trunk.mix")])
        )
    return FusedTransformerWeights(
        board=_board(tensors, config),
        mix=mix,
        body=fold_encoders(tensors, "trunk.encoder", config.layers, config.encoder_layer),
        policy=attention_weights(tensors),
        policy_encoders=encoders,
        **answer_heads(tensors, config.value_head, "embedding"),
    )


def _board(tensors: Tensors, config: TransformerConfig) -> BoardWeights:
    width, planes = config.width, config.embedding_planes
    weight, bias = affine(tensors, "trunk.embedding.dense")
    start = np.broadcast_to(bias, (64, width))
    gate = np.zeros((2, 0), np.float32)
    pieces = _pieces(tensors, weight, planes)
    if not planes:
        start = start + reach_map().astype(np.float64) @ weight[:, PLANES:].T
    if config.gate:
        parts = [tensors[f"trunk.gate.{part}"].T for part in ("scale", "shift")]
        gate = aligned_copy(np.stack([pad(part, 1).reshape(-1) for part in parts]))
    return BoardWeights(
        width=np.int64(width),
        act=np.int64(ACTIVATION_CODES[config.activation]),
        epsilon=np.float32(DENSE_EPSILON),
        planes=flat(pad(weight[:, :PLANES].T, 1)),
        start=flat(pad(start, 1)),
        nothing=np.zeros(width + -width % LANES, np.float32),
        gate=gate,
        **pieces,
    )


def _pieces(tensors: Tensors, weight: np.ndarray, planes: int) -> dict[str, np.ndarray]:
    """Return the fields of a dense embedding: what all pieces say of each square, and its norm."""
    if not planes:
        return dict.fromkeys(("pieces", "pieces_bias", "more", "norm"), np.zeros(0, np.float32))
    spread, bias = affine(tensors, "trunk.embedding.preprocess")
    return {
        "pieces": flat(pad(spread.T.reshape(-1, SQUARES, planes), 2)),
        "pieces_bias": flat(pad(bias.reshape(SQUARES, planes), 1)),
        "more": matrix(weight[:, PLANES:]),
        "norm": flat(norm_weights(tensors, "trunk.norm")),
    }


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

    `tensors` are the parameters of `transformer_model` by name. Raises ConfigError or ShapeError when they do
    not fit `config` or are not finite. Of several heads, the first ones play.
    """

    config: TransformerConfig

    def __init__(self, tensors: Mapping[str, np.ndarray], config: TransformerConfig) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # The next line refuses the result.
            self.weights = fold_transformer(folded_tensors(config, tensors), config)
        super().__init__(config, self.weights)
        self.policy, self.encoders = self.weights.policy, self.weights.policy_encoders

    def evaluate_body(
        self, masks: np.ndarray, space: TransformerSpace, wdl: np.ndarray, moves_left: np.ndarray
    ) -> PolicySpace:
        weights = self.weights
        count = len(masks)
        embed(weights.board, masks, space.x, count, space.pre)
        if weights.mix is not None:
            feed_forward(weights.mix, 0, space.x, count, space.mix)
        encode_rows(weights.body, space.x, count, space.body)
        parts = weights.heads, weights.value, weights.moves_left
        _answer_values(*parts, space.x, count, weights.board.act, space.heads, wdl, moves_left)
        _embed_policy(
            weights.policy.squares, space.x, count, weights.board.act, space.policy.embedded
        )
        return space.policy

    def new_space(self) -> TransformerSpace:
        weights = self.weights
        arrays = {
            "mix": weights.mix and new_encoder_space(weights.mix),
            "body": new_encoder_space(weights.body),
            "heads": head_space(weights.heads, weights.value, weights.moves_left),
            "policy": self.new_policy_space(),
        }
        return buffers(
            TransformerSpace, arrays, E=len(weights.board.nothing), S=len(weights.board.pieces_bias)
        )


@kernel(contract=True)
def _answer_values(heads, value, left, x, count, act, space, wdl, plies):
    """Write wdl and plies of `count` positions from x [64 count, E]."""
    features = np.int64(len(heads.bias))
    board = SQUARES * heads.channels
    for p in range(count):
        squares = x[p * board : (p + 1) * board]
        dense_rows(squares, heads.channels, heads.weight, features, space.features, SQUARES)
        keep_features(heads, p, act, space)
    answer_values(heads, value, left, count, act, space, wdl, plies)


@kernel(contract=True)
def _embed_policy(squares, x, count, act, embedded):
    """Write embedded [64 count, F], the policy head's numbers of the squares, from x [64 count, E]."""
    rows = SQUARES * count
    dense_rows(x, squares.channels, squares.weight, np.int64(len(squares.bias)), embedded, rows)
    activate(embedded, squares.bias, rows, act)
