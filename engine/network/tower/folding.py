"""Prepare a trained tower's tensors for fused inference: fold in batch norm, transform filters, pad channels.

Zeros pad the channels to whole lanes. A padding channel has bias 0 and stays 0 through every activation and gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.native.lanes import LANES
from engine.native.memory import aligned_copy
from engine.network.policy_map import POLICY_SIZE
from engine.network.tower.fused_heads import DenseHead, OneByOne
from engine.network.tower.fused_policy import Attention, Classical, ConvHead, PolicyHead
from engine.network.tower.fused_steps import FusedWeights, Gates
from engine.network.tower.fused_winograd import transform_weights
from engine.network.tower.input_layer import input_layer
from engine.network.tower.model import NORM_EPSILON, SQUARES, TowerConfig
from engine.network.tower.multiply import packed
from engine.network.transformer.model import NetworkConfig, layers_with
from engine.nn.norm_folding import fold_norms
from engine.nn.operations.tiles import PLACES

Tensors = Mapping[str, np.ndarray]  # float64 parameters from `folded_tensors`
Affine = tuple[np.ndarray, np.ndarray]  # weight and bias
ACTIVATIONS = ("relu", "mish")


def folded_tensors(tensors: Mapping[str, np.ndarray], config: NetworkConfig) -> Tensors:
    """Return a network's parameters by name, batch norm folded in, as float64: they are rounded once, at the end.

    Raises ConfigError when a tensor is missing, a variance negative or the activation neither ReLU nor mish, and
    ShapeError when a shape does not fit.
    """
    if config.activation not in ACTIVATIONS:
        raise ConfigError(f"fused inference knows {' and '.join(ACTIVATIONS)}, not {config.activation!r}")
    model = layers_with(tensors, config).astype(np.float64)
    for name, array in model.named_buffers().items():
        if name.endswith("variance") and not (array > -NORM_EPSILON).all():
            raise ConfigError(f"{name}: expected no negative variance, found {array.min():g}")
    return fold_norms(model).named_parameters()


def fold(tensors: Tensors, config: TowerConfig) -> tuple[FusedWeights, PolicyHead]:
    """Lay out a tower's parameters; names as in `model.py`."""
    policy, nothing = _policy(tensors, config.policy), np.zeros(0, np.float32)
    weights = FusedWeights(
        input=input_layer(*(pad(array, 0) for array in affine(tensors, "trunk.input_conv"))),
        **_trunk(tensors, config),
        gates=_gates(tensors, config),
        policy=policy if isinstance(policy, ConvHead) else ConvHead(nothing, nothing),  # empty for other heads
        **answer_heads(tensors, config.value_head, "conv"),
    )
    return weights, policy


def affine(tensors: Tensors, name: str) -> Affine:
    """Return the weight and bias of a layer."""
    return tensors[f"{name}.weight"], tensors[f"{name}.bias"]


def _trunk(tensors: Tensors, config: TowerConfig) -> dict[str, Any]:
    """Return the fields `trunk` and `trunk_bias` of `Weights`."""
    names = [f"trunk.block{block}.conv{number}" for block in range(config.blocks) for number in (1, 2)]
    if config.policy == "convolution":
        names.append("policy.conv1")
    layers, channels = [affine(tensors, name) for name in names], config.filters + -config.filters % LANES
    return {
        "trunk": _stacked([_winograd(weight) for weight, _ in layers], PLACES * channels * channels),
        "trunk_bias": _stacked([pad(bias, 0) for _, bias in layers], channels),
    }


def _policy(tensors: Tensors, kind: str) -> PolicyHead:
    if kind == "convolution":
        weight, bias = affine(tensors, "policy.conv2")
        return ConvHead(_winograd(weight), flat(pad(bias, 0)))
    if kind == "classical":
        weight, bias = affine(tensors, "policy.dense")
        rows = weight.reshape(POLICY_SIZE, -1, SQUARES).swapaxes(1, 2)
        return Classical(one_by_one(affine(tensors, "policy.conv")), flat(pad(rows, 2)), flat(bias))
    return attention_weights(tensors, "policy")


