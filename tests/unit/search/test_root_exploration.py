"""The root's own policy temperature and exploration, and exploration by the deviation of a node's values."""

from __future__ import annotations

from dataclasses import replace

import chess
import numpy as np
import pytest

from engine import Engine, EngineOptions
from engine.board.convert import encode_move, stack_from_board
from engine.evaluation.material import MaterialEvaluator
from engine.search.params import DEVIATION_VISITS, TYPICAL_DEVIATION, SearchParams
from engine.search.priors import temper_priors
from engine.search.puct import deviation, select_edge
from engine.search.run import Runner
from engine.search.session import Search
from engine.search.tree import ROOT, new_tree
from engine.search.walkers import Walkers
from tests.unit.search.small_trees import small_tree, visit

PARAMS = SearchParams(needs_planes=False, late_policy=True, mate_moves=1)


def searched(params: SearchParams, visits: int) -> Search:
    search = Search(params, new_tree(3000))
    search.set_position(stack_from_board(chess.Board()))
    runner = Runner(search, Walkers(search, MaterialEvaluator(), 1))
    while search.visits < visits:
        runner.advance(visits)
    runner.close()
    return search


@pytest.mark.plain
@pytest.mark.parametrize("power", [0.5, 300.0])
def test_a_temperature_changes_priors_as_it_would_have_changed_the_softmax(power):
    tree = small_tree([0.6, 0.3, 0.1])
    temper_priors.py_func(tree, np.int64(ROOT), power)
    weights = (np.array([0.6, 0.3, 0.1]) / 0.6) ** power
    assert tree.prior[:3].tolist() == pytest.approx((weights / weights.sum()).tolist())


def test_the_root_has_its_own_temperature_and_keeps_it_after_a_move():
    sharp, flat = searched(PARAMS, 1), searched(PARAMS._replace(root_temperature=3.0), 600)
    assert flat.root_priors().max() < sharp.root_priors().max()
    move = flat.favourite()
    child, played = flat.children(ROOT)[move], int(flat.root_moves()[move])
    first, count = int(flat.tree.first_edge[child]), int(flat.tree.n_edges[child])
    before = flat.tree.prior[first : first + count].max()
    board = chess.Board()
    board.push(next(one for one in board.legal_moves if encode_move(board, one) == played))
    assert flat.set_position(stack_from_board(board))
    assert flat.root_priors().max() < before
    assert flat.root_priors().sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.plain
def test_the_root_alone_explores_more():
    tree = small_tree([0.55, 0.45])
    visit(tree, ROOT, 0, 0.5)
    params = SearchParams(cpuct_init=0.5, cpuct_factor=0.0)
    scaled = params._replace(root_cpuct_scale=8.0)
    assert select_edge.py_func(tree, params, np.int64(ROOT), 0.0) == 0
    assert select_edge.py_func(tree, scaled, np.int64(ROOT), 0.0) == 1


@pytest.mark.plain
def test_the_deviation_of_few_values_is_near_the_typical_one():
    tree = small_tree([0.8, 0.2])
    tree.visits[ROOT], tree.value_sum[ROOT], tree.square[ROOT] = 1, 0.5, 0.25
    assert deviation.py_func(tree, ROOT) == pytest.approx(TYPICAL_DEVIATION)
    values = np.array([0.9, -0.9] * 500)
    tree.visits[ROOT], tree.value_sum[ROOT], tree.square[ROOT] = len(values), values.sum(), (values**2).mean()
    expected = np.sqrt((TYPICAL_DEVIATION**2 * DEVIATION_VISITS + (values**2).sum()) / (DEVIATION_VISITS + 999))
    assert deviation.py_func(tree, ROOT) == pytest.approx(expected)


def test_squares_of_values_are_their_mean_square():
    search = searched(PARAMS._replace(cpuct_deviation=0.5), 400)
    tree = search.tree
    mean = tree.value_sum[ROOT] / tree.visits[ROOT]
    assert mean * mean <= tree.square[ROOT] <= 1.0
    child = search.children(ROOT)[search.favourite()]
    assert 0.0 < tree.square[child] <= 1.0


@pytest.mark.parametrize(("evaluator", "own"), [("material", 0.0), ("sparse", 0.7)])
def test_exploration_follows_the_deviation_where_that_was_measured(evaluator, own):
    with Engine(EngineOptions(evaluator=evaluator, threads=1, hash_mib=16)) as engine:
        assert engine._params().cpuct_deviation == own
        engine.set_options(replace(engine.options, cpuct_deviation=0.3))
        assert engine._params().cpuct_deviation == 0.3
        engine.set_options(replace(engine.options, preset="lc0"))
        assert engine._params().cpuct_deviation == 0.0
