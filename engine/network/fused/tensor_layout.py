"""Lay out the tensors of towers and transformers for the fused kernels: fold in batch norm, pad,
pack, drop biases that vanish.

Zeros pad the channels to whole lanes. A padding channel has bias 0 and stays 0 through every
activation and gate.
"""

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.native.aligned_arrays import aligned, aligned_copy
from engine.native.lanes import LANES
from engine.network.fused.encoder_steps import Encoders
from engine.network.fused.given_tensors import LazyTensors, fitting
from engine.network.fused.heads import AnswerHeads, DenseHead, OneByOne
from engine.network.fused.multiply import packed
from engine.network.fused.network_sizes import NORM_EPSILON, SQUARES, NetworkSizes
from engine.network.fused.policy_heads import Attention
from engine.network.fused.smooth import ACTIVATION_CODES
from engine.network.outputs import Tensors
from engine.nn.norm_folding import fold_norm

Affine = tuple[np.ndarray, np.ndarray]  # weight and bias
ACTIVATIONS = ("relu", "mish")
NORM_PARTS = ("gamma", "beta", "running_mean", "running_variance")
FAR_BELOW_ZERO = -100.0  # where a sigmoid is 0
NO_SMOLGEN: dict[str, Any] = {"hidden": 0, "generated": 0, "activation": "identity"}


def folded_tensors(config: NetworkSizes, tensors: Tensors) -> Tensors:
    """Return a network's parameters by name, batch norm folded in, as float64: they are rounded
    once, at the end.

    Each is computed when it is taken. Errors as of `fitting`, and ConfigError for an activation but
    ReLU and mish.
    """
    if config.activation not in ACTIVATIONS:
        raise ConfigError(
            f"fused inference knows {' and '.join(ACTIVATIONS)}, not {config.activation!r}"
        )
    arrays = fitting(config.blank(), tensors)

    def exact(name: str) -> np.ndarray:
        return arrays[name].astype(np.float64)

    def folded(conv: str, norm: str, part: int) -> np.ndarray:
        gamma, beta, mean, variance = (exact(f"{norm}.{name}") for name in NORM_PARTS)
        return fold_norm(exact(f"{conv}.weight"), gamma, beta, mean, variance, NORM_EPSILON)[part]

    makers = {name: partial(exact, name) for name in arrays}
    for conv in [name.removesuffix(".weight") for name in arrays if "conv" in name]:
        norm = conv.replace("conv", "norm")
        if f"{norm}.gamma" in arrays:
            for part, leaf in enumerate(("weight", "bias")):
                makers[f"{conv}.{leaf}"] = partial(folded, conv, norm, part)
    return LazyTensors(makers)


# ---- arrays --------------------------------------------------------------------------------------


def affine(tensors: Tensors, name: str) -> Affine:
    """Return the weight and bias of a layer."""
    return tensors[f"{name}.weight"], tensors[f"{name}.bias"]


def two_dense(tensors: Tensors, name: str) -> tuple[Affine, Affine]:
    """Return the two dense layers of a head or a block."""
    return affine(tensors, f"{name}.dense1"), affine(tensors, f"{name}.dense2")


def pad(array: np.ndarray, axis: int) -> np.ndarray:
    """Pad the end of an axis with zeros to a multiple of the lane width."""
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, -array.shape[axis] % LANES)
    return np.pad(array, widths) if widths[axis][1] else array


def matrix(weight: np.ndarray) -> np.ndarray:
    """Return a weight [outputs, inputs] as `multiply` reads it, padded."""
    return packed_copy(pad(pad(weight.T.astype(np.float32), 0), 1))


