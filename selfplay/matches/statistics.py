"""Elo and SPRT from game pairs (the same opening with colours swapped), by the pentanomial model.

A pair scores 0, 1/2, 1, 3/2 or 2 points. Counting pairs instead of games removes the openings' bias
from the variance.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from engine.errors import ConfigError

Numbers = TypeVar("Numbers", float, np.ndarray)

PAIR_SCORES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])  # a pair's points, as a share of its two games
NORMAL_95 = 1.959964  # two-sided 95% quantile
# Pairs added to each empty class so that the variance is never exactly zero.
CLASS_PRIOR_PAIRS = 1e-3
# Expected scores in a test keep this distance from 0 and 1, which no distribution can have.
LEAST_SCORE = 1e-9
# A pair's variance as a share of s (1 - s), the variance of one game without draws: two independent
# such games give half. The variance of a few pairs is mixed with this one, which weighs as much as
# two more pairs. Set by hand.
INDEPENDENT_SHARE = 0.5
PRIOR_SHARE_PAIRS = 2.0


def pentanomial(pair_points: Iterable[float]) -> np.ndarray:
    """Count pair points (0, 0.5, ... 2) by value: int64[5]."""
    counts = np.zeros(5, np.int64)
    for points in pair_points:
        counts[round(2 * points)] += 1
    return counts


def complete_pairs(points: Mapping[int, float]) -> dict[int, float]:
    """Points of each complete pair by its number. points: by number of the game; games 2k and 2k +
    1 make pair k.
    """
    return {
        n // 2: points[n] + points[n + 1] for n in sorted(points) if n % 2 == 0 and n + 1 in points
    }


def leading_pairs(points: Mapping[int, float]) -> list[float]:
    """Points of each pair in order, up to the first incomplete pair.

    A sequential test on this list does not depend on which games happened to finish first.
    """
    pairs = complete_pairs(points)
    leading = list[float]()
    while len(leading) in pairs:
        leading.append(pairs[len(leading)])
    return leading


def elo_from_score(score: float) -> float:
    """Elo difference that gives an expected score in 0..1; infinite at 0 and 1."""
    if score <= 0.0:
        return -math.inf
    if score >= 1.0:
        return math.inf
    return 400.0 * math.log10(score / (1.0 - score))


def score_from_elo(elo: Numbers) -> Numbers:
    """Return expected scores in 0..1 for Elo differences."""
    power = np.minimum(-elo / 400.0, 300.0)  # a larger one would overflow
    return 1.0 / (1.0 + 10.0**power)


@dataclass(frozen=True)
class EloEstimate:
    """A score with its Elo difference, both with 95% intervals."""

    pairs: int
    score: float  # 0..1
    score_low: float
    score_high: float
    elo: float
    elo_low: float
    elo_high: float
    los: float  # likelihood of superiority: probability that the true score is above one half


def estimate_elo(counts: np.ndarray) -> EloEstimate:
    """Estimate Elo from pentanomial counts int[5], with Wilson's interval for as many games as the
    pairs are worth.

    The variance between the pairs tells how many independent games without draws they are worth;
    where there are few pairs, that number is mixed with what independent games would give, so that
    a handful of equal pairs does not pass for certainty. Raises ConfigError when there is no pair.
    Wilson, J. Amer. Stat. Assoc. 22 (1927).
    """
    pairs = int(counts.sum())
    if pairs == 0:
        raise ConfigError("an Elo estimate needs at least one pair of games")
    score = float(counts @ PAIR_SCORES) / pairs
    single = score * (1.0 - score)
    share = INDEPENDENT_SHARE
    if single > 0.0:
        share = float(counts @ (PAIR_SCORES - score) ** 2) / pairs / single
    # The variance of a pair's score, as a share of that of one game without draws.
    share = (pairs * share + PRIOR_SHARE_PAIRS * INDEPENDENT_SHARE) / (pairs + PRIOR_SHARE_PAIRS)
    worth = pairs / share
    low, high = wilson(score, worth)
    return EloEstimate(
        pairs, score, low, high, elo_from_score(score), elo_from_score(low), elo_from_score(high),
        los=0.5 * (1.0 + math.erf((score - 0.5) * math.sqrt(2.0 * worth))),
    )  # fmt: skip


def wilson(score: float, games: float) -> tuple[float, float]:
    """Return the 95% interval of a score in 0..1 from so many games without draws.

    Draws make it too wide, not too narrow.
    """
    spread = NORMAL_95**2 / games
    middle = (score + spread / 2.0) / (1.0 + spread)
    half = math.sqrt(score * (1.0 - score) * spread + spread**2 / 4.0) / (1.0 + spread)
    low = middle - half if score > 0.0 else 0.0
    high = middle + half if score < 1.0 else 1.0
    return low, high


@dataclass(frozen=True)
class SprtState:
    """The state of a sequential test. Pairs after the decision are not counted."""

    pentanomial: tuple[int, ...] = (0, 0, 0, 0, 0)
    llr: float = 0.0  # log-likelihood ratio of elo1 against elo0
    decision: bool | None = None  # True: elo1 accepted, False: elo0, None: play on


@dataclass(frozen=True)
class Sprt:
    """Sequential test of "the Elo difference is elo1" against "it is elo0" with error rates alpha
    and beta.

    The test decides; it does not measure. It is the generalised SPRT on pairs: the likelihood ratio
    of two multinomials, each closest to the observed one, with the expected scores of elo1 and elo0
    (Van den Bergh, "GSPRT").
    """

    elo0: float = 0.0
    elo1: float = 10.0
    alpha: float = 0.05
    beta: float = 0.05

    def __post_init__(self) -> None:
        if not (
            -math.inf < self.elo0 < self.elo1 < math.inf
            and 0 < self.alpha < 0.5
            and 0 < self.beta < 0.5
        ):
            raise ConfigError(
                f"SPRT: expected finite elo0 < elo1 and error rates in 0..0.5, got {self}"
            )
        if _possible_score(self.elo0) >= _possible_score(self.elo1):
            raise ConfigError(f"SPRT: no game can tell elo0 {self.elo0:g} from elo1 {self.elo1:g}")

    @property
    def bounds(self) -> tuple[float, float]:
        """(reject, accept): the log-likelihood ratios at which the test ends."""
        return math.log(self.beta / (1.0 - self.alpha)), math.log((1.0 - self.beta) / self.alpha)

    def log_likelihood_ratio(self, counts: np.ndarray) -> float:
        """LLR of elo1 against elo0 for pentanomial counts int[5]."""
        if not counts.sum():
            return 0.0
        filled = np.where(counts == 0, CLASS_PRIOR_PAIRS, counts.astype(np.float64))
        shares = filled / filled.sum()
        stronger = _tilted(shares, _possible_score(self.elo1))
        weaker = _tilted(shares, _possible_score(self.elo0))
        return float(counts.sum() * (shares @ np.log(stronger / weaker)))

    def decision(self, counts: np.ndarray) -> bool | None:
        """Whether elo1 is accepted, or elo0; None = the match goes on."""
        return self._decided_by(self.log_likelihood_ratio(counts))

    def _decided_by(self, ratio: float) -> bool | None:
        reject, accept = self.bounds
        if reject < ratio < accept:
            return None
        return ratio >= accept

    def follow(self, pair_points: Sequence[float], state: SprtState | None = None) -> SprtState:
        """Return the test's state after the pairs in order, or at the first pair that decides it.

        state: an earlier state of the same pairs to continue from; by default, counting starts at
        the first pair.
        """
        state = state or SprtState()
        counts = np.array(state.pentanomial)
        for points in pair_points[int(counts.sum()) :]:
            if state.decision is not None:
                break
            counts += pentanomial([points])
            ratio = self.log_likelihood_ratio(counts)
            state = SprtState(tuple(counts.tolist()), ratio, self._decided_by(ratio))
        return state


def _possible_score(elo: float) -> float:
    """Return the expected score for an Elo difference, between LEAST_SCORE and 1 - LEAST_SCORE."""
    return min(max(score_from_elo(elo), LEAST_SCORE), 1.0 - LEAST_SCORE)


def _tilted(shares: np.ndarray, score: float) -> np.ndarray:
    """Return the maximum-likelihood distribution, given observed shares float[5], among those whose
    mean score is `score`.

    It is shares / (1 + x (a - score)), where x solves sum shares (a - score) / (1 + x (a - score))
    = 0. The sum falls with x between the poles -1 / (1 - score) and 1 / score, so bisection finds
    x.
    """
    deviations = PAIR_SCORES - score
    low, high = -1.0 / (1.0 - score), 1.0 / score
    for _ in range(100):
        x = (low + high) / 2.0
        if float(np.sum(shares * deviations / (1.0 + x * deviations))) > 0.0:
            low = x
        else:
            high = x
    return shares / (1.0 + x * deviations)
