"""One search: its limits, stop and ponderhit."""

import time

import chess

from engine.options import EngineOptions
from engine.player import Engine
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


def test_several_lines_beside_mates_search_no_more_than_nodes():
    with Engine(EngineOptions(hash_mib=16, threads=1, multi_pv=8)) as player:
        player.set_position(chess.Board("3k4/8/8/8/8/8/8/KQR5 w - - 0 1"))
        result = player.search(Limits(nodes=3000))
    assert sum(info.score_mate is not None for info in result.infos) > 2
    assert result.infos[0].nodes <= 3000


def test_a_moves_time_runs_from_its_reception():
    with engine() as player:
        player.search(Limits(nodes=50))
        begun = time.monotonic()
        player.search(Limits(movetime_ms=60_000), control=SearchControl(begun - 60.0))
        assert time.monotonic() - begun < 30.0
