"""The same search gives the same tree: whatever evaluates, interrupts or shares it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import chess
import numpy as np
import pytest

from engine import Engine
from engine.board.convert import stack_from_board
from engine.evaluation.cache import CachedEvaluator
from engine.evaluation.material import MaterialEvaluator
from engine.evaluation.protocol import LeafBatch
from engine.evaluation.sparse import SparseEvaluator
from engine.evaluation.tower import NetworkEvaluator
from engine.network.sparse.inference import SparseNet
from engine.network.sparse.model import build_sparse
from engine.network.sparse.parameters import SparseConfig
from engine.network.tower.inference import FusedTower
from engine.network.tower.model import TowerConfig, build_tower
from engine.options import EngineOptions
from engine.search.limits import Limits
from engine.search.rounds import BatchedRounds, InKernelRounds, Rounds
from engine.search.runners import LoopRunner
from engine.search.select import SearchParams
from engine.search.session import Search
from engine.search.threads import RoundRunner
from engine.search.tree import EDGES, NODES

POSITION = "r1bq1rk1/ppp2ppp/2np1n2/2b1p3/2B1P3/2NP1N2/PPP2PPP/R1BQ1RK1 w - - 0 7"
NODE_FIELDS = ("parent", "first_edge", "n_edges", "visits", "in_flight", "value_sum", "draw_sum", "moves_left",
               "mate_plies", "state", "lower", "upper")  # fmt: skip


def tree_hash(search: Search) -> str:
    """A digest of the whole tree."""
    tree, digest = search.tree, hashlib.sha256()
    for name in NODE_FIELDS:
        digest.update(getattr(tree, name)[: tree.counters[NODES]].tobytes())
    for name in ("move", "prior", "child"):
        digest.update(getattr(tree, name)[: tree.counters[EDGES]].tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def tower() -> FusedTower:
    config = TowerConfig.parse("16x2")
    return FusedTower.from_model(build_tower(config, np.random.default_rng(3)), config)


def test_batched_rounds_build_one_tree_at_any_number_of_threads(tower):
    hashes = set()
    for count in (1, 2, 4) * 3:
        evaluator = NetworkEvaluator(tower, count)
        with Engine(EngineOptions(hash_mib=8, threads=count), evaluator) as engine:
            engine.set_position(chess.Board(POSITION))
            engine.search(Limits(nodes=1500))
            hashes.add(tree_hash(engine._search))
        evaluator.close()
    assert len(hashes) == 1


def material_tree(count: int, nodes: int) -> str:
    with Engine(EngineOptions(hash_mib=8, threads=count, evaluator="material")) as engine:
        engine.set_position(chess.Board(POSITION))
        assert engine.search(Limits(nodes=nodes)).nodes == nodes
        return tree_hash(engine._search)


def test_in_kernel_search_builds_one_tree_at_a_given_number_of_threads():
    assert len({material_tree(1, 3000) for _ in range(3)}) == 1
    assert len({material_tree(2, 3000) for _ in range(3)}) == 1


def test_two_threads_or_four_make_no_difference_to_half_rounds():
    assert material_tree(2, 3000) == material_tree(4, 3000)


def sparse_tree(count: int) -> str:
    config = SparseConfig(width=128)
    net = build_sparse(config, np.random.default_rng(3))
    evaluator = SparseEvaluator(SparseNet(dict(net.named_parameters()), config))
    with Engine(EngineOptions(hash_mib=8, threads=count), evaluator) as engine:
        engine.set_position(chess.Board(POSITION))
        assert engine.search(Limits(nodes=2000)).nodes == 2000
        return tree_hash(engine._search)


@pytest.mark.parametrize("count", [1, 2])
def test_a_sparse_net_is_searched_inside_kernels_with_one_result(count):
    assert sparse_tree(count) == sparse_tree(count)


class Pieces:
    """Runs a search in pieces of given sizes."""

    def __init__(self, sizes: Iterator[int]) -> None:
        self.search = Search(SearchParams(needs_planes=False), 5000)
        self.search.set_position(stack_from_board(chess.Board(POSITION)))
        runner = LoopRunner(self.search, MaterialEvaluator())
        while self.search.visits < 800:
            runner.advance(min(next(sizes), 800 - self.search.visits))


def test_where_a_loop_is_interrupted_leaves_no_trace():
    assert tree_hash(Pieces(iter(lambda: 1, 0)).search) == tree_hash(Pieces(iter(lambda: 500, 0)).search)


class Overlapping:
    """A search of so many visits in rounds that overlap nearly from the start."""

    def __init__(self, rounds_of: Callable[[Search], Rounds], threads: int, visits: int, planes: bool) -> None:
        self.search = Search(SearchParams(needs_planes=planes), 5000)
        self.search.set_position(stack_from_board(chess.Board(POSITION)))
        rounds = rounds_of(self.search)
        rounds.overlap_from = 8
        runner = RoundRunner(self.search, rounds, threads)
        while self.search.visits < visits:
            runner.advance(visits - self.search.visits)
        runner.finish()
        runner.close()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rounds_leave_nothing_in_flight_and_keep_the_node_limit(tower, threads):
    in_kernel = Overlapping(lambda search: InKernelRounds(search, MaterialEvaluator(), threads), threads, 1000, False)
    batched = Overlapping(lambda search: BatchedRounds(search, NetworkEvaluator(tower)), threads, 1000, True)
    for search in (in_kernel.search, batched.search):
        assert search.visits == 1000
        assert not search.tree.in_flight[: search.tree.counters[NODES]].any()
        assert search.root_visits().sum() == 999


def test_a_cache_changes_no_tree(tower):
    def cached(search: Search) -> Rounds:
        return BatchedRounds(search, CachedEvaluator(NetworkEvaluator(tower), 0.1))

    plain = Overlapping(lambda search: BatchedRounds(search, NetworkEvaluator(tower)), 2, 1500, True)
    assert tree_hash(Overlapping(cached, 2, 1500, True).search) == tree_hash(plain.search)


class Failing(NetworkEvaluator):
    """Breaks down after a while, in one of its threads."""

    asked = 0

    def evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
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
        after = tree_hash(engine._search)
    with Engine(EngineOptions(hash_mib=8, threads=1), NetworkEvaluator(tower)) as engine:
        engine.set_position(chess.Board(POSITION))
        engine.search(Limits(nodes=1500))
        assert tree_hash(engine._search) == after
