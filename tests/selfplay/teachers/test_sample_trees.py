"""Positions of a tree's nodes: each is offered at most once, and is one that the tree's moves lead to."""

from types import SimpleNamespace

import numpy as np

from engine.board.layout import KEY, ROW_WORDS
from engine.board.makemove import make
from engine.search.limits import Limits
from engine.search.tree.arrays import MAX_DEPTH, ROOT_PLY
from selfplay.teachers import sample_trees
from tests.boards import board_after
from tests.unit.search.flat import engine, ways_to


def test_every_node_is_offered_with_the_position_that_its_moves_lead_to(monkeypatch):
    with engine() as player:
        player.set_position(board_after("e2e4"))
        player.search(Limits(nodes=400))
        tree = player._search.tree
    offered, teacher = [], SimpleNamespace(rows=np.zeros((2, ROW_WORDS), np.uint64), net=None, acc=None)
    space = SimpleNamespace(teacher=teacher, rng=None, groups=[0])
    for name in ("start", "static_value"):
        monkeypatch.setattr(sample_trees, name, lambda *arguments: None)
    monkeypatch.setattr(sample_trees, "uniform", lambda rng: 0.0)
    monkeypatch.setattr(sample_trees, "offer", lambda *arguments: offered.append(int(teacher.rows[0, KEY])))
    monkeypatch.setattr(sample_trees, "offer_below", sample_trees.offer_below.py_func)
    sample_trees.offer_nodes.py_func(space, tree, np.zeros((MAX_DEPTH + 1, ROW_WORDS), np.uint64), 0)
    expected = []
    for way in ways_to(tree).values():
        row, after = tree.stack[tree.counters[ROOT_PLY]].copy(), np.zeros(ROW_WORDS, np.uint64)
        for edge in way:
            make(row, tree.move[edge], after)
            row, after = after, row
        expected.append(int(row[KEY]))
    assert sorted(offered) == sorted(expected[1:])
    assert len(offered) > 300
