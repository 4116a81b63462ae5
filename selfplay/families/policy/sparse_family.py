"""Sparse networks in training: batches of active features, gradients by kernels over whole tables,
held-out scores.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from engine.board.layout import MAX_MOVES
from engine.native.aligned_arrays import buffers
from engine.native.pool import PerThread
from engine.network.accumulator.array_layers import value_head
from engine.network.accumulator.flat_tables import filled_tables, named_views
from engine.network.accumulator.float_rows import BLOCK, HALF_BLOCK
from engine.network.sparse import policy_gradients as kernels
from engine.network.sparse.moves import POLICY_GROUPS
from engine.network.sparse.policy_features import FEATURE_GROUPS
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.sparse.sparse_parameters import SparseConfig
from engine.nn.layer import Layer
from engine.nn.operations.updates import STRETCH, on_stretches
from engine.nn.training.optimizers import Optimizer
from selfplay.data.label_rows import LabelRows
from selfplay.families.policy.sparse_sampler import (
    LabelSampler,
    SparseBatch,
    SparseSampler,
    new_sparse_batch,
)
from selfplay.families.row_gradients import RowGradients, RowsHeldOut
from selfplay.families.shared_rows import SharedRows, SharedRowsAdamW
from selfplay.records.order import Groups
from selfplay.records.positions import UNKNOWN_SCORE, PositionSet
from selfplay.training.family import spread_positions
from selfplay.training.learner import LayersFamily
from selfplay.training.mixture import Batches, TrainingSet
from selfplay.training.recipe import SPARSE_RECIPE, LearnerSettings

# Rows of a piece on a square share a part for all attacks and defences; rows of a policy move, safe
# or not, do too.
SHARED = {
    "trunk.accumulator.weight": SharedRows(*FEATURE_GROUPS),
    "policy.weight": SharedRows(*POLICY_GROUPS),
}


# ---- batches -------------------------------------------------------------------------------------


class SparseMixture(Batches):
    """Batches of active features for sparse networks; arguments and errors as `Batches`.

    `variations` is the share of positions with scored moves that are replaced by the position after
    one of these moves. The move's score is then the value target. A search sees such positions
    besides those of games.
    """

    groups = Groups(games=8)  # they share the game's replay, the largest cost
    new_batch = staticmethod(new_sparse_batch)

    def sampler(self, training_set: Any) -> SparseSampler | LabelSampler:
        if isinstance(training_set, LabelRows):
            return LabelSampler(training_set)
        return SparseSampler(training_set)

    def changes(
        self, rng: np.random.Generator, training_set: TrainingSet, numbers: np.ndarray
    ) -> np.ndarray:
        """For each position: -1, or the number of the policy target that replaces it by the
        position after it.
        """
        replaced = rng.random(len(numbers)) < self.variations
        place = rng.random(len(numbers))
        if not isinstance(training_set, PositionSet):
            return np.full(len(numbers), -1)
        first, last = training_set.target_first[numbers], training_set.target_first[numbers + 1]
        chosen = np.where(
            replaced & (last > first), first + (place * (last - first)).astype(np.int64), -1
        )
        return np.where(training_set.target_scores[chosen] == UNKNOWN_SCORE, -1, chosen)


# ---- gradients -----------------------------------------------------------------------------------


class SparseGradients(RowGradients):
    """Gradients of a sparse network, but for a value trunk; batches are `SparseBatch`."""

    def __init__(self, model: Any, settings: LearnerSettings) -> None:
        config = model.network_config
        tables = filled_tables(config, model.named_parameters())
        results = buffers(
            kernels.PositionGradients, B=settings.batch_size, M=MAX_MOVES, **config.sizes
        )
        super().__init__(model, config, tables, named_views, results, settings)
        self._scratch = PerThread()

    def forward(self, batch: SparseBatch, count: int) -> None:
        tables = self.tables
        results = self.results
        units = results.units.reshape(-1, self.config.units)
        dunits = results.dunits.reshape(-1, self.config.units)

        def read(first: int, last: int, own: np.ndarray) -> np.ndarray:
            kernels.compute_units(tables, batch, first, last, results)
            self.mix_units(first, units[first:last])
            return units[own]

        def write(first: int, last: int, own: np.ndarray, slopes: np.ndarray) -> None:
            dunits[own] = slopes
            scratch = self._scratch.own(kernels.new_scratch)
            kernels.learn_policy(tables, batch, first, last, 1.0 / count, scratch, results)
            self.mix_back(first, dunits[first:last])
            kernels.learn_accumulators(tables, first, last, results)

        self.learn_parts(batch, count, value_head, read, write)

    def mix_units(self, first: int, units: np.ndarray) -> None:
        """Change the units of the part of a batch that begins at `first`, as layers between them
        and the heads do; here there are none.
        """

    def mix_back(self, first: int, dunits: np.ndarray) -> None:
        """Change the gradients of the same units likewise."""

    def backward(self, batch: SparseBatch, count: int) -> None:
        results = self.results
        tables = self.slopes
        width = self.config.width
        units = self.config.units
        flat = self.flat_slopes
        on_stretches(self.pool, len(flat), STRETCH, lambda first, last: flat[first:last].fill(0))
        self.write_small()
        work: list[Callable[[], None]] = [
            partial(kernels.add_policy_biases, batch, count, results, tables)
        ]
        for column in range(0, width, BLOCK):
            work.append(
                partial(kernels.add_feature_columns, batch, count, results, width, column, tables)
            )
        for column in range(0, units, HALF_BLOCK):
            work.append(
                partial(kernels.add_unit_columns, batch, count, results, units, column, tables)
            )
        self.pool.map(lambda part: part(), work)


# ---- held-out positions --------------------------------------------------------------------------


class SparseHeldOut(RowsHeldOut):
    """A fixed sample of a set, evenly spaced, rebuilt once as active features."""

    def __init__(
        self,
        positions: TrainingSet,
        limit: int,
        new_batch: Callable[[int], SparseBatch] = new_sparse_batch,
        sampler: Callable[[PositionSet], Any] = SparseSampler,
        gradients: type[SparseGradients] = SparseGradients,
    ) -> None:
        games, numbers = spread_positions(positions, limit)
        self.n_positions = len(numbers)
        self.batch = new_batch(len(numbers))
        self._gradients = gradients
        sampler(games).fill(numbers, np.full(len(numbers), -1), self.batch)

    def source(self, model: Layer, settings: LearnerSettings) -> SparseGradients:
        return self._gradients(model.with_children({}), settings)

    def hits(self, results: kernels.PositionGradients) -> np.ndarray:
        legal = np.arange(MAX_MOVES) < self.batch.n_moves[:, None]

        def best(scores: np.ndarray) -> np.ndarray:
            return np.where(legal, scores, -np.inf).argmax(axis=1)

        return best(results.logits[: self.n_positions]) == best(self.batch.policy)


# ---- the family ----------------------------------------------------------------------------------


class SparseFamily(LayersFamily):
    """Sparse networks, such as sparse-768; a value trunk that a network has besides stays as it
    is.
    """

    recipe = SPARSE_RECIPE
    mixture = SparseMixture
    gradients = SparseGradients
    heldout = SparseHeldOut

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
