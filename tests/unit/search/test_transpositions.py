"""Nodes with the same position: what a new one learns from the one before."""

from collections import defaultdict

import chess
import numpy as np
import pytest

from engine.board.convert import decode_move, stack_from_board
from engine.board.layout import HALFMOVE, KEY, REPETITIONS
from engine.board.makemove import make
from engine.search.session import Search
from engine.search.tree import arrays
from engine.search.tree.forgetting import make_room
from engine.search.tree.params import LC0
from engine.search.tree.priors import take_moves
from engine.search.tree.root import root_lines
from engine.search.tree.transpositions import (
    LATEST_HALFMOVE,
    enter,
    find_transposition,
    note_position,
    teacher_of_moves,
    teacher_of_value,
)
from engine.search.tree.visit import finish_at_once
from tests.boards import board_after
from tests.unit.search import flat
from tests.unit.search.flat import IN_KERNEL, Counting
from tests.unit.search.shared_trees import POSITIONS
from tests.unit.search.small_trees import PARAMS, add_child, grow, small_tree, visit

MIDDLE_GAME, KINGS_WALK = POSITIONS[1], POSITIONS[7]
SHARED_KEY = np.uint64(12345)


def searched(fen: str, visits: int, transpositions: bool = True, evaluator=None) -> Search:
    params = IN_KERNEL._replace(mate_moves=1, transpositions=transpositions)
    return flat.searched(fen, visits, params, 2 * visits, evaluator=evaluator)


def by_position(search: Search) -> dict[int, list[int]]:
    """The nodes of each position that may have transpositions."""
    nodes = defaultdict(list)
    for node in range(1, int(search.tree.counters[arrays.NODES])):
        if search.tree.key[node]:
            nodes[int(search.tree.key[node])].append(node)
    return nodes


def transpositions_of_one_visit(value: float = 0.25) -> tuple:
    """A small tree with a node of one key, visited three times, and a new one with the same key."""
    tree = small_tree([0.5, 0.3, 0.2])
    other = visit(tree, arrays.ROOT, 0, value, draw=0.5)
    tree.key[other], tree.quiet_level[other], tree.state[other] = SHARED_KEY, 7, arrays.VALUED
    grow(tree, other, [0.1, 0.6, 0.3])
    visit(tree, other, 1, -0.75)
    visit(tree, other, 0, 0.5)
    enter.py_func(tree, other)
    node = add_child(tree, arrays.ROOT, 1)
    tree.key[node] = SHARED_KEY
    return tree, other, node


def test_a_new_node_begins_with_the_mean_value_of_its_transposition():
    tree, other, node = transpositions_of_one_visit()
    root_before = float(tree.value_sum[arrays.ROOT])
    mean = float(tree.value_sum[other]) / 3
    assert finish_at_once.py_func(tree, PARAMS, node, arrays.PENDING)
    assert (tree.visits[node], tree.in_flight[node], tree.state[node]) == (1, 0, arrays.VALUED)
    assert float(tree.value_sum[node]) == mean
    assert float(tree.draw_sum[node]) == float(tree.draw_sum[other]) / 3
    assert tree.moves_left[node] == tree.moves_left[other]
    assert tree.quiet_level[node] == 7
    assert float(tree.value_sum[arrays.ROOT]) == pytest.approx(root_before - mean)


def test_without_transpositions_a_new_node_waits_for_its_evaluation():
    tree, _, node = transpositions_of_one_visit()
    assert not finish_at_once.py_func(tree, PARAMS._replace(transpositions=False), node, arrays.PENDING)
    assert not LC0.transpositions
    assert not searched(KINGS_WALK, 300, transpositions=False).tree.key[:100].any()


def test_a_transposition_teaches_its_moves_with_their_priors_in_the_order_of_the_priors():
    tree, other, node = transpositions_of_one_visit()
    finish_at_once.py_func(tree, PARAMS, node, arrays.PENDING)
    assert teacher_of_moves.py_func(tree, node) == other
    assert take_moves.py_func(tree, node, other) == arrays.EXPANDED
    first = int(tree.first_edge[node])
    assert tree.move[first : first + 3].tolist() == [1, 2, 0]
    assert tree.prior[first : first + 3] == pytest.approx([0.6, 0.3, 0.1])
    assert (tree.child[first : first + 3] == arrays.NO_NODE).all()


def test_moves_that_do_not_fit_are_not_taken():
    tree, other, node = transpositions_of_one_visit()
    tree = tree._replace(edges=tree.edges[: int(tree.counters[1]) + 2])
    assert take_moves.py_func(tree, node, other) == arrays.STUNTED
    assert tree.n_edges[node] == 0


def test_priors_raised_by_hints_are_not_taught():
    tree, other, node = transpositions_of_one_visit()
    tree.hinted[other] = 1
    assert teacher_of_moves.py_func(tree, node) == arrays.NO_NODE


@pytest.mark.parametrize(("field", "value"), [("visits", 0), ("state", arrays.TERMINAL), ("key", np.uint64(99))])
def test_a_node_that_knows_nothing_teaches_nothing(field, value):
    tree, other, node = transpositions_of_one_visit()
    getattr(tree, field)[other] = value
    assert teacher_of_value.py_func(tree, node) == arrays.NO_NODE


