"""Searches for a depth or a mate: where they end, and where they give up."""

import pytest

from engine.evaluation.material import MaterialEvaluator
from engine.search.limits import Limits
from engine.search.tree import params
from tests.unit.search.trees import alone

MIDDLEGAME = "r1bqkb1r/pppp1ppp/2n2n2/4p3/2B1P3/5N2/PPPP1PPP/RNBQK2R w KQkq - 4 4"
BLOCKED = "8/8/4k3/3p4/3P1K2/8/8/8 w - - 0 1"  # Its tree never fills a small Hash.
GOALS = {
    "depth 1": Limits(depth=1),
    "depth 4": Limits(depth=4),
    "depth before nodes": Limits(depth=4, nodes=1_000_000),
    "mate before nodes": Limits(mate=4, nodes=3000),
    "out of reach": Limits(mate=4),
}


def nodes_of(fen, limits, **options):
    with alone(fen, **{"hash_mib": 1, "evaluator": "material"} | options) as player:
        return player.search(limits).nodes


@pytest.mark.parametrize("limits", GOALS.values())
def test_a_goal_ends_a_search_at_the_same_node_on_slow_machines(monkeypatch, limits):
    """A depth of 1 took 52 to 256 nodes: calls of kernels are as long as the machine is quick."""
    usual = nodes_of(MIDDLEGAME, limits)
    monkeypatch.setattr(params, "FIRST_CALL_VISITS", 3)
    monkeypatch.setattr(params, "CALL_SECONDS", 1e-5)
    assert nodes_of(MIDDLEGAME, limits) == usual


def test_a_depth_of_one_is_reached_by_a_few_nodes():
    with alone(MIDDLEGAME) as player:
        result = player.search(Limits(depth=1))
    assert result.infos[0].depth == 1
    assert result.nodes < 10


@pytest.mark.parametrize("limits", [Limits(depth=60), Limits(mate=2)])
@pytest.mark.parametrize("fen", [MIDDLEGAME, BLOCKED])
def test_a_goal_out_of_reach_is_given_up_after_as_many_nodes_as_hash_has_room_for(fen, limits):
    """In a position whose tree stays small, a search for it went on for 1.2 million nodes."""
    with alone(fen, MaterialEvaluator(), hash_mib=1) as player:
        room = len(player._search.tree.nodes)
        for _ in range(2):  # The second time the tree was full before.
            assert room <= player.search(limits).nodes <= 1.1 * room


def test_a_goal_out_of_reach_is_looked_for_in_as_many_nodes_as_are_allowed():
    with alone(MIDDLEGAME, MaterialEvaluator(), hash_mib=1) as player:
        most = 3 * len(player._search.tree.nodes)
        result = player.search(Limits(depth=100, nodes=most))
    assert result.infos[0].hashfull == 1000
    assert result.nodes == most


def test_a_depth_that_drawn_lines_never_reach_ends_a_search_by_lc0s_rules():
    with alone(
        "8/1k6/3K4/8/7N/8/8/8 w - - 99 1", MaterialEvaluator(), preset="lc0", hash_mib=1
    ) as player:
        assert player.start(Limits(depth=3)).result(60).best_move is not None
