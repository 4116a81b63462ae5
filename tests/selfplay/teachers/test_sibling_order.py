"""How judges order quiet siblings: one that knows the labels is perfect."""

import json

import numpy as np
import pytest

from benchmarks import sibling_order
from benchmarks.sibling_order import DEPTH_2_SCORES, order, siblings_of
from engine.board.layout import BLACK, WHITE
from tests.selfplay.teachers.nets import material_labels, random_positions


@pytest.fixture(scope="module")
def siblings(random_net) -> sibling_order.Siblings:
    """Of 40 positions, all of them taken for quiet."""
    found = siblings_of(random_net, random_positions(40, 3), threads=2)
    return found._replace(quiet=np.ones(len(found.rows), np.bool_))


def test_the_labeller_orders_siblings_perfectly_and_levels_are_what_they_share(random_net, siblings):
    """Networks whose order rose lost games, because nothing told that whole positions were judged worse."""
    judged = -sibling_order.teacher_judge(random_net, 2, DEPTH_2_SCORES)(siblings.rows)
    assert sibling_order.levels(judged, siblings) == pytest.approx(1.0)
    for found in sibling_order.orders(judged, siblings):
        assert found.correlation == pytest.approx(1.0)
        assert found.bias == pytest.approx(0.0, abs=1e-9)
    guess = np.random.default_rng(1).random(len(siblings.rows))
    chance = sibling_order.orders(guess, siblings)[0]
    assert abs(chance.correlation) < 0.2
    assert chance.error > 0
    off = siblings.label + np.random.default_rng(1).normal(0, 1, siblings.parent.max() + 1)[siblings.parent]
    assert order(off, siblings).correlation == pytest.approx(1.0)
    assert sibling_order.levels(off, siblings) < 0.9


def test_command_measures_material_and_the_teacher(tmp_path, material_net_file, capfd, monkeypatch):
    parents = tmp_path / "parents"
    sampled = material_labels(parents, 3000)
    rows = sibling_order.parents_of_folder(parents, 1000)
    assert 0 < len(rows) < len(sampled.values)
    assert np.bitwise_count(rows[:, WHITE] | rows[:, BLACK]).min() >= sibling_order.LEAST_PIECES
    assert len(sibling_order.parents_of_folder(parents, 4)) == 4
    flags = ["sibling_order", "--teacher", str(material_net_file), "--data", str(parents), "--count", "9"]
    monkeypatch.setattr("sys.argv", [*flags, "material", "--json"])
    assert sibling_order.main() == 0
    shown = capfd.readouterr()
    assert "parents: 9 parents" in shown.err
    rows = json.loads(shown.out)
    assert [row["judge"] for row in rows] == ["material", *(name for name, _, _ in sibling_order.TEACHERS)]
    assert any("attacks anew" in title for title in rows[0])
