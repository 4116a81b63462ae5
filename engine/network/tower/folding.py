"""Prepare a trained tower's tensors for fused inference: fold in batch norm, transform filters, pad channels.

Zeros pad the channels to whole lanes. A padding channel has bias 0 and stays 0 through every activation and gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from engine.errors import ConfigError, ShapeError
from engine.native.lanes import LANES
from engine.native.memory import aligned_copy
from engine.network.planes import PLANES
from engine.network.policy_map import POLICY_SIZE
from engine.network.tower.fused_heads import DenseHead, OneByOne
from engine.network.tower.fused_policy import Attention, Classical, ConvHead, PolicyHead
from engine.network.tower.fused_steps import FusedWeights, Gates
from engine.network.tower.fused_winograd import transform_weights
from engine.network.tower.input_layer import input_layer
from engine.network.tower.model import NORM_EPSILON, SQUARES, TowerConfig
from engine.network.tower.multiply import packed
from engine.nn.operations.tiles import PLACES

Tensors = Mapping[str, np.ndarray]

ACTIVATIONS = ("relu", "mish")


def fold(tensors: Tensors, config: TowerConfig) -> tuple[FusedWeights, PolicyHead]:
    """Fold a tower's named parameters and buffers (names as in `model.py`).

    Raises ConfigError when a tensor is missing or the activation is neither ReLU nor mish, and ShapeError when a shape
    does not fit.
    """
    if config.activation not in ACTIVATIONS:
        raise ConfigError(f"fused inference knows {' and '.join(ACTIVATIONS)}, not {config.activation!r}")
    f, head = config.filters, config.value_head
    left_channels, left_hidden = config.moves_left_channels, config.moves_left_hidden
    stem, stem_bias = folded_convolution(tensors, "trunk.input_conv", "trunk.input_norm", (f, PLANES, 3, 3))
    features = [folded_convolution(tensors, f"{head}.conv", f"{head}.norm", (config.value_channels, f, 1, 1))]
    if left_channels:
        features.append(folded_convolution(tensors, "moves_left.conv", "moves_left.norm", (left_channels, f, 1, 1)))
    policy, outputs, nothing = _policy(tensors, config), 3 if config.value == "wdl" else 1, np.zeros(0, np.float32)
    weights = FusedWeights(
        input=input_layer(pad(stem, 0), pad(stem_bias, 0)),
        **_trunk(tensors, config),
        gates=_gates(tensors, config),
        policy=policy if isinstance(policy, ConvHead) else ConvHead(nothing, nothing),  # empty for other heads
        heads=one_by_one(f, *features),
        value=dense_head(tensors, head, config.value_channels, config.value_hidden, outputs),
        moves_left=dense_head(tensors, "moves_left", left_channels, left_hidden, 1) if left_channels else no_head(),
    )
    return weights, policy


def _trunk(tensors: Tensors, config: TowerConfig) -> dict[str, np.ndarray]:
    """Return the fields `trunk` and `trunk_bias` of `Weights`."""
    names = [(f"trunk.block{b}.conv{i}", f"trunk.block{b}.norm{i}") for b in range(config.blocks) for i in (1, 2)]
    if config.policy == "convolution":
        names.append(("policy.conv1", "policy.norm1"))
    f, channels = config.filters, config.filters + -config.filters % LANES
    layers = [folded_convolution(tensors, *pair, (f, f, 3, 3)) for pair in names]
    return {
        "trunk": _stacked([_winograd(weight) for weight, _ in layers], PLACES * channels * channels),
        "trunk_bias": _stacked([pad(bias, 0) for _, bias in layers], channels),
    }


def _policy(tensors: Tensors, config: TowerConfig) -> PolicyHead:
    f, planes, depth = config.filters, config.policy_planes, config.policy_depth
    if config.policy == "convolution":
        weight = _winograd(named_tensor(tensors, "policy.conv2.weight", (planes, f, 3, 3)))
        return ConvHead(weight, flat(pad(named_tensor(tensors, "policy.conv2.bias", (planes,)), 0)))
    if config.policy == "classical":
        squares = one_by_one(f, folded_convolution(tensors, "policy.conv", "policy.norm", (planes, f, 1, 1)))
        weight = named_tensor(tensors, "policy.dense.weight", (POLICY_SIZE, planes * SQUARES))
        rows = weight.reshape(POLICY_SIZE, planes, SQUARES).swapaxes(1, 2)
        bias = named_tensor(tensors, "policy.dense.bias", (POLICY_SIZE,))
        return Classical(squares, flat(pad(rows, 2)), flat(bias))
    embedding = named_tensor(tensors, "policy.embedding.weight", (planes, f, 1, 1))
    squares = one_by_one(f, (embedding, named_tensor(tensors, "policy.embedding.bias", (planes,))))
    return attention_weights(tensors, "policy", squares, planes, depth)


def attention_weights(tensors: Tensors, head: str, squares: OneByOne, planes: int, depth: int) -> Attention:
    """Return the attention policy `head` on an embedding of `planes` numbers per square."""
    weights = [named_tensor(tensors, f"{head}.moves.{name}.weight", (depth, planes)).T for name in ("query", "key")]
    biases = [named_tensor(tensors, f"{head}.moves.{name}.bias", (depth,)) for name in ("query", "key")]
    weights[0], biases[0] = weights[0] / math.sqrt(depth), biases[0] / math.sqrt(depth)
    weight = pad(np.concatenate([pad(part, 1) for part in weights], axis=1), 0)
    bias = np.concatenate([pad(part, 0) for part in biases])
    pieces = named_tensor(tensors, f"{head}.moves.promotion", (4, depth))  # queen, rook, bishop, knight
    return Attention(squares, packed_copy(weight), flat(bias), flat(pad(pieces[:3] + pieces[3], 1)))


def one_by_one(channels: int, *parts: tuple[np.ndarray, np.ndarray]) -> OneByOne:
    """Join the heads' 1x1 convolutions [F, C, 1, 1] or [F, C] with bias [F], one head's features after another's."""
    channels += -channels % LANES
    split = np.array([len(bias) for _, bias in parts] + [0] * (2 - len(parts)), np.int64)
    weight = np.concatenate([weight.reshape(len(weight), -1).T for weight, _ in parts], axis=1)
    bias = np.concatenate([bias for _, bias in parts])
    return OneByOne(packed_copy(pad(pad(weight, 0), 1)), flat(pad(bias, 0)), np.int64(channels), split)


