"""One node for one position: how it is found, and what it may not be shared by."""

import numpy as np
import pytest

from engine.board.convert import stack_from_board
from engine.board.layout import HALFMOVE, KEY, REPETITIONS
from engine.board.makemove import make
from engine.search.tree.arrays import EDGES, NO_NODE, NODES, ROOT, new_tree
from engine.search.tree.forgetting import make_room
from engine.search.tree.params import LC0
from engine.search.tree.root import root_lines
from engine.search.tree.transpositions import BUCKET_PLACES, enter, find_node, key_of
from engine.search.tree.visit import new_node
from tests.boards import board_after
from tests.unit.search import trees
from tests.unit.search.trees import IN_KERNEL, POSITIONS, add_child, assert_whole, small_tree

MIDDLE_GAME, KINGS_WALK = POSITIONS[1], POSITIONS[7]
SHARED_KEY = np.uint64(12345)


def searched(fen, visits, transpositions=True):
    params = IN_KERNEL._replace(mate_moves=1, transpositions=transpositions)
    return trees.searched(fen, visits, params, 2 * visits)


@pytest.mark.plain
def test_a_position_is_found_until_its_bucket_is_full():
    tree = new_tree(64)
    nodes = [new_node.py_func(tree) for _ in range(BUCKET_PLACES + 3)][1:]
    for node in nodes:
        tree.key[node] = np.uint64(node << 40 | 7)
        enter.py_func(tree, node)
    answers = [int(find_node.py_func(tree, tree.key[node])) for node in nodes]
    assert set(answers) <= {*nodes, NO_NODE}
    assert answers[-1] == nodes[-1]
    assert answers.count(NO_NODE) == 2
    assert find_node.py_func(tree, np.uint64(99 << 40 | 7)) == NO_NODE


@pytest.mark.plain
def test_neither_the_root_nor_a_forgotten_node_is_found():
    tree = small_tree([1.0])
    child = add_child(tree, ROOT, 0)
    for node, expected in ((ROOT, NO_NODE), (child, child)):
        tree.key[node] = SHARED_KEY
        enter.py_func(tree, node)
        assert find_node.py_func(tree, SHARED_KEY) == expected
    tree.key[child] = np.uint64(99)
    assert find_node.py_func(tree, SHARED_KEY) == NO_NODE


def test_without_transpositions_every_node_has_one_way():
    assert not LC0.transpositions
    tree = searched(KINGS_WALK, 300, transpositions=False).tree
    assert not tree.key[: int(tree.counters[NODES])].any()
    children = tree.child[: int(tree.counters[EDGES])]
    children = children[children != NO_NODE]
    assert len(np.unique(children)) == len(children) == tree.counters[NODES] - 1


@pytest.mark.parametrize(
    ("moves", "halfmoves", "has_key"),
    [("", 0, True), ("", 60, True), ("", 61, False), ("b2b3 c7b7 b3b2 b7c7", 0, False)],
)
def test_positions_that_depend_on_the_way_there_have_no_transpositions(moves, halfmoves, has_key):
    board = board_after(moves, KINGS_WALK.replace("0 1", f"{halfmoves} 1"))
    row = stack_from_board(board)[-1]
    assert key_of.py_func(row) == (row[KEY] if has_key else 0)
    assert (row[REPETITIONS] > 0) == bool(moves)
    assert row[HALFMOVE] == (halfmoves or len(moves.split()))


@pytest.mark.parametrize("fen", [KINGS_WALK, MIDDLE_GAME])
def test_a_position_has_one_node_whatever_moves_lead_there(fen):
    search = searched(fen, 4000)
    assert_whole(search)
    tree = search.tree
    keys = tree.key[tree.order[1 : int(tree.counters[NODES])]]
    keys = keys[keys > 0]
    assert len(np.unique(keys)) == len(keys)
    children = tree.child[: int(tree.counters[EDGES])]
    assert np.bincount(children[children >= 0]).max() > 2


def test_the_table_is_made_again_when_nodes_are_forgotten():
    search = searched(MIDDLE_GAME, 4000)
    for _ in make_room(search.tree):
        pass
    tree = search.tree
    hits = 0
    for node in tree.order[1 : int(tree.counters[NODES])].tolist():
        if tree.key[node]:
            entry_node = int(find_node(tree, tree.key[node]))
            assert entry_node in (node, NO_NODE)
            hits += entry_node == node
    assert hits > 0.9 * int(tree.counters[NODES])
    used = set(tree.order[: int(tree.counters[NODES])].tolist())
    assert {int(entry) & 0xFFFFFFFF for entry in tree.table} <= used


def test_a_line_ends_where_it_comes_back_to_a_position():
    search = searched(KINGS_WALK, 6000)
    root = search.root()
    for index in range(len(root.moves)):
        codes, lengths, _ = root_lines(search.tree, root, [index], search.mate_space)
        row = root.row
        keys = []
        for code in codes[0, : lengths[0] - 1]:
            row, before = np.empty_like(row), row
            make(before, code, row)
            keys.append(int(row[KEY]))
        assert len(set(keys)) == len(keys)
