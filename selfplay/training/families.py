"""Interfaces of network families. A network's name decides how it is trained and scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from engine.network.sparse.parameters import SparseConfig, sparse_config_of
from engine.network.tower.model import TowerConfig, tower_config_of
from engine.nn.layer import Layer
from engine.nn.layers import ListNetwork
from engine.nn.optimizers import Optimizer
from engine.nn.parallel import GradientSource
from selfplay.records.positions import PositionSet
from selfplay.training.heldout import HeldOutScores
from selfplay.training.mixture import Map
from selfplay.training.recipe import LearnerSettings, Recipe
from selfplay.training.source_files import TrainingData
from selfplay.training.sparse import SparseFamily
from selfplay.training.tower import TowerFamily

__all__ = ["Batches", "Family", "HeldOut", "family_of", "family_of_model"]


class Batches(Protocol):
    """The training batches of a run. Each depends only on the seed and the step number."""

    batch_size: int
    n_positions: int

    def batch(self, step: int, run: Map = map) -> Any:
        """The batch of a step; the next call overwrites its arrays. `run` may map on several threads."""
        ...


class HeldOut(Protocol):
    """A fixed sample of positions that training never sees."""

    n_positions: int

    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        """Scores of the model; the same for any number of threads."""
        ...


class Family(Protocol):
    """Makes, trains and scores the networks of one family and size.

    Attributes:
        recipe: default training settings.
        clips: whether gradients are clipped.
    """

    recipe: Recipe
    clips: bool

    def build(self, rng: np.random.Generator) -> Layer:
        """A network with random weights."""
        ...

    def batches(self, data: TrainingData, settings: LearnerSettings, seed: int) -> Batches:
        """The batches for training on the data."""
        ...

    def gradients(self, model: Layer, settings: LearnerSettings) -> GradientSource:
        """Computes gradients of the model's parameters from these batches."""
        ...

    def optimizer(self, settings: LearnerSettings) -> Optimizer:
        """The optimizer of the parameters."""
        ...

    def refresh(self, model: Layer, coming: Iterator[Any]) -> None:
        """Measure on coming batches the statistics that weight averaging does not cover."""
        ...

    def heldout(self, positions: PositionSet, limit: int) -> HeldOut:
        """A fixed sample to score networks on, at most `limit` positions."""
        ...

    def upgraded(
        self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]
    ) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]]:
        """Convert a learner's state, which an older Aino may have saved, to the current form."""
        ...


def family_of_model(model: Layer) -> Family:
    """The family and size of a loaded network. Raises ConfigError for a network of neither family."""
    config = model.config()
    if config["layer"] == ListNetwork.kind:
        return SparseFamily(sparse_config_of(config))
    return TowerFamily(tower_config_of(config))


def family_of(net: str) -> Family:
    """The family and size that a name such as 64x6 or sparse-768 means. Raises ConfigError for another form."""
    if net.startswith("sparse"):
        return SparseFamily(SparseConfig.parse(net))
    return TowerFamily(TowerConfig.parse(net))
