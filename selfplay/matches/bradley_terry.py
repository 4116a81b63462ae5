"""Ratings of players who met in games, by maximum likelihood: the logistic model of Bradley and Terry.

A player rated R scores p = 1 / (1 + 10^((S - R) / 400)) against one rated S. A draw is half a win and half a loss,
which makes intervals too wide rather than too narrow. Some ratings are given and fix the scale. Each of the others has
a normal prior around their mean, so weak that it counts like an eighth of an even game; it keeps the ratings of those
finite who won or lost every game. Bradley and Terry, Biometrika 39 (1952).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from selfplay.matches.statistics import NORMAL_95

PRIOR_SPREAD_ELO = 1000.0  # Standard deviation of the prior. Set by hand.
ELO = 400.0 / math.log(10.0)  # Elo for each unit of log odds
LARGEST_STEP = 2.0  # log odds; Newton's steps are too long where one side won every game
ENOUGH = 1e-9  # log odds
MOST_STEPS = 200


class FittedRating(NamedTuple):
    """A rating with its 95% interval, in Elo; a given one has none."""

    elo: float
    low: float
    high: float


def fit_ratings(
    results: Mapping[tuple[str, str], tuple[float, float]], given: Mapping[str, float]
) -> dict[str, FittedRating]:
    """Return the rating of everybody in `results` or `given`.

    results: (one player, the other) -> (points of the first, games). Every pair of players stands there once at most.
    The interval is that of the posterior's normal approximation and includes the uncertainty of the opponents' ratings.
    """
    free = sorted({name for pair in results for name in pair} - given.keys())
    centre = sum(given.values()) / len(given) if given else 0.0
    sides = np.array([[(name == one) - (name == other) for name in free] for one, other in results], float)
    sides = sides.reshape(len(results), len(free))
    leads = np.array([(given.get(one, centre) - given.get(other, centre)) / ELO for one, other in results])
    points, games = np.array(list(results.values()), float).reshape(-1, 2).T
    odds, weight = np.zeros(len(free)), (ELO / PRIOR_SPREAD_ELO) ** 2
    for _ in range(MOST_STEPS):
        expected = 1.0 / (1.0 + np.exp(-(leads + sides @ odds)))
        slope = sides.T @ (points - games * expected) - weight * odds
        curvature = sides.T @ (sides * (games * expected * (1.0 - expected))[:, None]) + weight * np.eye(len(free))
        step = np.linalg.solve(curvature, slope)
        longest = float(np.abs(step).max(initial=0.0))
        odds += step * min(1.0, LARGEST_STEP / max(longest, ENOUGH))
        if longest < ENOUGH:
            break
    half = NORMAL_95 * ELO * np.sqrt(np.diag(np.linalg.inv(curvature)))
    middles = zip(free, (centre + ELO * odds).tolist(), half.tolist(), strict=True)
    fitted = {name: FittedRating(middle, middle - width, middle + width) for name, middle, width in middles}
    return {name: FittedRating(elo, elo, elo) for name, elo in given.items()} | fitted
