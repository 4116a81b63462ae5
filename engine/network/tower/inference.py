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

import numpy as np

from engine.errors import ConfigError
from engine.native.memory import aligned_zeros, buffers
from engine.native.pool import PerThread
from engine.network.outputs import CHUNK
from engine.network.tower.folding import fold
from engine.network.tower.fused_heads import head_space
from engine.network.tower.fused_policy import HEAD_KERNELS, Attention, ConvHead, PolicySpace, embed_squares
from engine.network.tower.fused_steps import Space, forward
from engine.network.tower.fused_winograd import products_buffer
from engine.network.tower.model import SQUARES, TowerConfig
from engine.network.transformer.encoder_steps import EncoderSpace, encode_rows, encoder_space, queries_and_keys
from engine.network.transformer.fused_weights import fold_encoders


class FusedTower:
    """A tower ready to play. Several threads may call it at once: each gets its own buffers.

    `tensors` are the parameters and buffers of `model.py` by name. Raises ConfigError or ShapeError when they do not
    fit `config`, and ConfigError when they are not finite, before or after batch norm is folded in.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], config: TowerConfig) -> None:
        self.config = config
        with np.errstate(over="ignore", invalid="ignore"):  # The next line refuses the result.
            self.weights, self.policy = fold(tensors, config)
            layers = config.policy_layers
            encoder = "policy.encoder", layers, config.policy_encoder_layer
            self.encoders = fold_encoders(tensors, *encoder) if layers else None
        if not is_finite((self.weights, self.policy, self.encoders)):
            raise ConfigError("expected finite weights once batch norm is folded in, found infinity or NaN")
        self.smooth = True if config.activation == "mish" else None
        self._spaces, self._encoder_spaces = PerThread(), PerThread()

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
        space = self._spaces.own(self.new_space)
        forward(masks, first, count, self.weights, self.smooth, space, wdl, moves_left)
        prepare, move_logits = HEAD_KERNELS[self.config.policy]
        if self.encoders is not None:
            self._encode_policy(space, count)
        elif prepare is not None:
            prepare(self.policy, space.boards, count, self.smooth, space.policy)
        move_logits(self.policy, space.policy.answers, policy_index, n_moves, first, count, logits)

    def _encode_policy(self, space: Space, count: int) -> None:
        """The shared part of an attention policy with encoder layers."""
        assert isinstance(self.policy, Attention)
        embedded, rows = self._encoder_spaces.own(self._new_rows)
        for p in range(count):
            embed_squares(self.policy.squares, space.boards, p, embedded, p * SQUARES * len(self.policy.squares.bias))
        encode_rows(self.encoders, embedded, count, rows)
        queries_and_keys(self.policy, embedded, count, space.policy.answers)

    def _new_rows(self) -> tuple[np.ndarray, EncoderSpace]:
        assert isinstance(self.policy, Attention)
        assert self.encoders is not None
        return aligned_zeros(CHUNK * SQUARES * len(self.policy.squares.bias)), encoder_space(self.encoders)

    def new_space(self) -> Space:
        """Make buffers for one chunk."""
        weights = self.weights
        channels = int(weights.heads.channels)
        given = {
            "transformed": products_buffer(CHUNK, channels),
            "multiplied": products_buffer(CHUNK, channels),
            "policy": self._new_policy_space(),
            "heads": head_space(weights.heads, weights.value, weights.moves_left),
        }
        return buffers(Space, given, C=channels, H=weights.gates.squeeze_bias.shape[1])

    def _new_policy_space(self) -> PolicySpace:
        head = self.policy
        if isinstance(head, ConvHead):
            planes = len(head.bias)
            return PolicySpace(
                aligned_zeros(CHUNK * SQUARES * planes), products_buffer(CHUNK, planes), aligned_zeros(0)
            )
        features = len(head.squares.bias)
        columns = len(head.bias) if isinstance(head, Attention) else features
        return PolicySpace(
            aligned_zeros(CHUNK * SQUARES * columns), aligned_zeros(0), aligned_zeros(SQUARES * features)
        )


def is_finite(part: object) -> bool:
    """Whether all arrays in nested tuples are finite."""
    if isinstance(part, tuple):
        return all(map(is_finite, part))
    return not isinstance(part, np.ndarray) or bool(np.isfinite(part).all())
