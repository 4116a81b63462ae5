"""The formulas of selection on trees small enough to count by hand, as plain Python."""

import math

import numpy as np
import pytest

from engine.search.tree.arrays import LOSS, ROOT
from engine.search.tree.priors import hint, keep_moves, mix_priors, restore
from engine.search.tree.puct import (
    exploration_scale,
    moves_left_utility,
    score_root_edges,
    select_edge,
)
from tests.unit.search.trees import PARAMS, decide, small_tree, visit

pytestmark = pytest.mark.plain


def test_edges_of_one_prior_keep_their_order():
    tree = small_tree([0.1, 0.4, 0.1, 0.4])
    assert tree.move[:4].tolist() == [1, 3, 0, 2]
    assert tree.prior[:4] == pytest.approx([0.4, 0.4, 0.1, 0.1])


def test_moves_of_prior_0_that_are_kept_alone_share_the_prior():
    tree = small_tree([0.5, 0.3, 0.2])
    tree.prior[:3] = 1.0, 0.0, 0.0
    keep_moves(tree, np.array([1, 2], np.uint16))
    assert tree.prior[:2].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_edges_stay_in_order_where_noise_changes_their_priors(share):
    """Those tried first, each group by prior: selection relies on it."""
    tree = small_tree([0.4, 0.3, 0.15, 0.1, 0.05])
    for place in (0, 1):
        visit(tree, ROOT, place, 0.1)
    tried = tree.child[:2].tolist()
    mix_priors.py_func(tree, np.array([0.1, 0.2, 0.1, 0.25, 0.35]), share)
    assert sorted(tree.child[:2].tolist()) == sorted(tried)
    assert tree.prior[0] >= tree.prior[1]
    assert (np.diff(tree.prior[2:5]) <= 0.0).all()
    assert tree.prior[:5].sum() == pytest.approx(1.0)


def test_a_visited_move_behind_untried_ones_by_prior_is_still_looked_at():
    tree = small_tree([0.5, 0.3, 0.2])
    hint.py_func(tree, ROOT, np.uint16(2), np.float32(0.6))
    visit(tree, ROOT, 0, 0.9)
    restore.py_func(tree, ROOT)
    assert tree.move[:3].tolist() == [2, 0, 1]  # tried first, then by prior
    tree.value_sum[ROOT] = 0.0
    assert select_edge.py_func(tree, PARAMS, ROOT, 0.0) == 0


@pytest.mark.parametrize(
    ("draw_score", "under_way", "chosen"), [(0.5, 0, 0), (-0.5, 0, 1), (0.0, 0, 0), (0.0, 1, 1)]
)
def test_draws_are_worth_what_the_draw_score_says(draw_score, under_way, chosen):
    """And a visit in flight sends the next one elsewhere."""
    tree = small_tree([0.5, 0.5])
    visit(tree, ROOT, 0, 0.0, draw=1.0)
    visit(tree, ROOT, 1, 0.0, draw=0.0)
    tree.under_way[0] += under_way
    assert select_edge.py_func(tree, PARAMS, ROOT, draw_score) == chosen


def test_a_lost_move_does_not_lower_the_hopes_of_others():
    tree = small_tree([0.9, 0.06, 0.04])
    decide(tree, ROOT, 0, LOSS, 1)
    assert select_edge.py_func(tree, PARAMS, ROOT, 0.0) == 1
    visit(tree, ROOT, 1, -0.9)
    assert select_edge.py_func(tree, PARAMS, ROOT, 0.0) == 2


@pytest.mark.parametrize("draw_score", [0.0, -0.6])
def test_reported_scores_are_those_that_choose_the_next_visit(draw_score):
    params = PARAMS._replace(cpuct_deviation=0.7, draw_score=draw_score)
    params = params._replace(moves_left_max_effect=0.3, moves_left_slope=0.02)
    tree = small_tree([0.3, 0.25, 0.2, 0.15, 0.1])
    rng = np.random.default_rng(3)
    u, s = np.zeros(5, np.float32), np.zeros(5, np.float32)
    for chosen in range(5):
        score_root_edges.py_func(tree, params, u, s)
        assert select_edge.py_func(tree, params, ROOT, draw_score) == s.argmax()
        scale = exploration_scale.py_func(tree, params, ROOT)
        assert u == pytest.approx(scale * tree.prior[:5] / (1 + tree.passes[:5]))
        child = visit(tree, ROOT, chosen, 0.9 - rng.random() / 5, draw=rng.random() / 10)
        tree.plies_sum[child] = 60 * rng.random()


def test_an_unvisited_move_scores_its_first_play_urgency():
    tree = small_tree([0.5, 0.3, 0.2])
    u = np.zeros(3, np.float32)
    s = np.zeros(3, np.float32)
    visit(tree, ROOT, 0, 0.4)
    score_root_edges.py_func(tree, PARAMS, u, s)
    assert u == pytest.approx([1.3 * 0.5 / 2, 1.3 * 0.3, 1.3 * 0.2])
    urgency = 0.4 / 2 - 0.33 * math.sqrt(0.5)
    assert s - u == pytest.approx([0.4, urgency, urgency], abs=1e-6)


@pytest.mark.parametrize(("q", "longer"), [(0.95, -1), (-0.95, 1)])
def test_moves_left_count_against_the_winner(q, longer):
    tree = small_tree([0.5, 0.5])
    child = visit(tree, ROOT, 0, q)
    params = PARAMS._replace(moves_left_max_effect=0.0345)
    tree.plies_sum[ROOT], tree.plies_sum[child] = 60.0, 36.0
    beyond = (0.95 - 0.8) / 0.2
    expected = longer * 0.0027 * 6 * (1.6521 * beyond - 0.6521 * beyond**2)
    assert moves_left_utility.py_func(tree, params, ROOT, child, q) == pytest.approx(
        expected, rel=1e-5
    )
    tree.plies_sum[child] = 300.0
    assert abs(moves_left_utility.py_func(tree, params, ROOT, child, 1.0)) == pytest.approx(
        0.0345, rel=1e-5
    )