def packed_copy(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix as `multiply` reads it."""
    return aligned_copy(packed(matrix))


def flat(array: np.ndarray) -> np.ndarray:
    """Return a flat, aligned copy."""
    return aligned_copy(array).reshape(-1)


def stacked(count: int, layers: Iterable[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Stack the arrays of `count` layers by name, [layer, ...], float32 and aligned.

    It takes them out of the layers, so that a generator of layers has one at a time in memory.
    """
    whole: dict[str, np.ndarray] = {}
    for number, layer in enumerate(layers):
        for name in list(layer):
            array = layer.pop(name)
            if not number:
                whole[name] = aligned(count * array.size).reshape(count, *array.shape)
            whole[name][number] = array
    return whole


# ---- heads ---------------------------------------------------------------------------------------


def attention_weights(tensors: Tensors) -> Attention:
    """Return the attention policy."""
    query, query_bias = affine(tensors, "policy.moves.query")
    key, key_bias = affine(tensors, "policy.moves.key")
    root = math.sqrt(len(query))
    weight = pad(np.concatenate([pad(part, 1) for part in (query.T / root, key.T)], axis=1), 0)
    bias = np.concatenate([pad(part, 0) for part in (query_bias / root, key_bias)])
    pieces = tensors["policy.moves.promotion"]
    squares = one_by_one(affine(tensors, "policy.embedding"))
    # The 4th: knight.
    return Attention(squares, packed_copy(weight), flat(bias), flat(pad(pieces[:3] + pieces[3], 1)))


def one_by_one(*parts: Affine) -> OneByOne:
    """Join the heads' 1x1 convolutions [F, C, 1, 1] or [F, C] with bias [F], one head's features
    after another's.
    """
    head_features = np.array([len(bias) for _, bias in parts] + [0] * (2 - len(parts)), np.int64)
    columns = [weight.reshape(len(weight), -1).T for weight, _ in parts]
    weight = pad(np.concatenate(columns, axis=1), 0)
    bias = np.concatenate([bias for _, bias in parts])
    return OneByOne(
        packed_copy(pad(weight, 1)), flat(pad(bias, 0)), np.int64(len(weight)), head_features
    )


def answer_heads(tensors: Tensors, value: str, embedding: str) -> AnswerHeads:
    """Return the value head of this name and moves left; `embedding` is their first layer."""
    squares = [affine(tensors, f"{value}.{embedding}")]
    nothing = np.zeros(0, np.float32)
    moves_left = DenseHead(nothing, nothing, np.zeros((0, 0), np.float32), nothing)
    if f"moves_left.{embedding}.weight" in tensors:
        squares.append(affine(tensors, f"moves_left.{embedding}"))
        moves_left = _dense_head(tensors, "moves_left")
    return AnswerHeads(one_by_one(*squares), _dense_head(tensors, value), moves_left)


def _dense_head(tensors: Tensors, name: str) -> DenseHead:
    """Return the two dense layers of a head, whose first takes squares by channels (towers) or
    channels by squares.
    """
    (weight1, bias1), (weight2, bias2) = two_dense(tensors, name)
    if f"{name}.conv.weight" in tensors:
        by_square = weight1.reshape(len(weight1), -1, SQUARES).transpose(2, 1, 0)
    else:
        by_square = weight1.reshape(len(weight1), SQUARES, -1).transpose(1, 2, 0)
    return DenseHead(
        weight1=packed_copy(pad(by_square, 2).reshape(weight1.shape[1], -1)),
        bias1=flat(pad(bias1, 0)),
        weight2=aligned_copy(pad(weight2.T, 0)),
        bias2=aligned_copy(bias2),
    )


# ---- encoder layers ------------------------------------------------------------------------------


def fold_encoders(tensors: Tensors, name: str, layers: int, sizes: dict) -> Encoders:
    """Return the layers of an encoder with the settings of `engine.nn.EncoderLayer`."""
    smolgen = sizes.get("smolgen")
    folded = (
        _layer(tensors, f"{name}.layer{number}", sizes["heads"], smolgen)
        for number in range(layers)
    )
    table = np.zeros(0, np.float32)
    if smolgen:
        table = packed_copy(tensors[f"{name}.table"].T)
    return stacked_encoders(sizes, table, stacked(layers, folded))


def stacked_encoders(sizes: dict, table: np.ndarray, layers: dict[str, np.ndarray]) -> Encoders:
    """Return layers that have the settings `sizes`, from their stacked arrays."""
    heads = sizes["heads"]
    smolgen = sizes.get("smolgen") or NO_SMOLGEN
    generated = smolgen["generated"]
    fields = Encoders._fields[Encoders._fields.index("queries") : Encoders._fields.index("counts")]
    missing = np.zeros((len(layers["up"]), 0), np.float32)
    return Encoders(
        width=np.int64(sizes["features"]),
        heads=np.int64(heads),
        scale=np.float32(sizes.get("scale", 1.0)),
        epsilon=np.float32(sizes["epsilon"]),
        act=np.int64(ACTIVATION_CODES[sizes["activation"]]),
        smolgen_act=np.int64(ACTIVATION_CODES[smolgen["activation"]]),
        generated=np.int64(generated),
        counts=np.array([smolgen["hidden"], heads * generated], np.int64),
        table=table,
        **{field: layers.get(field, missing) for field in fields},
    )


def _layer(tensors: Tensors, name: str, heads: int, smolgen: dict | None) -> dict[str, np.ndarray]:
    arrays = _attention(tensors, name, heads) | feed_weights(tensors, f"{name}.feed")
    if smolgen:
        arrays |= _smolgen(tensors, f"{name}.smolgen", smolgen["activation"])
    return arrays


def _attention(tensors: Tensors, name: str, heads: int) -> dict[str, np.ndarray]:
    query, key, value, output = (
        affine(tensors, f"{name}.attention.{part}") for part in ("query", "key", "value", "output")
    )
    depth = len(query[0]) // heads

    def by_head(array: np.ndarray) -> np.ndarray:
        """Pad the numbers of each head, the first axis; float32."""
        parts = pad(array.reshape(heads, depth, -1), 1).astype(np.float32)
        return parts.reshape(heads * parts.shape[1], -1)

    factor = 1 / math.sqrt(depth)
    columns = [by_head(part).T for part in (query[0] * factor, key[0], value[0])]
    return {
        "queries": packed_copy(pad(np.concatenate(columns, axis=1), 0)),
        "query_bias": by_head(query[1] * factor).reshape(-1),
        "output": packed_copy(pad(by_head(output[0].T), 1)),
        "output_bias": pad(output[1] + output[0] @ value[1], 0),
        "norm1": norm_weights(tensors, f"{name}.norm"),
    }


def feed_weights(tensors: Tensors, name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a feed-forward block and its norm."""
    (up, up_bias), (down, down_bias) = two_dense(tensors, name)
    return {
        "up": matrix(up),
        "up_bias": pad(up_bias, 0),
        "down": matrix(down),
        "down_bias": pad(down_bias, 0),
        "norm2": norm_weights(tensors, f"{name}.norm"),
    }


def norm_weights(tensors: Tensors, name: str) -> np.ndarray:
    """Return a layer norm's gamma and beta, each padded."""
    return np.concatenate([pad(tensors[f"{name}.{part}"], 0) for part in ("gamma", "beta")])


def _smolgen(tensors: Tensors, name: str, activation: str) -> dict[str, np.ndarray]:
    (dense1, bias1), (dense2, bias2) = two_dense(tensors, name)
    by_square = pad(dense1.reshape(len(dense1), SQUARES, -1), 2).reshape(len(dense1), -1)
    filling = FAR_BELOW_ZERO if activation == "sigmoid" else 0.0  # The norms expect zeros there.
    biases = [
        np.pad(bias, (0, -len(bias) % LANES), constant_values=filling) for bias in (bias1, bias2)
    ]
    return {
        "compress": matrix(tensors[f"{name}.compress"]),
        "dense1": matrix(by_square),
        "dense1_bias": biases[0],
        "small_norm1": norm_weights(tensors, f"{name}.norm1"),
        "dense2": matrix(dense2),
        "dense2_bias": biases[1],
        "small_norm2": norm_weights(tensors, f"{name}.norm2"),
    }
