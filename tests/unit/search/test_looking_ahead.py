"""Priors that count the values of the children, and the root's own policy temperature."""

from __future__ import annotations

import chess
import numpy as np
import pytest

from engine.board.convert import encode_move, row_from_board, stack_from_board
from engine.board.layout import NO_MOVE
from engine.evaluation.material import MaterialEvaluator
from engine.evaluation.protocol import new_leaf_batch
from engine.search.params import SearchParams
from engine.search.priors import advise, mix_priors, temper_priors
from engine.search.run import InKernelRounds, Runner
from engine.search.session import Search
from engine.search.tree import NO_NODE, NODES, ROOT, new_tree
from engine.search.visits import value_ahead
from tests.unit.search.small_trees import small_tree, visit


@pytest.mark.plain
def test_values_are_mixed_into_the_priors_and_the_edges_stay_in_order():
    tree = small_tree([0.5, 0.3, 0.2])
    visit(tree, ROOT, 1, 0.1)
    advise.py_func(tree, np.int64(ROOT), np.uint16(2), np.float32(0.6))
    before = {int(move): float(prior) for move, prior in zip(tree.move[:3], (0.5, 0.3, 0.2), strict=True)}
    moves = [int(move) for move in tree.move[:3]]
    values = np.array([{0: 0.0, 1: 0.2, 2: 0.4}[move] for move in moves], np.float32)
    mix_priors.py_func(tree, np.int64(ROOT), values, 0.5, 0.1)
    weights = {0: 1.0, 1: np.exp(2.0), 2: np.exp(4.0)}
    own = {0: 0.5, 1: 0.3, 2: 0.2}
    assert before.keys() == own.keys()
    for edge in range(3):
        move = int(tree.move[edge])
        assert tree.prior[edge] == pytest.approx(0.5 * own[move] + 0.5 * weights[move] / sum(weights.values()))
    assert tree.advised[ROOT] == NO_MOVE
    tried = tree.child[:3] != NO_NODE
    assert tried.tolist() == [True, False, False]
    assert tree.prior[1] >= tree.prior[2]


@pytest.mark.plain
def test_a_temperature_changes_priors_as_it_would_have_changed_the_softmax():
    tree = small_tree([0.6, 0.3, 0.1])
    temper_priors.py_func(tree, np.int64(ROOT), 0.5)
    roots = np.sqrt([0.6, 0.3, 0.1])
    assert tree.prior[:3].tolist() == pytest.approx((roots / roots.sum()).tolist())


def test_a_hanging_piece_lowers_the_value_of_the_move_that_leaves_it():
    leaves, model = new_leaf_batch(1), MaterialEvaluator().new_model()
    board = chess.Board("4k3/8/8/3p4/8/4N3/8/4K3 w - - 0 1")
    found = {}
    for text in ("e3d5", "e3c4"):  # takes the pawn; lets it take the knight
        board.push_uci(text)
        leaves.rows[0] = row_from_board(board)
        found[text] = [float(value_ahead(model, leaves, cost)) for cost in (0.0, 0.01)]
        board.pop()
    assert found["e3d5"][0] == found["e3d5"][1]
    assert found["e3c4"][1] < found["e3c4"][0] - 0.2


def test_mate_and_stalemate_ahead_count_as_such():
    leaves, model = new_leaf_batch(1), MaterialEvaluator().new_model()
    for fen, value in (("R5k1/5ppp/8/8/8/8/8/4K3 b - - 0 1", 1.0), ("7k/8/6Q1/8/8/8/8/K7 b - - 0 1", 0.0)):
        leaves.rows[0] = row_from_board(chess.Board(fen))
        assert value_ahead(model, leaves, 0.01) == value


def test_nodes_look_ahead_once_they_have_their_visits_and_the_root_keeps_its_temperature():
    params = SearchParams(needs_planes=False, late_policy=True, ahead_visits=8, root_temperature=3.0, mate_moves=1)
    search = Search(params, new_tree(3000))
    board = chess.Board()
    runner = Runner(search, InKernelRounds(search, MaterialEvaluator(), 1), 1)
    search.set_position(stack_from_board(board))
    runner.advance(1)
    flat = float(search.root_priors().max())
    while search.visits < 600:
        runner.advance(600 - search.visits)
    nodes = slice(0, int(search.tree.counters[NODES]))
    looked, visits = search.tree.looked_ahead[nodes] == 1, search.tree.visits[nodes]
    assert looked[visits > 8].all()
    assert not looked[visits < 8].any()
    move = search.favourite()
    child, played = search.children(ROOT)[move], int(search.root_moves()[move])
    edges = slice(int(search.tree.first_edge[child]), int(search.tree.first_edge[child]) + 20)
    before = float(search.tree.prior[edges].max())
    board.push(next(one for one in board.legal_moves if encode_move(board, one) == played))
    assert search.set_position(stack_from_board(board))
    assert float(search.root_priors().max()) < before
    assert search.root_priors().sum() == pytest.approx(1.0, abs=1e-5)
    sharp = Search(params._replace(root_temperature=0.0), new_tree(300))
    sharp.set_position(stack_from_board(chess.Board()))
    Runner(sharp, InKernelRounds(sharp, MaterialEvaluator(), 1), 1).advance(1)
    assert flat < float(sharp.root_priors().max())
