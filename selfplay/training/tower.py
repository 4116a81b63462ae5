"""Towers and transformers in training: batches of planes, the loss of their heads, gradients, held-out scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from itertools import islice

import numpy as np
from threadpoolctl import threadpool_limits

from engine.native.pool import ThreadPool
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.planes import PLANES, fill_planes
from engine.network.policy_map import ATTENTION_INDEX, CONV_INDEX, POLICY_PLANES
from engine.network.transformer.model import NetworkConfig, build_network
from engine.nn.averaging import refresh_statistics
from engine.nn.layer import Layer
from engine.nn.losses import huber, softmax_cross_entropy
from engine.nn.optimizers import AdamW, Optimizer
from engine.nn.parallel import DataParallel, GradientSource, StepResult
from selfplay.data.sampler import PositionSampler, TrainingBatch, new_training_batch, part_of
from selfplay.training.family import Family, HeldOut, HeldOutScores, scores_of, spread_positions
from selfplay.training.losses import LossSums, LossWeights
from selfplay.training.mixture import AnySet, Mixture
from selfplay.training.recipe import TOWER_RECIPE, LearnerSettings
from selfplay.training.source_files import TrainingData

# Place of each policy move in the head's channels-last memory: square * planes + plane.
HEAD_PLACE = ((CONV_INDEX % 64) * POLICY_PLANES + CONV_INDEX // 64).astype(np.int64)
ATTENTION_PLACE = ATTENTION_INDEX.astype(np.int64)
CHUNK = 256  # positions of one forward pass
RECALIBRATION_BATCHES = 16  # batches that measure the averaged weights' batch statistics


class TowerFamily(Family):
    """Towers, such as 64x6, and transformers, such as transformer-128x4x8."""

    recipe = TOWER_RECIPE
    clips = True

    def __init__(self, config: NetworkConfig) -> None:
        self._config = config

    def build(self, rng: np.random.Generator) -> Layer:
        return build_network(self._config, rng)

    def batches(self, data: TrainingData, settings: LearnerSettings, seed: int) -> Mixture:
        return Mixture(data.sets, data.shares, settings.batch_size, seed)

    def gradients(self, model: Layer, settings: LearnerSettings) -> GradientSource:
        return TowerGradients(model, settings)

    def optimizer(self, settings: LearnerSettings) -> Optimizer:
        return AdamW(weight_decay=settings.weight_decay)

    def refresh(self, model: Layer, coming: Iterator[TrainingBatch]) -> None:
        """Measure the batch statistics of averaged weights on coming batches."""
        with threadpool_limits(limits=1, user_api="blas"):
            refresh_statistics(model, (planes_of(batch.masks) for batch in islice(coming, RECALIBRATION_BATCHES)))

    def heldout(self, positions: AnySet, limit: int) -> TowerHeldOut:
        """A held-out sample as planes. Raises ConfigError for single positions."""
        return TowerHeldOut(positions, limit)


# ---- gradients ----------------------------------------------------------------------------------------------------


def planes_of(masks: np.ndarray) -> np.ndarray:
    """Input planes float32[B, 112, 8, 8] of masks uint64[B, 112]; the memory behind them is channels-last."""
    planes = np.empty((len(masks), 8, 8, PLANES), np.float32)
    fill_planes(masks, planes)
    return planes.transpose(0, 3, 1, 2)


class TowerGradients(GradientSource):
    """Gradients of the dual-head loss; batches are `TrainingBatch`, metrics those of `LossSums`."""

    def __init__(self, model: Layer, settings: LearnerSettings) -> None:
        self._runner = DataParallel(model, settings.shard_size, settings.threads)
        self._weights = settings.loss
        self.pool = self._runner.pool

    def gradients(self, batch: TrainingBatch, seed: tuple[int, ...]) -> StepResult:
        """As in GradientSource."""

        def inputs(part: slice) -> np.ndarray:
            return planes_of(batch.masks[part])

        def loss(outputs: dict[str, np.ndarray], part: slice) -> tuple[float, dict[str, np.ndarray], dict[str, float]]:
            sums, gradients = dual_head_loss(outputs, part_of(batch, part.start, part.stop), self._weights)
            count = part.stop - part.start
            return sums.total(count, self._weights), gradients, sums.metrics(count)

        return self._runner.step(len(batch.n_moves), inputs, loss, seed)


def legal_logits(policy: np.ndarray, batch: TrainingBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(logits float32[B, 218], places int64[B, 218], mask bool[B, 218]) of the legal moves.

    policy: [B, 80, 8, 8], the convolutional head's output, channels-last in memory, or [B, 4288], the attention head's;
    places index that memory.
    """
    places = (ATTENTION_PLACE if policy.ndim == 2 else HEAD_PLACE)[batch.policy_index]
    mask = np.arange(places.shape[1]) < batch.n_moves[:, None]
    flat = policy if policy.ndim == 2 else policy.transpose(0, 2, 3, 1).reshape(len(policy), -1)
    return np.take_along_axis(flat, places, axis=1), places, mask


