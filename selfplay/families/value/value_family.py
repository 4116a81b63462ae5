"""The value trunk of sparse networks in training: batches from label folders, gradients by kernels,
held-out scores.
"""

from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.native.aligned_arrays import buffers
from engine.network.accumulator.array_layers import judge_units
from engine.network.accumulator.flat_tables import filled_tables, named_views
from engine.network.accumulator.piece_count import PIECE_BUCKETS
from engine.network.sparse.sparse_model import SparseNetwork
from engine.network.sparse.sparse_parameters import SparseConfig
from engine.network.value import value_gradients as kernels
from engine.network.value.value_features import BUCKET_ROWS, KING_BUCKETS
from engine.network.value.value_parameters import (
    DENSE1_LIMIT,
    VALUE_TRUNK,
    WEIGHT_LIMIT,
    ValueConfig,
    ValueTables,
)
from engine.nn.layer import Layer
from engine.nn.training.optimizers import Optimizer
from selfplay.data.label_rows import LabelRows
from selfplay.families.row_gradients import RowGradients, RowsHeldOut
from selfplay.families.shared_rows import SharedRows, SharedRowsAdamW
from selfplay.families.value.value_sampler import ValueBatch, ValueSampler, new_value_batch
from selfplay.records.order import Groups
from selfplay.training.learner import LayersFamily
from selfplay.training.mixture import Batches, TrainingSet, sets_of
from selfplay.training.recipe import VALUE_RECIPE, LearnerSettings

REFUSAL = "a value trunk is trained on label folders alone (aino-train teach)"
# Typical size of a gradient of one position's accumulator, times the batch's size.
ONE_POSITION = 0.01
LIMIT_EVERY = 16  # steps after which rows beyond what integers hold are clipped; few ever are
# Parameters that are in slabs.
ROWS = "rows.weight"
DENSE1 = "dense1.weight"


def tables_of(trunk: Any) -> tuple[ValueConfig, ValueTables]:
    """(sizes, copies of the parameters as tables, those of the trunk's width in slabs) of a value
    trunk.
    """
    config = trunk.network_config
    tables = filled_tables(config, trunk.named_parameters())
    for table in (tables.weight, tables.dense1):
        table[:] = kernels.in_slabs(table.reshape(-1, config.width)).reshape(-1)
    return config, tables


def _named(tables: ValueTables, config: ValueConfig) -> dict[str, np.ndarray]:
    """Return views of tables in slabs by the names of the trunk's own parameters."""
    return {
        **named_views(tables, config),
        ROWS: tables.weight.reshape(-1, kernels.SLAB),
        DENSE1: tables.dense1.reshape(-1, kernels.SLAB),
    }


# ---- batches -------------------------------------------------------------------------------------


class ValueMixture(Batches):
    """Batches of both views from label rows; arguments and errors as `Batches`."""

    kind = LabelRows
    refusal = REFUSAL
    groups = Groups(rows=8)  # siblings share most of their work
    new_batch = staticmethod(new_value_batch)

    def sampler(self, labels: Any) -> ValueSampler:
        return ValueSampler(labels)

    def changes(
        self, rng: np.random.Generator, labels: TrainingSet, numbers: np.ndarray
    ) -> np.ndarray:
        return numbers


# ---- gradients -----------------------------------------------------------------------------------


