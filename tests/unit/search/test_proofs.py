"""Proofs in a tree that several threads change."""

from types import SimpleNamespace

import pytest

from engine.search.tree import proofs
from engine.search.tree.arrays import LOSS, WIN

KEPT = ("mate_plies", "lower", "upper")


class Watched:
    """A node that tells a reader about every write to it."""

    def __init__(self, reader, **fields):
        self.__dict__.update(lower=LOSS, upper=WIN, mate_plies=0, **fields, _reader=reader)

    def __setattr__(self, name, value):
        self.__dict__[name] = int(value)
        self._reader(self)


class Distances:
    """The array of distances to mate, whose only node is watched."""

    def __init__(self, node):
        self._node = node

    def __setitem__(self, number, plies):
        self._node.mate_plies = plies


def watched_tree(reader):
    node = Watched(reader)
    return SimpleNamespace(nodes=[node], mate_plies=Distances(node))


def reader_of(plies):
    """Another thread that looks at the node at the worst moments: whenever something was written."""

    def look(node):
        looks.append((node.lower, node.upper, node.mate_plies))
        assert node.lower != node.upper or node.mate_plies == plies

    looks = []
    return look, looks


def test_a_leafs_distance_to_mate_is_there_before_its_result():
    look, looks = reader_of(10)
    tree = watched_tree(look)
    proofs.decide.py_func(tree, 0, WIN, 10)
    assert looks[-1] == (WIN, WIN, 10)
    assert len(looks) == len(KEPT)


@pytest.mark.parametrize(("result", "plies"), [(WIN, 19), (LOSS, 7)])
def test_a_nodes_distance_to_mate_is_there_before_its_result(monkeypatch, result, plies):
    look, looks = reader_of(plies)
    tree = watched_tree(look)
    monkeypatch.setattr(proofs, "best_bounds", lambda tree, node: (-result, -result))
    monkeypatch.setattr(proofs, "mate_distance", lambda tree, node, found: plies)
    assert proofs.narrow.py_func(tree, 0)
    assert looks[-1] == (result, result, plies)
