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
    attention_weights,
    dense_head,
    flat,
    named_tensor,
    no_head,
    one_by_one,
    packed_copy,
    pad,
)
from engine.network.tower.fused_heads import DenseHead, OneByOne
from engine.network.tower.fused_policy import Attention
from engine.network.transformer.embedding_steps import BoardWeights
from engine.network.transformer.encoder_steps import ACTIVATION_CODES, Encoders
from engine.network.transformer.model import (
    DENSE_EPSILON,
    PIECE_PLANES,
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
    """Fold named parameters (names as in `model`). Raises ConfigError for a missing one, ShapeError where one does not
    fit."""
    policy, value, width = policy_name(policy_head), config.value_name(value_head), config.width
    parts = [_dense(tensors, f"{value}.embedding", config.value_channels, width)]
    if config.moves_left_channels:
        parts.append(_dense(tensors, "moves_left.embedding", config.moves_left_channels, width))
    left = config.moves_left_channels, config.moves_left_hidden, 1
    outputs = 3 if config.value == "wdl" else 1
    planes = config.policy_planes
    squares = one_by_one(width, _dense(tensors, f"{policy}.embedding", planes, width))
    return FusedTransformerWeights(
        board=_board(tensors, config),
        mix=_mix(tensors, config) if config.embedding == "dense" else None,
        body=fold_encoders(tensors, "trunk.encoder", config.layers, config.encoder_layer),
        heads=one_by_one(width, *parts),
        value=dense_head(tensors, value, config.value_channels, config.value_hidden, outputs, squares_first=True),
        moves_left=dense_head(tensors, "moves_left", *left, squares_first=True) if left[0] else no_head(),
        policy=attention_weights(tensors, policy, squares, planes, config.policy_depth),
        policy_encoders=fold_encoders(tensors, f"{policy}.encoder", config.policy_layers, config.policy_encoder_layer)
        if config.policy_layers
        else None,
    )


def _dense(tensors: Tensors, name: str, outputs: int, inputs: int) -> tuple[np.ndarray, np.ndarray]:
    return named_tensor(tensors, f"{name}.weight", (outputs, inputs)), named_tensor(tensors, f"{name}.bias", (outputs,))


def _norm(tensors: Tensors, name: str, features: int) -> np.ndarray:
    parts = [named_tensor(tensors, f"{name}.{part}", (features,)) for part in ("gamma", "beta")]
    return np.concatenate([pad(part, 0) for part in parts])


def _matrix(weight: np.ndarray) -> np.ndarray:
    """Return a weight [outputs, inputs] as `multiply` reads it, padded."""
    return packed_copy(pad(pad(weight.T, 0), 1))


def _board(tensors: Tensors, config: TransformerConfig) -> BoardWeights:
    width, planes = config.width, config.embedding_planes
    weight, bias = _dense(tensors, "trunk.embedding.dense", width, PLANES + (planes or SQUARES))
    start = np.broadcast_to(bias, (SQUARES, width))
    nothing = np.zeros(0, np.float32)
    pieces, pieces_bias, more = nothing, nothing, nothing
    if planes:
        matrix, pieces_bias = _dense(tensors, "trunk.embedding.preprocess", SQUARES * planes, SQUARES * PIECE_PLANES)
        by_square = pad(matrix.T.reshape(SQUARES * PIECE_PLANES, SQUARES, planes), 2)
        pieces, pieces_bias = flat(by_square), flat(pad(pieces_bias.reshape(SQUARES, planes), 1))
        more = _matrix(weight[:, PLANES:])
    else:
        start = start + reach_map().astype(np.float64) @ weight[:, PLANES:].T
    gate = (
        [named_tensor(tensors, f"trunk.gate.{part}", (width, SQUARES)).T for part in ("scale", "shift")]
        if config.gate
        else []
    )
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
        norm=flat(_norm(tensors, "trunk.norm", width)) if planes else nothing,
        gate=aligned_copy(np.stack([pad(part, 1).reshape(-1) for part in gate]))
        if gate
        else np.zeros((2, 0), np.float32),
    )


