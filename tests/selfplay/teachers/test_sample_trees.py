"""Positions of a tree's nodes: the moves on the way are legal, and the node is reached by them."""

import numpy as np

from engine.board.convert import row_from_board
from engine.board.layout import KEY, MAX_MOVES, ROW_WORDS
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.search.limits import Limits
from engine.search.tree.arrays import MAX_DEPTH, NODES, ROOT
from selfplay.teachers.sample_trees import put_position
from tests.boards import board_after
from tests.unit.search.flat import engine


def test_nodes_have_the_positions_that_their_moves_lead_to():
    board = board_after("e2e4")
    with engine() as player:
        player.set_position(board)
        player.search(Limits(nodes=400))
        tree = player._search.tree
    path, (row, scratch) = np.zeros(MAX_DEPTH + 1, np.uint16), np.zeros((2, ROW_WORDS), np.uint64)
    legal = np.zeros(MAX_MOVES, np.uint16)
    assert put_position(tree, np.int64(ROOT), path, row, scratch) == 0
    assert row[KEY] == row_from_board(board)[KEY]
    known = {ROOT: row.copy()}
    for node in range(1, int(tree.counters[NODES])):
        depth = put_position(tree, np.int64(node), path, row, scratch)
        before = known[int(tree.parent[node])]
        assert depth > 0
        assert path[0] in legal[: generate(before, legal)]
        make(before, path[0], scratch)
        np.testing.assert_array_equal(row, scratch)
        known[node] = row.copy()
    assert len({int(one[KEY]) for one in known.values()}) > 300
