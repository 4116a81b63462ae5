"""Towers and transformers in training: batches of planes, the loss of their heads, gradients,
held-out scores.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import islice
from typing import Any

import numpy as np

from engine.backend import NUMPY, Backend, backend_of, backend_of_all, to_numpy
from engine.native.blas import one_blas_thread
from engine.native.pool import ThreadPool
from engine.network.device_network import planes_on
from engine.network.families import PlanesConfig
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.planes import float_planes
from engine.network.policy_map import CONV_INDEX, HEAD_INDEX, POLICY_SIZE
from engine.network.tower.tower_model import TowerConfig
from engine.nn.layer import Layer
from engine.nn.losses import difference_loss, soft_target_loss, softmax_cross_entropy
from engine.nn.training.averaging import refresh_statistics
from engine.nn.training.gradient_source import GradientSource, StepResult
from engine.nn.training.history import floats
from engine.nn.training.optimizers import AdamW, Optimizer
from engine.nn.training.shards import DataParallel
from selfplay.families.planes.planes_sampler import (
    MIRROR,
    SWAP_COLOURS,
    PositionSampler,
    TrainingBatch,
    new_training_batch,
)
from selfplay.records.positions import PositionSet
from selfplay.training.family import HeldOut, HeldOutScores, scores_of, spread_positions
from selfplay.training.learner import LayersFamily
from selfplay.training.losses import LossSums, LossWeights
from selfplay.training.mixture import Batches, TrainingSet, part_of
from selfplay.training.recipe import PEOPLE_TOWER_RECIPE, TOWER_RECIPE, LearnerSettings

Array = Any  # NumPy's or CuPy's
CHUNK = 256  # positions of one forward pass
RECALIBRATION_BATCHES = 16  # batches that measure the averaged weights' batch statistics


# ---- batches -------------------------------------------------------------------------------------


class PlanesMixture(Batches):
    """Batches of planes; arguments and errors as `Batches`. Rejects single positions: no
    history.
    """

    kind = PositionSet
    refusal = "towers are trained on whole games: a label folder teaches sparse networks"
    new_batch = staticmethod(new_training_batch)

    def sampler(self, games: Any) -> PositionSampler:
        return PositionSampler(games)

    def changes(self, rng: np.random.Generator, games: Any, numbers: np.ndarray) -> np.ndarray:
        kinds = 0, MIRROR, SWAP_COLOURS, MIRROR | SWAP_COLOURS
        return rng.choice(np.array(kinds, np.uint8), len(numbers))


class RatedMixture(PlanesMixture):
    """The same for towers that know ratings."""

    def sampler(self, games: Any) -> PositionSampler:
        return PositionSampler(games, rated=True)


# ---- gradients -----------------------------------------------------------------------------------


def planes_of(masks: np.ndarray, backend: Backend = NUMPY) -> Array:
    """Input planes float32[B, 112, 8, 8] on `backend` of masks uint64[B, 112]; their memory is
    channels-last.
    """
    if backend is NUMPY:
        return float_planes(masks)
    return planes_on(backend, masks)


class PlanesGradients(GradientSource):
    """Gradients of the dual-head loss; batches are `TrainingBatch`, metrics those of `LossSums`."""

    def __init__(self, model: Layer, settings: LearnerSettings) -> None:
        self._backend = backend_of_all(model.named_parameters())
        is_here = self._backend is NUMPY
        threads = settings.threads if is_here else 1
        self._runner = DataParallel(model, settings.shard_size, threads, one_pass=not is_here)
        self._weights = settings.loss
        self.pool = self._runner.pool

    def gradients(self, batch: TrainingBatch, seed: tuple[int, ...]) -> StepResult:
        batch = _moved(batch, self._backend)

        def inputs(part: slice) -> Array:
            return planes_of(batch.masks[part], self._backend)

        def loss(
            outputs: dict[str, np.ndarray], part: slice
        ) -> tuple[float, dict[str, np.ndarray], dict[str, float]]:
            sums, gradients = dual_head_loss(
                outputs, part_of(batch, part.start, part.stop), self._weights
            )
            count = part.stop - part.start
            return sums.total(count, self._weights), gradients, sums.metrics(count)

        return self._runner.step(len(batch.n_moves), inputs, loss, seed)


def _moved(batch: TrainingBatch, backend: Backend) -> TrainingBatch:
    """Return a batch whose arrays lie on `backend`."""
    return TrainingBatch(*map(backend.asarray, batch))


@cache
def _table(backend: Backend, planes: int, size: int) -> Array:
    """Return where a policy of `size` logits has each move, int64 [1858]; `planes` is 0 for one
    without planes.
    """
    table = HEAD_INDEX["attention"]
    if planes:
        table = CONV_INDEX % 64 * planes + CONV_INDEX // 64
    elif size == POLICY_SIZE:
        table = HEAD_INDEX["classical"]
    return backend.asarray(table.astype(np.int64))


def legal_logits(policy: Array, batch: TrainingBatch) -> tuple[Array, Array, Array]:
    """(logits float32[B, 218], places int64[B, 218], mask bool[B, 218]) of the legal moves.

    policy: what a policy head of any kind answers (`tower_model`), planes channels-last in memory;
    places index that memory, over the whole batch. All lie where the policy and the batch do.
    """
    backend = backend_of(policy)
    size = math.prod(policy.shape[1:])
    xp = backend.xp
    planes = 0
    rows = policy
    if policy.ndim == 4:
        planes = policy.shape[1]
        rows = policy.transpose(0, 2, 3, 1)
    table = _table(backend, planes, size)
    places = table[batch.policy_index] + xp.arange(0, policy.size, size)[:, None]
    mask = xp.arange(places.shape[1]) < batch.n_moves[:, None]
    return rows.reshape(-1)[places], places, mask


def dual_head_loss(
    outputs: dict[str, Array], batch: TrainingBatch, weights: LossWeights
) -> tuple[LossSums, dict[str, Array]]:
    """Losses, and the gradient of (their weighted sum / number of positions) for each head's
    output.

    outputs, where the batch is: policy of any kind; wdl [B, 3] logits or value [B, 1]; moves_left
    [B, 1] in units of 100 plies, or none. The policy loss is a cross-entropy over legal moves;
    illegal moves have gradient zero. So is that of wdl; that of a scalar value is a Huber loss. A
    position without policy, value or moves left takes no part in that loss. On a device nothing
    waits for it: the losses are arrays there.
    """
    backend = backend_of(outputs["policy"])
    cross_entropy = softmax_cross_entropy if backend is NUMPY else soft_target_loss
    n = len(batch.n_moves)
    policy_loss, policy_gradient = _policy_loss(outputs["policy"], batch, cross_entropy)
    has_policy = batch.policy.any(axis=1)
    has_value = batch.wdl.sum(axis=1, keepdims=True) > 0
    if "wdl" in outputs:
        value = "wdl"
        value_loss, value_gradient = cross_entropy(outputs["wdl"], batch.wdl)
    else:
        value = "value"
        result = batch.wdl[:, :1] - batch.wdl[:, 2:]
        value_loss, value_gradient = difference_loss((outputs["value"] - result) * has_value)
    gradients = {"policy": policy_gradient, value: weights.value * value_gradient}
    length_loss: Any = 0.0
    n_timed: Any = 0.0
    if "moves_left" in outputs:
        is_timed = batch.moves_left[:, None] >= 0
        n_timed = is_timed.sum()
        hundreds = batch.moves_left[:, None] / np.float32(MOVES_LEFT_SCALE)
        error = (outputs["moves_left"] - hundreds) * is_timed
        length_loss, length_gradient = difference_loss(error)
        gradients["moves_left"] = weights.moves_left * length_gradient
    losses = n * policy_loss, n * value_loss, n * length_loss
    return LossSums(*losses, has_policy.sum(), has_value.sum(), n_timed), gradients


def _policy_loss(policy: Array, batch: TrainingBatch, cross_entropy: Any) -> tuple[Any, Array]:
    """(mean loss over the legal moves, its gradient in the shape of the policy)."""
    xp = backend_of(policy).xp
    logits, places, mask = legal_logits(policy, batch)
    loss, legal_gradient = cross_entropy(logits, batch.policy, mask)
    gradient = xp.zeros(policy.size, logits.dtype)
    xp.add.at(gradient, places, legal_gradient)  # it is 0 where a move is illegal
    if policy.ndim == 4:
        channels_last = len(logits), *policy.shape[2:], policy.shape[1]
        gradient = gradient.reshape(channels_last).transpose(0, 3, 1, 2)
    return loss, gradient.reshape(policy.shape)


# ---- held-out positions --------------------------------------------------------------------------


class PlanesHeldOut(HeldOut):
    """A fixed sample of a set, evenly spaced, rebuilt once as planes."""

    def __init__(self, positions: TrainingSet, limit: int, rated: bool = False) -> None:
        games, numbers = spread_positions(positions, limit)
        self.n_positions = len(numbers)
        batch = new_training_batch(len(numbers))
        PositionSampler(games, rated).fill(numbers, np.zeros(len(numbers), np.uint8), batch)
        starts = range(0, self.n_positions, CHUNK)
        self._parts = [part_of(batch, first, first + CHUNK) for first in starts]


class LayersHeldOut(PlanesHeldOut):
    """Scores towers and transformers."""

    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        """Scores of the model in inference mode; the same for any number of threads."""
        backend = backend_of_all(model.named_parameters())
        if backend is not NUMPY:
            threads = 1
        scoring = backend.guard("the network was scored")
        with one_blas_thread, scoring, ThreadPool(threads, "score") as pool:
            return scores_of(
                np.array(pool.map(lambda part: _score_sums(model, part, backend), self._parts))
            )


def _score_sums(model: Layer, batch: TrainingBatch, backend: Backend) -> np.ndarray:
    return score_sums(model.forward(planes_of(batch.masks, backend), training=False)[0], batch)


def score_sums(outputs: dict[str, Array], batch: TrainingBatch) -> np.ndarray:
    """Return how many of a batch's best moves are found, then the fields of `LossSums`; outputs as
    of `dual_head_loss`, on any backend.
    """
    backend = backend_of(outputs["policy"])
    there = _moved(batch, backend)
    sums, _ = dual_head_loss(outputs, there, LossWeights())
    logits, _, mask = legal_logits(outputs["policy"], there)
    best = to_numpy(backend.xp.where(mask, logits, -np.inf).argmax(axis=1))
    hits = (best == batch.policy.argmax(axis=1)) & batch.policy.any(axis=1)
    return np.array([np.count_nonzero(hits), *floats(vars(sums)).values()])


# ---- the family ----------------------------------------------------------------------------------


class PlanesFamily(LayersFamily):
    """Towers, such as 64x6, or people-64x6, which knows ratings, and transformers, such as
    transformer-128x4x8.
    """

    recipe = TOWER_RECIPE
    mixture = PlanesMixture
    heldout: Callable[[TrainingSet, int], HeldOut] = LayersHeldOut
    gradients = PlanesGradients
    clips = True
    runs_on_gpu = True

    def __init__(self, config: PlanesConfig) -> None:
        self._config = config
        if isinstance(config, TowerConfig) and config.rated:
            self.recipe = PEOPLE_TOWER_RECIPE
            self.mixture = RatedMixture
            self.heldout = partial(LayersHeldOut, rated=True)
            self.plays = False

    def build(self, rng: np.random.Generator) -> Layer:
        return self._config.build(rng)

    def optimizer(self, settings: LearnerSettings) -> Optimizer:
        return AdamW(weight_decay=settings.weight_decay)

    def refresh(self, model: Layer, coming: Iterator[TrainingBatch]) -> None:
        """Measure the batch statistics of averaged weights on coming batches."""
        backend = backend_of_all(model.named_parameters())
        batches = islice(coming, RECALIBRATION_BATCHES)
        refresh_statistics(model, (planes_of(batch.masks, backend) for batch in batches))
