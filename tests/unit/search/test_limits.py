"""Time planning: shares of the clock, hard bounds, and what a hopeless clock gets."""

import math
import time

import chess
import pytest

from engine.native.uptime import uptime_s
from engine.search.clock import Clock, LastMove, RecentMost, plan_time
from engine.search.job import SearchJob
from engine.search.limits import Limits
from engine.search.tree.params import CLOCK_SHARE, HARD_FACTOR
from tests.boards import board_after


def plan(white=True, overhead_ms=30, late_ms=0.0, lag_ms=math.inf, moves_played=0, **limits):
    board = chess.Board()
    board.turn = white
    board.fullmove_number = 1 + moves_played
    return plan_time(Limits(**limits), board, overhead_ms, late_ms, lag_ms)


@pytest.mark.parametrize(
    ("limits", "seconds", "over"),
    [
        ({"movetime_ms": 500}, 0.4, False),
        ({"movetime_ms": 500}, 0.5, True),
        ({"nodes": 9}, 9, False),
    ],
)
def test_a_clock_is_over_at_its_bound(limits, seconds, over):
    assert Clock(plan(**limits), 0.0, lambda: seconds).is_over(doubt=0.0) == over


def test_a_stopped_process_uses_up_only_time_that_a_clock_elsewhere_counts():
    assert (SearchJob().now, SearchJob(1.0).now) == (uptime_s, time.perf_counter)
    clock = Clock(plan(movetime_ms=500, overhead_ms=0), now=iter([5.0, 5.4, 5.6]).__next__)
    assert (clock.is_over(), clock.is_over()) == (False, True)


@pytest.mark.parametrize("left", [-50, 0, 1, 20, 100, 1000, 60_000, 7_200_000])
@pytest.mark.parametrize("increment", [0, 100, 5000])
@pytest.mark.parametrize("moves_to_go", [None, 1, 2, 40])
def test_bounds_stay_inside_the_clock(left, increment, moves_to_go):
    clock = plan(white_time_ms=left, white_increment_ms=increment, moves_to_go=moves_to_go)
    assert 0 < clock.planned_ms <= clock.hard_ms
    assert clock.hard_ms <= max(1.0, (left - 30) * (CLOCK_SHARE if moves_to_go != 1 else 0.9))


@pytest.mark.parametrize("overhead_ms", [0, 30, 100])
@pytest.mark.parametrize("left", [40, 100, 250, 500, 1000, 5000, 60_000])
def test_a_move_that_may_use_up_the_clock_leaves_a_reserve(left, overhead_ms):
    """The last one before a control, and one with a fixed time that is longer than the clock."""
    kinds = (
        {"moves_to_go": 1},
        {"moves_to_go": 1, "white_increment_ms": 2 * left},
        {"movetime_ms": 10 * left},
    )
    for kind in kinds:
        clock = plan(white_time_ms=left, overhead_ms=overhead_ms, **kind)
        assert left - clock.hard_ms >= min(left - 1, overhead_ms + min(150, left / 2))
    for kind in ({}, {"moves_to_go": 2}, {"white_increment_ms": 2 * left}):
        assert plan(white_time_ms=left, overhead_ms=overhead_ms, **kind).hard_ms <= 0.4 * left


MINUTE = {"white_time_ms": 60_000}
REFILLED = {"white_time_ms": 1000, "white_increment_ms": 10, "overhead_ms": 10}
# Two plans, of which the first has more time for a move.
MORE_TIME = {
    "each side reads its own clock": ({"black_time_ms": 1000}, {"black_time_ms": 1000, "white": False}),
    "a machine that was late plans for it": ({"late_ms": 0}, {"late_ms": 1000}),
    "a game is longer at its beginning": ({"moves_played": 20}, {"moves_played": 0}),
    "and in its middle": ({"moves_played": 40}, {"moves_played": 20}),
    "few moves to go are known to be few": ({"moves_to_go": 5}, {"moves_played": 400}),
    "and many to be many": ({"moves_played": 400}, {"moves_to_go": 30}),
    # At 1 s + 10 ms each move to come was expected to lose its whole increment: half of a clock
    # was left at the end of games.
    "moves lose less than the overhead": ({**REFILLED, "lag_ms": 1.0}, REFILLED),
    "a clock that is not refilled lasts for a long game": (
        {**REFILLED, "moves_played": 60}, {"white_time_ms": 1000, "moves_played": 60}),
}  # fmt: skip
ONE_SIDE = {"white_time_ms": 60_000, "white_increment_ms": 500}
# Two plans that are one.
SAME_TIME = {
    "no moves to go": ({"moves_to_go": 0}, {}),  # They took nine tenths of the clock.
    "less than none": ({"moves_to_go": -1}, {}),
    "an increment below zero": ({"white_increment_ms": -100}, {}),
    "a clock of one side serves both": ({**ONE_SIDE, "white": False}, ONE_SIDE),
    "a very long game": ({"moves_played": 400}, {"moves_played": 40}),
    "moves lose more than the overhead": ({**REFILLED, "lag_ms": 500.0}, REFILLED),
}


@pytest.mark.parametrize("case", MORE_TIME)
def test_a_plan_has_more_time_where(case):
    longer, shorter = (plan(**{**MINUTE, **limits}).planned_ms for limits in MORE_TIME[case])
    assert longer > shorter


@pytest.mark.parametrize("case", SAME_TIME)
def test_a_plan_is_the_same_with(case):
    first, second = (plan(**{**MINUTE, **limits}) for limits in SAME_TIME[case])
    assert first == second


