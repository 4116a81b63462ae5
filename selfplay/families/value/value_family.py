"""The value trunk of sparse networks in training: batches from label folders, gradients by kernels, held-out scores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.native.memory import buffers
from engine.native.pool import PerThread, ThreadPool
from engine.network.policy.model import SparseNetwork
from engine.network.policy.parameters import SparseConfig
from engine.network.rows.flat_tables import fill_tables, named_views, new_tables
from engine.network.value import gradients as kernels
from engine.network.value import parameters
from engine.network.value.features import BUCKET_ROWS, KING_BUCKETS
from engine.network.value.parameters import ValueConfig, ValueTables, value_config_of
from engine.nn.layer import Layer
from engine.nn.operations.updates import STRETCH, on_stretches
from engine.nn.training.optimizers import Optimizer, SharedRows, SharedRowsAdamW
from engine.nn.training.parallel import GradientSource, StepResult
from selfplay.data.label_rows import LabelRows
from selfplay.families.value.value_sampler import ValueBatch, ValueSampler, new_value_batch
from selfplay.records.order import Groups
from selfplay.training.family import HeldOut, HeldOutScores, part_sums, scores_of
from selfplay.training.learner import LayersFamily
from selfplay.training.losses import LossSums, LossWeights
from selfplay.training.mixture import Batches, TrainingSet, sets_of
from selfplay.training.recipe import VALUE_RECIPE, LearnerSettings

REFUSAL = "a value trunk is trained on label folders alone (aino-train teach)"
PART = 256  # positions per unit of a thread's work
ONE_POSITION = 0.01  # typical size of a gradient of one position's accumulator, times the batch's size
LIMIT_EVERY = 16  # steps after which rows beyond what integers hold are clipped; few ever are
ROWS, DENSE1 = (parameters.VALUE_PARAMETERS[name].removeprefix(parameters.PREFIX) for name in ("weight", "dense1"))


def tables_of(trunk: Layer) -> tuple[ValueConfig, ValueTables]:
    """(sizes, copies of the parameters as tables, those of the trunk's width in slabs) of a value trunk."""
    config = value_config_of(trunk.config())
    _, tables = new_tables(config)
    fill_tables(tables, config, {parameters.PREFIX + name: array for name, array in trunk.named_parameters().items()})
    for table in (tables.weight, tables.dense1):
        table[:] = kernels.in_slabs(table.reshape(-1, config.width)).reshape(-1)
    return config, tables


def _named(tables: ValueTables, config: ValueConfig) -> dict[str, np.ndarray]:
    """Return views of tables in slabs by the names of the trunk's own parameters."""
    views = {name.removeprefix(parameters.PREFIX): view for name, view in named_views(tables, config).items()}
    return {**views, ROWS: tables.weight.reshape(-1, kernels.SLAB), DENSE1: tables.dense1.reshape(-1, kernels.SLAB)}


# ---- batches ------------------------------------------------------------------------------------------------------


class ValueMixture(Batches):
    """Batches of both views from label rows; arguments and errors as `Batches`."""

    kind, refusal = LabelRows, REFUSAL
    groups = Groups(rows=8)  # siblings share most of their work
    new_batch = staticmethod(new_value_batch)

    def sampler(self, one: Any) -> ValueSampler:
        return ValueSampler(one)

    def changes(self, rng: np.random.Generator, one: TrainingSet, numbers: np.ndarray) -> np.ndarray:
        return numbers


# ---- gradients ----------------------------------------------------------------------------------------------------


class ValueTrunkGradients(GradientSource):
    """Gradients of a value trunk, whose parameters it moves into tables; batches are `ValueBatch`, metrics `LossSums`.

    Keeps the rows within the range that integers hold. The order of every sum is the same for any number of threads.
    """

    measures_norm = False

    def __init__(self, trunk: Layer, settings: LearnerSettings) -> None:
        config, self._tables = tables_of(trunk)
        trunk.adopt_parameters(_named(self._tables, config))
        _, self._slope_tables = new_tables(config)
        self._grads = _named(self._slope_tables, config)
        self._pass = ValuePass(config, settings.batch_size, settings.threads)
        self._weights = settings.loss
        self.pool = self._pass.pool

    def gradients(self, batch: ValueBatch, seed: tuple[int, ...]) -> StepResult:
        """As in GradientSource; nothing here is random, and the seed's last number is that of the step."""
        count = len(batch.n_rows)
        if seed[-1] % LIMIT_EVERY == 0:
            on_stretches(self.pool, len(self._tables.weight), STRETCH, self._limit)
        kernels.limit_stretch(self._tables.dense1, parameters.DENSE1_LIMIT, 0, len(self._tables.dense1))
        self._pass.forward(self._tables, batch, count, self._weights)
        self._pass.backward(self._tables, batch, count, self._slope_tables)
        sums = self._pass.sums(count)
        return StepResult(sums.total(count, self._weights), sums.metrics(count), self._grads)

    def _limit(self, first: int, last: int) -> None:
        kernels.limit_stretch(self._tables.weight, parameters.WEIGHT_LIMIT, first, last)


class ValuePass:
    """Forward and backward passes over batches of up to `size` positions, on `threads` threads."""

    def __init__(self, config: ValueConfig, size: int, threads: int) -> None:
        self.config = config
        self.gradients = buffers(kernels.ValueGradients, B=size, S=config.width // kernels.SLAB)
        self.pool = ThreadPool(threads, "train")
        self._scratch = PerThread()
        self._slabs = range(config.width // kernels.SLAB)

    def forward(self, tables: ValueTables, batch: ValueBatch, count: int, weights: LossWeights) -> None:
        """Run batch[:count] forward, and back to dense1: fills `gradients`, including losses."""
        scale, new_scratch = 1.0 / count, partial(buffers, kernels.ValueScratch)
        kernels.transpose_dense1(tables, self.gradients)

        def learn(part: tuple[int, int]) -> None:
            scratch = self._scratch.own(new_scratch)
            heads = weights.value, weights.moves_left
            kernels.learn_values(tables, batch, *part, scale, *heads, scratch, self.gradients)

        def add_up(slab: int) -> None:
            kernels.sum_slab(tables, batch, count, slab, self._scratch.own(new_scratch), self.gradients)

        self.pool.map(add_up, self._slabs)
        self.pool.map(learn, pairwise([*range(0, count, PART), count]))

    def backward(self, tables: ValueTables, batch: ValueBatch, count: int, slopes: ValueTables) -> None:
        """Write the gradients of batch[:count], after `forward`, to `slopes`."""
        work: list[Callable[[], None]] = [
            lambda slab=slab: kernels.slab_gradients(tables, batch, count, slab, self.gradients, slopes)  # type: ignore[misc]
            for slab in self._slabs
        ]
        work.append(lambda: kernels.add_small_layers(batch, count, self.gradients, slopes))
        self.pool.map(lambda part: part(), work)

    def sums(self, count: int) -> LossSums:
        """Loss sums of the first `count` positions, and how many of them have each target."""
        value, left = self.gradients.losses[:count].sum(axis=0, dtype=np.float64).tolist()
        with_value, with_left = np.count_nonzero(self.gradients.known[:count], axis=0).tolist()
        return LossSums(0.0, value, left, 0, with_value, with_left)


# ---- held-out rows --------------------------------------------------------------------------------------------------


class ValueHeldOut(HeldOut):
    """The first of some label rows, which are held out from training."""

    def __init__(self, positions: TrainingSet, limit: int) -> None:
        (labels,) = sets_of(LabelRows, [positions], REFUSAL)
        self.n_positions = min(limit, labels.n_usable)
        self._batch = new_value_batch(self.n_positions)
        numbers = np.arange(self.n_positions)
        ValueSampler(labels, everything=True).fill(numbers, numbers, self._batch)

    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        """Scores of the model's value trunk; the same for any number of threads."""
        config, tables = tables_of(model.children()[parameters.VALUE_TRUNK])
        forward = ValuePass(config, self.n_positions, threads)
        with forward.pool:
            forward.forward(tables, self._batch, self.n_positions, LossWeights())
        of_each = (array[: self.n_positions].T for array in (forward.gradients.losses, forward.gradients.known > 0))
        (value, left), (with_value, with_left) = of_each
        no = np.zeros(self.n_positions)  # policy
        columns = [no, no, value, left, no, with_value, with_left]
        return scores_of(part_sums(np.column_stack(columns)))


# ---- the family -----------------------------------------------------------------------------------------------------


class ValueFamily(LayersFamily):
    """The value trunk of a sparse network, such as sparse-768+v256; the rest of the network stays as it is."""

    recipe, mixture, gradients, sample = VALUE_RECIPE, ValueMixture, ValueTrunkGradients, ValueHeldOut
    average_every = 8  # steps; each pass over the tables costs as much as a fifth of a step

    def __init__(self, config: SparseConfig) -> None:
        if config.value is None:
            raise ConfigError(f"{config} has no value trunk to train: expected a network such as {config}+v256")
        self._config = config
        self._value = config.value

    def build(self, rng: np.random.Generator) -> Layer:
        return SparseNetwork(self._config, rng)

    def part(self, model: Layer) -> Layer:
        """Return the value trunk; once it has gradients, its tables are in slabs."""
        return model.children()[parameters.VALUE_TRUNK].replica()

    def joined(self, model: Layer, part: Layer) -> Layer:
        """`model` with another value trunk, whose rows fit integers."""
        named, shapes = part.named_parameters(), model.children()[parameters.VALUE_TRUNK].named_parameters()
        for name in (ROWS, DENSE1):
            named[name] = kernels.from_slabs(named[name], self._value.width).reshape(shapes[name].shape)
        named[ROWS] = np.clip(named[ROWS], -parameters.WEIGHT_LIMIT, parameters.WEIGHT_LIMIT)
        trunk = part.replica()
        trunk.adopt_parameters(named)
        return model.with_children({**model.children(), parameters.VALUE_TRUNK: trunk})

    def optimizer(self, settings: LearnerSettings) -> Optimizer:
        """AdamW; the rows of a piece on a square share a part for all buckets of the king.

        Most rows are rare: few positions of a batch have them, or none. The root of Adam's mean square then tends to
        zero between two of them, and a single position would move its rows by thirty times the rate. An epsilon like
        one position's gradient leaves such rows to move in proportion to their gradients.
        """
        epsilon = ONE_POSITION / settings.batch_size
        shared = {ROWS: SharedRows(self._value.width // kernels.SLAB, KING_BUCKETS, BUCKET_ROWS)}
        return SharedRowsAdamW(shared, weight_decay=settings.weight_decay, decay_all=True, epsilon=epsilon)
