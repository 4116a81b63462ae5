"""Fused inference: the tower's forward pass for playing, several times faster than the layers that trained it.

A position's output is the same, bit for bit, whatever shares its batch and whichever thread evaluates it: every number
comes from that position's numbers alone, in a fixed order. Chunks are not padded: one position costs little more than
an eighth of eight.

Memory: a thread makes its buffers for one chunk of eight positions at its first call, and they never grow: 1.4 MiB for
a 64x6 net and 2.3 MiB for 128x10. Threads share the weights, which take 11 and 54 MiB in the layout of the products.
Larger batches run in chunks and need no more memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.native.memory import aligned_zeros, buffers
from engine.native.pool import PerThread
from engine.network.outputs import CHUNK
from engine.network.tower.folding import fold, folded_tensors
from engine.network.tower.fused_heads import head_space
from engine.network.tower.fused_policy import (
    MOVE_LOGITS,
    Attention,
    Classical,
    ConvHead,
    PolicyHead,
    PolicySpace,
    queries_and_keys,
    square_features,
)
from engine.network.tower.fused_steps import Space, forward
from engine.network.tower.fused_winograd import products_buffer
from engine.network.tower.model import SQUARES, TowerConfig
from engine.network.tower.smooth import MISH, RELU, SELU
from engine.network.transformer.encoder_steps import Encoders, EncoderSpace, encode_rows, new_encoder_space
from engine.network.transformer.fused_weights import fold_encoders
from engine.network.transformer.model import NetworkConfig


class Fused:
    """What ready towers and transformers share. Several threads may call one at once: each gets its own buffers."""

    config: NetworkConfig
    policy: PolicyHead
    encoders: Encoders | None = None  # of an attention policy

    def __init__(self, config: NetworkConfig, *weights: Any) -> None:
        if not _is_finite(weights):
            raise ConfigError("expected finite weights once batch norm is folded in, found infinity or NaN")
        self.config, self._spaces = config, PerThread()

    def evaluate_chunk(
        self,
        masks: np.ndarray,
        policy_index: np.ndarray,
        n_moves: np.ndarray,
        first: int,
        count: int,
        logits: np.ndarray,
        wdl: np.ndarray,
        moves_left: np.ndarray,
    ) -> None:
        """Evaluate up to eight positions, rows first : first + count of arrays like those of `LeafBatch`.

        masks, policy_index int16 [R, any] with n_moves int32 [R] moves per row -> logits of these moves, float32, in
        the shape of policy_index; wdl float32 [R, 3], probabilities of win, draw, loss for the side to move (a scalar
        value gives no draws); moves_left float32 [R] plies, 0 without a moves-left head.
        """
        space, encoder_space = self._spaces.own(self._new_spaces)
        policy = self.evaluate_body(masks, first, count, space, wdl, moves_left)
        if isinstance(self.policy, Attention):
            if self.encoders is not None:
                encode_rows(self.encoders, policy.embedded, count, encoder_space)
            queries_and_keys(self.policy, policy.embedded, count, policy.answers)
        MOVE_LOGITS[self.config.policy](self.policy, policy.answers, policy_index, n_moves, first, count, logits)

    def evaluate_body(
        self, masks: np.ndarray, first: int, count: int, space: Any, wdl: np.ndarray, moves_left: np.ndarray
    ) -> PolicySpace:
        """Write everything but the logits; returns what a policy head begins with."""
        raise NotImplementedError

    def new_space(self) -> Any:
        """Make buffers for one chunk."""
        raise NotImplementedError

    def _new_spaces(self) -> tuple[Any, EncoderSpace | None]:
        return self.new_space(), new_encoder_space(self.encoders) if self.encoders is not None else None

    def new_policy_space(self) -> PolicySpace:
        """Make a policy head's buffers for one chunk."""
        head = self.policy
        planes = len(head.bias) if isinstance(head, ConvHead) else len(head.squares.bias)
        is_conv, is_attention = isinstance(head, ConvHead), isinstance(head, Attention)
        return PolicySpace(
            answers=aligned_zeros(CHUNK * SQUARES * (len(head.bias) if is_attention else planes)),
            multiplied=products_buffer(CHUNK, planes) if is_conv else aligned_zeros(0),
            embedded=aligned_zeros(CHUNK * SQUARES * planes * is_attention),
        )


class FusedTower(Fused):
    """A tower ready to play.

    `tensors` are the parameters and buffers of `model.py` by name. Raises ConfigError or ShapeError when they do not
    fit `config`, and ConfigError when they are not finite, before or after batch norm is folded in.
    """

    config: TowerConfig

    def __init__(self, tensors: Mapping[str, np.ndarray], config: TowerConfig) -> None:
        with np.errstate(over="ignore", invalid="ignore"):  # The next line refuses the result.
            folded = folded_tensors(tensors, config)
            self.weights, self.policy = fold(folded, config)
            if layers := config.policy_layers:
                self.encoders = fold_encoders(folded, "policy.encoder", layers, config.policy_encoder_layer)
        super().__init__(config, self.weights, self.policy, self.encoders)
        self.smooth = True if config.activation == "mish" else None

    def evaluate_body(
        self, masks: np.ndarray, first: int, count: int, space: Space, wdl: np.ndarray, moves_left: np.ndarray
    ) -> PolicySpace:
        forward(masks, first, count, self.weights, self.smooth, space, wdl, moves_left)
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


def _is_finite(part: object) -> bool:
    """Whether all arrays in nested tuples are finite."""
    if isinstance(part, tuple):
        return all(map(_is_finite, part))
    return not isinstance(part, np.ndarray) or bool(np.isfinite(part).all())
