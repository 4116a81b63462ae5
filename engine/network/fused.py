"""Fused inference: the tower's forward pass for playing, several times faster than the layers it was trained with.

A position's output never depends, bit for bit, on what shares its batch or which thread evaluates it: every number is
computed from that position's numbers alone, in one order.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Self

import numpy as np

from engine.errors import ShapeError
from engine.network.folding import fold
from engine.network.fused_steps import CHUNK, Space, Weights, forward
from engine.network.planes import PLANES
from engine.network.tower import SQUARES, TowerConfig
from engine.network.winograd import BOARD, aligned_zeros, products_buffer

MOVES_LEFT_SCALE = 100.0  # the tower counts the rest of the game in hundreds of plies


class FusedTower:
    """A tower ready to play. Several threads may call it at once: each gets its own buffers.

    Give it the parameters and buffers of `tower.py` by name; raises ConfigError or ShapeError when they do not fit
    `config`. The results are exactly repeatable only while BLAS uses one thread (NetworkEvaluator sees to it).
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], config: TowerConfig) -> None:
        self.config = config
        self.weights: Weights = fold(tensors, config)
        self.policy_stride = len(self.weights.policy_bias)
        self._local = threading.local()

    @classmethod
    def from_model(cls, model: object, config: TowerConfig) -> Self:
        """From a model of `build_tower`."""
        return cls({**model.named_parameters(), **model.named_buffers()}, config)  # type: ignore[attr-defined]

    def infer(self, masks: np.ndarray, policy: np.ndarray, wdl: np.ndarray, moves_left: np.ndarray) -> None:
        """Evaluate n positions of any number.

        masks uint64 [n, 112] as from `planes.encode` -> policy float32 [n, 5120] logits, plane * 64 + square;
        wdl float32 [n, 3] probabilities of win, draw, loss for the side to move; moves_left float32 [n] plies.
        """
        n = len(masks)
        planes = self.config.policy_planes
        if masks.shape != (n, PLANES) or policy.shape != (n, planes * SQUARES) or wdl.shape != (n, 3):
            raise ShapeError(
                f"expected masks [n, 112], policy [n, {planes * SQUARES}], wdl [n, 3], "
                f"found {list(masks.shape)}, {list(policy.shape)}, {list(wdl.shape)}"
            )
        for first in range(0, n, CHUNK):
            count = min(CHUNK, n - first)
            done = self.run_chunk(masks, first, count)
            logits = done.policy.reshape(CHUNK, SQUARES, self.policy_stride)[:count, :, :planes]
            policy[first : first + count] = logits.transpose(0, 2, 1).reshape(count, -1)
            wdl[first : first + count] = done.value[:count]
            moves_left[first : first + count] = np.maximum(done.left[:count, 0] * MOVES_LEFT_SCALE, 0)

    def run_chunk(self, masks: np.ndarray, first: int, count: int) -> Space:
        """Evaluate up to eight positions, masks[first : first + count].

        The answers lie in the calling thread's buffers until its next call.
        """
        if not hasattr(self._local, "space"):
            self._local.space = self._new_space()
        forward(masks, first, count, self.weights, self._local.space)
        return self._local.space

    def _new_space(self) -> Space:
        config, weights = self.config, self.weights
        channels, planes = weights.trunk_bias.shape[1], self.policy_stride
        board = BOARD * BOARD * channels
        return Space(
            boards=aligned_zeros(CHUNK * board),
            transformed=products_buffer(CHUNK, channels),
            multiplied=products_buffer(CHUNK, channels),
            policy_multiplied=products_buffer(CHUNK, planes),
            policy=aligned_zeros(CHUNK * SQUARES * planes),
            features=aligned_zeros(SQUARES * len(weights.heads_bias)),
            value_features=aligned_zeros(CHUNK * SQUARES * config.value_channels),
            value_hidden=aligned_zeros(CHUNK * len(weights.value.bias1)),
            value=aligned_zeros(CHUNK, 3),
            left_features=aligned_zeros(CHUNK * SQUARES * config.moves_left_channels),
            left_hidden=aligned_zeros(CHUNK * len(weights.moves_left.bias1)),
            left=aligned_zeros(CHUNK, 1),
            board=aligned_zeros(board),
            sums=aligned_zeros(board),
            dense=aligned_zeros(SQUARES * channels),
            hidden=aligned_zeros(weights.gates.squeeze_bias.shape[1]),
            gates=aligned_zeros(2 * channels),
        )
