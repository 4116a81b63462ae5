"""Elo and SPRT on pairs, against simulation and against what must hold by symmetry."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.errors import ConfigError
from selfplay.matches.statistics import (
    PAIR_SCORES,
    Sprt,
    elo_from_score,
    estimate_elo,
    pentanomial,
    score_from_elo,
)

DRAWISH = np.array([0.05, 0.2, 0.45, 0.22, 0.08])  # pair results of a slightly stronger engine


def test_elo_and_score_are_inverse() -> None:
    for elo in (-350.0, 0.0, 12.5, 800.0):
        assert elo_from_score(score_from_elo(elo)) == pytest.approx(elo, abs=1e-6)
    assert elo_from_score(0.75) == pytest.approx(190.85, abs=0.01)
    assert (elo_from_score(0.0), elo_from_score(1.0)) == (-math.inf, math.inf)


def test_pairs_are_counted_by_points() -> None:
    assert pentanomial([0, 0.5, 1, 1, 1.5, 2]).tolist() == [1, 1, 2, 1, 1]


def test_interval_covers_the_truth_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(1)
    truth = float(DRAWISH @ PAIR_SCORES)
    estimates = [estimate_elo(rng.multinomial(200, DRAWISH)) for _ in range(1000)]
    covered = np.mean([one.score_low <= truth <= one.score_high for one in estimates])
    assert 0.93 < covered < 0.97
    assert all(one.elo_low < one.elo < one.elo_high for one in estimates)


def test_estimate_without_pairs_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one pair"):
        estimate_elo(np.zeros(5, np.int64))


def test_swapping_sides_swaps_the_sign() -> None:
    counts = np.array([3, 8, 20, 11, 6])
    there, back = estimate_elo(counts), estimate_elo(counts[::-1])
    assert there.elo == pytest.approx(-back.elo)
    assert there.elo_low == pytest.approx(-back.elo_high)
    test, mirrored = Sprt(0.0, 10.0), Sprt(-10.0, 0.0)
    assert test.log_likelihood_ratio(counts) == pytest.approx(-mirrored.log_likelihood_ratio(counts[::-1]), rel=1e-6)


def test_ratio_agrees_with_the_normal_approximation() -> None:
    counts = np.array([300, 1800, 4000, 2000, 350])
    shares = counts / counts.sum()
    mean = shares @ PAIR_SCORES
    variance = shares @ (PAIR_SCORES - mean) ** 2
    s0, s1 = score_from_elo(0.0), score_from_elo(5.0)
    normal = counts.sum() * (s1 - s0) * (2 * mean - s0 - s1) / (2 * variance)
    assert Sprt(0.0, 5.0).log_likelihood_ratio(counts) == pytest.approx(normal, rel=0.02)


def test_bounds_are_those_of_wald() -> None:
    reject, accept = Sprt(0.0, 5.0, alpha=0.05, beta=0.1).bounds
    assert reject == pytest.approx(math.log(0.1 / 0.95))
    assert accept == pytest.approx(math.log(0.9 / 0.05))


def decisions(shares: np.ndarray, test: Sprt, runs: int) -> float:
    """Share of simulated matches in which elo1 is accepted."""
    rng = np.random.default_rng(2)
    accepted = 0
    for _ in range(runs):
        counts = np.zeros(5, np.int64)
        while (decision := test.decision(counts)) is None:
            counts += rng.multinomial(5, shares)
        accepted += decision
    return accepted / runs


def test_error_rates_are_kept() -> None:
    test = Sprt(0.0, 40.0, alpha=0.05, beta=0.05)
    even = np.array([0.08, 0.22, 0.4, 0.22, 0.08])
    assert decisions(even, test, 120) <= 0.12
    # Tilt the results until they are worth 40 Elo.
    tilts = [even * np.exp(t * PAIR_SCORES) / (even @ np.exp(t * PAIR_SCORES)) for t in np.linspace(0, 3, 301)]
    better = min(tilts, key=lambda shares: abs(shares @ PAIR_SCORES - score_from_elo(40.0)))
    assert decisions(better, test, 120) >= 0.88


def test_senseless_tests_are_refused() -> None:
    with pytest.raises(ConfigError, match="elo0 < elo1"):
        Sprt(5.0, 5.0)
    with pytest.raises(ConfigError):
        Sprt(alpha=0.7)
