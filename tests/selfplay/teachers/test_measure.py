"""The measures of evaluators: a judge that knows the labels is perfect, and the shipped net's figures are known."""

import numpy as np
import pytest

from engine.board.layout import CASTLING, SIDE
from engine.errors import DataError
from engine.evaluation import make_evaluator
from engine.network.policy.model import SparseNetwork
from engine.network.policy.parameters import SparseConfig
from engine.nn import dit
from selfplay.data.teacher import read_teacher
from selfplay.main import main
from selfplay.records.calibration import DEPTH_2_SCORES
from selfplay.records.collect import collect
from selfplay.records.targets import wdl_from_score
from selfplay.teachers import quality
from selfplay.training.sparse import SparseFamily
from tests.selfplay.teachers.nets import random_positions


def test_the_labeller_itself_orders_siblings_perfectly(random_net):
    rows = random_positions(40, 3)
    truth = quality.Truth(rows, np.zeros(40, np.int64))
    siblings = quality.siblings_of(random_net, truth)
    siblings = siblings._replace(quiet=np.ones(len(siblings.rows), np.bool_))
    found = quality.measure(
        quality.teacher_judge(random_net, 2, DEPTH_2_SCORES), truth, np.ones(40, np.bool_), siblings
    )
    assert found.siblings == pytest.approx(1.0)
    guess = np.random.default_rng(1).random(100_000)
    chance = quality.measure(lambda rows: guess[: len(rows)], truth, np.ones(40, np.bool_), siblings)
    assert abs(chance.siblings) < 0.2
    assert chance.siblings_error > 0


def test_error_is_that_of_the_positions_meant(random_net):
    rows = random_positions(60, 4)
    score_cp = quality.teacher_cp(random_net, rows, quality.STATIC)
    truth = quality.Truth(rows, score_cp)
    calm = np.arange(60) % 2 == 0
    wdl = wdl_from_score(score_cp)
    q = wdl[:, 0] - wdl[:, 2]
    siblings = quality.siblings_of(random_net, quality.Truth(rows, np.zeros(60, np.int64)))
    shifted = {
        row.tobytes(): value + (0.5 if i % 2 == 0 else 0.0) for i, (row, value) in enumerate(zip(rows, q, strict=True))
    }
    found = quality.measure(
        lambda some: np.array([shifted.get(row.tobytes(), 0.0) for row in some]), truth, calm, siblings
    )
    assert found.calm_error == pytest.approx(0.25)
    assert found.error == pytest.approx(0.125)


@pytest.mark.slow
def test_shipped_net_has_the_figures_that_are_known(test_data, stockfish_net):
    truth = quality.read_truth(test_data / "truth" / "trees-30000-nodes.txt.xz")
    evaluator = make_evaluator("auto")
    found = quality.measure(
        quality.evaluator_judge(evaluator),
        truth,
        quality.calm_mask(stockfish_net, truth.rows),
        quality.siblings_of(stockfish_net, truth),
    )
    evaluator.close()
    assert found.error == pytest.approx(0.0544, abs=0.002)
    assert found.balanced_error == pytest.approx(0.0379, abs=0.004)
    assert found.siblings == pytest.approx(0.652, abs=0.02)


def test_truth_is_read_from_labels_of_games_and_positions(tmp_path):
    path = tmp_path / "truth.txt"
    start = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
    castling = "r3k2r/8/8/8/8/8/8/R3K2R b KQkq - 0 1"
    path.write_text(
        f"{start}|1-0|e2e4:e2e4=25,d2d4=31;e7e5;g1f3:g1f3=40\n{castling}|*|e8g8;e1c1:e1c1=-7\n{start}|9|12\n"
    )
    truth = quality.read_truth(path)
    assert truth.score_cp.tolist() == [31, 40, -7, 12]
    assert truth.rows[:, SIDE].tolist() == [0, 0, 0, 0]
    assert bin(int(truth.rows[2, CASTLING])).count("1") == 2
    for bad in ("*|e2e5:e2e4=25", "2-0|e2e4:e2e4=25"):
        path.write_text(f"{start}|{bad}\n")
        with pytest.raises(DataError, match=r"truth\.txt:1"):
            quality.read_truth(path)


def test_command_measures_material_and_the_teacher(tmp_path, material_net_file, capfd):
    truth = tmp_path / "truth.txt"
    truth.write_text("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1|20|30|e2e4|d2d4\n")
    other = tmp_path / "other.txt"
    other.write_text("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1|*|e2e4:e2e4=30\n")
    flags = ["--net", str(material_net_file), "--truth", str(truth), "--truth", str(other)]
    assert main(["measure", *flags, "material"]) == 0
    shown = capfd.readouterr().out
    assert "material" in shown
    assert "other.txt: 1 positions" in shown
    assert "teacher, depth 2" in shown
    truth.write_text("nonsense\n")
    assert main(["measure", "--net", str(material_net_file), "--truth", str(truth)]) == 1


def test_networks_are_scored_on_labelled_games(tmp_path, teacher_file, capfd):
    model = SparseNetwork(SparseConfig.parse("sparse-128"), np.random.default_rng(1))
    dit.save(tmp_path / "net.dit", model, {})
    assert main(["measure", "--teacher", str(teacher_file), str(tmp_path / "net.dit")]) == 0
    scores = SparseFamily(SparseConfig.parse("sparse-128")).heldout(collect(read_teacher(teacher_file))[0], 10**6)
    value = scores.evaluate(model).value
    printed = capfd.readouterr().out
    assert "12 games" in printed
    assert f"{value:.4f}" in printed
    assert main(["measure"]) == 1
