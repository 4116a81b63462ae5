"""A clock that runs on the search's own nodes: the same moves on every machine and at any load."""

import chess
import pytest

from engine import Limits
from engine.search.tree import params
from tests.boards import board_after
from tests.unit.search.trees import alone

CLOCK = Limits(white_time_ms=2000, black_time_ms=2000, white_increment_ms=20, black_increment_ms=20)
OPTIONS = {"evaluator": "material", "tactical_nodes": 0.0}


def searched(limits, **options):
    """(nodes, move) of the search of the start position."""
    with alone(**OPTIONS, **options) as engine:
        result = engine.search(limits)
        return result.nodes, result.best_move


@pytest.mark.parametrize(("overhead_ms", "nodes"), [(0, 280), (10, 210)])
def test_a_time_for_a_move_is_as_many_nodes(overhead_ms, nodes):
    limits = Limits(movetime_ms=40)
    assert searched(limits, nodes_time=7, move_overhead_ms=overhead_ms)[0] == nodes


def test_a_busy_machine_ends_no_search(monkeypatch):
    """The calls of a slow machine are small, and end at other visits."""
    quick = searched(CLOCK, nodes_time=10)
    monkeypatch.setattr(params, "FIRST_CALL_VISITS", 3)
    monkeypatch.setattr(params, "CALL_SECONDS", 1e-5)
    assert searched(CLOCK, nodes_time=10) == quick


def test_time_that_passes_elsewhere_ends_no_search(monkeypatch):
    expected = searched(CLOCK, nodes_time=10)
    ticks = iter(range(0, 10**9, 1000))
    monkeypatch.setattr("engine.search.job.uptime_s", lambda: float(next(ticks)))
    assert searched(CLOCK, nodes_time=10) == expected


def test_a_game_does_not_depend_on_the_one_before():
    """In a game without losses on the way, moves are planned with none from the second one on."""
    games = []
    with alone(**OPTIONS, nodes_time=10) as engine:
        for _ in range(2):
            engine.new_game()
            engine.set_position(chess.Board())
            first = engine.search(CLOCK).nodes
            left = 2020 - first // 10
            engine.set_position(board_after("e2e4 e7e5"))
            second = engine.search(Limits(white_time_ms=left, black_time_ms=left)).nodes
            games.append((first, second))
    assert games[0] == games[1]


@pytest.mark.parametrize("nodes", [1, 30])
def test_nodes_limit_a_search_beside_the_clock(nodes):
    assert searched(Limits(nodes=nodes, movetime_ms=1000), nodes_time=100)[0] == nodes


def test_a_choice_that_settles_at_once_is_not_late():
    """What a move had taken beyond the time that its settled choice deserves counted as lateness of
    the machine, and the moves after it got less.
    """
    with alone(**OPTIONS, nodes_time=20, move_overhead_ms=0) as engine:
        for fen in (chess.STARTING_FEN, "6k1/5ppp/8/3q4/8/8/5PPP/3R2K1 w - - 0 1"):
            engine.set_position(chess.Board(fen))
            engine.search(CLOCK)
        assert engine._lateness.ms < 1.0


@pytest.mark.parametrize("increment", [10, 1000])
def test_a_clock_that_is_refilled_gives_no_move_of_one_node(increment, monkeypatch):
    """On a machine so busy that a second passes between two looks at the clock, 106 of 903 moves
    were played by the policy alone.
    """
    ticks = iter(range(10**9))
    monkeypatch.setattr("engine.search.job.uptime_s", lambda: float(next(ticks)))
    nodes, _ = searched(Limits(white_time_ms=100, white_increment_ms=increment))
    assert nodes >= params.UNWATCHED_VISITS


def test_nodes_limit_a_search_whose_clock_is_refilled():
    assert searched(Limits(nodes=3, white_time_ms=1000, white_increment_ms=50))[0] == 3


def test_a_falling_value_gets_more_time():
    """A bishop was lost for nothing since the move before, or in a game that begins here."""
    lost = board_after("e2e4 e7e5 f1a6 b7a6")
    with alone(lost, **OPTIONS, nodes_time=10) as engine:
        without_move_before = engine.search(CLOCK).nodes
    with alone(board_after("e2e4 e7e5"), **OPTIONS, nodes_time=10) as engine:
        engine.search(CLOCK)
        engine.set_position(lost)
        assert engine.search(CLOCK).nodes > without_move_before
