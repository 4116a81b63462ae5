"""Elo and SPRT on pairs, and ratings of many players, against simulation and against what must hold
by symmetry.
"""

import math
import statistics
from itertools import product

import numpy as np
import pytest

from engine.errors import ConfigError
from selfplay.matches.rating import ELO, fit_ratings
from selfplay.matches.statistics import (
    NORMAL_95,
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


def test_elo_is_the_inverse_of_score():
    for elo in (-350.0, 0.0, 12.5, 800.0):
        assert elo_from_score(score_from_elo(elo)) == pytest.approx(elo, abs=1e-6)
    assert elo_from_score(0.0) == -math.inf
    assert elo_from_score(1.0) == math.inf
    assert score_from_elo(np.array([-1e300, 400.0, 1e300])) == pytest.approx([0.0, 10 / 11, 1.0])


def test_estimate_agrees_with_the_formulas_over_single_pairs():
    counts = [100, 1000, 3000, 1200, 200]
    pairs = np.repeat(PAIR_SCORES, counts).tolist()
    mean = statistics.fmean(pairs)
    error = statistics.pstdev(pairs) / math.sqrt(len(pairs))
    estimate = estimate_elo(np.array(counts))
    assert estimate.score == pytest.approx(mean)
    assert estimate.elo == pytest.approx(400.0 * math.log10(mean / (1.0 - mean)))
    normal = statistics.NormalDist(mean, error)
    bounds = normal.inv_cdf(0.025), normal.inv_cdf(0.975)
    assert (estimate.score_low, estimate.score_high) == pytest.approx(bounds, rel=1e-3)
    assert estimate.elo_high == pytest.approx(
        400.0 * math.log10(bounds[1] / (1.0 - bounds[1])), rel=1e-2
    )
    assert estimate.los == pytest.approx(1.0 - normal.cdf(0.5), rel=1e-2)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ([0, 0, 0, 0, 2], 0.51, 1.0),  # as four games without draws
        ([2, 0, 0, 0, 0], 0.0, 0.49),
        ([0, 0, 0, 1, 1], 0.48, 0.98),
        ([0, 0, 2, 0, 0], 0.215, 0.785),
        ([0, 0, 0, 0, 20], 0.91, 1.0),
    ],
)
def test_a_few_equal_pairs_do_not_pass_for_certainty(counts, low, high):
    estimate = estimate_elo(np.array(counts))
    assert (estimate.score_low, estimate.score_high) == pytest.approx((low, high), abs=0.005)


def test_pairs_are_counted_by_points():
    points = {0: 1.0, 1: 0.5, 3: 1.0, 4: 0.0, 5: 0.0, 6: 1.0}
    assert complete_pairs(points) == {0: 1.5, 2: 0.0}
    assert leading_pairs(points) == [1.5], "the order of a sequential test ends at the first gap"
    assert leading_pairs(points | {2: 0.5}) == [1.5, 1.5, 0.0]
    assert pentanomial([0, 0.5, 1, 1, 1.5, 2]).tolist() == [1, 1, 2, 1, 1]


def test_following_a_test_in_parts_is_following_it_at_once():
    test = Sprt(0.0, 50.0)
    pairs = [1.0, 2.0, 0.5, 1.5] * 60
    whole = test.follow(pairs)
    assert whole.decision is True
    assert 0 < sum(whole.pentanomial) < len(pairs), "what comes behind the decision is not counted"
    assert whole.llr == test.log_likelihood_ratio(np.array(whole.pentanomial)) >= test.bounds[1]
    state = SprtState()
    for count in (3, 50, 120, 240):
        state = test.follow(pairs[:count], state)
    assert state == whole


def test_bounds_are_those_of_wald():
    expected = math.log(0.1 / 0.95), math.log(0.9 / 0.05)
    assert Sprt(0.0, 5.0, alpha=0.05, beta=0.1).bounds == pytest.approx(expected)


def decisions(shares, test, runs):
    """Share of simulated matches in which elo1 is accepted."""
    rng = np.random.default_rng(2)
    accepted = 0
    for _ in range(runs):
        counts = np.zeros(5, np.int64)
        while (decision := test.decision(counts)) is None:
            counts += rng.multinomial(20, shares)
        accepted += decision
    return accepted / runs


