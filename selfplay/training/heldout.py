"""Scores a model on positions it was never trained on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from engine.errors import ConfigError
from selfplay.records.positions import PositionSet
from selfplay.training.losses import LossSums

__all__ = ["NO_GAMES", "HeldOutScores", "scores_of", "split_by_game", "spread_positions"]

NO_GAMES = "nothing to hold out: give at least one file of games or teacher labels beside the labels"


@dataclass(frozen=True)
class HeldOutScores:
    """Means over held-out positions with the target. `top1`: how often the model's best legal move is the target's."""

    top1: float
    policy: float
    value: float
    moves_left: float


def split_by_game(positions: PositionSet, share: float) -> tuple[PositionSet, PositionSet]:
    """(training, held-out) sets without common games: the last `share` of the games, at least one, is held out."""
    if not 0.0 < share < 1.0 or positions.n_games < 2:
        raise ConfigError(f"held-out share {share} of {positions.n_games} games: expected 0..1 of two games or more")
    cut = min(positions.n_games - 1, int(positions.n_games * (1.0 - share)))
    return positions.games(0, cut), positions.games(cut, positions.n_games)


def scores_of(hits: float, sums: LossSums) -> HeldOutScores:
    """The scores of a model that found `hits` of the targets' best moves."""
    return HeldOutScores(hits / (sums.with_policy or 1.0), **asdict(sums.means))


def spread_positions(positions: PositionSet, limit: int) -> np.ndarray:
    """Numbers of at most `limit` usable positions, evenly spaced. Raises ConfigError when there is none."""
    usable = np.flatnonzero(positions.usable)
    if not len(usable):
        raise ConfigError("the held-out set has no usable positions")
    return usable[np.linspace(0, len(usable) - 1, min(limit, len(usable))).astype(np.int64)]
