"""Backups and proofs, on trees small enough to count by hand and in whole searches."""

import chess
import numpy as np
import pytest

from engine.search.tree.arrays import (
    BUSY,
    COLLISIONS,
    DRAW,
    FREE,
    FREE_LEFT,
    IN_FLIGHT,
    LOSS,
    NO_NODE,
    PATH_DRAW,
    RESERVED,
    ROOT,
    STUNTED,
    UNKNOWN_DISTANCE,
    WIN,
    new_round,
    new_tree,
)
from engine.search.tree.backup import Counted, News, catch_up, pass_by
from engine.search.tree.params import LC0
from engine.search.tree.priors import expand
from engine.search.tree.proofs import best_bounds, is_decided, mate_distance
from engine.search.tree.visit import finish_at_once, is_behind, new_node
from engine.search.tree.visits import apply, begin, note_way
from tests.unit.search.trees import (
    PARAMS,
    add_child,
    decide,
    grow,
    search,
    set_off,
    small_tree,
    visit,
)


def tree_of_two():
    """A root and a child of it, both with two edges, and the child."""
    tree = small_tree([0.6, 0.4])
    node = visit(tree, ROOT, 0, 0.3)
    grow(tree, node, [0.5, 0.5])
    return tree, node


@pytest.mark.plain
def test_a_winning_reply_corrects_the_visits_of_the_move_before_it():
    tree, node = tree_of_two()
    visit(tree, node, 0, -0.1)
    decide(tree, node, 1, WIN, 0)
    assert (tree.lower[node], tree.upper[node], tree.mate_plies[node]) == (
        LOSS,
        LOSS,
        1,
    )
    assert tree.value_sum[node] == -tree.visits[node]
    # the root's own value was 0
    assert tree.value_sum[ROOT] == pytest.approx(tree.visits[node])
    assert not is_decided.py_func(tree, ROOT)


@pytest.mark.plain
@pytest.mark.parametrize(("other", "plies"), [(5, 6), (UNKNOWN_DISTANCE, UNKNOWN_DISTANCE)])
def test_the_longest_defence_counts_and_a_tables_verdict_has_no_distance(other, plies):
    tree = small_tree([0.6, 0.4])
    decide(tree, ROOT, 0, LOSS, 3)
    decide(tree, ROOT, 1, LOSS, other)
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
def test_draws_are_proven_only_where_nothing_better_is_left():
    tree, node = tree_of_two()
    decide(tree, node, 0, DRAW)
    assert (tree.lower[node], tree.upper[node]) == (LOSS, DRAW)
    decide(tree, node, 1, LOSS, 1)
    assert (tree.lower[node], tree.upper[node]) == (DRAW, DRAW)
    assert (tree.value_sum[node], tree.draw_sum[node]) == (0.0, tree.visits[node])


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


def test_a_policy_that_is_not_a_number_still_gives_every_move_a_place():
    for logits in ([np.nan, 0.0, 1.0], [np.nan] * 3, [np.inf, 0.0, np.inf]):
        tree = new_tree(64)
        root = new_node.py_func(tree)
        with np.errstate(invalid="ignore"):
            expand.py_func(
                tree,
                PARAMS,
                root,
                0,
                np.arange(3, dtype=np.uint16),
                np.array(logits, np.float32),
                3,
            )
        assert sorted(tree.move[:3].tolist()) == [0, 1, 2]
        assert tree.prior[:3].sum() == pytest.approx(1.0)


def test_visits_counted_together_are_those_counted_one_by_one():
    visits = [(0.5, 0.25, 0.25, 30.0), (-0.25, 0.5, 0.0625, 10.0), (1.0, 0.0, 1.0, 50.0)]
    one_by_one, together = small_tree([0.5, 0.5]), small_tree([0.5, 0.5])
    for tree in (one_by_one, together):
        tree.under_way[0] = 5
    sums = np.zeros(4)
    for count, one in enumerate(visits, 1):
        sums += one
        news = News(np.float32(sums[0] / count), *one, False)
        pass_by.py_func(one_by_one, PARAMS, ROOT, 0, Counted(1, 1, 7), news)
    news = News(np.float32(sums[0] / 3), *sums, False)
    told = pass_by.py_func(together, PARAMS, ROOT, 0, Counted(3, 3, 7), news)
    value, draw, square, plies = sums
    assert told[1:] == (-value, draw, square, plies + 3, False)
    for records in ("nodes", "edges"):
        one, all_at_once = (getattr(tree, records)[0].tolist() for tree in (one_by_one, together))
        assert all_at_once == pytest.approx(one)


@pytest.mark.parametrize("result", [WIN, DRAW, LOSS])
def test_visits_of_a_decided_node_count_as_its_result(result):
    tree = small_tree([1.0])
    tree.lower[ROOT] = tree.upper[ROOT] = result
    news = News(0.4, 1.2, 0.9, 0.5, 30.0, False)
    told = pass_by.py_func(tree, PARAMS, ROOT, 0, Counted(3, 0, 1), news)
    sums = [tree.value_sum[ROOT], tree.draw_sum[ROOT], tree.square_sum[ROOT]]
    assert sums == pytest.approx([3.0 * result, 3.0 * (result == DRAW), 3.0 * abs(result)])
    assert told[1:4] == pytest.approx(sums)


def test_a_node_follows_what_its_child_has_become_by_other_ways():
    tree = small_tree([0.5, 0.5])
    for q in (0.5, -0.25):
        news = News(np.float32(q), q, 0.0, 0.25, 0.0, False)
        pass_by.py_func(tree, PARAMS, ROOT, 0, Counted(1, 1, 1), news)
        assert tree.value_sum[ROOT] == -tree.passes[0] * q


def test_a_collision_is_taken_back_as_far_as_the_visit_was_counted():
    for reserved in (0, 1):  # A stint has reserved the visit at the root, and gives it back itself.
        tree = small_tree([0.5, 0.5])
        child = new_node.py_func(tree)
        depth = set_off(tree, ROOT, 0, child)
        tree.stint[RESERVED] = reserved
        in_flight = new_round(1)
        begin.py_func(tree, in_flight, PARAMS, child, np.int64(depth), np.int64(BUSY), None, 0)
        assert in_flight.counts[COLLISIONS] == 1
        note_way.py_func(tree, in_flight.ways[COLLISIONS, 0], depth)
        apply.py_func(tree, in_flight, PARAMS, None, 0)
        assert (tree.counters[IN_FLIGHT], tree.under_way[0]) == (reserved, 0)
        assert not in_flight.counts.any()


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
    (drawn,) = (
        child for child in search(chess.Board(fen), nodes=3000).children if child.move.uci() == move
    )
    assert drawn.visits
    assert (drawn.q, drawn.draw) == (0.0, 1.0)
