"""The search's formulas and proofs on trees small enough to count by hand, as plain Python, and golden trees."""

from __future__ import annotations

import math
import mmap
import sys

import chess
import numpy as np
import pytest

from engine.board.convert import encode_move, stack_from_board
from engine.evaluation.material import MaterialEvaluator
from engine.evaluation.protocol import new_leaf_batch
from engine.options import OPTIONS
from engine.search.params import LC0, SearchParams
from engine.search.priors import advise
from engine.search.priors import take_back as take_hint_back
from engine.search.puct import moves_left_utility, select_edge
from engine.search.reroot import take_back
from engine.search.run import InKernelRounds, Runner
from engine.search.session import Search
from engine.search.tree import (
    DRAW,
    EDGE_FIELDS,
    EDGES,
    EDGES_PER_NODE,
    EXPANDED,
    LOSS,
    NO_PARENT,
    NODE_FIELDS,
    REPEATED,
    ROOT,
    UNKNOWN_DISTANCE,
    WIN,
    Tree,
    move_edge,
    move_node,
    new_tree,
    nodes_for,
    reset_edge,
    reset_node,
)
from engine.search.walk import (
    apply,
    best_bounds,
    expand,
    finish_known,
    finish_visit,
    is_decided,
    mate_distance,
    new_node,
)
from tests.unit.search.rounds import gather_leaves

pytestmark = pytest.mark.plain

MAP_NORESERVE = 0x4000  # Linux's; the module mmap knows it from Python 3.13 on
PARAMS = SearchParams(cpuct_factor=0.0, needs_planes=False)


def small_tree(priors: list[float]) -> Tree:
    """A root with one visit of value 0 and edges of the given priors, none tried."""
    tree = new_tree(64)
    root = new_node.py_func(tree, NO_PARENT)
    grow(tree, root, priors)
    tree.visits[root] = 1
    return tree


def grow(tree: Tree, node: int, priors: list[float]) -> None:
    """Give a node edges."""
    logits = np.log(np.array(priors, np.float32)) * np.float32(PARAMS.policy_temperature)
    expand.py_func(tree, PARAMS, node, np.arange(len(priors), dtype=np.uint16), logits, len(priors))


def add_child(tree: Tree, node: int, place: int) -> int:
    """A new child behind an edge, one visit on its way to it."""
    child = new_node.py_func(tree, node)
    tree.child[tree.first_edge[node] + place] = child
    while child != NO_PARENT:
        tree.in_flight[child] += 1
        child = tree.parent[child]
    return int(tree.child[tree.first_edge[node] + place])


def visit(tree: Tree, node: int, place: int, value: float, draw: float = 0.0) -> int:
    """A new child, visited once with a value for the side that moved into it."""
    child = add_child(tree, node, place)
    finish_visit.py_func(tree, child, value, draw, 30.0)
    return child


def decide(tree: Tree, node: int, place: int, result: int, plies: int = 0) -> int:
    """A new child that is decided."""
    child = add_child(tree, node, place)
    finish_known.py_func(tree, PARAMS, child, result, plies)
    return child


# ---- selection ------------------------------------------------------------------------------------------------------


def test_edges_are_sorted_by_prior_and_equal_ones_keep_their_order():
    tree = small_tree([0.1, 0.4, 0.1, 0.4])
    assert tree.move[:4].tolist() == [1, 3, 0, 2]
    assert tree.prior[:4] == pytest.approx([0.4, 0.4, 0.1, 0.1])


def test_selection_weighs_value_against_exploration():
    tree = small_tree([0.5, 0.3, 0.2])
    visit(tree, ROOT, 0, -0.2)
    # Q + U of the visited edge against first-play urgency + U of the next one, by the formulas.
    scale = 1.745 * math.sqrt(1)
    visited = -0.2 + scale * 0.5 / 2
    fresh = -tree.value_sum[ROOT] / 2 - 0.33 * math.sqrt(0.5) + scale * 0.3
    assert select_edge.py_func(tree, PARAMS, ROOT, 0.0) == int(fresh > visited)
    tree.value_sum[1] = 0.9
    assert select_edge.py_func(tree, PARAMS, ROOT, 0.0) == 0


