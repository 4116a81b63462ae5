"""The training loss of the dual-head network, and its gradient at the heads' outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.policy_map import CONV_INDEX, POLICY_PLANES
from engine.nn.losses import huber, softmax_cross_entropy
from selfplay.data.sampler import TrainingBatch

__all__ = ["LossSums", "LossWeights", "Losses", "dual_head_loss", "legal_logits"]

# Place of each policy move in the head's channels-last memory: square * planes + plane.
HEAD_PLACE = ((CONV_INDEX % 64) * POLICY_PLANES + CONV_INDEX // 64).astype(np.int64)


@dataclass(frozen=True)
class LossWeights:
    """Factors of the loss terms; the policy's is 1."""

    value: float = 1.0
    moves_left: float = 0.1


@dataclass(frozen=True)
class Losses:
    """Means over the positions that have the target: cross-entropies in nats, moves left as Huber loss in 100 plies."""

    policy: float
    value: float
    moves_left: float


@dataclass(frozen=True)
class LossSums:
    """Sums over positions, and how many of them have the target in question. Sums of parts add up; means do not."""

    policy: float
    value: float
    moves_left: float
    with_policy: float
    with_value: float
    with_moves_left: float

    @property
    def means(self) -> Losses:
        """The means; 0 of a loss for which no position has a target."""
        return Losses(
            self.policy / (self.with_policy or 1.0),
            self.value / (self.with_value or 1.0),
            self.moves_left / (self.with_moves_left or 1.0),
        )


def legal_logits(policy: np.ndarray, batch: TrainingBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(logits float32[B, 218], places int64[B, 218], mask bool[B, 218]) of the legal moves.

    policy: [B, 80, 8, 8], the convolutional head's output, channels-last in memory; places are in that memory.
    """
    places = HEAD_PLACE[batch.policy_index]
    mask = np.arange(places.shape[1]) < batch.n_moves[:, None]
    return np.take_along_axis(policy.transpose(0, 2, 3, 1).reshape(len(policy), -1), places, axis=1), places, mask


def dual_head_loss(
    outputs: dict[str, np.ndarray], batch: TrainingBatch, weights: LossWeights
) -> tuple[LossSums, dict[str, np.ndarray]]:
    """Losses, and the gradient for each head's output of their weighted sum over the number of positions.

    outputs: policy [B, 80, 8, 8] logits, wdl [B, 3] logits, moves_left [B, 1] in units of 100 plies.
    The policy loss is a cross-entropy over legal moves: illegal ones have no logit in it and gradient zero. A position
    without policy, value or moves left takes no part in that loss.
    """
    logits, places, mask = legal_logits(outputs["policy"], batch)
    policy_loss, legal_gradient = softmax_cross_entropy(logits, batch.policy, mask)
    n, planes, ranks, files = outputs["policy"].shape
    policy_gradient = np.zeros((n, ranks * files * planes), logits.dtype)
    used_rows, used_columns = np.nonzero(mask)
    policy_gradient[used_rows, places[used_rows, used_columns]] = legal_gradient[used_rows, used_columns]
    value_loss, value_gradient = softmax_cross_entropy(outputs["wdl"], batch.wdl)
    is_timed = batch.moves_left[:, None] >= 0
    hundreds = np.where(is_timed, batch.moves_left[:, None] / np.float32(MOVES_LEFT_SCALE), outputs["moves_left"])
    length_loss, length_gradient = huber(outputs["moves_left"], hundreds)
    gradients = {
        "policy": policy_gradient.reshape(n, ranks, files, planes).transpose(0, 3, 1, 2),
        "wdl": weights.value * value_gradient,
        "moves_left": weights.moves_left * length_gradient,
    }
    known = [np.count_nonzero(target.any(axis=1)) for target in (batch.policy, batch.wdl, is_timed)]
    return LossSums(n * policy_loss, n * value_loss, n * length_loss, *map(float, known)), gradients