def test_an_increment_alone_is_no_clock():
    assert plan(False, white_increment_ms=500).planned_ms is None


def test_the_last_of_the_moves_to_go_brings_no_increment():
    """Nine increments come back in time for ten moves."""
    planned = plan(white_time_ms=60_150, white_increment_ms=4000, moves_to_go=10, overhead_ms=0)
    assert planned.planned_ms == pytest.approx((60_000 + 9 * 4000) / 10)


@pytest.mark.parametrize(
    ("thought", "doubt", "over"),
    [
        (0.3, 0.25, True),
        (0.3, 0.5, False),
        (1.9, 2.0, False),
        (HARD_FACTOR - 0.1, math.inf, False),
        (HARD_FACTOR + 0.1, math.inf, True),
    ],
)
def test_doubt_gets_more_time_up_to_the_bound(thought, doubt, over):
    planned = plan(white_time_ms=60_000)
    clock = Clock(planned, 0.0, lambda: thought * planned.planned_ms / 1000.0)
    assert clock.is_over(doubt) == over


def test_moves_that_were_late_leave_a_move_the_time_that_was_set_for_it():
    """It got one node after a pause of a second, with ten minutes on the clock."""
    assert plan(late_ms=1000, movetime_ms=1000, white_time_ms=600_000).hard_ms == 970


@pytest.mark.parametrize("late_ms", [0, 80, 400])
def test_a_late_move_still_gets_a_part_of_its_increment(late_ms):
    """At load 10 each move took more than its increment, until every move had one node."""
    clock = plan(late_ms=late_ms, white_time_ms=100, white_increment_ms=50)
    assert clock.planned_ms >= 12.5


def test_a_game_on_a_machine_that_is_later_than_the_increment_keeps_a_reserve():
    """Each move is 60 ms late and gets 50 ms back: only what is planned can make up for that."""
    left = 3000.0
    lateness = RecentMost(0.0)
    for _ in range(60):
        clock = plan(late_ms=lateness.ms, white_time_ms=round(left), white_increment_ms=50)
        left += 50 - clock.planned_ms - 60
        lateness.note(60 - 30)
    assert left > 0


def test_lateness_is_forgotten_on_a_machine_that_is_quiet_again():
    lateness = RecentMost(0.0)
    lateness.note(100.0)
    for _ in range(20):
        lateness.note(-5.0)
    assert 0.0 <= lateness.ms < 1.0


@pytest.mark.parametrize("lag_ms", [1, 10])
@pytest.mark.parametrize(
    ("left", "increment"), [(60_000.0, 0), (8000.0, 80), (2000.0, 20), (1000.0, 10)]
)
def test_a_game_of_140_moves_keeps_what_a_busy_machine_may_be_late_by(left, increment, lag_ms):
    """With an overhead of 10 ms a clock of 2 s + 20 ms had sunk to 40 ms after 60 moves."""
    for played in range(140):  # Each move is as hard as most are.
        limits = {"white_time_ms": round(left), "white_increment_ms": increment}
        limits |= {"overhead_ms": 10, "lag_ms": lag_ms, "moves_played": played}
        left += increment - plan(**limits).planned_ms - lag_ms
    assert left > 150


GAME = "e2e4 e7e5 g1f3"


@pytest.mark.parametrize(
    ("moves", "value"),
    [("", None), ("b8c6", None), ("b8c6 f1b5", 0.25), ("b8c6 f1b5 a7a6 b5a4", None)],
)
def test_only_the_value_of_the_own_move_before_is_known(moves, value):
    last = LastMove()
    last.note(board_after(GAME), 0.25)
    assert last.value_before(board_after(f"{GAME} {moves}")) == value


def test_no_value_is_known_of_another_game():
    last = LastMove()
    last.note(board_after(f"{GAME} b8c6"), 0.25)
    assert last.value_before(board_after(f"{GAME} d7d6 f1b5 c8d7")) is None
    last.note(chess.Board("8/8/4k3/8/8/4K3/4P3/8 w - - 0 1"), 0.25)
    assert last.value_before(board_after("e2e4 e7e5")) is None


NEXT_MOVE = "b8c6 f1b5"


@pytest.mark.parametrize(
    ("moves", "limits", "lag_ms"),
    [
        (NEXT_MOVE, {"black_time_ms": 893, "white_time_ms": 5}, 6.5),
        (NEXT_MOVE, {"black_time_ms": 900}, -0.5),  # its rounding
        (NEXT_MOVE, {"black_time_ms": 901}, None),
        (NEXT_MOVE, {"black_time_ms": 60_000}, None),  # a new time control
        (NEXT_MOVE, {"nodes": 100}, None),
        (f"{NEXT_MOVE} a7a6 b5a4", {"black_time_ms": 893}, None),  # not every move was Aino's
    ],
)
def test_what_the_clock_lost_outside_of_a_search_is_known_at_the_next_move(moves, limits, lag_ms):
    last = LastMove()
    last.note(board_after(GAME), 0.25, clock_ms=899.5)
    assert last.lag_ms(board_after(f"{GAME} {moves}"), Limits(**limits)) == lag_ms


def test_no_move_takes_more_than_its_increment_from_a_clock_without_its_reserve():
    """Clocks of 1 s + 10 ms stayed at 60 ms, where two late moves lost a game."""
    limits = {"white_time_ms": 140, "white_increment_ms": 10, "overhead_ms": 10, "lag_ms": 1.0}
    assert plan(moves_played=60, **limits).hard_ms < 5
