"""Sparse networks in training: batches of active features, gradients by kernels over whole tables, held-out scores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from engine.backend import backend_of_all
from engine.board.layout import MAX_MOVES
from engine.native.memory import buffers
from engine.native.pool import PerThread, ThreadPool
from engine.network.policy import gradients as kernels
from engine.network.policy.features import FEATURE_GROUPS
from engine.network.policy.model import SparseNetwork
from engine.network.policy.moves import POLICY_GROUPS
from engine.network.policy.parameters import PARAMETERS, SparseConfig, Tables, sparse_config_of
from engine.network.rows.flat_tables import fill_tables, named_views, new_tables
from engine.network.rows.float_rows import BLOCK, HALF_BLOCK
from engine.network.rows.gpu import sparse_network
from engine.network.rows.small_layers import Array, Gradients, by_version, chosen_dense, value_head
from engine.nn.layer import Layer
from engine.nn.losses import soft_target_loss
from engine.nn.operations.updates import STRETCH, on_stretches
from engine.nn.training.optimizers import Optimizer, SharedRows, SharedRowsAdamW
from engine.nn.training.parallel import GradientSource, StepResult
from selfplay.data.label_rows import LabelRows
from selfplay.families.policy.sparse_sampler import LabelSampler, SparseBatch, SparseSampler, new_sparse_batch
from selfplay.families.row_gradients import PART, DeviceGradients, loss_sums, slopes_of, write_sums
from selfplay.records.order import Groups
from selfplay.records.positions import UNKNOWN_SCORE, PositionSet
from selfplay.training.family import HeldOut, HeldOutScores, part_sums, scores_of, spread_positions
from selfplay.training.learner import LayersFamily
from selfplay.training.losses import LossWeights
from selfplay.training.mixture import Batches, TrainingSet
from selfplay.training.recipe import SPARSE_RECIPE, LearnerSettings

# Rows of a piece on a square share a part for all attacks and defences; rows of a policy move, safe or not, do too.
SHARED = {PARAMETERS["weight"]: SharedRows(*FEATURE_GROUPS), PARAMETERS["policy"]: SharedRows(*POLICY_GROUPS)}


# ---- batches ------------------------------------------------------------------------------------------------------


class SparseMixture(Batches):
    """Batches of active features for sparse networks; arguments and errors as `Batches`.

    `variations` is the share of positions with scored moves that are replaced by the position after one of these moves.
    The move's score is then the value target. A search sees such positions besides those of games.
    """

    groups = Groups(games=8)  # they share the game's replay, the largest cost
    new_batch = staticmethod(new_sparse_batch)

    def sampler(self, one: Any) -> SparseSampler | LabelSampler:
        return LabelSampler(one) if isinstance(one, LabelRows) else SparseSampler(one)

    def changes(self, rng: np.random.Generator, one: TrainingSet, numbers: np.ndarray) -> np.ndarray:
        """For each position: -1, or the number of the policy target that replaces it by the position after it."""
        replaced, place = rng.random(len(numbers)) < self.variations, rng.random(len(numbers))
        if not isinstance(one, PositionSet):
            return np.full(len(numbers), -1)
        first, last = one.target_first[numbers], one.target_first[numbers + 1]
        chosen = np.where(replaced & (last > first), first + (place * (last - first)).astype(np.int64), -1)
        return np.where(one.target_scores[chosen] == UNKNOWN_SCORE, -1, chosen)


# ---- gradients ----------------------------------------------------------------------------------------------------


class SparseGradients(GradientSource):
    """Gradients of a model, whose parameters it moves into tables; batches are `SparseBatch`, metrics `LossSums`.

    The order of every sum is the same for any number of threads.
    """

    measures_norm = False

    def __init__(self, model: Layer, settings: LearnerSettings) -> None:
        config = sparse_config_of(model.config())
        _, self._tables = new_tables(config)
        fill_tables(self._tables, config, model.named_parameters())
        model.adopt_parameters(named_views(self._tables, config))
        self._slopes, self._slope_tables = new_tables(config)
        self._grads = named_views(self._slope_tables, config)
        self._pass = SparsePass(config, settings.batch_size, settings.threads)
        self._weights = settings.loss
        self.pool = self._pass.pool

    def gradients(self, batch: SparseBatch, seed: tuple[int, ...]) -> StepResult:
        """As in GradientSource; nothing here is random."""
        count = len(batch.n_moves)
        on_stretches(self.pool, len(self._slopes), STRETCH, lambda first, last: self._slopes[first:last].fill(0))
        self._pass.positions(self._tables, batch, count, self._weights)
        self._pass.columns(batch, count, self._slope_tables)
        sums = loss_sums(self._pass.gradients, count)
        return StepResult(sums.total(count, self._weights), sums.metrics(count), self._grads)


class SparsePass:
    """Forward and backward passes over batches of up to `size` positions, on `threads` threads."""

    def __init__(self, config: SparseConfig, size: int, threads: int) -> None:
        self.config = config
        self.gradients = buffers(kernels.PositionGradients, B=size, M=MAX_MOVES, **config.sizes)
        self.pool = ThreadPool(threads, "train")
        self._scratch, self._libraries = PerThread(), ThreadpoolController()

    def positions(self, tables: Tables, batch: SparseBatch, count: int, weights: LossWeights) -> None:
        """Phase one over batch[:count]: fills `gradients`, including losses."""
        p, scale, out = named_views(tables, self.config), 1.0 / count, self.gradients

        def learn(part: tuple[int, int]) -> Gradients:
            grads, (order, groups) = Gradients(), by_version(batch.version[slice(*part)])
            own = part[0] + order
            kernels.compute_units(tables, batch, *part, out)
            units, dunits = (flat.reshape(-1, self.config.units) for flat in (out.units, out.dunits))
            outputs, backward = value_head(partial(chosen_dense, p, grads, groups), units[own])
            dunits[own] = backward(slopes_of(outputs, batch, own, weights, scale, out))
            kernels.learn_moves(tables, batch, *part, scale, self._scratch.own(kernels.new_scratch), out)
            return grads

        with self._libraries.limit(limits=1, user_api="blas"):
            self._small = self.pool.map(learn, pairwise([*range(0, count, PART), count]))

    def columns(self, batch: SparseBatch, count: int, tables: Tables) -> None:
        """Phase two: add the gradients of batch[:count] to `tables`."""
        gradients, width, units = self.gradients, self.config.width, self.config.units
        write_sums(named_views(tables, self.config), self._small)
        work: list[Callable[[], None]] = [lambda: kernels.add_policy_biases(batch, count, gradients, tables)]
        for column in range(0, width, BLOCK):
            work.append(lambda c=column: kernels.add_feature_columns(batch, count, gradients, width, c, tables))  # type: ignore[misc]
        for column in range(0, units, HALF_BLOCK):
            work.append(lambda c=column: kernels.add_unit_columns(batch, count, gradients, units, c, tables))  # type: ignore[misc]
        self.pool.map(lambda part: part(), work)


class DeviceSparseGradients(DeviceGradients):
    """`SparseGradients` on a GPU."""

    def run(self, batch: SparseBatch, step: int) -> tuple[tuple[Array, Array], Array, Callable[[Array], Gradients]]:
        moves, upload = slice(0, max(1, int(batch.n_moves.max()))), self.backend.asarray
        features, rows = self.listed(batch.features, batch.n_features), self.listed(batch.rows[:, moves], batch.n_moves)
        inputs = features, rows, upload(batch.sorts[:, moves]), upload(batch.version)
        outputs, backward = sparse_network(self.operations, self.parameters, *inputs)
        targets = self.backend.xp.where(rows >= 0, upload(batch.policy[:, moves]), 0)
        loss, slopes = soft_target_loss(outputs["policy"], targets, rows >= 0)
        policy = len(rows) * loss, (targets.sum(axis=1) > 0).sum()
        return policy, outputs["value"], lambda dy: backward({"policy": slopes, "value": dy})


# ---- held-out positions ---------------------------------------------------------------------------------------------


class SparseHeldOut(HeldOut):
    """A fixed sample of a set, evenly spaced, rebuilt once as active features."""

    def __init__(self, positions: TrainingSet, limit: int) -> None:
        games, numbers = spread_positions(positions, limit)
        self.n_positions = len(numbers)
        self._batch = new_sparse_batch(len(numbers))
        SparseSampler(games).fill(numbers, np.full(len(numbers), -1), self._batch)

    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        config = sparse_config_of(model.config())
        _, tables = new_tables(config)
        with backend_of_all(model.named_parameters()).guard("the network was scored"):
            fill_tables(tables, config, model.named_parameters())
        forward = SparsePass(config, self.n_positions, threads)
        with forward.pool:
            forward.positions(tables, self._batch, self.n_positions, LossWeights())
        legal = np.arange(self._batch.policy.shape[1]) < self._batch.n_moves[:, None]
        best, wanted = (
            np.where(legal, scores, -np.inf).argmax(axis=1) for scores in (forward.gradients.logits, self._batch.policy)
        )
        losses, known = (array[: self.n_positions] for array in (forward.gradients.losses, forward.gradients.known > 0))
        return scores_of(part_sums(np.column_stack([(best == wanted) & known[:, 0], losses, known])))


# ---- the family -----------------------------------------------------------------------------------------------------


class SparseFamily(LayersFamily):
    """Sparse networks, such as sparse-768; a value trunk that a network has besides stays as it is."""

    recipe, mixture, gradients, sample = SPARSE_RECIPE, SparseMixture, SparseGradients, SparseHeldOut
    device_gradients = DeviceSparseGradients

    def __init__(self, config: SparseConfig) -> None:
        self._config = config

    def build(self, rng: np.random.Generator) -> Layer:
        return SparseNetwork(self._config, rng)

    def part(self, model: Layer) -> Layer:
        """All but the value trunk."""
        return model.with_children({})

    def joined(self, model: Layer, part: Layer) -> Layer:
        """`part` with the value trunk of `model`, if it has one."""
        return part.with_children(model.children())

    def optimizer(self, settings: LearnerSettings) -> Optimizer:
        """AdamW, with parts that table rows share."""
        return SharedRowsAdamW(SHARED, weight_decay=settings.weight_decay, decay_all=True)
