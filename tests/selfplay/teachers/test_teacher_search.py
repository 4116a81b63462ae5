"""The teacher's quiescence and alpha-beta over a net that counts material, and how judges order
quiet siblings.
"""

import json

import numpy as np
import pytest

from benchmarks import sibling_order
from benchmarks.sibling_order import (
    DEPTH_2_SCORES,
    deep_value,
    order,
    siblings_of,
    teacher_quiet_value,
)
from engine.board.attacks import in_check
from engine.board.convert import encode_move, row_from_board
from engine.board.fen import parse_fen
from engine.board.layout import BLACK, MAX_MOVES, ROW_WORDS, WHITE
from engine.board.makemove import make
from engine.board.movegen import generate
from selfplay.records.targets import POLICY_SCALE_CP, POLICY_SCALE_SLOPE, policy_from_scores
from selfplay.teachers.quiet_search import (
    MATE,
    begin_quiescence,
    new_teacher,
    score_teacher_moves,
    to_cp,
)
from selfplay.teachers.sampling import REACH, is_settled
from selfplay.teachers.static_value import UNITS_PER_CP, static_value
from tests.selfplay.teachers.nets import material_labels, random_positions


def after(row, move) -> np.ndarray:
    child = np.zeros(ROW_WORDS, np.uint64)
    make(row, move, child)
    return child


def legal_moves(row) -> np.ndarray:
    moves = np.zeros(MAX_MOVES, np.uint16)
    return moves[: generate(row, moves)].copy()


@pytest.mark.parametrize(
    ("fen", "won_cp", "calm"),
    [
        pytest.param("4k3/8/8/3q4/8/8/8/3RK3 w - - 0 1", 950, False, id="a queen hangs"),
        pytest.param("3rk3/8/8/3q4/8/8/8/3RK3 w - - 0 1", 450, False, id="a queen is guarded"),
        pytest.param("4k3/2p5/3p4/8/8/8/8/3RK3 w - - 0 1", 0, True, id="a pawn is guarded"),
    ],
)
def test_what_can_be_won_is_taken_and_else_the_position_is_calm(material_net, fen, won_cp, calm):
    teacher, row = new_teacher(material_net), row_from_board(parse_fen(fen))
    begin_quiescence(teacher, row)
    value = static_value(teacher.net, teacher.acc, np.int64(0), row)
    assert is_settled(teacher, np.int64(0), value, np.int64(40 * UNITS_PER_CP)) == calm
    assert to_cp(teacher_quiet_value(teacher, row) - value) == pytest.approx(won_cp, rel=0.15)


def score_all(teacher, row, exact: int, reach: float = np.inf) -> dict[int, int]:
    moves, scores = legal_moves(row), np.zeros(MAX_MOVES, np.int64)
    begin_quiescence(teacher, row)
    score_teacher_moves(
        teacher, np.int64(0), moves, np.int64(len(moves)), scores, np.int64(exact), reach
    )
    assert (np.diff(scores[: len(moves)]) <= 0).all()
    return dict(zip(moves.tolist(), scores[: len(moves)].tolist(), strict=True))


@pytest.mark.parametrize(
    ("fen", "san", "score"),
    [
        pytest.param("6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1", "Rd8#", MATE - 1, id="mate"),
        pytest.param(
            "k7/8/1K6/8/8/8/8/2Q5 w - - 0 1", "Qc8#", MATE - 1, id="mate where stalemate is near"
        ),
        pytest.param("k7/8/1K6/8/8/8/8/2Q5 w - - 0 1", "Qc7", 0, id="stalemate"),
    ],
)
def test_ends_of_the_game_are_scored_as_such(material_net, fen, san, score):
    board = parse_fen(fen)
    scores = score_all(new_teacher(material_net), row_from_board(board), 218)
    assert scores[encode_move(board, board.parse_san(san))] == score
    assert max(scores.values()) == MATE - 1


