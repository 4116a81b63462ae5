"""What ready networks share: one chunk of positions in, the logits of their moves and the other
answers out.

A position's output is the same, bit for bit, whatever shares its batch and whichever thread
evaluates it: every number comes from that position's numbers alone, in a fixed order. Chunks are
not padded: one position costs little more than an eighth of eight.
"""

from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.native.aligned_arrays import aligned_zeros
from engine.native.pool import PerThread
from engine.network.fused.convolution import products_buffer
from engine.network.fused.encoder_steps import Encoders, encode_rows, new_encoder_space
from engine.network.fused.network_sizes import SQUARES, NetworkSizes
from engine.network.fused.policy_heads import (
    MOVE_LOGITS,
    Attention,
    ConvHead,
    PolicyHead,
    PolicySpace,
    queries_and_keys,
)
from engine.network.outputs import CHUNK


class Fused:
    """What ready towers and transformers share. Several threads may call one at once: each gets its
    own buffers.
    """

    config: NetworkSizes
    policy: PolicyHead
    encoders: Encoders | None = None  # of an attention policy

    def __init__(self, config: NetworkSizes, *weights: Any) -> None:
        if not _is_finite(weights):
            raise ConfigError(
                "expected finite weights once batch norm is folded in, found infinity or NaN"
            )
        self.config = config
        self._spaces = PerThread()

    def evaluate_chunk(
        self,
        masks: np.ndarray,
        policy_index: np.ndarray,
        n_moves: np.ndarray,
        logits: np.ndarray,
        wdl: np.ndarray,
        moves_left: np.ndarray,
    ) -> None:
        """Evaluate up to eight positions, the rows of arrays like those of `LeafBatch`.

        masks, policy_index int16 [R, any] with n_moves int32 [R] moves per row -> logits of these
        moves, float32, in the shape of policy_index; wdl float32 [R, 3], probabilities of win,
        draw, loss for the side to move (a scalar value gives no draws); moves_left float32 [R]
        plies, 0 without a moves-left head.
        """
        space, encoder_space = self._spaces.own(
            lambda: (self.new_space(), self.encoders and new_encoder_space(self.encoders))
        )
        policy = self.evaluate_body(masks, space, wdl, moves_left)
        count = len(masks)
        if isinstance(self.policy, Attention):
            if self.encoders is not None:
                encode_rows(self.encoders, policy.embedded, count, encoder_space)
            queries_and_keys(self.policy, policy.embedded, count, policy.answers)
        MOVE_LOGITS[self.config.policy](self.policy, policy.answers, policy_index, n_moves, logits)

    def evaluate_body(
        self, masks: np.ndarray, space: Any, wdl: np.ndarray, moves_left: np.ndarray
    ) -> PolicySpace:
        """Write everything but the logits; returns what a policy head begins with."""
        raise NotImplementedError

    def new_space(self) -> Any:
        """Make buffers for one chunk."""
        raise NotImplementedError

    def new_policy_space(self) -> PolicySpace:
        """Make a policy head's buffers for one chunk."""
        head = self.policy
        nothing = aligned_zeros(0)
        if isinstance(head, ConvHead):
            planes = len(head.bias)
            return PolicySpace(_for_squares(planes), products_buffer(planes), nothing)
        features = _for_squares(len(head.squares.bias))
        if isinstance(head, Attention):
            return PolicySpace(_for_squares(len(head.bias)), nothing, features)
        return PolicySpace(features, nothing, nothing)


def _for_squares(numbers: int) -> np.ndarray:
    """Return room for so many numbers of each square of a chunk."""
    return aligned_zeros(CHUNK * SQUARES * numbers)


def _is_finite(part: object) -> bool:
    """Whether all arrays in nested tuples are finite."""
    if isinstance(part, tuple):
        return all(map(_is_finite, part))
    # Without a mask as large.
    return not isinstance(part, np.ndarray) or bool(np.isfinite(part.sum(dtype=np.float64)))
