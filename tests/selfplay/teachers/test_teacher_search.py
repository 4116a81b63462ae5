"""The teacher's quiescence and alpha-beta over a net that counts material, and how judges order
quiet siblings.
"""

import numpy as np
import pytest

from engine.board.convert import encode_move, row_from_board
from engine.board.fen import parse_fen
from engine.board.layout import MAX_MOVES
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
from tests.selfplay.teachers.nets import random_positions
from tests.selfplay.teachers.relabelling import teacher_quiet_value
from tests.unit.board.board_positions import legal_codes


@pytest.mark.parametrize(
    ("fen", "won_cp", "calm"),
    [
        ("4k3/8/8/3q4/8/8/8/3RK3 w - - 0 1", 950, False),  # a queen hangs
        ("3rk3/8/8/3q4/8/8/8/3RK3 w - - 0 1", 450, False),  # a queen is guarded
        ("4k3/2p5/3p4/8/8/8/8/3RK3 w - - 0 1", 0, True),  # a pawn is guarded
    ],
)
def test_a_position_is_calm_where_nothing_can_be_won(material_net, fen, won_cp, calm):
    teacher = new_teacher(material_net)
    row = row_from_board(parse_fen(fen))
    begin_quiescence(teacher, row)
    value = static_value(teacher.net, teacher.acc, np.int64(0), row)
    assert is_settled(teacher, np.int64(0), value, np.int64(40 * UNITS_PER_CP)) == calm
    assert to_cp(teacher_quiet_value(teacher, row) - value) == pytest.approx(won_cp, rel=0.15)


def score_all(teacher, row, exact, reach=np.inf):
    moves = legal_codes(row)
    scores = np.zeros(MAX_MOVES, np.int64)
    begin_quiescence(teacher, row)
    score_teacher_moves(
        teacher, np.int64(0), moves, np.int64(len(moves)), scores, np.int64(exact), reach
    )
    assert (np.diff(scores[: len(moves)]) <= 0).all()
    return dict(zip(moves.tolist(), scores[: len(moves)].tolist(), strict=True))


@pytest.mark.parametrize(
    ("fen", "san", "score"),
    [
        ("6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1", "Rd8#", MATE - 1),  # mate
        ("k7/8/1K6/8/8/8/8/2Q5 w - - 0 1", "Qc8#", MATE - 1),  # mate where stalemate is near
        ("k7/8/1K6/8/8/8/8/2Q5 w - - 0 1", "Qc7", 0),  # stalemate
    ],
)
def test_ends_of_the_game_are_scored_as_such(material_net, fen, san, score):
    board = parse_fen(fen)
    scores = score_all(new_teacher(material_net), row_from_board(board), 218)
    assert scores[encode_move(board, board.parse_san(san))] == score
    assert max(scores.values()) == MATE - 1


def test_moves_near_the_best_keep_their_scores(material_net):
    teacher = new_teacher(material_net)
    distances = []
    cut_off = 0
    wrong = 0
    for row in random_positions(300, 8):
        exact, labelled = score_all(teacher, row, 8), score_all(teacher, row, 8, REACH)
        best = max(exact.values())
        eighth = sorted(exact.values(), reverse=True)[:8][-1]
        temperature = POLICY_SCALE_CP * UNITS_PER_CP + POLICY_SCALE_SLOPE * abs(best)
        least = max(eighth, int(best - REACH * temperature))
        for move, score in exact.items():
            wrong += labelled[move] != score if score > least else labelled[move] > least
            cut_off += score >= eighth and labelled[move] != score
        distances.append(0.5 * np.abs(policy_of(exact) - policy_of(labelled)).sum())
    assert wrong <= 2  # delta pruning depends on the window
    assert cut_off > 100
    assert np.mean(distances) < 0.003


def policy_of(scores):
    """The policy target of the eight best scores, best first."""
    best = sorted(scores.values(), reverse=True)[:8]
    return policy_from_scores(np.array([to_cp(units) for units in best]), np.array([0, len(best)]))
