"""One search: its limits, stop and ponderhit."""

import threading

import chess
import pytest

from engine import Engine
from engine.search import job
from engine.search.limits import Clock, Limits, SearchControl
from tests.boards import board_after
from tests.unit.search.flat import engine, search


def test_nodes_are_exact_and_visits_of_the_root_moves_add_up():
    for nodes in (1, 2, 37, 500):
        result = search(chess.Board(), nodes=nodes)
        assert result.nodes == nodes
        assert sum(child.visits for child in result.children) == nodes - 1


def test_searchmoves_are_obeyed_also_after_a_wider_search():
    allowed = (chess.Move.from_uci("a2a3"), chess.Move.from_uci("h2h4"))
    with engine() as player:
        player.set_position(chess.Board())
        assert len(player.search(Limits(nodes=100)).children) == 20
        narrowed = player.search(Limits(nodes=200, searchmoves=allowed))
        assert {child.move for child in narrowed.children} == set(allowed)
        assert len(player.search(Limits(nodes=300)).children) == 20


# ---- time that moves leave over --------------------------------------------------------------------------------------


@pytest.fixture
def planned(monkeypatch):
    """Planned times in milliseconds, one for each clock that is started."""
    times: list[float] = []

    class Noting(Clock):
        @classmethod
        def start(cls, *arguments):
            clock = Clock.start(*arguments)
            times.append(clock.planned_ms)
            return clock

    monkeypatch.setattr(job, "Clock", Noting)
    return times


def move(player: Engine, moves: str, **limits) -> None:
    """A quick move by a clock with a minute on it."""
    player.set_position(board_after(moves))
    player.search(Limits(white_time_ms=60_000, black_time_ms=60_000, nodes=1, **limits))


def ponder(player: Engine, moves: str, hit: bool, seconds: float = 0.05) -> None:
    control = SearchControl()
    player.set_position(board_after(moves))
    limits = Limits(white_time_ms=60_000, black_time_ms=60_000, nodes=1, ponder=True)
    threading.Timer(seconds, control.ponderhit if hit else control.stop).start()
    player.search(limits, None, control)


def test_time_pondered_on_a_move_never_played_was_credited_to_the_next(planned):
    with engine() as player:
        move(player, "e2e4 e7e5")
        move(player, "e2e4 e7e5 g1f3 b8c6")
        for _ in range(3):
            ponder(player, "e2e4 e7e5 g1f3 b8c6 f1b5 a7a6", hit=False)
        move(player, "e2e4 e7e5 g1f3 b8c6 f1b5 g8f6")
    fresh, second, *_, last = planned
    assert second == pytest.approx(2 * fresh, rel=0.1), "the first move was quick"
    assert last == pytest.approx(3 * fresh, rel=0.1)


def test_time_since_ponderhit_alone_counts_as_used(planned):
    with engine() as player:
        ponder(player, "e2e4 e7e5", hit=True, seconds=0.6)
        move(player, "e2e4 e7e5 g1f3 b8c6")
    pondered, hit, second = planned
    assert hit == pondered
    assert second == pytest.approx(2 * hit, rel=0.1)


def test_saved_time_survived_into_another_game(planned):
    with engine() as player:
        move(player, "e2e4 e7e5")
        move(player, "e2e4 e7e5 g1f3 b8c6")
        for moves in ("d2d4 d7d5", "e2e4 c7c5 g1f3 d7d6", ""):  # none goes on from the last
            move(player, moves)
    fresh, _, *others = planned
    assert others == [fresh] * 3


def test_saved_time_is_the_movers_own(planned):
    with engine() as player:
        move(player, "e2e4")
        move(player, "e2e4 e7e5")
    assert planned[0] == planned[1]


def test_analysis_between_two_moves_leaves_saved_time_alone(planned):
    with engine() as player:
        move(player, "e2e4 e7e5")
        control = SearchControl()
        control.stop()
        player.search(Limits(infinite=True, white_time_ms=60_000), None, control)
        move(player, "e2e4 e7e5 g1f3 b8c6")
    assert planned[-1] == pytest.approx(2 * planned[0], rel=0.1)
