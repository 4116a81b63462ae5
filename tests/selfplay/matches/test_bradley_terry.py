"""Ratings from games between many players."""

import numpy as np
import pytest

from selfplay.matches.bradley_terry import fit_ratings
from selfplay.matches.statistics import score_from_elo


def test_a_score_against_a_given_rating_is_the_logistic_difference() -> None:
    rating = fit_ratings({("new", "old"): (750.0, 1000.0)}, {"old": 1500.0})["new"]
    assert rating.elo == pytest.approx(1500 + 400 * np.log10(3), abs=1)
    half = 1.96 * 400 / np.log(10) / np.sqrt(1000 * 0.75 * 0.25)  # from the curvature of the likelihood
    assert rating.high - rating.elo == pytest.approx(half, rel=0.01)
    assert rating.elo - rating.low == pytest.approx(half, rel=0.01)


def test_ratings_pass_along_a_chain_and_doubt_grows() -> None:
    results = {("a", "given"): (64.0, 100.0), ("a", "b"): (36.0, 100.0), ("c", "b"): (64.0, 100.0)}
    found = fit_ratings(results, {"given": 0.0})
    step = 400 * np.log10(0.64 / 0.36)
    assert [found[name].elo for name in "abc"] == pytest.approx([step, 2 * step, 3 * step], rel=0.03)
    widths = [found[name].high - found[name].low for name in ("given", "a", "b", "c")]
    assert widths[0] == 0 < widths[1] < widths[2] < widths[3]


def test_who_won_every_game_has_a_finite_rating_and_a_wide_interval() -> None:
    found = fit_ratings({("best", "given"): (8.0, 8.0), ("worst", "given"): (0.0, 8.0)}, {"given": 2000.0})
    assert 2300 < found["best"].elo < 3500
    assert found["best"].elo + found["worst"].elo == pytest.approx(4000)
    assert found["best"].high - found["best"].low > 800


def test_intervals_hold_the_true_ratings() -> None:
    """A run of growing strength against anchors of unknown strength and one given level."""
    rng, held = np.random.default_rng(7), []
    for _ in range(40):
        truth = {"level": 1500.0} | {f"anchor{n}": rng.uniform(600, 2200) for n in range(3)}
        anchors = list(truth)
        truth |= {f"net{n}": 600.0 + 250 * n + rng.normal(0, 80) for n in range(6)}
        results = {
            (net, anchor): (float(rng.binomial(6, score_from_elo(truth[net] - truth[anchor]))), 6.0)
            for net in truth.keys() - set(anchors)
            for anchor in anchors
        }
        found = fit_ratings(results, {"level": 1500.0})
        held += [found[name].low <= truth[name] <= found[name].high for name in truth if name.startswith("net")]
    assert 0.9 < np.mean(held) < 0.995