def test_moves_near_the_best_keep_their_scores_and_the_policy_its_shape(material_net):
    teacher, distances, cut_off, wrong = new_teacher(material_net), [], 0, 0
    for row in random_positions(300, 8):
        exact, labelled = score_all(teacher, row, 8), score_all(teacher, row, 8, REACH)
        best, eighth = max(exact.values()), sorted(exact.values(), reverse=True)[:8][-1]
        temperature = POLICY_SCALE_CP * UNITS_PER_CP + POLICY_SCALE_SLOPE * abs(best)
        least = max(eighth, int(best - REACH * temperature))
        for move, score in exact.items():
            wrong += labelled[move] != score if score > least else labelled[move] > least
            cut_off += score >= eighth and labelled[move] != score
        distances.append(0.5 * np.abs(policy_of(exact) - policy_of(labelled)).sum())
    assert wrong <= 2  # delta pruning depends on the window
    assert cut_off > 100
    assert np.mean(distances) < 0.003


def policy_of(scores: dict[int, int]) -> np.ndarray:
    """The policy target of the eight best scores, best first."""
    best = sorted(scores.values(), reverse=True)[:8]
    return policy_from_scores(np.array([to_cp(units) for units in best]), np.array([0, len(best)]))


def plain_value(teacher, row, ply: int, depth: int) -> int:
    """The same search by the definition: no window, no table, no order."""
    checked = in_check(row)
    if depth <= 0 and not (checked and ply <= 6):
        value = teacher_quiet_value(teacher, row)
        mate = abs(value) > MATE - 100
        return value - ply * (1 if value > 0 else -1) if mate else value
    moves = legal_moves(row)
    if not len(moves):
        return ply - MATE if checked else 0
    return max(-plain_value(teacher, after(row, move), ply + 1, depth - 1) for move in moves)


@pytest.mark.parametrize("depth", [1, 2])
def test_alpha_beta_finds_the_value_of_the_whole_tree(material_net, depth):
    teacher = new_teacher(material_net)
    for row in random_positions(6, 9):
        assert deep_value(teacher, row, np.int64(depth)) == plain_value(teacher, row, 0, depth)


@pytest.fixture(scope="module")
def siblings(random_net) -> sibling_order.Siblings:
    """Of 40 positions, all of them taken for quiet."""
    found = siblings_of(random_net, random_positions(40, 3), threads=2)
    return found._replace(quiet=np.ones(len(found.rows), np.bool_))


def test_the_labeller_orders_siblings_perfectly_and_levels_are_what_they_share(
    random_net, siblings
):
    """Networks whose order rose lost games, because nothing told that whole positions were judged
    worse.
    """
    judged = -sibling_order.teacher_judge(random_net, 2, DEPTH_2_SCORES)(siblings.rows)
    assert sibling_order.levels(judged, siblings) == pytest.approx(1.0)
    for found in sibling_order.orders(judged, siblings):
        assert found.correlation == pytest.approx(1.0)
        assert found.bias == pytest.approx(0.0, abs=1e-9)
    guess = np.random.default_rng(1).random(len(siblings.rows))
    chance = sibling_order.orders(guess, siblings)[0]
    assert abs(chance.correlation) < 0.2
    assert chance.error > 0
    off = (
        siblings.label
        + np.random.default_rng(1).normal(0, 1, siblings.parent.max() + 1)[siblings.parent]
    )
    assert order(off, siblings).correlation == pytest.approx(1.0)
    assert sibling_order.levels(off, siblings) < 0.9


def test_command_measures_material_and_the_teacher(tmp_path, material_net_file, capfd, monkeypatch):
    parents = tmp_path / "parents"
    sampled = material_labels(parents, 3000)
    rows = sibling_order.parents_of_folder(parents, 1000)
    assert 0 < len(rows) < len(sampled.values)
    assert np.bitwise_count(rows[:, WHITE] | rows[:, BLACK]).min() >= sibling_order.LEAST_PIECES
    assert len(sibling_order.parents_of_folder(parents, 4)) == 4
    flags = [
        "sibling_order",
        "--teacher",
        str(material_net_file),
        "--data",
        str(parents),
        "--count",
        "9",
    ]
    monkeypatch.setattr("sys.argv", [*flags, "material", "--json"])
    assert sibling_order.main() == 0
    shown = capfd.readouterr()
    assert "parents: 9 parents" in shown.err
    rows = json.loads(shown.out)
    assert [row["judge"] for row in rows] == [
        "material",
        *(name for name, _, _ in sibling_order.TEACHERS),
    ]
    assert any("attacks anew" in title for title in rows[0])