def fold_encoders(tensors: Tensors, name: str, layers: int, sizes: dict) -> Encoders:
    """Return the layers of an encoder with the settings of `engine.nn.EncoderLayer`."""
    smolgen = sizes.get("smolgen")
    folded = [_layer(tensors, f"{name}.layer{number}", sizes, smolgen) for number in range(layers)]
    table = np.zeros(0, np.float32)
    if smolgen:
        table = packed_copy(named_tensor(tensors, f"{name}.table", (SQUARES**2, smolgen["generated"])).T)
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


def _layer(tensors: Tensors, name: str, sizes: dict, smolgen: dict | None) -> dict[str, np.ndarray]:
    width, heads, inner = sizes["features"], sizes["heads"], sizes["inner"]
    depth, attention = inner // heads, f"{name}.attention"

    def by_head(array: np.ndarray) -> np.ndarray:
        """Pad the numbers of each head, the first axis."""
        parts = pad(array.reshape(heads, depth, -1), 1)
        return parts.reshape(heads * parts.shape[1], -1)

    query, query_bias = _dense(tensors, f"{attention}.query", inner, width)
    key, _ = _dense(tensors, f"{attention}.key", inner, width)
    value, value_bias = _dense(tensors, f"{attention}.value", inner, width)
    output, output_bias = _dense(tensors, f"{attention}.output", width, inner)
    factor = 1 / math.sqrt(depth)
    columns = [by_head(part).T for part in (query * factor, key, value)]
    arrays = {
        "queries": packed_copy(pad(np.concatenate(columns, axis=1), 0)),
        "query_bias": by_head(query_bias * factor).reshape(-1),
        "output": packed_copy(pad(by_head(output.T), 1)),
        "output_bias": pad(output_bias + output @ value_bias, 0),
        "norm1": _norm(tensors, f"{name}.norm", width),
        **_feed(tensors, f"{name}.feed", width, sizes["hidden"]),
    }
    return arrays | (_smolgen(tensors, f"{name}.smolgen", width, heads, smolgen) if smolgen else {})


def _feed(tensors: Tensors, name: str, width: int, hidden: int) -> dict[str, np.ndarray]:
    up, up_bias = _dense(tensors, f"{name}.dense1", hidden, width)
    down, down_bias = _dense(tensors, f"{name}.dense2", width, hidden)
    biases = {"up_bias": pad(up_bias, 0), "down_bias": pad(down_bias, 0)}
    return {"up": _matrix(up), "down": _matrix(down), "norm2": _norm(tensors, f"{name}.norm", width), **biases}


def _mix(tensors: Tensors, config: TransformerConfig) -> Encoders:
    sizes = config.encoder_layer | {"epsilon": DENSE_EPSILON}
    layer = _feed(tensors, "trunk.mix", config.width, config.embedding_hidden)
    return _encoders(sizes, None, np.zeros(0, np.float32), [layer])


def _smolgen(tensors: Tensors, name: str, width: int, heads: int, sizes: dict) -> dict[str, np.ndarray]:
    small, units, codes = sizes["compressed"], sizes["hidden"], heads * sizes["generated"]
    dense1, bias1 = _dense(tensors, f"{name}.dense1", units, SQUARES * small)
    dense2, bias2 = _dense(tensors, f"{name}.dense2", codes, units)
    by_square = pad(dense1.reshape(units, SQUARES, small), 2).reshape(units, -1)
    filling = FAR_BELOW_ZERO if sizes["activation"] == "sigmoid" else 0.0  # The norms expect zeros there.
    biases = [np.pad(bias, (0, -len(bias) % LANES), constant_values=filling) for bias in (bias1, bias2)]
    return {
        "compress": _matrix(named_tensor(tensors, f"{name}.compress", (small, width))),
        "dense1": _matrix(by_square),
        "dense1_bias": biases[0],
        "small_norm1": _norm(tensors, f"{name}.norm1", units),
        "dense2": _matrix(dense2),
        "dense2_bias": biases[1],
        "small_norm2": _norm(tensors, f"{name}.norm2", codes),
    }
