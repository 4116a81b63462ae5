"""One search: its limits, stop and ponderhit."""

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


def test_a_moves_time_runs_from_its_reception():
    with engine() as player:
        player.search(Limits(nodes=50))
        begun = time.monotonic()
        player.search(Limits(movetime_ms=60_000), control=SearchControl(begun - 60.0))
        assert time.monotonic() - begun < 30.0
