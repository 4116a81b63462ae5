"""Lay out a tower's tensors for fused inference, filters transformed for `convolution`."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.native.lanes import LANES
from engine.native.memory import aligned_copy
from engine.network.fused.convolution import transform_weights
from engine.network.fused.policy_heads import Classical, ConvHead, PolicyHead
from engine.network.fused.tensor_layout import Tensors, affine, answer_heads, attention_weights, flat, one_by_one, pad
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
    layers, channels = [affine(tensors, name) for name in names], config.filters + -config.filters % LANES
    filters = _stacked([_winograd(weight) for weight, _ in layers], PLACES * channels * channels)
    return {"trunk": filters, "trunk_bias": _stacked([pad(bias, 0) for _, bias in layers], channels)}


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
    parts = [_gate(tensors, f"trunk.block{block}.se") for block in blocks]
    return Gates(*(aligned_copy(np.stack(arrays)) for arrays in zip(*parts, strict=True)))


def _gate(tensors: Tensors, name: str) -> tuple[np.ndarray, ...]:
    """One block's gate in the order of `Gates`, each array flat."""
    squeeze, squeeze_bias = affine(tensors, f"{name}.squeeze")
    excite, excite_bias = affine(tensors, f"{name}.excite")
    halves = excite.T.reshape(len(squeeze), 2, -1), excite_bias.reshape(2, -1)
    padded = pad(pad(squeeze.T, 0), 1), pad(squeeze_bias, 0), pad(pad(halves[0], 0), 2), pad(halves[1], 1)
    return tuple(array.reshape(-1) for array in padded)


def _winograd(weight: np.ndarray) -> np.ndarray:
    return transform_weights(pad(pad(weight, 0), 1))


def _stacked(arrays: list[np.ndarray], length: int) -> np.ndarray:
    """Stack flat arrays as rows; an empty list gives no rows."""
    return aligned_copy(np.stack(arrays)) if arrays else np.zeros((0, length), np.float32)
