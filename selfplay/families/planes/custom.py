"""Networks of others in the self-play loop: `aino-train loop RUN --net package.module:Class`.

The class is a `CustomNetwork`: besides its forward pass it takes one training step, and gives and
takes its weights. Aino plays the games, makes the batches, keeps the weights in `.dit` files, and
lets candidates play the gate. Such a file names no code: what runs is what `--net` names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from engine.errors import ConfigError, RunError, TrainingError
from engine.evaluation.custom import make_custom, outputs_of, planes_of
from engine.files.dit_file import load_tensors
from engine.native.interrupts import Uninterrupted
from engine.network.policy_map import POLICY_SIZE
from engine.nn.layer import Layer
from selfplay.families.planes.planes_family import PlanesHeldOut, PlanesMixture, score_sums
from selfplay.families.planes.planes_sampler import TrainingBatch
from selfplay.training.family import Family, HeldOutScores, Learning, LearningState, Rate, scores_of
from selfplay.training.losses import Losses
from selfplay.training.mixture import Batches, TrainingSet
from selfplay.training.recipe import TOWER_RECIPE, LearnerSettings

CUSTOM = "own"  # what a file calls the weights of such a network
LEAST_CHANCE = 1e-9  # of an outcome, whose logarithm is a loss


class PlanesBatch(NamedTuple):
    """B positions with targets, everything seen from the side to move; rows of zeros where a target
    is unknown.
    """

    planes: np.ndarray  # float32 [B, 112, 8, 8]
    policy: np.ndarray  # float32 [B, 1858] shares of the search's visits
    legal: np.ndarray  # bool [B, 1858] legal moves
    wdl: np.ndarray  # float32 [B, 3] chances of win, draw and loss
    plies_left: np.ndarray  # float32 [B]; below 0 if unknown


class CustomNetwork(Protocol):
    """What a class needs to be trained. It is called with `seed`, an integer, to make a network
    with random weights, and with `weights`, a dictionary as its method gives it, to make one again.
    """

    def __call__(self, planes: np.ndarray) -> Any:
        """(logits [N, 1858], chances [N, 3][, plies left [N]]), as for
        `engine.evaluation.PlanesEvaluator`.
        """
        ...

    def train(self, batch: PlanesBatch, rate: float) -> tuple[float, float]:
        """Take one training step at this learning rate; return the losses of policy and value
        before it.
        """
        ...

    def weights(self) -> Mapping[str, np.ndarray]:
        """All weights by name. Files store them as float32."""
        ...


class CustomWeights(Layer):
    """The weights of a network that is not made of layers, as `dit.save` stores them."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.params = {name: np.array(array, np.float32) for name, array in weights.items()}

    def config(self) -> dict[str, Any]:
        """Names and shapes, which make an architecture."""
        return {
            "layer": CUSTOM,
            "shapes": {name: list(array.shape) for name, array in self.params.items()},
        }


def is_custom(net: str) -> bool:
    return ":" in net


class CustomFamily(Family):
    """Networks of the class at `place`, package.module:Class, which is imported when the first
    network is made.

    Aino moves nothing to a GPU; the class may use one by itself.
    """

    recipe = TOWER_RECIPE
    mixture = PlanesMixture  # `CustomLearner` makes a `PlanesBatch` of each batch

    def __init__(self, place: str) -> None:
        self._place = place

    def network(self, model: Layer) -> CustomNetwork:
        """Return the network with these weights. Raises ConfigError as `make_custom`."""
        return make_custom(
            self._place, weights={name: array.copy() for name, array in model.params.items()}
        )

    def build(self, rng: np.random.Generator) -> CustomWeights:
        network = make_custom(self._place, seed=int(rng.integers(2**31)))
        if missing := [
            name for name in ("__call__", "train", "weights") if not hasattr(network, name)
        ]:
            raise ConfigError(f"net {self._place!r}: to be trained it needs {', '.join(missing)}")
        return CustomWeights(network.weights())

    def load(self, path: Path) -> CustomWeights:
        return CustomWeights(load_tensors(path)[1])

    def learner(
        self, model: Layer, batches: Batches, settings: LearnerSettings, rate: Rate, backend: str
    ) -> CustomLearner:
        return CustomLearner(self, model, batches, rate if callable(rate) else lambda step: rate)

    def heldout(self, positions: TrainingSet, limit: int) -> CustomHeldOut:
        return CustomHeldOut(self, positions, limit)


class CustomLearner(Learning):
    """A network that takes its own steps in training.

    A training that was interrupted continues from the weights alone: what the network keeps
    besides, such as an optimizer's momentum, begins anew.
    """

    def __init__(
        self, family: CustomFamily, model: Layer, batches: Batches, schedule: Callable[[int], float]
    ) -> None:
        self.batches = batches
        self.steps_done = 0
        self._family, self._schedule = family, schedule
        self._network = family.network(model)

    def step(self) -> Losses:
        batch = planes_batch(self.batches.batch(self.steps_done))
        rate = self._schedule(self.steps_done)
        with Uninterrupted():  # nobody knows where a network of somebody's could be interrupted
            policy, value = self._network.train(batch, rate)
            if not np.isfinite([policy, value]).all():
                raise TrainingError(
                    f"step {self.steps_done + 1}: the losses are {policy} and {value}"
                )
            self.steps_done += 1
        return Losses(float(policy), float(value), None)

    def averaged_model(self) -> CustomWeights:
        """Return the weights to play with; the network averages them itself, or does not."""
        return CustomWeights(self._network.weights())

    def state(self) -> LearningState:
        return self.averaged_model().params, {"steps_done": self.steps_done}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        if not isinstance(values.get("steps_done"), int):
            raise RunError("the checkpoint is not that of this training")
        self._network = self._family.network(CustomWeights(arrays))
        self.steps_done = values["steps_done"]

    def close(self) -> None:
        """Call the network's `close`, if it has one."""
        getattr(self._network, "close", lambda: None)()


def planes_batch(batch: TrainingBatch) -> PlanesBatch:
    """Return a batch with its planes as numbers and its moves among all 1858."""
    count = len(batch.n_moves)
    rows, columns = np.nonzero(np.arange(batch.policy.shape[1]) < batch.n_moves[:, None])
    places = rows, batch.policy_index[rows, columns]
    policy = np.zeros((count, POLICY_SIZE), np.float32)
    legal = np.zeros((count, POLICY_SIZE), np.bool_)
    policy[places] = batch.policy[rows, columns]
    legal[places] = True
    return PlanesBatch(
        planes_of(batch.masks), policy, legal, batch.wdl.copy(), batch.moves_left.copy()
    )


class CustomHeldOut(PlanesHeldOut):
    """Scores networks of the family's class."""

    def __init__(self, family: CustomFamily, positions: TrainingSet, limit: int) -> None:
        super().__init__(positions, limit)
        self._family = family

    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        """Scores of a network with these weights, which uses as many threads as it likes."""
        network = self._family.network(model)
        return scores_of(np.array([_score_sums(network, part) for part in self._parts]))


def _score_sums(network: CustomNetwork, batch: TrainingBatch) -> np.ndarray:
    """As `score_sums`; moves left are not scored."""
    logits, chances, *_ = outputs_of(network, planes_of(batch.masks))
    return score_sums({"policy": logits, "wdl": np.log(np.maximum(chances, LEAST_CHANCE))}, batch)
