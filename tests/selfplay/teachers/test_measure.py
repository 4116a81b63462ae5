"""The measures of evaluators: a judge that knows the labels is perfect, and the shipped net's figures are known."""

import chess
import numpy as np
import pytest

from engine.board.convert import row_from_board
from engine.board.fen import parse_fen
from engine.board.layout import BLACK, ROW_WORDS, WHITE
from engine.board.makemove import make
from selfplay.main import main
from selfplay.records.calibration import DEPTH_2_SCORES
from selfplay.teachers import quality
from selfplay.teachers.siblings import SORTS, order, siblings_of, sorts_of
from tests.selfplay.teachers.nets import material_labels, random_positions


def test_the_labeller_itself_orders_siblings_perfectly(random_net):
    siblings = siblings_of(random_net, random_positions(40, 3), threads=2)
    siblings = siblings._replace(quiet=np.ones(len(siblings.rows), np.bool_))
    for found in quality.orders(quality.teacher_judge(random_net, 2, DEPTH_2_SCORES), siblings):
        assert found.correlation == pytest.approx(1.0)
        assert found.bias == pytest.approx(0.0, abs=1e-9)
    guess = np.random.default_rng(1).random(100_000)
    chance = quality.orders(lambda rows: guess[: len(rows)], siblings)[0]
    assert abs(chance.correlation) < 0.2
    assert chance.error > 0


def test_a_judge_that_underrates_pawn_moves_shows_it(random_net):
    siblings = siblings_of(random_net, random_positions(40, 3))
    siblings = siblings._replace(quiet=np.ones(len(siblings.rows), np.bool_))
    by_pawn = siblings.sorts >> SORTS.index("pawn") & 1 > 0
    shares = np.bincount(siblings.parent, by_pawn) / np.bincount(siblings.parent)
    found = order(siblings.label - 0.25 * by_pawn, siblings, SORTS.index("pawn"))
    assert found.correlation == pytest.approx(1.0)
    assert found.bias == pytest.approx(-0.25 * (1 - shares[siblings.parent][by_pawn]).mean())


@pytest.mark.parametrize(
    ("fen", "move", "sorts"),
    [
        pytest.param("4k3/8/8/8/8/8/P7/R3K2R w KQ - 0 1", "e1h1", {"no capture", "king"}, id="castling"),
        pytest.param("4k3/8/8/8/8/8/P7/R3K2R w KQ - 0 1", "a2a3", {"no capture", "pawn"}, id="a pawn"),
        pytest.param("4k3/8/8/1p6/8/8/P7/4K3 w - - 0 1", "a2a4", {"no capture", "pawn", "attacks anew"}, id="a lever"),
        pytest.param(
            "4k3/r7/8/8/8/8/8/B3K3 w - - 0 1", "a1d4", {"no capture", "leaves an attack", "attacks anew"}, id="away"
        ),
        pytest.param("r3k3/8/8/8/8/8/8/R3K3 w - - 0 1", "a1a4", {"no capture", "leaves an attack"}, id="an old target"),
        pytest.param("4k3/8/8/pP6/8/8/8/4K3 w - a6 0 1", "b5a6", {"pawn"}, id="en passant"),
    ],
)
def test_moves_are_of_the_sorts_that_they_are(fen, move, sorts):
    row, child = row_from_board(parse_fen(fen)), np.zeros(ROW_WORDS, np.uint64)
    code = np.uint16(chess.parse_square(move[:2]) | chess.parse_square(move[2:]) << 6)
    make(row, code, child)
    found = int(sorts_of(row, code, child))
    assert {sort for bit, sort in enumerate(SORTS) if found >> bit & 1} == sorts


def test_command_measures_material_and_the_teacher(tmp_path, material_net_file, capfd):
    parents = tmp_path / "parents"
    drawn = material_labels(parents, 3000)
    rows = quality.parents_of_folder(parents, 1000)
    assert 0 < len(rows) < len(drawn.values)
    assert np.bitwise_count(rows[:, WHITE] | rows[:, BLACK]).min() >= quality.LEAST_MEN
    assert len(quality.parents_of_folder(parents, 4)) == 4
    flags = ["measure", "--net", str(material_net_file), "--parents", str(parents), "--sibling-parents", "9"]
    assert main([*flags, "material"]) == 0
    shown = capfd.readouterr().out
    assert "parents: 9 parents" in shown
    assert "material" in shown
    assert "teacher, depth 2" in shown
    assert "attacks anew" in shown
    assert main([*flags[:-1], "0"]) == 0
    assert "no siblings" in capfd.readouterr().out


def test_former_measures_say_what_to_write(material_net_file, capfd):
    assert main(["measure", "--net", str(material_net_file)]) == 1
    assert "give --parents" in capfd.readouterr().err
    for flag in ("--truth", "--teacher"):
        assert main(["measure", "--net", str(material_net_file), flag, "x"]) == 1
        assert f"{flag} is gone: errors of values did not predict games; write --parents" in capfd.readouterr().err
