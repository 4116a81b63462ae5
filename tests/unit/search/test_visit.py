"""Backups and proofs, on trees small enough to count by hand and in whole searches."""

import numpy as np
import pytest

from engine.search.tree.arrays import (
    DRAW,
    FREE,
    FREE_LEFT,
    LOSS,
    NO_NODE,
    PATH_DRAW,
    ROOT,
    STUNTED,
    UNKNOWN_DISTANCE,
    WIN,
)
from engine.search.tree.backup import catch_up
from engine.search.tree.params import LC0
from engine.search.tree.proofs import best_bounds, is_decided, mate_distance
from engine.search.tree.visit import finish_at_once, is_behind
from tests.unit.search.trees import (
    PARAMS,
    FlatEvaluator,
    add_child,
    decide,
    grow,
    search_alone,
    set_off,
    small_tree,
    visit,
)


def sums(tree, node):
    record = tree.nodes[node]
    return [record["value_sum"], record["draw_sum"], record["square_sum"], record["plies_sum"]]


@pytest.mark.plain
@pytest.mark.parametrize(("result", "draws"), [(WIN, 0.0), (DRAW, 3.0)])
def test_a_proof_corrects_the_visits_of_the_move_before_it(result, draws):
    tree = small_tree([0.6, 0.4])
    node = visit(tree, ROOT, 0, 0.3, draw=0.5)
    grow(tree, node, [1.0])
    visit(tree, node, 0, -0.1)
    assert sums(tree, node) == pytest.approx([0.4, 0.5, 0.09 + 0.01, 30 + 31])
    # the root's own value was 0
    assert sums(tree, ROOT) == pytest.approx([-0.4, 0.5, 0.09 + 0.01, 31 + 32])
    decide(tree, node, 0, result, 0)
    assert (tree.lower[node], tree.upper[node], tree.mate_plies[node]) == (-result, -result, result)
    assert sums(tree, node)[:3] == pytest.approx([-3 * result, draws, 3 * result])
    assert tree.value_sum[ROOT] == pytest.approx(3 * result)
    assert not is_decided.py_func(tree, ROOT)


@pytest.mark.plain
@pytest.mark.parametrize(("second_plies", "plies"), [(5, 6), (UNKNOWN_DISTANCE, UNKNOWN_DISTANCE)])
def test_the_longest_defence_counts_and_a_tables_verdict_has_no_distance(second_plies, plies):
    tree = small_tree([0.6, 0.4])
    decide(tree, ROOT, 0, LOSS, 3)
    decide(tree, ROOT, 1, LOSS, second_plies)
    assert (tree.lower[ROOT], tree.mate_plies[ROOT]) == (WIN, plies)


@pytest.mark.plain
@pytest.mark.parametrize(("distances", "shortest"), [((4, 2, 6), 3), ((UNKNOWN_DISTANCE, 4), 5)])
def test_the_shortest_known_win_counts(distances, shortest):
    tree = small_tree([1 / len(distances)] * len(distances))
    for place, plies in enumerate(distances):
        child = add_child(tree, ROOT, place)
        tree.lower[child], tree.mate_plies[child] = WIN, plies
    assert best_bounds.py_func(tree, ROOT) == (WIN, WIN)
    assert mate_distance.py_func(tree, ROOT, WIN) == shortest


@pytest.mark.plain
def test_a_draw_of_the_path_gives_way_to_a_visit_by_another_path():
    tree = small_tree([0.6, 0.4])
    node = visit(tree, ROOT, 0, 0.3)
    grow(tree, node, [1.0])
    for draws in (1, 2):
        depth = set_off(tree, node, 0, NO_NODE)
        assert finish_at_once.py_func(tree, PARAMS, node, depth, PATH_DRAW)
        assert (tree.passes[tree.way[1]], tree.q[tree.way[1]]) == (draws, 0.0)
        assert tree.draw_sum[node] == draws
        assert not is_decided.py_func(tree, node)
    visit(tree, node, 0, -0.5)
    assert (tree.passes[tree.way[1]], tree.q[tree.way[1]]) == (3, -0.5)
    assert tree.value_sum[node] == pytest.approx(0.3 + 3 * 0.5)
    assert tree.q[0] == pytest.approx(tree.value_sum[node] / 4)
    depth = set_off(tree, ROOT, 0, node)
    assert finish_at_once.py_func(tree, PARAMS, ROOT, depth, PATH_DRAW)
    # Its edge alone has the draw.
    assert (tree.passes[0], tree.q[0]) == (5, pytest.approx(tree.value_sum[node] / 5))


@pytest.mark.plain
def test_lc0s_root_is_never_decided():
    tree = small_tree([1.0])
    decide(tree, ROOT, 0, WIN, params=LC0)
    assert not is_decided.py_func(tree, ROOT)


@pytest.mark.plain
def test_a_full_tree_leaves_the_node_without_edges():
    tree = small_tree([0.5, 0.5])
    node = add_child(tree, ROOT, 0)
    tree.counters[1] = tree.move.size
    grow(tree, node, [0.5, 0.5])
    assert tree.state[node] == STUNTED
    assert tree.n_edges[node] == 0


@pytest.mark.parametrize("priors", [[np.nan, 1.0, 2.0], [np.nan] * 3, [np.inf, 1.0, np.inf]])
def test_a_policy_that_is_not_a_number_still_gives_every_move_a_place(priors):
    with np.errstate(invalid="ignore"):
        tree = small_tree(priors)
    assert sorted(tree.move[:3].tolist()) == [0, 1, 2]
    assert tree.prior[:3].sum() == pytest.approx(1.0)


@pytest.mark.plain
def test_an_edge_with_few_of_its_childs_visits_gets_free_ones_until_none_are_left():
    tree = small_tree([0.6, 0.4])
    child = visit(tree, ROOT, 0, 0.5)
    tree.visits[child] = 10
    tree.value_sum[child] = 2.0
    tree.stint[FREE_LEFT] = 2
    for passes in (2, 3):
        assert is_behind.py_func(tree, 0, child)
        catch_up.py_func(tree, PARAMS, ROOT, 0, child)
        assert (tree.passes[0], tree.visits[ROOT]) == (passes, 1 + passes)
        assert tree.value_sum[ROOT] == pytest.approx(-passes * 0.2)
    assert not is_behind.py_func(tree, 0, child)
    tree.stint[FREE_LEFT] = 9
    tree.passes[0] = 5
    assert not is_behind.py_func(tree, 0, child)
    assert tree.counters[FREE] == 2


@pytest.mark.parametrize(
    ("fen", "move"),
    [
        ("7k/8/6Q1/8/8/p7/P7/K7 w - - 0 1", "g6f7"),  # stalemate
        ("7k/8/8/8/8/8/R7/K7 w - - 99 80", "a2b2"),  # by the fifty-move rule
    ],
)
def test_a_draw_by_the_rules_is_worth_a_draw(fen, move):
    result = search_alone(fen, 3000, FlatEvaluator())
    (drawn,) = (child for child in result.children if child.move.uci() == move)
    assert drawn.visits
    assert (drawn.q, drawn.draw) == (0.0, 1.0)