def attention_weights(tensors: Tensors, head: str) -> Attention:
    """Return the attention policy `head`."""
    (query, query_bias), (key, key_bias) = (affine(tensors, f"{head}.moves.{name}") for name in ("query", "key"))
    root = math.sqrt(len(query))
    weight = pad(np.concatenate([pad(part, 1) for part in (query.T / root, key.T)], axis=1), 0)
    bias = np.concatenate([pad(part, 0) for part in (query_bias / root, key_bias)])
    pieces, squares = tensors[f"{head}.moves.promotion"], one_by_one(affine(tensors, f"{head}.embedding"))
    return Attention(squares, packed_copy(weight), flat(bias), flat(pad(pieces[:3] + pieces[3], 1)))  # the 4th: knight


def one_by_one(*parts: Affine) -> OneByOne:
    """Join the heads' 1x1 convolutions [F, C, 1, 1] or [F, C] with bias [F], one head's features after another's."""
    split = np.array([len(bias) for _, bias in parts] + [0] * (2 - len(parts)), np.int64)
    weight = pad(np.concatenate([weight.reshape(len(weight), -1).T for weight, _ in parts], axis=1), 0)
    bias = np.concatenate([bias for _, bias in parts])
    return OneByOne(packed_copy(pad(weight, 1)), flat(pad(bias, 0)), np.int64(len(weight)), split)


def answer_heads(tensors: Tensors, value: str, embedding: str) -> dict[str, Any]:
    """Return the fields `heads`, `value` and `moves_left` of a network; `embedding` is the heads' first layer."""
    heads = [value] + ["moves_left"] * (f"moves_left.{embedding}.weight" in tensors)
    nothing = np.zeros(0, np.float32)
    dense = [
        *(_dense_head(tensors, head) for head in heads),
        DenseHead(nothing, nothing, np.zeros((0, 0), np.float32), nothing),
    ]
    squares = one_by_one(*(affine(tensors, f"{head}.{embedding}") for head in heads))
    return {"heads": squares, "value": dense[0], "moves_left": dense[1]}


def _dense_head(tensors: Tensors, name: str) -> DenseHead:
    """Return the two dense layers of a head, whose first takes squares by channels (towers) or channels by squares."""
    (weight1, bias1), (weight2, bias2) = (affine(tensors, f"{name}.dense{number}") for number in (1, 2))
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


def _gates(tensors: Tensors, config: TowerConfig) -> Gates:
    blocks = range(config.blocks if config.se_ratio else 0)
    if not blocks:
        return Gates(*(np.zeros((config.blocks, 0), np.float32) for _ in Gates._fields))
    parts = [_gate(tensors, f"trunk.block{block}.se") for block in blocks]
    return Gates(*(aligned_copy(np.stack(arrays)) for arrays in zip(*parts, strict=True)))


def _gate(tensors: Tensors, name: str) -> tuple[np.ndarray, ...]:
    """One block's gate in the order of `Gates`, each array flat."""
    (squeeze, squeeze_bias), (excite, excite_bias) = (
        affine(tensors, f"{name}.{part}") for part in ("squeeze", "excite")
    )
    halves = excite.T.reshape(len(squeeze), 2, -1), excite_bias.reshape(2, -1)
    padded = pad(pad(squeeze.T, 0), 1), pad(squeeze_bias, 0), pad(pad(halves[0], 0), 2), pad(halves[1], 1)
    return tuple(array.reshape(-1) for array in padded)


def _winograd(weight: np.ndarray) -> np.ndarray:
    return transform_weights(pad(pad(weight, 0), 1))


def pad(array: np.ndarray, axis: int) -> np.ndarray:
    """Pad the end of an axis with zeros to a multiple of the lane width."""
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, -array.shape[axis] % LANES)
    return np.pad(array, widths)


def _stacked(arrays: list[np.ndarray], length: int) -> np.ndarray:
    """Stack flat arrays as rows; an empty list gives no rows."""
    return aligned_copy(np.stack(arrays)) if arrays else np.zeros((0, length), np.float32)


def packed_copy(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix as `multiply` reads it."""
    return aligned_copy(packed(matrix))


def flat(array: np.ndarray) -> np.ndarray:
    """Return a flat, aligned copy."""
    return aligned_copy(array).reshape(-1)
