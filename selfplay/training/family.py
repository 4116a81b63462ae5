"""What a network family owns: how its networks are made, trained, and scored on positions they have not seen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.nn.layer import Layer
from engine.nn.training.optimizers import Optimizer
from engine.nn.training.parallel import GradientSource
from selfplay.records.positions import PositionSet
from selfplay.training.losses import Losses, LossSums, mean_of
from selfplay.training.mixture import AnySet, Batches
from selfplay.training.recipe import LearnerSettings, Recipe
from selfplay.training.source_files import TrainingData


@dataclass(frozen=True)
class HeldOutScores(Losses):
    """Losses on held-out positions. `top1`: how often the model's best legal move is the target's; None without any."""

    top1: float | None = None


class HeldOut(ABC):
    """A fixed sample of positions that training never sees."""

    n_positions: int

    @abstractmethod
    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        """Scores of the model; the same for any number of threads."""


def scores_of(hits: float, sums: LossSums) -> HeldOutScores:
    """Return the scores of a model that found `hits` of the targets' best moves."""
    return HeldOutScores(**asdict(sums.means), top1=mean_of(hits, sums.with_policy))


def spread_positions(positions: AnySet, limit: int) -> tuple[PositionSet, np.ndarray]:
    """Return (the games, numbers of at most `limit` usable positions, evenly spaced).

    Raises ConfigError for single positions, and where no position is usable.
    """
    if not isinstance(positions, PositionSet):
        raise ConfigError("nothing to hold out: give games or text labels beside the label folders")
    usable = np.flatnonzero(positions.usable)
    if not len(usable):
        raise ConfigError("the held-out set has no usable positions")
    return positions, usable[np.linspace(0, len(usable) - 1, min(limit, len(usable))).astype(np.int64)]


class Family(ABC):
    """Makes, trains and scores the networks of one family and size."""

    recipe: Recipe  # default training settings
    clips = False  # whether gradients are clipped; their norm takes one more pass over all of them
    on_device = False  # whether it can train on a GPU
    plays_on_device = False  # whether it can play there
    average_every = 1  # steps between two updates of the averaged weights

    @abstractmethod
    def build(self, rng: np.random.Generator) -> Layer:
        """Build a network with random weights."""

    def part(self, model: Layer) -> Layer:
        """Return the part of a network that is trained, perhaps all of it."""
        return model

    def joined(self, model: Layer, part: Layer) -> Layer:
        """Return the network `model` with another trained part."""
        return part

    @abstractmethod
    def batches(self, data: TrainingData, settings: LearnerSettings, seed: int) -> Batches:
        """Return the batches for training on the data."""

    @abstractmethod
    def gradients(self, model: Layer, settings: LearnerSettings) -> GradientSource:
        """Return what computes gradients of the model's parameters from these batches."""

    @abstractmethod
    def optimizer(self, settings: LearnerSettings) -> Optimizer:
        """Return the optimizer of the parameters."""

    def refresh(self, model: Layer, coming: Iterator[Any]) -> None:
        """Measure on coming batches the statistics that weight averaging does not cover, if there are any."""
        return

    @abstractmethod
    def heldout(self, positions: AnySet, limit: int) -> HeldOut:
        """Draw a fixed sample to score networks on, at most `limit` positions."""
