"""The butterfly history: what visits tell of moves, and what it changes."""

import chess
import numpy as np
import pytest

from engine.board.convert import stack_from_board
from engine.search.tree.arrays import NODES, ROOT, new_tree
from engine.search.tree.butterfly import COUNT, join_histories, note_advantage
from engine.search.tree.params import BUTTERFLY_DOUBT, BUTTERFLY_VISITS
from engine.search.tree.priors import expand, own_priors, refresh
from engine.search.tree.visit import new_node
from tests.unit.search.trees import IN_KERNEL, PARAMS, searched, small_tree, visit

LEARNING = IN_KERNEL._replace(mate_moves=1, butterfly=2.0)
OPENING = "r1bqkbnr/pppp1ppp/2n5/4p3/4P3/5N2/PPPP1PPP/RNBQKB1R w KQkq - 2 3"
E2E4 = 12 | 28 << 6


@pytest.mark.plain
def test_a_move_learns_how_much_better_visits_ended_than_its_node_stood():
    tree = small_tree([1.0])
    tree.path[0] = E2E4
    # -0.5 for the side to move
    tree.visits[ROOT] = 4
    tree.value_sum[ROOT] = 2.0
    note_advantage.py_func(tree, ROOT, 0, 1, 0.1)
    note_advantage.py_func(tree, ROOT, 0, 1, -0.4)
    assert tree.butterfly[1, E2E4].tolist() == pytest.approx([(0.6 + 0.1) / 2, 2])
    assert np.count_nonzero(tree.butterfly) == 2
    tree.butterfly[1, E2E4] = 0.0, BUTTERFLY_VISITS
    note_advantage.py_func(tree, ROOT, 0, 1, 0.5)
    assert tree.butterfly[1, E2E4].tolist() == pytest.approx(
        [1 / BUTTERFLY_VISITS, BUTTERFLY_VISITS]
    )


@pytest.mark.plain
def test_a_move_that_did_well_elsewhere_gets_a_larger_prior():
    tree = new_tree(64)
    root = new_node.py_func(tree)
    promotion = E2E4 | 3 << 12  # other bits than those of the squares do not count
    tree.butterfly[1, E2E4] = 0.25, 8.0
    moves = np.array([promotion, 5], np.uint16)
    params = PARAMS._replace(butterfly=2.0)
    for side, times in ((0, 1.0), (1, np.exp(2.0 * 0.25 * 8.0 / (8.0 + BUTTERFLY_DOUBT)))):
        expand.py_func(tree, params, root, side, moves, np.zeros(2, np.float32), 2)
        better, unknown = tree.prior[tree.first_edge[root] :][:2]
        assert better / unknown == pytest.approx(times)


@pytest.mark.plain
def test_priors_follow_the_history_once_however_often_they_are_refreshed():
    tree = small_tree([0.5, 0.3, 0.2])
    params = PARAMS._replace(butterfly=2.0)
    better = tree.move[2]
    tree.butterfly[1, better] = 1.0, 8.0
    expected = np.array([0.2 * np.exp(2.0 * 1.0 * 8.0 / (8.0 + BUTTERFLY_DOUBT)), 0.5, 0.3])
    for _ in range(2):
        refresh.py_func(tree, params, ROOT, 1)
        assert tree.prior[:3].tolist() == pytest.approx(expected / expected.sum(), rel=1e-3)
    tree.butterfly[1, better] = 0.0, 8.0
    refresh.py_func(tree, params, ROOT, 1)
    assert tree.prior[:3].tolist() == pytest.approx([0.5, 0.3, 0.2], rel=1e-3)


@pytest.mark.plain
def test_threads_learn_from_each_other():
    histories = np.zeros((2, 2, 4096, 2), np.float32)
    histories[:, 0, 5] = (0.4, 10), (0.1, 20)
    histories[:, 1, 7] = (0.3, 60), (0.1, 60)
    for _ in range(3):  # What was joined is no news, however often it is joined.
        join_histories(histories)
        assert histories[:, 0, 5] == pytest.approx(np.array([(0.2, 15)] * 2))
        assert histories[:, 1, 7] == pytest.approx(np.array([(0.2, 60)] * 2))
        assert np.count_nonzero(histories) == 8


@pytest.mark.parametrize("threads", [1, 2])
def test_the_priors_of_busy_nodes_follow_the_history_during_a_search(threads):
    """The root and its best move got their moves before the history knew any."""
    search = searched(OPENING, 3000, LEARNING, threads=threads)
    tree = search.tree
    used = slice(int(tree.counters[NODES]))
    for node in np.flatnonzero((tree.visits[used] > 1500) & (tree.n_edges[used] > 1)):
        edges = search.edges(node)
        assert tree.bonus[edges].any()
        assert tree.prior[edges].sum() == pytest.approx(1.0, abs=1e-4)


def test_the_policy_is_told_without_what_the_history_added():
    search, fresh = searched(OPENING, 3000, LEARNING), searched(OPENING, 1, LEARNING)
    assert search.tree.bonus[search.edges()].any()
    policy = np.empty(len(fresh.root().priors), np.float32)
    own_priors(search.tree, ROOT, policy)
    by_move = np.argsort(search.root().moves)
    fresh_policy = fresh.root().priors[np.argsort(fresh.root().moves)]
    assert policy[by_move] == pytest.approx(fresh_policy, rel=1e-3)


@pytest.mark.plain
def test_visits_of_batches_tell_nothing():
    tree = small_tree([0.6, 0.4])
    visit(tree, ROOT, 0, 0.3)
    assert not tree.butterfly.any()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_search_forgets_what_it_learned_with_its_tree(threads):
    search = searched(OPENING, 2000, LEARNING, threads=threads)
    assert all(tree.butterfly[:, :, COUNT].sum() > 100 for tree in search.trees)
    search.set_position(stack_from_board(chess.Board()))
    assert not any(tree.butterfly.any() for tree in search.trees)
