"""The time of day may jump, as it does when a machine asks a time server: nothing that is timed may
notice.
"""

import itertools
import time

import chess
import pytest

from engine import Engine
from engine.options import EngineOptions
from engine.search.limits import Limits
from uci.game.clock import GameClock, parse_time_control

DAY_S = 86_400.0


@pytest.fixture
def jumping_time(monkeypatch):
    """A time of day that jumps a day ahead or back whenever somebody looks; the jumps that were
    seen.
    """
    true_time = time.time
    jumps = itertools.cycle((DAY_S, -DAY_S, 10 * DAY_S, -400 * DAY_S))
    seen = []

    def jumping():
        seen.append(next(jumps))
        return true_time() + seen[-1]

    monkeypatch.setattr(time, "time", jumping)
    monkeypatch.setattr(time, "time_ns", lambda: int(jumping() * 1e9))
    return seen


@pytest.mark.parametrize(
    "limits",
    [
        Limits(movetime_ms=300),
        Limits(white_time_ms=6000, black_time_ms=6000, white_increment_ms=50),
    ],
)
def test_a_search_takes_its_time_whatever_the_time_of_day_does(limits, jumping_time):
    assert abs(time.time() - time.time()) > DAY_S / 2
    with Engine(EngineOptions(evaluator="material", hash_mib=8, threads=1)) as engine:
        engine.warm_up()
        engine.set_position(chess.Board())
        begun = time.monotonic()
        result = engine.search(limits)
        taken = time.monotonic() - begun
    assert result.best_move in chess.Board().legal_moves
    assert 0.05 < taken < DAY_S / 100
    assert all(0 <= info.time_ms < DAY_S * 10 for info in result.infos)


def test_the_terminals_clock_runs_on(jumping_time):
    clock = GameClock(parse_time_control("1+0"))
    clock.start(chess.WHITE)
    time.sleep(0.05)
    assert 0.04 < 60.0 - clock.left(chess.WHITE) < DAY_S / 100
