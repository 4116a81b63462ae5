"""Ratings by maximum likelihood: of an engine against rated opponents, and of players who met in
games.

An engine rated R scores p = 1 / (1 + 10^(-s (R - r) / 400)) against an opponent rated r. The stretch
s is the true Elo of one Elo point of the opponents' list; s < 1 when a time control draws the
opponents together. The fit is Bayesian and integrates s out, so the interval includes its
uncertainty. The games of a pair share an opening, and draws vary less than wins and losses: the
log-likelihood is divided by the dispersion measured on the pairs (quasi-likelihood, Wedderburn
1974).

Players who met fit the model of Bradley and Terry, Biometrika 39 (1952): one rated R scores p = 1 /
(1 + 10^((S - R) / 400)) against one rated S. A draw is half a win and half a loss, which makes
intervals too wide rather than too narrow. Some ratings are given and fix the scale. Each of the
others has a normal prior around their mean, so weak that it counts like an eighth of an even game;
it keeps the ratings of those finite who won or lost every game.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, starmap
from typing import NamedTuple

import numpy as np

from selfplay.matches.archive import GameRow, points_of
from selfplay.matches.statistics import NORMAL_95, complete_pairs, score_from_elo

GRID_ELO = 10.0
BEYOND_ELO = 800.0  # the rating may lie this far outside the opponents' ratings
STRETCHES = np.exp(np.linspace(math.log(0.3), math.log(1.8), 13))
STRETCH_SPREAD = 0.4  # prior standard deviation of ln s
DISPERSION_PRIOR_PAIRS = 10.0  # prior weight, in pairs, of the dispersion of coin tosses
LEAST_DISPERSION = 0.25
LOW, HIGH = 0.025, 0.975

# Rating of an opponent -> points of each pair of games against it, 0 to 2.
Results = Mapping[int, Sequence[float]]


class FittedRating(NamedTuple):
    """A rating with its 95% interval, in Elo; a given one has none. Of a gauntlet it is the median,
    and the interval has no end where all games were won or lost.
    """

    elo: float
    low: float
    high: float

    @property
    def text(self) -> str:
        """The median with its interval, or the only end of that which is known."""
        if math.isinf(self.low) and math.isinf(self.high):
            return "not known yet"
        if math.isinf(self.high):
            return f"above {self.low:.0f}"
        if math.isinf(self.low):
            return f"below {self.high:.0f}"
        return f"{self.elo:.0f} [{self.low:.0f}, {self.high:.0f}]"


def points_by_rating(rows: Iterable[GameRow], ratings: Sequence[int]) -> dict[int, list[float]]:
    """Return the points of complete pairs by the opponent's rating. The opponents of these ratings
    take turns, pair by pair.
    """
    by_rating = dict[int, list[float]]()
    for pair, pair_points in complete_pairs(points_of(rows)).items():
        by_rating.setdefault(ratings[pair % len(ratings)], []).append(pair_points)
    return by_rating


def fit_gauntlet(results: Results) -> FittedRating:
    """Return the posterior given the results. The prior is flat from 800 Elo below the opponents to
    800 Elo above them.
    """
    elos = np.arange(min(results) - BEYOND_ELO, max(results) + BEYOND_ELO + GRID_ELO, GRID_ELO)
    prior = -0.5 * (np.log(STRETCHES) / STRETCH_SPREAD) ** 2
    likelihood = np.zeros((len(elos), len(STRETCHES)))
    for opponent, pairs in results.items():
        scores = _expected(elos, opponent)
        likelihood += sum(pairs) * np.log(scores) + (2 * len(pairs) - sum(pairs)) * np.log1p(
            -scores
        )
    dispersion = 1.0
    for _ in range(2):  # twice, because the dispersion is measured around the fit that it widens
        weight = _normalised(likelihood / dispersion + prior)
        dispersion = _dispersion(results, elos, weight)
    weight = _normalised(likelihood / dispersion + prior)
    by_elo = weight.sum(axis=1)
    cumulative = np.cumsum(by_elo) - by_elo / 2.0  # half of an Elo's weight lies below it
    low, median, high = np.interp((LOW, 0.5, HIGH), cumulative, elos).tolist()
    points = list(chain(*results.values()))
    if not any(points):
        low = -math.inf
    if points.count(2.0) == len(points):
        high = math.inf
    return FittedRating(median, low, high)


def _expected(elos: np.ndarray, opponent: int) -> np.ndarray:
    """Return expected score float64[elos, stretches] against an opponent of a rating."""
    return np.clip(score_from_elo(np.multiply.outer(elos - opponent, STRETCHES)), 1e-9, 1.0 - 1e-9)


def _normalised(log_weight: np.ndarray) -> np.ndarray:
    weight = np.exp(log_weight - log_weight.max())
    return weight / weight.sum()


def _dispersion(results: Results, elos: np.ndarray, weight: np.ndarray) -> float:
    """Variance of the pairs' points around the fit, divided by the variance of two coin tosses of
    the same mean.
    """
    total = DISPERSION_PRIOR_PAIRS
    count = DISPERSION_PRIOR_PAIRS
    for opponent, pairs in results.items():
        score = float((_expected(elos, opponent) * weight).sum())
        residuals = (np.array(pairs) - 2.0 * score) ** 2 / (2.0 * score * (1.0 - score))
        total += float(residuals.sum())
        count += len(pairs)
    return max(LEAST_DISPERSION, total / count)


PRIOR_SPREAD_ELO = 1000.0  # Standard deviation of the prior. Set by hand.
ELO = 400.0 / math.log(10.0)  # Elo for each unit of log odds
LARGEST_STEP = 2.0  # log odds; Newton's steps are too long where one side won every game
ENOUGH = 1e-9  # log odds
MOST_STEPS = 200


def fit_ratings(
    results: Mapping[tuple[str, str], tuple[float, float]], fixed: Mapping[str, float]
) -> dict[str, FittedRating]:
    """Return the rating of everybody in `results` or `fixed`, whose ratings are given.

    results: (one player, the other) -> (points of the first, games). Every pair of players stands
    there once at most. The interval is that of the posterior's normal approximation and includes
    the uncertainty of the opponents' ratings.
    """
    free = sorted({*chain(*results)} - fixed.keys())
    centre = sum(fixed.values()) / len(fixed) if fixed else 0.0
    places = {name: place for place, name in enumerate(free)}
    # [pairs, players]: 1 for the first, -1 for the second, 0 for those whose rating is given.
    sides = np.zeros((len(results), len(free)))
    for pair, (first, second) in enumerate(results):
        if first in places:
            sides[pair, places[first]] += 1.0
        if second in places:
            sides[pair, places[second]] -= 1.0
    leads = np.array(
        [(fixed.get(first, centre) - fixed.get(second, centre)) / ELO for first, second in results]
    )
    points, games = np.array(list(results.values()), float).reshape(-1, 2).T
    odds, curvature = _most_likely(sides, leads, points, games)
    half = NORMAL_95 * ELO * np.sqrt(np.diag(np.linalg.inv(curvature)))
    elo = centre + ELO * odds
    bounds = np.stack([elo, elo - half, elo + half], axis=1).tolist()
    fitted = dict(zip(free, starmap(FittedRating, bounds), strict=True))
    return {name: FittedRating(elo, elo, elo) for name, elo in fixed.items()} | fitted


def _most_likely(
    sides: np.ndarray, leads: np.ndarray, points: np.ndarray, games: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (the log odds of the players [N], the curvature there [N, N]) by Newton's method.

    sides: [pairs, N], who played whom. leads: [pairs], what given ratings add.
    """
    odds = np.zeros(sides.shape[1])
    weight = (ELO / PRIOR_SPREAD_ELO) ** 2
    for _ in range(MOST_STEPS):
        expected = 1.0 / (1.0 + np.exp(-(leads + sides @ odds)))
        slope = sides.T @ (points - games * expected) - weight * odds
        information = games * expected * (1.0 - expected)
        curvature = sides.T @ (information[:, None] * sides) + weight * np.eye(len(odds))
        step = np.linalg.solve(curvature, slope)
        longest = float(np.abs(step).max(initial=0.0))
        odds += step * min(1.0, LARGEST_STEP / max(longest, ENOUGH))
        if longest < ENOUGH:
            break
    return odds, curvature
