"""Fused inference: the tower's forward pass for playing, several times faster than the layers that
trained it.

Memory: a thread makes its buffers for one chunk of eight positions at its first call, and they
never grow: 1.5 MiB for a 64x6 net and 2.3 MiB for 128x10. Threads share the weights, which take 11
and 66 MiB in the layouts of the products. Larger batches run in chunks and need no more memory.
"""

from typing import Any

import numpy as np

from engine.native.aligned_arrays import buffers
from engine.network.fused.convolution import Filters, filters_of, products_buffer
from engine.network.fused.heads import head_space
from engine.network.fused.lone_board import U_SIZE
from engine.network.fused.network_sizes import SQUARES
from engine.network.fused.policy_heads import (
    Attention,
    Classical,
    ConvHead,
    PolicyHead,
    PolicySpace,
    square_features,
)
from engine.network.fused.ready_network import Fused
from engine.network.fused.smooth import MISH, RELU, SELU
from engine.network.fused.tensor_layout import (
    affine,
    answer_heads,
    attention_weights,
    flat,
    fold_encoders,
    folded_tensors,
    one_by_one,
    pad,
    stacked,
)
from engine.network.outputs import Tensors
from engine.network.policy_map import POLICY_SIZE
from engine.network.tower.fused_steps import FusedWeights, Gates, Space, forward
from engine.network.tower.input_layer import input_layer
from engine.network.tower.tower_model import TowerConfig


def fold(tensors: Tensors, config: TowerConfig) -> tuple[FusedWeights, PolicyHead]:
    """Lay out a tower's parameters; names as in `tower_model`."""
    policy = _policy(tensors, config.policy)
    nothing = np.zeros(0, np.float32)
    planes = ConvHead(Filters(nothing, nothing), nothing)  # Empty for other heads.
    if isinstance(policy, ConvHead):
        planes = policy
    weights = FusedWeights(
        input=input_layer(*(pad(array, 0) for array in affine(tensors, "trunk.input_conv"))),
        **_trunk(tensors, config),
        gates=_gates(tensors, config),
        policy=planes,
        heads=answer_heads(tensors, config.value_head, "conv"),
    )
    return weights, policy


def _trunk(tensors: Tensors, config: TowerConfig) -> dict[str, Any]:
    """Return the fields `trunk` and `trunk_bias` of `FusedWeights`."""
    names = [
        f"trunk.block{block}.conv{number}" for block in range(config.blocks) for number in (1, 2)
    ]
    if config.policy == "convolution":
        names.append("policy.conv1")
    nothing = np.zeros((0, 0), np.float32)
    layers = dict.fromkeys(("table", "plain", "bias"), nothing) | stacked(
        len(names), (_convolution(*affine(tensors, name)) for name in names)
    )
    bias = layers.pop("bias")
    return {"trunk": Filters(**layers), "trunk_bias": bias}


def _convolution(weight: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    """Return a layer's bias, and its filters by the fields of `Filters`."""
    return {**_filters(weight)._asdict(), "bias": pad(bias, 0)}


def _policy(tensors: Tensors, kind: str) -> PolicyHead:
    if kind == "convolution":
        weight, bias = affine(tensors, "policy.conv2")
        return ConvHead(_filters(weight), flat(pad(bias, 0)))
    if kind == "classical":
        weight, bias = affine(tensors, "policy.dense")
        rows = weight.reshape(POLICY_SIZE, -1, SQUARES).swapaxes(1, 2)
        return Classical(one_by_one(affine(tensors, "policy.conv")), flat(pad(rows, 2)), flat(bias))
    return attention_weights(tensors)


def _gates(tensors: Tensors, config: TowerConfig) -> Gates:
    if not config.blocks or not config.se_ratio:
        return Gates(*(np.zeros((config.blocks, 0), np.float32) for _ in Gates._fields))
    gates = (_gate(tensors, f"trunk.block{block}.se") for block in range(config.blocks))
    return Gates(**stacked(config.blocks, gates))


def _gate(tensors: Tensors, name: str) -> dict[str, np.ndarray]:
    """Return one block's gate by the fields of `Gates`, each array flat."""
    squeeze, squeeze_bias = affine(tensors, f"{name}.squeeze")
    excite, excite_bias = affine(tensors, f"{name}.excite")
    halves = excite.T.reshape(len(squeeze), 2, -1), excite_bias.reshape(2, -1)
    padded = (
        pad(pad(squeeze.T, 0), 1),
        pad(squeeze_bias, 0),
        pad(pad(halves[0], 0), 2),
        pad(halves[1], 1),
    )
    return {field: array.reshape(-1) for field, array in zip(Gates._fields, padded, strict=True)}


def _filters(weight: np.ndarray) -> Filters:
    return filters_of(pad(pad(weight, 0), 1))


class FusedTower(Fused):
    """A tower ready to play.

    `tensors` are the parameters and buffers of `tower_model` by name. Raises ConfigError or ShapeError
    when they do not fit `config`, and ConfigError when they are not finite, before or after batch
    norm is folded in.
    """

    config: TowerConfig

    def __init__(self, tensors: Tensors, config: TowerConfig) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # The next line refuses the result.
            folded = folded_tensors(config, tensors)
            self.weights, self.policy = fold(folded, config)
            if layers := config.policy_layers:
                self.encoders = fold_encoders(
                    folded, "policy.encoder", layers, config.policy_encoder_layer
                )
        super().__init__(config, self.weights, self.policy, self.encoders)
        self.smooth = True if config.activation == "mish" else None

    def evaluate_body(
        self, masks: np.ndarray, space: Space, wdl: np.ndarray, moves_left: np.ndarray
    ) -> PolicySpace:
        count = len(masks)
        forward(masks, self.weights, self.smooth, space, wdl, moves_left)
        if isinstance(head := self.policy, Attention):  # its activation is SELU in every tower
            square_features(head.squares, space.boards, count, SELU, space.policy.embedded)
        elif isinstance(head, Classical):
            act = RELU if self.smooth is None else MISH
            square_features(head.squares, space.boards, count, act, space.policy.answers)
        return space.policy

    def new_space(self) -> Space:
        weights = self.weights
        channels = int(weights.heads.squares.channels)
        arrays = {
            "transformed": products_buffer(channels),
            "multiplied": products_buffer(channels),
            "policy": self.new_policy_space(),
            "heads": head_space(weights.heads),
        }
        return buffers(Space, arrays, C=channels, H=weights.gates.squeeze_bias.shape[1], U=U_SIZE)
