"""Networks of people in training: batches, gradients by the sparse family's kernels with a mixer
between them, held-out scores.
"""

from functools import partial
from typing import Any

import numpy as np

from engine.network.people.mixer import mix
from engine.network.people.people_features import PIECE_GROUPS
from engine.network.people.people_model import PeopleNetwork
from engine.network.people.people_parameters import (
    PeopleConfig,
    people_config_of,
)
from engine.network.policy import policy_gradients as kernels
from engine.network.rows.array_layers import value_head
from engine.nn.layer import Gradients, Layer
from engine.nn.training.optimizers import Optimizer, SharedRows, SharedRowsAdamW
from selfplay.families.people.people_sampler import PeopleSampler, new_people_batch
from selfplay.families.policy.sparse_family import SparseGradients, SparseHeldOut
from selfplay.records.order import Groups
from selfplay.records.positions import PositionSet
from selfplay.training.family import spread_positions
from selfplay.training.learner import LayersFamily
from selfplay.training.mixture import Batches, TrainingSet
from selfplay.training.recipe import PEOPLE_RECIPE, LearnerSettings

VALUE_SHARE = 0.1  # of the value in the loss: units are there for the policy; set by hand
SHARED_ROWS = {"trunk.accumulator.weight": SharedRows(*PIECE_GROUPS)}


class PeopleMixture(Batches):
    """Batches for networks of these sizes; arguments and errors as `Batches`. Rejects single
    positions: no history.
    """

    kind = PositionSet
    groups = Groups(games=8)
    refusal = "networks of people are trained on whole games: give games or folders of policies"
    new_batch = staticmethod(new_people_batch)

    def __init__(self, config: PeopleConfig, *arguments: Any) -> None:
        self._config = config
        super().__init__(*arguments)

    def sampler(self, one: Any) -> PeopleSampler:
        return PeopleSampler(one, self._config)

    def changes(
        self, rng: np.random.Generator, one: TrainingSet, numbers: np.ndarray
    ) -> np.ndarray:
        return np.full(len(numbers), -1)


class PeopleGradients(SparseGradients):
    """Gradients of a network of people; batches are `PeopleBatch`."""

    config_of = staticmethod(people_config_of)

    def __init__(self, model: Layer, settings: LearnerSettings) -> None:
        super().__init__(model, settings)
        value, moves_left = self.of_losses
        self.of_losses = VALUE_SHARE * value, VALUE_SHARE * moves_left

    def forward(self, batch: Any, count: int) -> None:
        tables, found = self.tables, self.found
        units = found.units.reshape(-1, self.config.units)
        dunits = found.dunits.reshape(-1, self.config.units)
        self._mixers: dict[int, Gradients] = {}
        ways_back: dict[int, Any] = {}

        def read(first: int, last: int, own: np.ndarray) -> np.ndarray:
            kernels.compute_units(tables, batch, first, last, found)
            mixed, ways_back[first] = mix(self.parameters, units[first:last].copy())
            units[first:last] = mixed
            return units[own]

        def write(first: int, last: int, own: np.ndarray, slopes: np.ndarray) -> None:
            dunits[own] = slopes
            scratch = self._scratch.own(kernels.new_scratch)
            kernels.learn_policy(tables, batch, first, last, 1.0 / count, scratch, found)
            grads = self._mixers[first] = Gradients()
            dunits[first:last] = ways_back.pop(first)(dunits[first:last], grads)
            kernels.learn_accumulators(tables, first, last, found)

        self.learn_parts(batch, count, value_head, read, write)

    def write_small(self) -> None:
        super().write_small()
        parts = [self._mixers[first] for first in sorted(self._mixers)]
        for name in parts[0]:
            self.grads[name][...] = sum(part[name] for part in parts)


class PeopleHeldOut(SparseHeldOut):
    """A fixed sample of a set, evenly spaced, rebuilt once as active features."""

    def __init__(self, config: PeopleConfig, positions: TrainingSet, limit: int) -> None:
        games, numbers = spread_positions(positions, limit)
        self.n_positions = len(numbers)
        self.batch = new_people_batch(len(numbers))
        PeopleSampler(games, config).fill(numbers, np.zeros(0), self.batch)

    def source(self, model: Layer, settings: LearnerSettings) -> PeopleGradients:
        return PeopleGradients(model, settings)


class PeopleFamily(LayersFamily):
    """Networks of people, such as people-512."""

    recipe = PEOPLE_RECIPE
    mixture = PeopleMixture
    gradients = PeopleGradients
    plays = trains_on_device = False

    def __init__(self, config: PeopleConfig) -> None:
        self._config = config
        self.sample = partial(PeopleHeldOut, config)

    def build(self, rng: np.random.Generator) -> Layer:
        return PeopleNetwork(self._config, rng)

    def batches(self, data: Any, settings: LearnerSettings, seed: int) -> Batches:
        return PeopleMixture(self._config, data.sets, data.shares, settings.batch_size, seed)

    def optimizer(self, settings: LearnerSettings) -> Optimizer:
        """AdamW, with parts that table rows share."""
        return SharedRowsAdamW(SHARED_ROWS, weight_decay=settings.weight_decay, decay_all=True)