def no_head() -> DenseHead:
    """Return a head that a network lacks."""
    nothing = np.zeros(0, np.float32)
    return DenseHead(nothing, nothing, np.zeros((0, 0), np.float32), nothing)


def _gates(tensors: Tensors, config: TowerConfig) -> Gates:
    filters, hidden = config.filters, config.se_hidden
    parts = [_gate(tensors, f"trunk.block{b}.se.", filters, hidden) for b in range(config.blocks)] if hidden else []
    if not parts:
        return Gates(*(np.zeros((config.blocks, 0), np.float32) for _ in Gates._fields))
    return Gates(*(aligned_copy(np.stack(arrays)) for arrays in zip(*parts, strict=True)))


def _gate(tensors: Tensors, name: str, filters: int, hidden: int) -> tuple[np.ndarray, ...]:
    """One block's gate in the order of `Gates`, each array flat."""
    squeeze = named_tensor(tensors, name + "squeeze.weight", (hidden, filters)).T
    excite = named_tensor(tensors, name + "excite.weight", (2 * filters, hidden)).T.reshape(hidden, 2, filters)
    squeeze_bias = named_tensor(tensors, name + "squeeze.bias", (hidden,))
    excite_bias = named_tensor(tensors, name + "excite.bias", (2 * filters,)).reshape(2, filters)
    padded = pad(pad(squeeze, 0), 1), pad(squeeze_bias, 0), pad(pad(excite, 0), 2), pad(excite_bias, 1)
    return tuple(array.reshape(-1) for array in padded)


def dense_head(
    tensors: Tensors, name: str, channels: int, hidden: int, outputs: int, squares_first: bool = False
) -> DenseHead:
    """Return the two dense layers of a head, whose first takes squares by channels (towers) or channels by squares."""
    weight1 = named_tensor(tensors, f"{name}.dense1.weight", (hidden, channels * SQUARES))
    by_square = weight1.reshape(hidden, channels, SQUARES).transpose(2, 1, 0)
    if squares_first:
        by_square = weight1.reshape(hidden, SQUARES, channels).transpose(1, 2, 0)
    return DenseHead(
        weight1=packed_copy(pad(by_square, 2).reshape(SQUARES * channels, -1)),
        bias1=flat(pad(named_tensor(tensors, f"{name}.dense1.bias", (hidden,)), 0)),
        weight2=aligned_copy(pad(named_tensor(tensors, f"{name}.dense2.weight", (outputs, hidden)).T, 0)),
        bias2=aligned_copy(named_tensor(tensors, f"{name}.dense2.bias", (outputs,))),
    )


def folded_convolution(tensors: Tensors, conv: str, norm: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of a convolution with its batch norm folded in, float64.

    These are w g / s and beta - mean g / s with s^2 = variance + epsilon. Raises ConfigError for a missing tensor or a
    variance without a square root, and ShapeError for a tensor that does not fit.
    """
    channels = (shape[0],)
    weight = named_tensor(tensors, conv + ".weight", shape)
    names = ("gamma", "beta", "running_mean", "running_variance")
    gamma, beta, mean, variance = (named_tensor(tensors, f"{norm}.{name}", channels) for name in names)
    if not (variance > -NORM_EPSILON).all():
        raise ConfigError(f"{norm}.running_variance: expected no negative variance, found {variance.min():g}")
    scale = gamma / np.sqrt(variance + NORM_EPSILON)
    return weight * scale[:, None, None, None], beta - mean * scale


def _winograd(weight: np.ndarray) -> np.ndarray:
    return transform_weights(pad(pad(weight, 0), 1))


def named_tensor(tensors: Tensors, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor as float64, so that folding rounds only once, at the end. Raises ConfigError or ShapeError."""
    if name not in tensors:
        raise ConfigError(f"the network has no tensor {name!r}")
    array = np.asarray(tensors[name], np.float64)
    if array.shape != shape:
        raise ShapeError(f"{name}: expected {list(shape)}, found {list(array.shape)}")
    return array


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
