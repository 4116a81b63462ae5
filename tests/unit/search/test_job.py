"""One search: its limits, stop and ponderhit."""

from __future__ import annotations

import threading
import time

import chess

from engine.search.limits import Limits, SearchControl
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


def test_stop_ends_an_infinite_search_and_a_stop_before_the_start_counts():
    with engine() as player:
        player.set_position(chess.Board())
        control = SearchControl()
        results = []
        thread = threading.Thread(target=lambda: results.append(player.search(Limits(infinite=True), None, control)))
        thread.start()
        time.sleep(0.05)
        assert not results
        control.stop()
        thread.join(5)
        assert results[0].best_move is not None
        stopped = SearchControl()
        stopped.stop()
        assert player.search(Limits(infinite=True), None, stopped).best_move is not None


def test_pondering_waits_for_ponderhit_even_when_the_work_is_done():
    with engine() as player:
        player.set_position(chess.Board())
        control = SearchControl()
        results = []
        limits = Limits(ponder=True, nodes=10)
        thread = threading.Thread(target=lambda: results.append(player.search(limits, None, control)))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        control.ponderhit()
        thread.join(5)
        assert results[0].best_move is not None


def test_no_legal_move_gives_no_best_move():
    assert search(chess.Board("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1"), nodes=10).best_move is None


def test_movetime_is_kept():
    with engine() as player:
        player.set_position(chess.Board())
        player.search(Limits(nodes=50))
        begun = time.monotonic()
        player.search(Limits(movetime_ms=150))
        assert 0.05 < time.monotonic() - begun < 1.0
