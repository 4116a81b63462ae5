"""Lay out a tower's tensors for fused inference, filters transformed for `convolution`."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.native.lanes import LANES
from engine.network.fused.convolution import transform_weights
from engine.network.fused.policy_heads import Classical, ConvHead, PolicyHead
from engine.network.fused.tensor_layout import (
    Tensors,
    affine,
    answer_heads,
    attention_weights,
    flat,
    one_by_one,
    pad,
    stacked,
)
from engine.network.model_parts import SQUARES
from engine.network.policy_map import POLICY_SIZE
from engine.network.tower.fused_steps import FusedWeights, Gates
from engine.network.tower.input_layer import input_layer
from engine.network.tower.model import TowerConfig
from engine.nn.operations.tiles import PLACES


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


def _trunk(tensors: Tensors, config: TowerConfig) -> dict[str, Any]:
    """Return the fields `trunk` and `trunk_bias` of `FusedWeights`."""
    names = [f"trunk.block{block}.conv{number}" for block in range(config.blocks) for number in (1, 2)]
    if config.policy == "convolution":
        names.append("policy.conv1")
    channels = config.filters + -config.filters % LANES
    parts = (affine(tensors, name) for name in names)
    layers = stacked(len(names), ({"trunk": _winograd(weight), "trunk_bias": pad(bias, 0)} for weight, bias in parts))
    empty = {"trunk": PLACES * channels * channels, "trunk_bias": channels}  # without any layer
    return layers or {field: np.zeros((0, length), np.float32) for field, length in empty.items()}


def _policy(tensors: Tensors, kind: str) -> PolicyHead:
    if kind == "convolution":
        weight, bias = affine(tensors, "policy.conv2")
        return ConvHead(_winograd(weight), flat(pad(bias, 0)))
    if kind == "classical":
        weight, bias = affine(tensors, "policy.dense")
        rows = weight.reshape(POLICY_SIZE, -1, SQUARES).swapaxes(1, 2)
        return Classical(one_by_one(affine(tensors, "policy.conv")), flat(pad(rows, 2)), flat(bias))
    return attention_weights(tensors, "policy")


def _gates(tensors: Tensors, config: TowerConfig) -> Gates:
    blocks = range(config.blocks if config.se_ratio else 0)
    if not blocks:
        return Gates(*(np.zeros((config.blocks, 0), np.float32) for _ in Gates._fields))
    return Gates(**stacked(len(blocks), (_gate(tensors, f"trunk.block{block}.se") for block in blocks)))


def _gate(tensors: Tensors, name: str) -> dict[str, np.ndarray]:
    """Return one block's gate by the fields of `Gates`, each array flat."""
    squeeze, squeeze_bias = affine(tensors, f"{name}.squeeze")
    excite, excite_bias = affine(tensors, f"{name}.excite")
    halves = excite.T.reshape(len(squeeze), 2, -1), excite_bias.reshape(2, -1)
    padded = pad(pad(squeeze.T, 0), 1), pad(squeeze_bias, 0), pad(pad(halves[0], 0), 2), pad(halves[1], 1)
    return {field: array.reshape(-1) for field, array in zip(Gates._fields, padded, strict=True)}


def _winograd(weight: np.ndarray) -> np.ndarray:
    return transform_weights(pad(pad(weight, 0), 1))
