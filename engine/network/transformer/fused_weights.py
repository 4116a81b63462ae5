"""Lay out a transformer's tensors for fused inference."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.native.lanes import LANES
from engine.native.memory import aligned_copy
from engine.network.fused.encoder_steps import Encoders
from engine.network.fused.heads import DenseHead, OneByOne
from engine.network.fused.policy_heads import Attention
from engine.network.fused.smooth import ACTIVATION_CODES
from engine.network.fused.tensor_layout import (
    Tensors,
    affine,
    answer_heads,
    attention_weights,
    feed_weights,
    flat,
    fold_encoders,
    matrix,
    norm_weights,
    pad,
    stacked,
    stacked_encoders,
)
from engine.network.model_parts import SQUARES
from engine.network.outputs import Heads
from engine.network.planes import PLANES
from engine.network.transformer.embedding_steps import BoardWeights
from engine.network.transformer.model import DENSE_EPSILON, TransformerConfig, policy_name, reach_map


class FusedTransformerWeights(NamedTuple):
    """All weights of a transformer with one policy and one value head."""

    board: BoardWeights
    mix: Encoders | None  # the feed-forward block behind a dense embedding, as a layer without attention
    body: Encoders
    heads: OneByOne  # dense layers of the squares: the value head's, then moves left
    value: DenseHead
    moves_left: DenseHead
    policy: Attention
    policy_encoders: Encoders | None


def fold_transformer(tensors: Tensors, config: TransformerConfig, heads: Heads) -> FusedTransformerWeights:
    """Lay out a transformer's parameters; names as in `model`."""
    policy, encoders, mix = policy_name(heads[0]), None, None
    if config.policy_layers:
        encoders = fold_encoders(tensors, f"{policy}.encoder", config.policy_layers, config.policy_encoder_layer)
    if config.embedding == "dense":
        sizes = config.encoder_layer | {"epsilon": DENSE_EPSILON, "smolgen": None}
        mix = stacked_encoders(sizes, np.zeros(0, np.float32), stacked(1, [feed_weights(tensors, "trunk.mix")]))
    return FusedTransformerWeights(
        board=_board(tensors, config),
        mix=mix,
        body=fold_encoders(tensors, "trunk.encoder", config.layers, config.encoder_layer),
        policy=attention_weights(tensors, policy),
        policy_encoders=encoders,
        **answer_heads(tensors, config.value_name(heads[1]), "embedding"),
    )


def _board(tensors: Tensors, config: TransformerConfig) -> BoardWeights:
    width, planes = config.width, config.embedding_planes
    weight, bias = affine(tensors, "trunk.embedding.dense")
    start, gate = np.broadcast_to(bias, (SQUARES, width)), np.zeros((2, 0), np.float32)
    pieces = pieces_bias = more = norm = np.zeros(0, np.float32)
    if planes:
        spread, pieces_bias = affine(tensors, "trunk.embedding.preprocess")
        pieces = flat(pad(spread.T.reshape(-1, SQUARES, planes), 2))
        pieces_bias = flat(pad(pieces_bias.reshape(SQUARES, planes), 1))
        more, norm = matrix(weight[:, PLANES:]), flat(norm_weights(tensors, "trunk.norm"))
    else:
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
        pieces=pieces,
        pieces_bias=pieces_bias,
        more=more,
        nothing=np.zeros(width + -width % LANES, np.float32),
        norm=norm,
        gate=gate,
    )
