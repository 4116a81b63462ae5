"""Elo and SPRT on pairs, against simulation and against what must hold by symmetry."""

import math
import statistics

import numpy as np
import pytest

from engine.errors import ConfigError
from selfplay.matches.statistics import (
    PAIR_SCORES,
    Sprt,
    SprtState,
    complete_pairs,
    elo_from_score,
    estimate_elo,
    leading_pairs,
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


def test_estimate_agrees_with_the_formulas_over_single_pairs() -> None:
    counts = [100, 1000, 3000, 1200, 200]
    pairs = [score for score, count in zip(PAIR_SCORES.tolist(), counts, strict=True) for _ in range(count)]
    mean = statistics.fmean(pairs)
    error = statistics.pstdev(pairs) / math.sqrt(len(pairs))
    estimate = estimate_elo(np.array(counts))
    assert estimate.score == pytest.approx(mean)
    assert estimate.elo == pytest.approx(400.0 * math.log10(mean / (1.0 - mean)))
    normal = statistics.NormalDist(mean, error)
    bounds = normal.inv_cdf(0.025), normal.inv_cdf(0.975)
    assert (estimate.score_low, estimate.score_high) == pytest.approx(bounds, rel=1e-3)
    assert estimate.elo_high == pytest.approx(400.0 * math.log10(bounds[1] / (1.0 - bounds[1])), rel=1e-2)
    assert estimate.los == pytest.approx(1.0 - normal.cdf(0.5), rel=1e-2)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ([0, 0, 0, 0, 2], 0.51, 1.0),  # as four games without draws
        ([0, 0, 0, 1, 1], 0.48, 0.98),
        ([0, 0, 2, 0, 0], 0.215, 0.785),
        ([0, 0, 0, 0, 20], 0.91, 1.0),
    ],
)
def test_a_few_equal_pairs_do_not_pass_for_certainty(counts: list[int], low: float, high: float) -> None:
    estimate = estimate_elo(np.array(counts))
    assert (estimate.score_low, estimate.score_high) == pytest.approx((low, high), abs=0.005)
    mirrored = estimate_elo(np.array(counts[::-1]))
    assert (mirrored.score_low, mirrored.score_high) == pytest.approx((1.0 - high, 1.0 - low), abs=0.005)


def test_even_pairs_narrow_the_interval_that_games_alone_would_give() -> None:
    """Twenty pairs of a win and a loss tell of lopsided openings, not of uncertain strength."""
    even = estimate_elo(np.array([0, 0, 20, 0, 0]))
    wild = estimate_elo(np.array([10, 0, 0, 0, 10]))
    assert even.score == wild.score == 0.5
    assert even.score_high < 0.55
    assert wild.score_high == pytest.approx(0.5 + 1.96 * 0.5 / math.sqrt(20), abs=0.03)


def test_pairs_come_from_games_by_number() -> None:
    points = {0: 1.0, 1: 0.5, 3: 1.0, 4: 0.0, 5: 0.0, 6: 1.0}
    assert complete_pairs(points) == {0: 1.5, 2: 0.0}
    assert leading_pairs(points) == [1.5], "the order of a sequential test ends at the first gap"
    assert leading_pairs(points | {2: 0.5}) == [1.5, 1.5, 0.0]


def test_following_a_test_in_parts_is_following_it_at_once() -> None:
    test, pairs = Sprt(0.0, 50.0), [1.0, 2.0, 0.5, 1.5] * 60
    whole = test.follow(pairs)
    assert whole.decision is True
    assert 0 < sum(whole.pentanomial) < len(pairs), "what comes behind the decision is not counted"
    assert whole.llr == test.log_likelihood_ratio(np.array(whole.pentanomial)) >= test.bounds[1]
    state = SprtState()
    for count in (3, 50, 120, 240):
        state = test.follow(pairs[:count], state)
    assert state == whole


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
            counts += rng.multinomial(20, shares)
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
    for elo in ((math.nan, 5.0), (0.0, math.nan), (-math.inf, 5.0)):
        with pytest.raises(ConfigError, match="finite elo0"):
            Sprt(*elo)
    with pytest.raises(ConfigError):
        Sprt(alpha=0.7)


@pytest.mark.parametrize("elos", [(0.0, 6400.0), (-6400.0, 0.0), (-1e6, 1e6), (-1e300, 1e300), (2000.0, 3000.0)])
@pytest.mark.parametrize("counts", [[0] * 5, [0, 0, 9, 0, 0], [9, 0, 0, 0, 0], [0, 0, 0, 0, 10**6], [3, 0, 0, 0, 3]])
def test_a_test_of_a_certain_win_divided_by_zero(elos: tuple[float, float], counts: list[int]) -> None:
    ratio = Sprt(*elos).log_likelihood_ratio(np.array(counts))
    assert np.isfinite(ratio)
    score = np.array(counts) @ np.arange(5) / max(1, 4 * sum(counts))
    if elos[0] == 0.0 and sum(counts):
        assert (ratio > 0) == (score == 1.0)


def test_hypotheses_that_no_game_can_tell_apart_are_refused() -> None:
    for elos in ((5000.0, 6400.0), (0.0, 5e-324), (-9000.0, -8000.0)):
        with pytest.raises(ConfigError, match="no game can tell"):
            Sprt(*elos)


def test_elo_differences_of_any_size_have_a_score() -> None:
    assert [score_from_elo(elo) for elo in (-1e300, 0.0, 1e300)] == pytest.approx([0.0, 0.5, 1.0])
    assert score_from_elo(np.array([-1e6, 400.0])) == pytest.approx([0.0, 10 / 11])
