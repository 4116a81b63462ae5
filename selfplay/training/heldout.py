"""Scores a model on positions it was never trained on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass

import numpy as np

from engine.errors import ConfigError
from engine.nn.layer import Layer
from selfplay.data.label_sampler import LabelRows
from selfplay.records.positions import PositionSet
from selfplay.training.losses import LossSums


@dataclass(frozen=True)
class HeldOutScores:
    """Means over held-out positions with the target. `top1`: how often the model's best legal move is the target's."""

    top1: float
    policy: float
    value: float
    moves_left: float


class HeldOut(ABC):
    """A fixed sample of positions that training never sees."""

    n_positions: int

    @abstractmethod
    def evaluate(self, model: Layer, threads: int = 1) -> HeldOutScores:
        """Scores of the model; the same for any number of threads."""


def scores_of(hits: float, sums: LossSums) -> HeldOutScores:
    """The scores of a model that found `hits` of the targets' best moves."""
    return HeldOutScores(hits / (sums.with_policy or 1.0), **asdict(sums.means))


def spread_positions(positions: PositionSet | LabelRows, limit: int) -> tuple[PositionSet, np.ndarray]:
    """(the games, numbers of at most `limit` usable positions, evenly spaced).

    Raises ConfigError for single positions, and where no position is usable.
    """
    if not isinstance(positions, PositionSet):
        raise ConfigError("nothing to hold out: give at least one file of games or teacher labels beside the labels")
    usable = np.flatnonzero(positions.usable)
    if not len(usable):
        raise ConfigError("the held-out set has no usable positions")
    return positions, usable[np.linspace(0, len(usable) - 1, min(limit, len(usable))).astype(np.int64)]
