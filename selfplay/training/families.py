"""Network families as training sees them: a network's name decides which learner trains it and what scores it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from engine.network.sparse.model import build_sparse
from engine.network.sparse.parameters import SparseConfig, sparse_config_of
from engine.network.tower.model import TowerConfig, build_tower, tower_config_of
from engine.nn.layer import Layer
from engine.nn.layers import ListNetwork
from selfplay.records.positions import PositionSet
from selfplay.training.heldout import HeldOut, HeldOutScores, SparseHeldOut
from selfplay.training.learner import Learner, LearnerSettings
from selfplay.training.loss import Losses
from selfplay.training.mixture import Mixture, SparseMixture
from selfplay.training.recipe import SPARSE_RECIPE, TOWER_RECIPE, Recipe
from selfplay.training.sources import TrainingData
from selfplay.training.sparse_learner import SparseLearner

__all__ = ["AnyLearner", "Family", "family_of", "family_of_model"]


class AnyLearner(Protocol):
    """What a run asks of a learner; see `Learner`."""

    steps_done: int

    def step(self, rate: float) -> Losses: ...
    def averaged_model(self) -> Layer: ...
    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]: ...
    def restore(self, arrays: dict[str, np.ndarray], values: dict[str, Any]) -> None: ...
    def close(self) -> None: ...


class AnyHeldOut(Protocol):
    """What a run asks of a held-out sample; see `HeldOut`."""

    n_positions: int

    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores: ...


class Family(Protocol):
    """How the networks of one family and size are made, trained and scored."""

    recipe: Recipe

    def build(self, rng: np.random.Generator) -> Layer:
        """A network with random weights."""
        ...

    def learner(self, model: Layer, data: TrainingData, settings: LearnerSettings, seed: int) -> AnyLearner:
        """A learner on batches of the data."""
        ...

    def heldout(self, positions: PositionSet, limit: int) -> AnyHeldOut:
        """A fixed sample to score networks on."""
        ...


class TowerFamily:
    """Towers, such as 64x6."""

    recipe = TOWER_RECIPE

    def __init__(self, config: TowerConfig) -> None:
        self._config = config

    def build(self, rng: np.random.Generator) -> Layer:
        """A tower with random weights."""
        return build_tower(self._config, rng)

    def learner(self, model: Layer, data: TrainingData, settings: LearnerSettings, seed: int) -> AnyLearner:
        """A learner on batches of planes."""
        return Learner(model, Mixture(data.sets, data.shares, settings.batch_size, seed), settings)

    def heldout(self, positions: PositionSet, limit: int) -> AnyHeldOut:
        """A sample as planes."""
        return HeldOut(positions, limit)


class SparseFamily:
    """Sparse networks, such as sparse-768."""

    recipe = SPARSE_RECIPE

    def __init__(self, config: SparseConfig) -> None:
        self._config = config

    def build(self, rng: np.random.Generator) -> Layer:
        """A sparse network with random weights."""
        return build_sparse(self._config, rng)

    def learner(self, model: Layer, data: TrainingData, settings: LearnerSettings, seed: int) -> AnyLearner:
        """A learner on batches of active features."""
        mixture = SparseMixture(data.sets, data.shares, settings.batch_size, seed, settings.variations)
        return SparseLearner(model, mixture, settings)

    def heldout(self, positions: PositionSet, limit: int) -> AnyHeldOut:
        """A sample as active features."""
        return SparseHeldOut(positions, limit)


def family_of_model(model: Layer) -> Family:
    """The family and size of a network at hand. Raises ConfigError for a network of neither family."""
    config = model.config()
    if config["layer"] == ListNetwork.kind:
        return SparseFamily(sparse_config_of(config))
    return TowerFamily(tower_config_of(config))


def family_of(net: str) -> Family:
    """The family and size that a name such as 64x6 or sparse-768 means. Raises ConfigError for another form."""
    if net.startswith("sparse"):
        return SparseFamily(SparseConfig.parse(net))
    return TowerFamily(TowerConfig.parse(net))