def test_a_visited_move_behind_untried_ones_by_prior_is_still_looked_at():
    tree = small_tree([0.5, 0.3, 0.2])
    advise.py_func(tree, ROOT, np.uint16(2), np.float32(0.6))
    visit(tree, ROOT, 0, 0.9)
    take_hint_back.py_func(tree, ROOT)
    assert tree.move[:3].tolist() == [2, 0, 1]  # tried first, then by prior
    tree.value_sum[ROOT] = 0.0
    assert select_edge.py_func(tree, PARAMS, ROOT, 0.0) == 0


def test_visits_in_flight_send_the_next_one_elsewhere():
    tree = small_tree([0.5, 0.5])
    visit(tree, ROOT, 0, 0.0)
    visit(tree, ROOT, 1, 0.0)
    assert select_edge.py_func(tree, PARAMS, ROOT, 0.0) == 0
    tree.in_flight[1] += 1
    assert select_edge.py_func(tree, PARAMS, ROOT, 0.0) == 1


def test_a_lost_move_is_not_looked_at_again_and_does_not_lower_the_others_hopes():
    tree = small_tree([0.9, 0.06, 0.04])
    decide(tree, ROOT, 0, LOSS, 1)
    assert select_edge.py_func(tree, PARAMS, ROOT, 0.0) == 1
    visit(tree, ROOT, 1, -0.9)
    before = select_edge.py_func(tree, PARAMS, ROOT, 0.0)
    assert before == 2


def test_draws_are_worth_what_the_draw_score_says():
    tree = small_tree([0.5, 0.5])
    visit(tree, ROOT, 0, 0.0, draw=1.0)
    visit(tree, ROOT, 1, 0.0, draw=0.0)
    assert select_edge.py_func(tree, PARAMS, ROOT, 0.5) == 0
    assert select_edge.py_func(tree, PARAMS, ROOT, -0.5) == 1


@pytest.mark.parametrize(("q", "longer"), [(0.95, -1), (-0.95, 1)])
def test_the_winner_hurries_and_the_loser_delays(q, longer):
    tree = small_tree([0.5, 0.5])
    child = visit(tree, ROOT, 0, q)
    params = PARAMS._replace(moves_left_max_effect=0.0345)
    tree.moves_left[ROOT], tree.moves_left[child] = 30.0, 36.0
    beyond = (0.95 - 0.8) / 0.2
    expected = longer * 0.0027 * 6 * (1.6521 * beyond - 0.6521 * beyond**2)
    assert moves_left_utility.py_func(tree, params, ROOT, child, q) == pytest.approx(expected, rel=1e-5)
    tree.moves_left[child] = 300.0
    assert abs(moves_left_utility.py_func(tree, params, ROOT, child, 1.0)) == pytest.approx(0.0345, rel=1e-5)


# ---- proofs ---------------------------------------------------------------------------------------------------------


def test_a_winning_reply_decides_the_move_before_it_and_corrects_its_past_visits():
    tree = small_tree([0.6, 0.4])
    node = visit(tree, ROOT, 0, 0.3)
    grow(tree, node, [0.5, 0.5])
    visit(tree, node, 0, -0.1)
    decide(tree, node, 1, WIN, 0)
    assert (tree.lower[node], tree.upper[node], tree.mate_plies[node]) == (LOSS, LOSS, 1)
    assert tree.value_sum[node] == -tree.visits[node]
    assert tree.value_sum[ROOT] == pytest.approx(tree.visits[node])  # the root's own value was 0
    assert not is_decided.py_func(tree, ROOT)


def test_the_longest_defence_and_the_shortest_win_count():
    tree = small_tree([0.6, 0.4])
    decide(tree, ROOT, 0, LOSS, 3)
    decide(tree, ROOT, 1, LOSS, 5)
    assert (tree.lower[ROOT], tree.mate_plies[ROOT]) == (WIN, 6)
    tree = small_tree([0.5, 0.3, 0.2])
    for place, plies in enumerate((4, 2, 6)):
        tree.lower[add_child(tree, ROOT, place)] = WIN
        tree.mate_plies[tree.child[place]] = plies
    assert best_bounds.py_func(tree, ROOT) == (WIN, WIN)
    assert mate_distance.py_func(tree, ROOT, WIN) == 3


