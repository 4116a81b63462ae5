"""Interfaces of network families. A network's name decides how it is trained and scored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from engine.errors import ConfigError
from engine.files.dit_file import load_tensors
from engine.network.sparse.parameters import SparseConfig, sparse_config_of
from engine.network.tower.model import TowerConfig, tower_config_of
from engine.nn import dit
from engine.nn.layer import Layer
from engine.nn.layers import ListNetwork
from engine.nn.optimizers import Optimizer
from engine.nn.parallel import GradientSource
from selfplay.training.heldout import HeldOutScores
from selfplay.training.mixture import AnySet, Map
from selfplay.training.own import OwnFamily, OwnWeights, is_own
from selfplay.training.recipe import LearnerSettings, Recipe
from selfplay.training.source_files import TrainingData
from selfplay.training.sparse import SparseFamily
from selfplay.training.tower import TowerFamily
from selfplay.training.value_trunk import ValueFamily

PARTS = ("policy", "value")  # what to train of a network with a value trunk


class BatchSource(Protocol):
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
        average_every: steps between two updates of the averaged weights.
    """

    recipe: Recipe
    clips: bool
    average_every: int

    def build(self, rng: np.random.Generator) -> Layer:
        """A network with random weights."""
        ...

    def part(self, model: Layer) -> Layer:
        """The part of a network that is trained, perhaps all of it."""
        ...

    def joined(self, model: Layer, part: Layer) -> Layer:
        """The network `model` with another trained part."""
        ...

    def batches(self, data: TrainingData, settings: LearnerSettings, seed: int) -> BatchSource:
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

    def heldout(self, positions: AnySet, limit: int) -> HeldOut:
        """A fixed sample to score networks on, at most `limit` positions."""
        ...


def family_of_model(model: Layer) -> Family:
    """The family and size of a loaded network. Raises ConfigError for a network of neither family."""
    config = _config_of(model)
    return SparseFamily(config) if isinstance(config, SparseConfig) else TowerFamily(config)


def net_of_model(model: Layer) -> str:
    """The name of a loaded network's family and size, such as 64x6 or sparse-768. Raises as `family_of_model`."""
    return str(_config_of(model))


def _config_of(model: Layer) -> SparseConfig | TowerConfig:
    config = model.config()
    return sparse_config_of(config) if config["layer"] == ListNetwork.kind else tower_config_of(config)


def family_of(net: str, part: str = "policy") -> Family:
    """The family and size that a name such as 64x6 or sparse-768 means.

    part: "value" for the value trunk of a network such as sparse-768+v256, "policy" for the rest of it; networks
    without a value trunk are trained as a whole. Raises ConfigError for another form.
    """
    if part not in PARTS:
        raise ConfigError(f"part: expected one of {', '.join(PARTS)}, got {part!r}")
    if net.startswith("sparse"):
        config = SparseConfig.parse(net)
        return ValueFamily(config) if part == "value" else SparseFamily(config)
    if part == "value":
        raise ConfigError(f"{net} has no value trunk: expected a network such as sparse-768+v256")
    return TowerFamily(TowerConfig.parse(net))


AnyFamily = Family | OwnFamily


def run_family_of(net: str) -> AnyFamily:
    """`family_of`, and the family of a class of one's own for its place, package.module:Class."""
    return OwnFamily(net) if is_own(net) else family_of(net)


def load_model(path: Path, net: str) -> Layer:
    """The network in a file of a run that trains `net`. Raises NetFileError as `dit.load`."""
    return OwnWeights(load_tensors(path)[1]) if is_own(net) else dit.load(path)[0]