class ValueTrunkGradients(RowGradients):
    """Gradients of a value trunk; batches are `ValueBatch`. Keeps the rows within the range that
    integers hold.
    """

    def __init__(self, trunk: Layer, settings: LearnerSettings) -> None:
        config, tables = tables_of(trunk)
        self._slabs = range(config.width // kernels.SLAB)
        results = buffers(kernels.ValueGradients, B=settings.batch_size, S=len(self._slabs))
        super().__init__(trunk, config, tables, _named, results, settings)

    def limit(self, step: int) -> None:
        """Keep dense1 and, every LIMIT_EVERY steps, the rows within what integers hold, in place."""
        dense1 = self.parameters[DENSE1]
        np.clip(dense1, -DENSE1_LIMIT, DENSE1_LIMIT, out=dense1)
        if step % LIMIT_EVERY == 0:
            rows = self.parameters[ROWS]
            np.clip(rows, -WEIGHT_LIMIT, WEIGHT_LIMIT, out=rows)

    def forward(self, batch: ValueBatch, count: int) -> None:
        tables = self.tables
        results = self.results
        bias = self.parameters["dense1.bias"]
        kernels.transpose_dense1(tables, results)

        def read(first: int, last: int, own: np.ndarray) -> np.ndarray:
            return results.sums[:, first:last].sum(axis=0)[own - first] + bias[batch.version[own]]

        def write(first: int, last: int, own: np.ndarray, slopes: np.ndarray) -> None:
            results.dhidden[own] = slopes

        self.pool.map(
            lambda slab: kernels.sum_slab(tables, batch, count, slab, results), self._slabs
        )
        self.learn_parts(batch, count, judge_units, read, write)

    def backward(self, batch: ValueBatch, count: int) -> None:
        tables = self.tables
        slopes = self.slopes
        results = self.results
        self.write_small()
        chosen = batch.version[:count] == np.arange(PIECE_BUCKETS)[:, None]
        self.grads["dense1.bias"][...] = chosen.astype(np.float32) @ results.dhidden[:count]
        self.pool.map(
            lambda slab: kernels.slab_gradients(tables, batch, count, slab, results, slopes),
            self._slabs,
        )


# ---- held-out rows -------------------------------------------------------------------------------


class ValueHeldOut(RowsHeldOut):
    """The first of some label rows, which are held out from training."""

    def __init__(self, positions: TrainingSet, limit: int) -> None:
        (labels,) = sets_of(LabelRows, [positions], REFUSAL)
        self.n_positions = min(limit, labels.n_usable)
        self.batch = new_value_batch(self.n_positions)
        numbers = np.arange(self.n_positions)
        ValueSampler(labels, everything=True).fill(numbers, numbers, self.batch)

    def source(self, model: Layer, settings: LearnerSettings) -> ValueTrunkGradients:
        return ValueTrunkGradients(model.children()[VALUE_TRUNK], settings)


# ---- the family ----------------------------------------------------------------------------------


class ValueFamily(LayersFamily):
    """The value trunk of a sparse network, such as sparse-768+v256; the rest of the network stays
    as it is.
    """

    recipe = VALUE_RECIPE
    mixture = ValueMixture
    gradients = ValueTrunkGradients
    heldout = ValueHeldOut
    average_every = 8  # steps; each pass over the tables costs as much as a fifth of a step

    def __init__(self, config: SparseConfig) -> None:
        if config.value is None:
            raise ConfigError(
                f"{config} has no value trunk to train: expected a network such as {config}+v256"
            )
        self._config = config
        self._value = config.value

    def build(self, rng: np.random.Generator) -> Layer:
        return SparseNetwork(self._config, rng)

    def part(self, model: Layer) -> Layer:
        """Return the value trunk; once it has gradients, its tables are in slabs."""
        return model.children()[VALUE_TRUNK].copy()

    def joined(self, model: Layer, part: Layer) -> Layer:
        """`model` with another value trunk, whose rows fit integers."""
        named = part.named_parameters()
        shapes = model.children()[VALUE_TRUNK].named_parameters()
        for name in (ROWS, DENSE1):
            named[name] = kernels.from_slabs(named[name], self._value.width).reshape(
                shapes[name].shape
            )
        named[ROWS] = named[ROWS].clip(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        trunk = part.copy()
        trunk.adopt_parameters(named)
        return model.with_children({**model.children(), VALUE_TRUNK: trunk})

    def optimizer(self, settings: LearnerSettings) -> Optimizer:
        """AdamW; the rows of a piece on a square share a part for all buckets of the king.

        Most rows are rare: few positions of a batch have them, or none. The root of Adam's mean
        square then tends to zero between two of them, and a single position would move its rows by
        thirty times the rate. An epsilon like one position's gradient leaves such rows to move in
        proportion to their gradients.
        """
        epsilon = ONE_POSITION / settings.batch_size
        shared = {ROWS: SharedRows(self._value.width // kernels.SLAB, KING_BUCKETS, BUCKET_ROWS)}
        return SharedRowsAdamW(
            shared, weight_decay=settings.weight_decay, decay_all=True, epsilon=epsilon
        )