def test_a_tables_verdict_has_no_distance_and_a_mate_is_preferred_to_it():
    tree = small_tree([0.6, 0.4])
    decide(tree, ROOT, 0, LOSS, 3)
    decide(tree, ROOT, 1, LOSS, UNKNOWN_DISTANCE)
    assert tree.mate_plies[ROOT] == UNKNOWN_DISTANCE
    tree = small_tree([0.6, 0.4])
    for place, plies in enumerate((UNKNOWN_DISTANCE, 4)):
        child = add_child(tree, ROOT, place)
        tree.lower[child], tree.mate_plies[child] = WIN, plies
    assert mate_distance.py_func(tree, ROOT, WIN) == 5


def test_draws_are_proven_only_where_nothing_better_is_left():
    tree = small_tree([0.6, 0.4])
    node = visit(tree, ROOT, 0, 0.3)
    grow(tree, node, [0.5, 0.5])
    decide(tree, node, 0, DRAW)
    assert (tree.lower[node], tree.upper[node]) == (LOSS, DRAW)
    decide(tree, node, 1, LOSS, 1)
    assert (tree.lower[node], tree.upper[node]) == (DRAW, DRAW)
    assert (tree.value_sum[node], tree.draw_sum[node]) == (0.0, tree.visits[node])


def test_a_repetition_of_the_path_proves_nothing_and_can_be_taken_back():
    tree = small_tree([0.6, 0.4])
    node = visit(tree, ROOT, 0, 0.3)
    grow(tree, node, [1.0])
    before = tree.value_sum[:2].copy(), tree.visits[:2].copy(), tree.draw_sum[:2].copy()
    repeated = add_child(tree, node, 0)
    finish_known.py_func(tree, PARAMS, repeated, REPEATED, 0)
    assert not is_decided.py_func(tree, node)
    assert tree.draw_sum[node] == 1.0
    take_back.py_func(tree, repeated)
    for now, then in zip((tree.value_sum[:2], tree.visits[:2], tree.draw_sum[:2]), before, strict=True):
        assert now.tolist() == then.tolist()


def test_lc0s_root_is_never_decided():
    tree = small_tree([1.0])
    child = add_child(tree, ROOT, 0)
    finish_known.py_func(tree, LC0, child, WIN, 0)
    assert not is_decided.py_func(tree, ROOT)


def test_a_full_tree_leaves_the_node_without_edges():
    tree = small_tree([0.5, 0.5])
    node = add_child(tree, ROOT, 0)
    tree.counters[1] = tree.move.size
    grow(tree, node, [0.5, 0.5])
    assert tree.state[node] != EXPANDED
    assert tree.n_edges[node] == 0