def test_the_table_keeps_the_node_with_the_most_visits():
    tree, other, node = transpositions_of_one_visit()
    third = add_child(tree, arrays.ROOT, 2)
    tree.key[third] = SHARED_KEY
    enter.py_func(tree, node)
    assert find_transposition.py_func(tree, third) == other
    tree.visits[node] = 4
    enter.py_func(tree, node)
    assert find_transposition.py_func(tree, third) == node
    assert find_transposition.py_func(tree, other) == node


@pytest.mark.parametrize(
    ("moves", "halfmoves", "has_key"),
    [("", 0, True), ("", LATEST_HALFMOVE, True), ("", LATEST_HALFMOVE + 1, False), ("b2b3 c7b7 b3b2 b7c7", 0, False)],
)
def test_positions_that_depend_on_the_way_there_have_no_transpositions(moves, halfmoves, has_key):
    board = board_after(moves, KINGS_WALK.replace("0 1", f"{halfmoves} 1"))
    tree = small_tree([1.0])
    tree = tree._replace(stack=stack_from_board(board))
    note_position.py_func(tree, arrays.ROOT, len(tree.stack) - 1)
    assert bool(tree.key[arrays.ROOT]) == has_key
    assert not has_key or tree.key[arrays.ROOT] == tree.stack[-1, KEY]
    assert (tree.stack[-1, REPETITIONS] > 0) == bool(moves)
    assert tree.stack[-1, HALFMOVE] == (halfmoves or len(moves.split()))


@pytest.mark.parametrize("fen", [KINGS_WALK, MIDDLE_GAME])
def test_transpositions_have_the_same_moves_and_the_priors_that_each_would_have_by_itself(fen):
    search = searched(fen, 4000)
    tree, compared = search.tree, 0
    for nodes in by_position(search).values():
        open_nodes = [node for node in nodes if tree.state[node] == arrays.EXPANDED]
        lists = []
        for node in open_nodes:
            edges = slice(int(tree.first_edge[node]), int(tree.first_edge[node]) + int(tree.n_edges[node]))
            lists.append(sorted(zip(tree.move[edges].tolist(), tree.prior[edges].tolist(), strict=True)))
        assert all(moves == lists[0] for moves in lists)
        compared += len(lists) - 1 if lists else 0
    assert compared > 20


def test_transpositions_save_evaluations_of_the_batched_evaluators_too():
    asked = []
    for transpositions in (True, False):
        evaluator = Counting()
        searched(KINGS_WALK, 3000, transpositions, evaluator)
        asked.append(evaluator.asked)
    assert asked[0] < 0.8 * asked[1]


def test_the_table_is_made_again_when_nodes_move():
    search = searched(MIDDLE_GAME, 4000)
    for _ in make_room(search.tree):
        pass
    tree = search.tree
    for node in range(1, int(tree.counters[arrays.NODES])):
        if tree.key[node] and tree.state[node] != arrays.PATH_REPETITION:
            other = int(find_transposition(tree, np.int64(node)))
            in_place = int(tree.table[int(tree.key[node]) % len(tree.table)]) & 0xFFFFFFFF
            assert in_place == node or other != arrays.NO_NODE or tree.key[in_place] != tree.key[node]
            assert other == arrays.NO_NODE or (
                tree.key[other] == tree.key[node] and tree.visits[other] >= tree.visits[node]
            )


def test_the_subtree_of_a_transposition_is_not_kept_because_its_repetitions_are_those_of_another_line():
    search = searched(KINGS_WALK, 6000)
    tree = search.tree
    pairs = [
        (node, int(find_transposition(tree, np.int64(node)))) for node in range(1, int(tree.counters[arrays.NODES]))
    ]
    node, other = max(
        (
            (node, other)
            for node, other in pairs
            if tree.state[node] == arrays.VALUED and tree.state[other] == arrays.EXPANDED
        ),
        key=lambda pair: int(tree.visits[pair[1]]),
    )
    assert tree.visits[other] > 2
    board = chess.Board(KINGS_WALK)
    for code in moves_to(search, node):
        board.push(decode_move(stack_from_board(board)[-1], code, False))
    assert not search.set_position(stack_from_board(board))
    assert search.visits == 0


def moves_to(search: Search, node: int) -> list[int]:
    """The codes of the moves from the root to a node."""
    tree, codes = search.tree, []
    while node != arrays.ROOT:
        parent = int(tree.parent[node])
        first = int(tree.first_edge[parent])
        place = int(np.flatnonzero(search.tree.child[search.edges(parent)] == node)[0])
        codes.append(int(tree.move[first + place]))
        node = parent
    return codes[::-1]


def test_a_line_never_comes_back_to_a_position():
    search = searched(KINGS_WALK, 6000)
    root = search.root()
    for index in range(len(root.moves)):
        codes, lengths, _ = root_lines(search.tree, root, [index], search.mate_space)
        row, keys = root.row, [int(root.row[KEY])]
        for code in codes[0, : lengths[0] - 1]:
            row, before = np.empty_like(row), row
            make(before, code, row)
            keys.append(int(row[KEY]))
        assert len(set(keys)) == len(keys)
