"""The optimiser alone, on objectives whose optimum is known."""

import numpy as np
import pytest

from engine.errors import ConfigError
from selfplay.matches.statistics import score_from_elo
from selfplay.tune.spsa import ALPHA, GAMMA, GainSchedule, Spsa
from selfplay.tune.tunable import Tunable

BEST = np.array([3.0, -40.0])
OPTIONS = (
    Tunable("first", 1.0, 0.0, 10.0, step=0.5, rate=0.02),
    Tunable("second", 60.0, -100.0, 100.0, step=12.0, rate=0.02, whole=True),
)


def elo(values: np.ndarray) -> float:
    """A hill of which the optimum is 400 Elo higher than the start."""
    return -100.0 * float((((values - BEST) / np.array([1.0, 50.0])) ** 2).sum()) / 2.0


def play(rng: np.random.Generator, plus: np.ndarray, minus: np.ndarray) -> float:
    """Points of the first side minus those of the second in a pair of games, a third of them drawn."""
    score = score_from_elo(elo(plus) - elo(minus))
    draw = min(score, 1.0 - score) * 2.0 / 3.0
    return float(sum(rng.choice([1.0, 0.0, -1.0], 2, p=[score - draw / 2, draw, 1.0 - score - draw / 2])))


def tuned(pairs: int, lag: int, seed: int) -> Spsa:
    spsa, rng = Spsa(OPTIONS, GainSchedule(pairs, lag), seed), np.random.default_rng(seed)
    for pair in range(pairs):
        spsa.record({pair: play(rng, *spsa.tested(pair))})
    return spsa


@pytest.mark.parametrize("lag", [1, 8])
def test_values_move_to_the_optimum_and_stay_there(lag: int) -> None:
    ends = np.array([tuned(3000, lag, seed).values for seed in range(1, 6)])
    assert (abs(ends - BEST) < [0.6, 30.0]).all()
    assert (abs(ends.mean(axis=0) - BEST) < [0.35, 17.0]).all()


def test_the_last_iteration_has_the_step_and_the_rate_that_were_asked_for() -> None:
    spsa = Spsa(OPTIONS, GainSchedule(1000), 7)
    spsa.record(dict.fromkeys(range(999), 0.0))
    assert (spsa.values == spsa.path[0]).all()
    plus, minus = spsa.tested(999)
    assert abs(plus - minus) == pytest.approx([1.0, 24.0])
    spsa.record({999: 2.0})
    assert abs(spsa.values - spsa.path[0]) == pytest.approx([2 * 0.02 * 0.5, 2 * 0.02 * 12.0])
    assert (np.sign(spsa.values - spsa.path[0]) == np.sign(plus - minus)).all()


def test_steps_shrink_as_spall_says() -> None:
    schedule = GainSchedule(1000)
    assert schedule.step_share(0) == pytest.approx(1000**GAMMA)
    assert schedule.gain_share(0) == pytest.approx((1100 / 101) ** ALPHA)
    assert schedule.step_share(999) == schedule.gain_share(999) == 1.0


def test_the_same_results_in_any_order_give_the_same_values() -> None:
    results = {pair: float(pair % 5 - 2) for pair in range(40)}
    one, other = (Spsa(OPTIONS, GainSchedule(100, 8), 3) for _ in range(2))
    one.record(results)
    for pair in np.random.default_rng(1).permutation(40):
        other.record({int(pair): results[int(pair)]})
    assert np.array_equal(one.path, other.path)
    assert np.array_equal(one.tested(40), other.tested(40))


def test_a_pair_starts_from_the_values_before_those_under_way() -> None:
    spsa = Spsa(OPTIONS, GainSchedule(100, 4), 3)
    assert [pair for pair in range(10) if spsa.may_begin(pair)] == [0, 1, 2, 3]
    spsa.record({0: 2.0, 2: 2.0})
    assert spsa.done == 1
    assert [pair for pair in range(10) if spsa.may_begin(pair)] == [0, 1, 2, 3, 4]
    plus, minus = spsa.tested(4)
    assert ((plus + minus) / 2) == pytest.approx(spsa.path[1])


def test_values_stay_in_their_range() -> None:
    narrow = (Tunable("narrow", 0.5, 0.0, 1.0, step=0.4, rate=1.0),)
    spsa = Spsa(narrow, GainSchedule(50), 2)
    for pair in range(50):
        plus, minus = spsa.tested(pair)
        assert 0.0 <= min(plus[0], minus[0]) <= max(plus[0], minus[0]) <= 1.0
        spsa.record({pair: 2.0 if plus[0] > minus[0] else -2.0})
    assert spsa.values[0] == 1.0


def test_no_iterations_are_an_error() -> None:
    with pytest.raises(ConfigError, match="at least one iteration"):
        GainSchedule(0)
