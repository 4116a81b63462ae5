"""The measures of evaluators: a judge that knows the labels is perfect, and the shipped net's figures are known."""

import chess
import numpy as np
import pytest

from engine.board.convert import row_from_board
from engine.board.fen import parse_fen
from engine.board.layout import BLACK, CASTLING, ROW_WORDS, SIDE, WHITE
from engine.board.makemove import make
from engine.errors import DataError
from engine.evaluation import make_evaluator
from engine.network.policy.model import SparseNetwork
from engine.network.policy.parameters import SparseConfig
from engine.nn import dit
from selfplay.data.teacher import read_teacher
from selfplay.main import main
from selfplay.records.calibration import DEPTH_2_SCORES, STATIC
from selfplay.records.collect import collect
from selfplay.records.targets import wdl_from_score
from selfplay.teachers import quality
from selfplay.teachers.siblings import SORTS, order, siblings_of, sorts_of
from selfplay.teachers.values import calm_mask, teacher_cp
from selfplay.training.sparse import SparseFamily
from tests.selfplay.teachers.nets import random_positions


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


def test_parents_are_balanced_positions_of_the_middlegame():
    rows = random_positions(60, 5)
    men = np.bitwise_count(rows[:, WHITE] | rows[:, BLACK])
    truth = quality.Truth(rows, np.where(np.arange(60) % 3 == 0, 400, 20))
    parents = quality.parents_of(truth, 1000)
    assert len(parents) == np.count_nonzero((men >= 17) & (np.arange(60) % 3 > 0)) > 0
    assert np.bitwise_count(parents[:, WHITE] | parents[:, BLACK]).min() >= 17
    assert len(quality.parents_of(truth, 4)) == 4


def test_error_is_that_of_the_positions_meant(random_net):
    rows = random_positions(60, 4)
    score_cp = teacher_cp(random_net, rows, STATIC)
    truth = quality.Truth(rows, score_cp)
    calm = np.arange(60) % 2 == 0
    wdl = wdl_from_score(score_cp)
    q = wdl[:, 0] - wdl[:, 2]
    shifted = {
        row.tobytes(): value + (0.5 if i % 2 == 0 else 0.0) for i, (row, value) in enumerate(zip(rows, q, strict=True))
    }
    found = quality.measure(lambda some: np.array([shifted.get(row.tobytes(), 0.0) for row in some]), truth, calm)
    assert found.calm_error == pytest.approx(0.25)
    assert found.error == pytest.approx(0.125)


@pytest.mark.slow
def test_shipped_net_has_the_figures_that_are_known(test_data, stockfish_net):
    truth = quality.read_truth(test_data / "truth" / "trees-30000-nodes.txt.xz")
    evaluator = make_evaluator("auto")
    judge = quality.evaluator_judge(evaluator)
    found = quality.measure(judge, truth, calm_mask(stockfish_net, truth.rows))
    every = quality.orders(judge, siblings_of(stockfish_net, quality.parents_of(truth, 300)))[0]
    evaluator.close()
    assert found.error == pytest.approx(0.0544, abs=0.002)
    assert found.balanced_error == pytest.approx(0.0379, abs=0.004)
    assert every.correlation == pytest.approx(0.66, abs=0.05)


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
    assert "attacks anew" in shown
    truth.write_text("8/8/4k3/8/8/4P3/4K3/8 w - - 0 1|20|30\n")
    assert main(["measure", "--net", str(material_net_file), "--truth", str(truth), "material"]) == 0
    assert "no siblings" in capfd.readouterr().out
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