def far_array(used: np.ndarray, size: int) -> np.ndarray:
    """As ``used``, but ``size`` long: memory that is not touched takes no room."""
    memory = mmap.mmap(-1, size * used.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    return np.frombuffer(memory, used.dtype)


@pytest.mark.skipif(sys.platform != "linux", reason="needs memory that is only reserved")
def test_edges_beyond_two_to_the_31_are_found_again():
    tree, size = new_tree(64), 2**31 + 4096
    tree = tree._replace(**{name: far_array(getattr(tree, name), size) for name in ("move", "prior", "child")})
    root = new_node.py_func(tree, NO_PARENT)
    tree.counters[EDGES] = 2**31 - 2
    tree.in_flight[root] = tree.visits[root] = 1
    grow(tree, root, [0.4, 0.3, 0.2, 0.1])
    assert tree.first_edge[root] + tree.n_edges[root] == 2**31 + 2
    child = visit(tree, root, 3, 0.5)
    grow(tree, child, [0.6, 0.4])
    assert tree.first_edge[child] == 2**31 + 2
    assert tree.move[tree.first_edge[child] :][:2].tolist() == [0, 1]


def test_the_largest_hash_can_be_numbered():
    largest = max(int(option.max or 0) for option in OPTIONS if option.field == "hash_mib")
    tree = new_tree(1)
    for mebibytes in (largest, 10**9):
        nodes = nodes_for(mebibytes)
        assert nodes <= min(np.iinfo(field.dtype).max for field in (tree.parent, tree.child))
        assert nodes * EDGES_PER_NODE <= np.iinfo(tree.first_edge.dtype).max


def test_plain_python_and_compiled_kernels_apply_alike():
    compiled, plain = one_round(apply), one_round(apply.py_func)
    nodes, edges = compiled.counters[0], compiled.counters[1]
    for name in ("visits", "value_sum", "draw_sum", "moves_left", "state", "lower", "upper"):
        assert getattr(compiled, name)[:nodes].tolist() == getattr(plain, name)[:nodes].tolist()
    assert compiled.prior[:edges] == pytest.approx(plain.prior[:edges], rel=1e-6)


def one_round(apply_kernel) -> Tree:
    search = Search(PARAMS, new_tree(200))
    search.set_position(stack_from_board(chess.Board()))
    leaves = new_leaf_batch(8)
    for _ in range(4):
        count = gather_leaves(search, leaves, 8)
        leaves.logits[:count] = np.linspace(0, 1, leaves.logits.shape[1], dtype=np.float32)
        leaves.wdl[:count] = 0.5, 0.3, 0.2
        leaves.moves_left[:count] = 40
        apply_kernel(search.tree, search.in_flight, search.params, leaves, 0)
    return search.tree


# ---- the table of fields ---------------------------------------------------------------------------------------------


def test_every_field_of_the_table_is_allocated_reset_and_moved():
    tree = new_tree(8)
    for fields, count in ((NODE_FIELDS, 8), (EDGE_FIELDS, 8 * EDGES_PER_NODE)):
        assert all(getattr(tree, name).shape == (count,) for name in fields)
        assert all(getattr(tree, name).dtype == field.dtype for name, field in fields.items())
    assert {*NODE_FIELDS, *EDGE_FIELDS, "stack", "scratch_moves", "counters"} == set(Tree._fields)
    for fields, reset, move in ((NODE_FIELDS, reset_node, move_node), (EDGE_FIELDS, reset_edge, move_edge)):
        for name in fields:
            getattr(tree, name)[3] = 77
        move.py_func(tree, 3, 2)
        reset.py_func(tree, 3)
        for name, field in fields.items():
            assert (getattr(tree, name)[2], getattr(tree, name)[3]) == (77, field.reset)


# ---- golden trees ---------------------------------------------------------------------------------------------------

# The root's five most visited moves after 400 visits with the evaluator `material`. A change that was meant to change
# nothing leaves them as they are.
GOLDEN = {
    "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1": {
        "g1f3": 80,
        "b1c3": 79,
        "e2e4": 79,
        "d2d4": 36,
        "e2e3": 20,
    },
    "r1bq1rk1/ppp2ppp/2np1n2/2b1p3/2B1P3/2NP1N2/PPP2PPP/R1BQ1RK1 w - - 0 7": {
        "c3a4": 250,
        "c1e3": 22,
        "c1d2": 15,
        "c1g5": 10,
        "c3d5": 9,
    },
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1": {
        "b4f4": 256,
        "b4c4": 79,
        "b4e4": 9,
        "a5a4": 7,
        "e2e3": 7,
    },
}


def favourites(fen: str) -> dict[str, int]:
    board = chess.Board(fen)
    search = Search(SearchParams(needs_planes=False), new_tree(2000))
    search.set_position(stack_from_board(board))
    runner = Runner(search, InKernelRounds(search, MaterialEvaluator(), 1), 1)
    while search.visits < 400 and not search.is_proven:
        runner.advance(400 - search.visits)
    runner.finish()
    visits = {int(move): int(count) for move, count in zip(search.root_moves(), search.root_visits(), strict=True)}
    moves = {board.uci(move): visits[encode_move(board, move)] for move in board.legal_moves}
    return dict(sorted(moves.items(), key=lambda item: (-item[1], item[0]))[:5])


@pytest.mark.parametrize("fen", GOLDEN)
def test_golden_trees(fen):
    assert favourites(fen) == GOLDEN[fen]
