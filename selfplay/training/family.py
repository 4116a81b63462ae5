"""What a network family owns: how its networks are made, trained and scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.nn.layer import Layer
from engine.nn.optimizers import Optimizer
from engine.nn.parallel import GradientSource
from selfplay.training.heldout import HeldOut
from selfplay.training.mixture import AnySet, Batches
from selfplay.training.recipe import LearnerSettings, Recipe
from selfplay.training.source_files import TrainingData


class Family(ABC):
    """Makes, trains and scores the networks of one family and size.

    Attributes:
        recipe: default training settings.
        clips: whether gradients are clipped; their norm takes one more pass over all of them.
        average_every: steps between two updates of the averaged weights.
    """

    recipe: Recipe
    clips = False
    average_every = 1

    @abstractmethod
    def build(self, rng: np.random.Generator) -> Layer:
        """A network with random weights."""

    def part(self, model: Layer) -> Layer:
        """The part of a network that is trained, perhaps all of it."""
        return model

    def joined(self, model: Layer, part: Layer) -> Layer:
        """The network `model` with another trained part."""
        return part

    @abstractmethod
    def batches(self, data: TrainingData, settings: LearnerSettings, seed: int) -> Batches:
        """The batches for training on the data."""

    @abstractmethod
    def gradients(self, model: Layer, settings: LearnerSettings) -> GradientSource:
        """Computes gradients of the model's parameters from these batches."""

    @abstractmethod
    def optimizer(self, settings: LearnerSettings) -> Optimizer:
        """The optimizer of the parameters."""

    def refresh(self, model: Layer, coming: Iterator[Any]) -> None:
        """Measure on coming batches the statistics that weight averaging does not cover, if there are any."""
        return

    @abstractmethod
    def heldout(self, positions: AnySet, limit: int) -> HeldOut:
        """A fixed sample to score networks on, at most `limit` positions."""