def dual_head_loss(
    outputs: dict[str, np.ndarray], batch: TrainingBatch, weights: LossWeights
) -> tuple[LossSums, dict[str, np.ndarray]]:
    """Losses, and the gradient of (their weighted sum / number of positions) for each head's output.

    outputs: policy [B, 80, 8, 8] or [B, 4288] logits, wdl [B, 3] logits, moves_left [B, 1] in units of 100 plies.
    The policy loss is a cross-entropy over legal moves; illegal moves have gradient zero. A position without policy,
    value or moves left takes no part in that loss.
    """
    logits, places, mask = legal_logits(outputs["policy"], batch)
    policy_loss, legal_gradient = softmax_cross_entropy(logits, batch.policy, mask)
    n = len(logits)
    policy_gradient = np.zeros((n, outputs["policy"][0].size), logits.dtype)
    used_rows, used_columns = np.nonzero(mask)
    policy_gradient[used_rows, places[used_rows, used_columns]] = legal_gradient[used_rows, used_columns]
    value_loss, value_gradient = softmax_cross_entropy(outputs["wdl"], batch.wdl)
    is_timed = batch.moves_left[:, None] >= 0
    hundreds = np.where(is_timed, batch.moves_left[:, None] / np.float32(MOVES_LEFT_SCALE), outputs["moves_left"])
    length_loss, length_gradient = huber(outputs["moves_left"], hundreds)
    if outputs["policy"].ndim == 4:
        _, planes, ranks, files = outputs["policy"].shape
        policy_gradient = policy_gradient.reshape(n, ranks, files, planes).transpose(0, 3, 1, 2)
    gradients = {
        "policy": policy_gradient,
        "wdl": weights.value * value_gradient,
        "moves_left": weights.moves_left * length_gradient,
    }
    known = [np.count_nonzero(target.any(axis=1)) for target in (batch.policy, batch.wdl, is_timed)]
    return LossSums(n * policy_loss, n * value_loss, n * length_loss, *map(float, known)), gradients


# ---- held-out positions ---------------------------------------------------------------------------------------------


class PlanesHeldOut(HeldOut):
    """A fixed sample of a set, evenly spaced, rebuilt once as planes."""

    def __init__(self, positions: AnySet, limit: int = 8192) -> None:
        games, numbers = spread_positions(positions, limit)
        self.n_positions = len(numbers)
        batch = new_training_batch(len(numbers))
        PositionSampler(games).fill(numbers, np.zeros(len(numbers), np.uint8), batch)
        starts = range(0, self.n_positions, CHUNK)
        self._parts = [part_of(batch, first, first + CHUNK) for first in starts]


class TowerHeldOut(PlanesHeldOut):
    """Scores towers."""

    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        """Scores of the model in inference mode; the same for any number of threads."""
        with threadpool_limits(limits=1, user_api="blas"), ThreadPool(threads, "score") as pool:
            sums = pool.map(lambda part: _score_sums(model, part), self._parts)
        hits, *totals = np.sum(sums, axis=0).tolist()
        return scores_of(hits, LossSums(*totals))


def _score_sums(model: Layer, batch: TrainingBatch) -> np.ndarray:
    outputs, _ = model.forward(planes_of(batch.masks), training=False)
    sums, _ = dual_head_loss(outputs, batch, LossWeights())
    logits, _, mask = legal_logits(outputs["policy"], batch)
    best = np.where(mask, logits, -np.inf).argmax(axis=1)
    hits = (best == batch.policy.argmax(axis=1)) & batch.policy.any(axis=1)
    return np.array([np.count_nonzero(hits), *astuple(sums)])
