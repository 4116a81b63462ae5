"""From a trained tower's tensors to what fused inference multiplies with: batch norm folded in, filters transformed,
channels padded.

Channels are padded with zeros to whole lanes: such a channel has bias 0, stays 0 through every ReLU, and its gate
multiplies nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.errors import ConfigError, ShapeError
from engine.jit import LANES
from engine.network.fused_steps import DenseHead, Gates, Weights
from engine.network.input_layer import input_layer
from engine.network.tower import SQUARES, TowerConfig
from engine.network.winograd import aligned_copy, transform_weights

Tensors = Mapping[str, np.ndarray]

NORM_EPSILON = 1e-5  # BatchNorm's default and Lc0's constant


def fold(tensors: Tensors, config: TowerConfig) -> Weights:
    """Fold a tower's named parameters and buffers (names as in `tower.py`).

    Raises ConfigError when a tensor is missing or the activation is not ReLU, ShapeError when a shape does not fit.
    """
    if config.activation != "relu":
        raise ConfigError(f"fused inference knows the activation 'relu', not {config.activation!r}")
    f = config.filters
    stem, stem_bias = _normed(tensors, "trunk.input_conv", "trunk.input_norm", (f, 112, 3, 3))
    names = [(f"trunk.block{b}.conv{i}", f"trunk.block{b}.norm{i}") for b in range(config.blocks) for i in (1, 2)]
    trunk = [_normed(tensors, *pair, (f, f, 3, 3)) for pair in [*names, ("policy.conv1", "policy.norm1")]]
    policy = _tensor(tensors, "policy.conv2.weight", (config.policy_planes, f, 3, 3))
    value, value_bias = _normed(tensors, "wdl.conv", "wdl.norm", (config.value_channels, f, 1, 1))
    left, left_bias = _normed(tensors, "moves_left.conv", "moves_left.norm", (config.moves_left_channels, f, 1, 1))
    return Weights(
        input=input_layer(_pad(stem, 0), _pad(stem_bias, 0)),
        trunk=aligned_copy(np.stack([_winograd(weight) for weight, _ in trunk])),
        trunk_bias=aligned_copy(np.stack([_pad(bias, 0) for _, bias in trunk])),
        gates=_gates(tensors, config),
        policy=_winograd(policy),
        policy_bias=_flat(_pad(_tensor(tensors, "policy.conv2.bias", (config.policy_planes,)), 0)),
        heads=_flat(_pad(_pad(np.concatenate([value, left])[:, :, 0, 0].T, 0), 1)),
        heads_bias=_flat(_pad(np.concatenate([value_bias, left_bias]), 0)),
        value_channels=np.array([config.value_channels, config.moves_left_channels], np.int64),
        value=_dense_head(tensors, "wdl", config.value_channels, config.value_hidden, 3),
        moves_left=_dense_head(tensors, "moves_left", config.moves_left_channels, config.moves_left_hidden, 1),
    )


def _gates(tensors: Tensors, config: TowerConfig) -> Gates:
    filters, hidden = config.filters, config.filters // config.se_ratio if config.se_ratio else 0
    parts = [_gate(tensors, f"trunk.block{b}.se.", filters, hidden) for b in range(config.blocks)] if hidden else []
    if not parts:
        return Gates(*(np.zeros((config.blocks, 0), np.float32) for _ in Gates._fields))
    return Gates(*(aligned_copy(np.stack(arrays)) for arrays in zip(*parts, strict=True)))


def _gate(tensors: Tensors, name: str, filters: int, hidden: int) -> tuple[np.ndarray, ...]:
    """One block's gate in the order of `Gates`, each array flat."""
    squeeze = _tensor(tensors, name + "squeeze.weight", (hidden, filters)).T
    excite = _tensor(tensors, name + "excite.weight", (2 * filters, hidden)).T.reshape(hidden, 2, filters)
    squeeze_bias = _tensor(tensors, name + "squeeze.bias", (hidden,))
    excite_bias = _tensor(tensors, name + "excite.bias", (2 * filters,)).reshape(2, filters)
    padded = _pad(_pad(squeeze, 0), 1), _pad(squeeze_bias, 0), _pad(_pad(excite, 0), 2), _pad(excite_bias, 1)
    return tuple(array.reshape(-1) for array in padded)


def _dense_head(tensors: Tensors, name: str, channels: int, hidden: int, outputs: int) -> DenseHead:
    weight1 = _tensor(tensors, f"{name}.dense1.weight", (hidden, channels * SQUARES))
    by_square = weight1.reshape(hidden, channels, SQUARES).transpose(2, 1, 0)
    return DenseHead(
        weight1=_flat(_pad(by_square, 2)),
        bias1=_flat(_pad(_tensor(tensors, f"{name}.dense1.bias", (hidden,)), 0)),
        weight2=aligned_copy(_pad(_tensor(tensors, f"{name}.dense2.weight", (outputs, hidden)).T, 0)),
        bias2=aligned_copy(_tensor(tensors, f"{name}.dense2.bias", (outputs,))),
    )


def _normed(tensors: Tensors, conv: str, norm: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of a convolution with its batch norm folded in: w g / s and beta - mean g / s, s^2 = variance +
    eps.
    """
    channels = (shape[0],)
    weight = _tensor(tensors, conv + ".weight", shape)
    names = ("gamma", "beta", "running_mean", "running_variance")
    gamma, beta, mean, variance = (_tensor(tensors, f"{norm}.{name}", channels) for name in names)
    scale = gamma / np.sqrt(variance + NORM_EPSILON)
    return weight * scale[:, None, None, None], beta - mean * scale


def _winograd(weight: np.ndarray) -> np.ndarray:
    return transform_weights(_pad(_pad(weight, 0), 1)).reshape(-1)


def _tensor(tensors: Tensors, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One tensor as float64, so that folding rounds once, at its end."""
    if name not in tensors:
        raise ConfigError(f"the tower has no tensor {name!r}")
    array = np.asarray(tensors[name], np.float64)
    if array.shape != shape:
        raise ShapeError(f"{name}: expected {list(shape)}, found {list(array.shape)}")
    return array


def _pad(array: np.ndarray, axis: int) -> np.ndarray:
    """Zeros at the end of an axis up to a multiple of the lanes."""
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, -array.shape[axis] % LANES)
    return np.pad(array, widths)


def _flat(array: np.ndarray) -> np.ndarray:
    return aligned_copy(array).reshape(-1)
