"""The same search gives the same tree: whatever evaluates, interrupts or shares it."""

import chess

from engine import Engine
from engine.evaluation.tower import NetworkEvaluator
from engine.options import EngineOptions
from engine.search.tree.arrays import ROOT
from tests.unit.network.fused_tower import untrained
from tests.unit.search.trees import POSITIONS, assert_whole, search_nodes, tree_fingerprint

POSITION = POSITIONS[1]


def test_batches_build_one_tree_at_any_number_of_threads():
    tower = untrained("16x2", 3)
    hashes = set()
    for count in (1, 2, 4) * 3:
        evaluator = NetworkEvaluator(tower, count)
        with Engine(EngineOptions(hash_mib=8, threads=count), evaluator) as engine:
            engine.set_position(chess.Board(POSITION))
            search_nodes(engine, 1500)
            assert engine._search.tree.asked_at[ROOT] > 0, "alpha-beta's hints are a part of it"
            assert engine._search.visits == 1500
            assert_whole(engine._search, adds_up=False)
            hashes.add(tree_fingerprint(engine._search))
        evaluator.close()
    assert len(hashes) == 1
