"""Fused inference: the tower's forward pass for playing, several times faster than the layers that trained it.

Memory: a thread makes its buffers for one chunk of eight positions at its first call, and they never grow: 1.4 MiB for
a 64x6 net and 2.3 MiB for 128x10. Threads share the weights, which take 11 and 54 MiB in the layout of the products.
Larger batches run in chunks and need no more memory.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from engine.native.memory import buffers
from engine.network.fused.convolution import products_buffer
from engine.network.fused.heads import head_space
from engine.network.fused.inference import Fused
from engine.network.fused.policy_heads import Attention, Classical, PolicySpace, square_features
from engine.network.fused.smooth import MISH, RELU, SELU
from engine.network.fused.tensor_layout import fold_encoders, folded_tensors
from engine.network.outputs import CHUNK
from engine.network.tower.folding import fold
from engine.network.tower.fused_steps import Space, forward
from engine.network.tower.model import TowerConfig


class FusedTower(Fused):
    """A tower ready to play.

    `tensors` are the parameters and buffers of `model.py` by name. Raises ConfigError or ShapeError when they do not
    fit `config`, and ConfigError when they are not finite, before or after batch norm is folded in.
    """

    config: TowerConfig

    def __init__(self, tensors: Mapping[str, np.ndarray], config: TowerConfig) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # The next line refuses the result.
            folded = folded_tensors(config, tensors)
            self.weights, self.policy = fold(folded, config)
            if layers := config.policy_layers:
                self.encoders = fold_encoders(folded, "policy.encoder", layers, config.policy_encoder_layer)
        super().__init__(config, self.weights, self.policy, self.encoders)
        self.smooth = True if config.activation == "mish" else None

    def evaluate_body(self, masks: np.ndarray, space: Space, wdl: np.ndarray, moves_left: np.ndarray) -> PolicySpace:
        count = len(masks)
        forward(masks, self.weights, self.smooth, space, wdl, moves_left)
        if isinstance(head := self.policy, Attention):  # its activation is SELU in every tower
            square_features(head.squares, space.boards, count, np.int64(SELU), space.policy.embedded)
        elif isinstance(head, Classical):
            act = np.int64(RELU if self.smooth is None else MISH)
            square_features(head.squares, space.boards, count, act, space.policy.answers)
        return space.policy

    def new_space(self) -> Space:
        weights = self.weights
        channels = int(weights.heads.channels)
        given = {
            "transformed": products_buffer(CHUNK, channels),
            "multiplied": products_buffer(CHUNK, channels),
            "policy": self.new_policy_space(),
            "heads": head_space(weights.heads, weights.value, weights.moves_left),
        }
        return buffers(Space, given, C=channels, H=weights.gates.squeeze_bias.shape[1])
