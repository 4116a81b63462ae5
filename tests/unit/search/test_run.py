"""The same search gives the same tree: whatever evaluates, interrupts or shares it."""

import chess
import numpy as np
import pytest

from engine import Engine
from engine.board.convert import decode_move, stack_from_board
from engine.evaluation.tower import NetworkEvaluator
from engine.network.tower.tower_model import TowerConfig
from engine.options import EngineOptions
from engine.search.batches import Batches
from engine.search.limits import Limits
from engine.search.run import Runner
from engine.search.session import Search
from engine.search.tree.arrays import ROOT, new_tree
from engine.search.tree.params import SearchParams
from tests.unit.network.fused_tower import fused
from tests.unit.search.flat import searched, tree_fingerprint
from tests.unit.search.shared_trees import POSITIONS, assert_whole

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
            engine.search(Limits(nodes=1500))
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
def test_batches_leave_nothing_in_flight_and_keep_the_node_limit(tower, threads):
    search = overlapping(NetworkEvaluator(tower), threads, 1000)
    assert search.visits == 1000
    assert_whole(search, adds_up=False)
    assert search.root().visits.sum() == 999


class Failing(NetworkEvaluator):
    """Breaks down after a while, in one of its threads."""

    asked = 0

    def evaluate_part(self, leaves, first, last):
        self.asked += 1
        if self.asked == 60:
            raise OSError("no answer")
        super().evaluate_part(leaves, first, last)


def test_what_breaks_in_a_helper_reaches_the_caller_and_the_next_search_is_whole(tower):
    evaluator = Failing(tower)
    with Engine(EngineOptions(hash_mib=8, threads=3), evaluator) as engine:
        engine.set_position(chess.Board(POSITION))
        with pytest.raises(OSError, match="no answer"):
            engine.search(Limits(nodes=1500))
        engine.search(Limits(nodes=1500))
        after = tree_fingerprint(engine._search)
    with Engine(EngineOptions(hash_mib=8, threads=1), NetworkEvaluator(tower)) as engine:
        engine.set_position(chess.Board(POSITION))
        engine.search(Limits(nodes=1500))
        assert tree_fingerprint(engine._search) == after


# ---- trees of whole searches, which a change that is not meant to alter the search leaves as they are ---------------


# The root's five most visited moves after 400 visits with the evaluator `material`.
GOLDEN = {
    chess.STARTING_FEN: {"g1f3": 95, "b1c3": 84, "e2e4": 64, "d2d4": 42, "d2d3": 19},
    POSITIONS[1]: {"c3a4": 259, "c1e3": 26, "c1d2": 22, "c1g5": 9, "c3d5": 7},
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1": {
        "b4f4": 265,
        "b4c4": 87,
        "a5a4": 6,
        "a5a6": 5,
        "e2e3": 5,
    },
}


def favourites(fen):
    root = searched(fen, 400, SearchParams(needs_planes=False), 2000).root()
    visits = {
        decode_move(root.row, int(move)).uci(): int(count)
        for move, count in zip(root.moves, root.visits, strict=True)
    }
    return dict(sorted(visits.items(), key=lambda item: (-item[1], item[0]))[:5])


@pytest.mark.plain
@pytest.mark.parametrize("fen", GOLDEN)
def test_golden_trees(fen):
    assert favourites(fen) == GOLDEN[fen]
