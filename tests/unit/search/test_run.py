"""The same search gives the same tree: whatever evaluates, interrupts or shares it."""

import chess
import numpy as np
import pytest

from engine import Engine
from engine.board.convert import stack_from_board
from engine.evaluation.tower import NetworkEvaluator
from engine.network.tower.tower_model import TowerConfig
from engine.options import EngineOptions
from engine.search.batches import Batches
from engine.search.search_tree_state import Search
from engine.search.tree.arrays import ROOT, new_tree
from engine.search.tree.params import SearchParams
from engine.search.visit_loop import Runner
from tests.unit.network.fused_tower import fused
from tests.unit.search.trees import POSITIONS, assert_whole, search_nodes, tree_fingerprint

POSITION = POSITIONS[1]


@pytest.fixture(scope="module")
def tower():
    config = TowerConfig.parse("16x2")
    return fused(config.build(np.random.default_rng(3)), config)


def test_batches_build_one_tree_at_any_number_of_threads(tower):
    hashes = set()
    for count in (1, 2, 4) * 3:
        evaluator = NetworkEvaluator(tower, count)
        with Engine(EngineOptions(hash_mib=8, threads=count), evaluator) as engine:
            engine.set_position(chess.Board(POSITION))
            search_nodes(engine, 1500)
            assert engine._search.tree.asked_at[ROOT] > 0, "alpha-beta's hints are a part of it"
            assert_whole(engine._search, adds_up=False)
            hashes.add(tree_fingerprint(engine._search))
        evaluator.close()
    assert len(hashes) == 1


def overlapping(evaluator, threads, visits):
    """A search of so many visits in batches that overlap nearly from the start."""
    search = Search(SearchParams(), new_tree(5000))
    search.set_position(stack_from_board(chess.Board(POSITION)))
    batches = Batches(search, evaluator, threads)
    batches.overlap_from = 8
    runner = Runner(search, batches)
    while search.visits < visits:
        runner.advance(visits)
    runner.finish()
    runner.close()
    return search


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_overlapping_batches_keep_the_node_limit(tower, threads):
    search = overlapping(NetworkEvaluator(tower), threads, 1000)
    assert search.visits == 1000
    assert_whole(search, adds_up=False)
    assert search.root().visits.sum() == 999
