"""Prepare a transformer's tensors for fused inference: lay out and pad the weights, drop biases that vanish."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from engine.native.lanes import LANES
from engine.native.memory import aligned_copy
from engine.network.planes import PLANES
from engine.network.tower.folding import (
    Tensors,
    affine,
    answer_heads,
    attention_weights,
    flat,
    packed_copy,
    pad,
)
from engine.network.tower.fused_heads import DenseHead, OneByOne
from engine.network.tower.fused_policy import Attention
from engine.network.tower.smooth import ACTIVATION_CODES
from engine.network.transformer.embedding_steps import BoardWeights
from engine.network.transformer.encoder_steps import Encoders
from engine.network.transformer.model import (
    DENSE_EPSILON,
    SQUARES,
    TransformerConfig,
    policy_name,
    reach_map,
)

FAR_BELOW_ZERO = -100.0  # where a sigmoid is 0


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


def fold_transformer(
    tensors: Tensors, config: TransformerConfig, policy_head: str = "vanilla", value_head: str = "winner"
) -> FusedTransformerWeights:
    """Lay out a transformer's parameters; names as in `model`."""
    policy, encoders = policy_name(policy_head), None
    if config.policy_layers:
        encoders = fold_encoders(tensors, f"{policy}.encoder", config.policy_layers, config.policy_encoder_layer)
    return FusedTransformerWeights(
        board=_board(tensors, config),
        mix=_mix(tensors, config) if config.embedding == "dense" else None,
        body=fold_encoders(tensors, "trunk.encoder", config.layers, config.encoder_layer),
        policy=attention_weights(tensors, policy),
        policy_encoders=encoders,
        **answer_heads(tensors, config.value_name(value_head), "embedding"),
    )


def _norm(tensors: Tensors, name: str) -> np.ndarray:
    return np.concatenate([pad(tensors[f"{name}.{part}"], 0) for part in ("gamma", "beta")])


def _matrix(weight: np.ndarray) -> np.ndarray:
    """Return a weight [outputs, inputs] as `multiply` reads it, padded."""
    return packed_copy(pad(pad(weight.T, 0), 1))


def _board(tensors: Tensors, config: TransformerConfig) -> BoardWeights:
    width, planes = config.width, config.embedding_planes
    weight, bias = affine(tensors, "trunk.embedding.dense")
    start, gate = np.broadcast_to(bias, (SQUARES, width)), np.zeros((2, 0), np.float32)
    pieces = pieces_bias = more = norm = np.zeros(0, np.float32)
    if planes:
        matrix, pieces_bias = affine(tensors, "trunk.embedding.preprocess")
        pieces = flat(pad(matrix.T.reshape(-1, SQUARES, planes), 2))
        pieces_bias = flat(pad(pieces_bias.reshape(SQUARES, planes), 1))
        more, norm = _matrix(weight[:, PLANES:]), flat(_norm(tensors, "trunk.norm"))
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


def fold_encoders(tensors: Tensors, name: str, layers: int, sizes: dict) -> Encoders:
    """Return the layers of an encoder with the settings of `engine.nn.EncoderLayer`."""
    smolgen = sizes.get("smolgen")
    folded = [_layer(tensors, f"{name}.layer{number}", sizes["heads"], smolgen) for number in range(layers)]
    table = packed_copy(tensors[f"{name}.table"].T) if smolgen else np.zeros(0, np.float32)
    return _encoders(sizes, smolgen, table, folded)


def _encoders(sizes: dict, smolgen: dict | None, table: np.ndarray, layers: list[dict[str, np.ndarray]]) -> Encoders:
    heads, counts = sizes["heads"], [0, 0]
    if smolgen:
        counts = [smolgen["hidden"], heads * smolgen["generated"]]
    arrays = {
        field: aligned_copy(np.stack([layer[field] for layer in layers]))
        if field in layers[0]
        else np.zeros((len(layers), 0), np.float32)
        for field in Encoders._fields[Encoders._fields.index("queries") : Encoders._fields.index("counts")]
    }
    return Encoders(
        width=np.int64(sizes["features"]),
        heads=np.int64(heads),
        scale=np.float32(sizes.get("scale", 1.0)),
        epsilon=np.float32(sizes["epsilon"]),
        act=np.int64(ACTIVATION_CODES[sizes["activation"]]),
        smolgen_act=np.int64(ACTIVATION_CODES[smolgen["activation"]] if smolgen else 0),
        generated=np.int64(smolgen["generated"] if smolgen else 0),
        counts=np.array(counts, np.int64),
        table=table,
        **arrays,
    )


def _layer(tensors: Tensors, name: str, heads: int, smolgen: dict | None) -> dict[str, np.ndarray]:
    query, key, value, output = (
        affine(tensors, f"{name}.attention.{part}") for part in ("query", "key", "value", "output")
    )
    depth = len(query[0]) // heads

    def by_head(array: np.ndarray) -> np.ndarray:
        """Pad the numbers of each head, the first axis."""
        parts = pad(array.reshape(heads, depth, -1), 1)
        return parts.reshape(heads * parts.shape[1], -1)

    factor = 1 / math.sqrt(depth)
    columns = [by_head(part).T for part in (query[0] * factor, key[0], value[0])]
    arrays = {
        "queries": packed_copy(pad(np.concatenate(columns, axis=1), 0)),
        "query_bias": by_head(query[1] * factor).reshape(-1),
        "output": packed_copy(pad(by_head(output[0].T), 1)),
        "output_bias": pad(output[1] + output[0] @ value[1], 0),
        "norm1": _norm(tensors, f"{name}.norm"),
        **_feed(tensors, f"{name}.feed"),
    }
    return arrays | (_smolgen(tensors, f"{name}.smolgen", smolgen["activation"]) if smolgen else {})


def _feed(tensors: Tensors, name: str) -> dict[str, np.ndarray]:
    (up, up_bias), (down, down_bias) = (affine(tensors, f"{name}.dense{number}") for number in (1, 2))
    biases = {"up_bias": pad(up_bias, 0), "down_bias": pad(down_bias, 0)}
    return {"up": _matrix(up), "down": _matrix(down), "norm2": _norm(tensors, f"{name}.norm"), **biases}


def _mix(tensors: Tensors, config: TransformerConfig) -> Encoders:
    sizes = config.encoder_layer | {"epsilon": DENSE_EPSILON}
    return _encoders(sizes, None, np.zeros(0, np.float32), [_feed(tensors, "trunk.mix")])


def _smolgen(tensors: Tensors, name: str, activation: str) -> dict[str, np.ndarray]:
    (dense1, bias1), (dense2, bias2) = (affine(tensors, f"{name}.dense{number}") for number in (1, 2))
    by_square = pad(dense1.reshape(len(dense1), SQUARES, -1), 2).reshape(len(dense1), -1)
    filling = FAR_BELOW_ZERO if activation == "sigmoid" else 0.0  # The norms expect zeros there.
    biases = [np.pad(bias, (0, -len(bias) % LANES), constant_values=filling) for bias in (bias1, bias2)]
    return {
        "compress": _matrix(tensors[f"{name}.compress"]),
        "dense1": _matrix(by_square),
        "dense1_bias": biases[0],
        "small_norm1": _norm(tensors, f"{name}.norm1"),
        "dense2": _matrix(dense2),
        "dense2_bias": biases[1],
        "small_norm2": _norm(tensors, f"{name}.norm2"),
    }