def test_error_rates_are_kept():
    test = Sprt(0.0, 40.0, alpha=0.05, beta=0.05)
    even = np.array([0.08, 0.22, 0.4, 0.22, 0.08])
    assert decisions(even, test, 60) <= 0.12
    # Tilt the results until they are worth 40 Elo.
    tilts = [even * np.exp(t * PAIR_SCORES) for t in np.linspace(0, 3, 301)]
    shares = [tilt / tilt.sum() for tilt in tilts]
    stronger = min(shares, key=lambda share: abs(share @ PAIR_SCORES - score_from_elo(40.0)))
    assert decisions(stronger, test, 60) >= 0.88


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ((5.0, 5.0), "elo0 < elo1"),
        ((math.nan, 5.0), "finite elo0"),
        ((-math.inf, 5.0), "finite elo0"),
        ((0.0, 5.0, 0.7), "alpha"),
        ((5000.0, 6400.0), "no game can tell"),
        ((0.0, 5e-324), "no game can tell"),
        ((-9000.0, -8000.0), "no game can tell"),
    ],
)
def test_a_senseless_test_is_refused(settings, error):
    with pytest.raises(ConfigError, match=error):
        Sprt(*settings)


def test_no_pairs_give_no_estimate():
    with pytest.raises(ConfigError, match="at least one pair"):
        estimate_elo(np.zeros(5, np.int64))


@pytest.mark.parametrize("elos", [(0.0, 6400.0), (-1e6, 1e6), (-1e300, 1e300), (2000.0, 3000.0)])
@pytest.mark.parametrize("counts", [[0] * 5, [9, 0, 0, 0, 0], [0, 0, 0, 0, 10**6], [3, 0, 0, 0, 3]])
def test_the_likelihood_of_a_certain_win_is_finite(elos, counts):
    """It divided by zero."""
    assert np.isfinite(Sprt(*elos).log_likelihood_ratio(np.array(counts)))


def test_ratings_are_logistic_differences():
    rating = fit_ratings({("new", "old"): (750.0, 1000.0)}, {"old": 1500.0})["new"]
    assert rating.elo == pytest.approx(1500 + 400 * np.log10(3), abs=1)
    # from the curvature of the likelihood
    half = 1.96 * 400 / np.log(10) / np.sqrt(1000 * 0.75 * 0.25)
    assert rating.high - rating.elo == pytest.approx(half, rel=0.01)
    assert rating.elo - rating.low == pytest.approx(half, rel=0.01)


def test_a_player_who_won_every_game_has_a_finite_rating():
    results = {("best", "given"): (8.0, 8.0), ("worst", "given"): (0.0, 8.0)}
    ratings = fit_ratings(results, {"given": 2000.0})
    assert 2300 < ratings["best"].elo < 3500
    assert ratings["best"].elo + ratings["worst"].elo == pytest.approx(4000)


def test_intervals_hold_the_true_ratings():
    """A run of growing strength against anchors of unknown strength and one given level."""
    rng = np.random.default_rng(7)
    held = []
    for _ in range(40):
        anchors = {"level": 1500.0} | {f"anchor{n}": rng.uniform(600, 2200) for n in range(3)}
        nets = {f"net{n}": 600.0 + 250 * n + rng.normal(0, 80) for n in range(6)}
        results = {}
        for net, anchor in product(nets, anchors):
            points = rng.binomial(6, score_from_elo(nets[net] - anchors[anchor]))
            results[net, anchor] = float(points), 6.0
        ratings = fit_ratings(results, {"level": 1500.0})
        held += [ratings[net].low <= elo <= ratings[net].high for net, elo in nets.items()]
    assert 0.9 < np.mean(held) < 0.995


def test_the_prior_counts_like_an_eighth_of_an_even_game():
    """Two even games have the information 1/2, and the prior (ELO / 1000)^2 = 0.0302."""
    met = fit_ratings({("a", "s"): (1.0, 2.0)}, {"s": 1500.0})["a"]
    assert met.elo == pytest.approx(1500.0)
    assert met.high - met.elo == pytest.approx(NORMAL_95 * ELO / math.sqrt(0.5302), rel=1e-4)
