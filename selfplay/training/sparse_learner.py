"""The learner of the sparse family: the same steps, losses and state as the tower's, by kernels over whole tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from engine.board.layout import MAX_MOVES
from engine.errors import RunError, TrainingError
from engine.native.pool import ThreadPool
from engine.network.sparse.features import FEATURE_GROUPS, POLICY_GROUPS
from engine.network.sparse.gradients import (
    PositionGradients,
    Scratch,
    add_feature_columns,
    add_small_tables,
    add_unit_columns,
    learn_positions,
    new_position_gradients,
    new_scratch,
)
from engine.network.sparse.parameters import (
    SparseConfig,
    Tables,
    fill_tables,
    named_views,
    new_tables,
    sparse_config_of,
)
from engine.network.sparse.rows import BLOCK, HALF_BLOCK
from engine.nn.flat_adam import AdamRates, FlatState, SharedRows, adam_rates, adam_step, shared_step
from engine.nn.layer import Layer, layer_from_config
from selfplay.data.sparse_sampler import SparseBatch
from selfplay.training.learner import LearnerSettings
from selfplay.training.loss import Losses, LossSums, LossWeights
from selfplay.training.mixture import SparseMixture

__all__ = ["SparseLearner", "SparsePass"]

PART = 256  # positions that a thread takes at a time
STRETCH = 1 << 18  # parameters that a thread updates at a time
GROUPS = 128  # groups of rows that a thread updates at a time
STATE = ("parameters", "mean", "square", "average")


class SparsePass:
    """Forward and backward passes over batches of up to `size` positions, on `threads` threads."""

    def __init__(self, config: SparseConfig, size: int, threads: int) -> None:
        self.config = config
        self.gradients: PositionGradients = new_position_gradients(config, size, MAX_MOVES)
        self.pool = ThreadPool(threads, "train")
        self._local = threading.local()

    def positions(self, tables: Tables, batch: SparseBatch, count: int, weights: LossWeights) -> None:
        """Phase one over batch[:count]: fills `gradients`, its losses included."""
        scale = 1.0 / count

        def learn(part: tuple[int, int]) -> None:
            scratch = self._scratch()
            learn_positions(tables, batch, *part, scale, weights.value, weights.moves_left, scratch, self.gradients)

        self.pool.map(learn, pairwise([*range(0, count, PART), count]))

    def columns(self, batch: SparseBatch, count: int, tables: Tables) -> None:
        """Phase two: add the gradients of batch[:count] to `tables`."""
        gradients, width, units = self.gradients, self.config.width, self.config.units
        work: list[Callable[[], None]] = [lambda: add_small_tables(batch, count, gradients, tables)]
        for column in range(0, width, BLOCK):
            work.append(lambda c=column: add_feature_columns(batch, count, gradients, width, c, tables))  # type: ignore[misc]
        for column in range(0, units, HALF_BLOCK):
            work.append(lambda c=column: add_unit_columns(batch, count, gradients, units, c, tables))  # type: ignore[misc]
        self.pool.map(lambda part: part(), work)

    def close(self) -> None:
        """Stop the threads."""
        self.pool.close()

    def _scratch(self) -> Scratch:
        if not hasattr(self._local, "scratch"):
            self._local.scratch = new_scratch(self.config)
        return self._local.scratch


class SparseLearner:
    """A sparse network in training, with the methods of `Learner`.

    Every number is computed in one order whatever the number of threads. Shards and clipping have no meaning here.
    """

    def __init__(self, model: Layer, mixture: SparseMixture, settings: LearnerSettings) -> None:
        self.model = model
        self.mixture = mixture
        self.settings = settings
        self.steps_done = 0
        self._config = sparse_config_of(model.config())
        flat, self._tables = new_tables(self._config)
        slopes, self._slopes = new_tables(self._config)
        fill_tables(self._tables, self._config, model.named_parameters())
        self._state = FlatState(flat, slopes, np.zeros_like(flat), np.zeros_like(flat), flat.copy())
        self._shared = _shared_rows(self._config, self._tables, flat)
        self._pass = SparsePass(self._config, mixture.batch_size, settings.threads)

    def step(self, rate: float) -> Losses:
        """Train on the next batch with that learning rate; returns the batch's losses before the step.

        Raises TrainingError when a loss is not finite.
        """
        batch, count = self.mixture.batch(self.steps_done, self._pass.pool.map), self.mixture.batch_size
        self._pass.positions(self._tables, batch, count, self.settings.loss)
        losses = mean_losses(self._pass.gradients, count)
        if not np.isfinite([losses.policy, losses.value, losses.moves_left]).all():
            raise TrainingError(f"step {self.steps_done}: expected finite losses, found {losses}")
        self._pass.columns(batch, count, self._slopes)
        self.steps_done += 1
        # Early on the average follows quickly, or it would remember the random start for thousands of steps.
        decay = min(self.settings.average_decay, (1 + self.steps_done) / (10 + self.steps_done))
        self._update(adam_rates(self.steps_done, rate, self.settings.weight_decay, decay))
        return losses

    def _update(self, rates: AdamRates) -> None:
        """Shared parts first: the step of all parameters empties the gradients."""
        size = len(self._state.parameters)
        for shared in self._shared.values():
            groups = len(shared.mean) // shared.width

            def step(part: tuple[int, int], shared: SharedRows = shared) -> None:
                shared_step(self._state, shared, *part, rates, np.empty(shared.width, np.float32))

            self._pass.pool.map(step, pairwise([*range(0, groups, GROUPS), groups]))
        self._pass.pool.map(
            lambda part: adam_step(self._state, *part, rates), pairwise([*range(0, size, STRETCH), size])
        )

    def averaged_model(self) -> Layer:
        """A new model with the averaged weights."""
        flat, tables = new_tables(self._config)
        flat[...] = self._state.average
        model = layer_from_config(self.model.config(), np.random.default_rng(0))
        model.load_parameters(named_views(tables, self._config))
        return model

    def close(self) -> None:
        """Stop the threads."""
        self._pass.close()

    # ---- state ----------------------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything a resumed run needs, as arrays and JSON values; batches follow from seed and step number."""
        return self._arrays(), {"steps_done": self.steps_done, "model": self.model.config()}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Continue from `state()` of a learner with the same model. Raises RunError for another model's state."""
        if values["model"] != self.model.config():
            raise RunError("the checkpoint belongs to a network of another architecture")
        for name, array in self._arrays().items():
            array[...] = arrays[name]
        self.steps_done = values["steps_done"]

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {name: getattr(self._state, name) for name in STATE}
        for name, shared in self._shared.items():
            arrays |= {f"{name}_mean": shared.mean, f"{name}_square": shared.square}
        return arrays


def _shared_rows(config: SparseConfig, tables: Tables, flat: np.ndarray) -> dict[str, SharedRows]:
    """A piece on a square shares a part whatever attacks and defends it, a policy move whether or not it is safe."""

    def rows(table: np.ndarray, outer: int, alike: int, inner: int, width: int) -> SharedRows:
        start = (table.ctypes.data - flat.ctypes.data) // flat.itemsize
        moments = (np.zeros(outer * inner * width, np.float32) for _ in range(2))
        return SharedRows(start, inner, alike, width, *moments)

    return {
        "features": rows(tables.weight, *FEATURE_GROUPS, config.width),
        "policy": rows(tables.policy, *POLICY_GROUPS, config.units),
    }


def mean_losses(gradients: PositionGradients, count: int) -> Losses:
    """Means over the positions that have the target in question."""
    sums = gradients.losses[:count].sum(axis=0, dtype=np.float64)
    known = np.count_nonzero(gradients.known[:count], axis=0)
    return LossSums(*sums.tolist(), *known.tolist()).means
