"""Networks of people in training: batches, gradients by the sparse family's kernels with a mixer
between them, held-out scores.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from engine.network.people.mixer import mix
from engine.network.people.people_features import PIECE_GROUPS
from engine.network.people.people_model import PeopleNetwork
from engine.network.people.people_parameters import PeopleConfig
from engine.nn.layer import Gradients, Layer
from engine.nn.training.optimizers import Optimizer
from selfplay.families.people.people_sampler import PeopleSampler, new_people_batch
from selfplay.families.policy.sparse_family import SparseGradients, SparseHeldOut, SparseMixture
from selfplay.families.shared_rows import SharedRows, SharedRowsAdamW
from selfplay.records.positions import PositionSet
from selfplay.training.learner import LayersFamily
from selfplay.training.recipe import PEOPLE_RECIPE, LearnerSettings

VALUE_SHARE = 0.1  # of the value in the loss: units are there for the policy; set by hand
SHARED_ROWS = {"trunk.accumulator.weight": SharedRows(*PIECE_GROUPS)}


class PeopleMixture(SparseMixture):
    """Batches for networks of these sizes; arguments and errors as `Batches`. Rejects single
    positions: no history.
    """

    kind = PositionSet
    refusal = "networks of people are trained on whole games: give games or folders of policies"
    new_batch = staticmethod(new_people_batch)

    def __init__(self, config: PeopleConfig, *arguments: Any) -> None:
        self._config = config
        super().__init__(*arguments)

    def sampler(self, games: Any) -> Any:
        return PeopleSampler(games, self._config)


class PeopleGradients(SparseGradients):
    """Gradients of a network of people."""

    def __init__(self, model: Layer, settings: LearnerSettings) -> None:
        super().__init__(model, settings)
        value, moves_left = self.of_losses
        self.of_losses = VALUE_SHARE * value, VALUE_SHARE * moves_left

    def forward(self, batch: Any, count: int) -> None:
        self._mixers: dict[int, Gradients] = {}
        self._ways_back: dict[int, Callable[[np.ndarray, Gradients], np.ndarray]] = {}
        super().forward(batch, count)

    def mix_units(self, first: int, units: np.ndarray) -> None:
        units[:], self._ways_back[first] = mix(self.parameters, units.copy())

    def mix_back(self, first: int, dunits: np.ndarray) -> None:
        grads = self._mixers[first] = Gradients()
        dunits[:] = self._ways_back.pop(first)(dunits, grads)

    def write_small(self) -> None:
        super().write_small()
        self.write_sums([mixer for _, mixer in sorted(self._mixers.items())])


class PeopleFamily(LayersFamily):
    """Networks of people, such as people-512."""

    recipe = PEOPLE_RECIPE
    gradients = PeopleGradients
    plays = False

    def __init__(self, config: PeopleConfig) -> None:
        self._config = config
        self.mixture = partial(PeopleMixture, config)
        self.heldout = partial(
            SparseHeldOut,
            new_batch=new_people_batch,
            sampler=partial(PeopleSampler, config=config),
            gradients=PeopleGradients,
        )

    def build(self, rng: np.random.Generator) -> Layer:
        return PeopleNetwork(self._config, rng)

    def optimizer(self, settings: LearnerSettings) -> Optimizer:
        """AdamW, with parts that table rows share."""
        return SharedRowsAdamW(SHARED_ROWS, weight_decay=settings.weight_decay, decay_all=True)
