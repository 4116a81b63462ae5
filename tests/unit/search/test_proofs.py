"""Proofs in a tree that several threads change."""

from types import SimpleNamespace

import pytest

from engine.search.tree import proofs
from engine.search.tree.arrays import LOSS, WIN


class Watched:
    """A node that tells a reader about every write to it; also the array of its distance to mate."""

    def __init__(self, reader):
        self.__dict__.update(lower=LOSS, upper=WIN, mate_plies=0, _reader=reader)

    def __setattr__(self, name, value):
        self.__dict__[name] = int(value)
        self._reader(self)

    def __setitem__(self, number, plies):
        self.mate_plies = plies


@pytest.mark.parametrize(("result", "plies"), [(WIN, 19), (LOSS, 7)])
@pytest.mark.parametrize("kernel", ["decide", "narrow"])
def test_a_distance_to_mate_is_there_before_its_result(monkeypatch, kernel, result, plies):
    """Another thread looks at the worst moments: whenever something was written."""

    def look(node):
        looks.append((node.lower, node.upper, node.mate_plies))
        assert node.lower != node.upper or node.mate_plies == plies

    looks = []
    node = Watched(look)
    tree = SimpleNamespace(nodes=[node], mate_plies=node)
    monkeypatch.setattr(proofs, "best_bounds", lambda tree, node: (-result, -result))
    monkeypatch.setattr(proofs, "mate_distance", lambda tree, node, proven: plies)
    if kernel == "decide":
        proofs.decide.py_func(tree, 0, result, plies)
    else:
        assert proofs.narrow.py_func(tree, 0)
    assert looks[-1] == (result, result, plies)
