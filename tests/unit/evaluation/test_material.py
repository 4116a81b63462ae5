"""The classical evaluator: symmetry, the judgements a club player takes for granted, and what
quiescence must see.
"""

import chess
import numpy as np
import pytest

from engine.board.convert import decode_move, row_from_board
from engine.board.layout import BLACK, SIDE
from engine.board.movegen import Targets, generate_some
from engine.evaluation.leaf_batches import leaves_of
from engine.evaluation.material import CHECK_DEPTH, MaterialEvaluator, write_wdl
from engine.tactics.classical import evaluate, game_phase
from engine.tactics.quiescence import (
    MATE_CP,
    QUIESCENCE_NODE_LIMIT,
    forcing_targets,
    immediate_gain,
    known_evaluation,
    new_space,
    quiet_value,
    settled_value,
    wins_nothing,
)
from tests.boards import random_game
from tests.unit.board.board_positions import legal_codes


def static(fen):
    return int(evaluate(row_from_board(chess.Board(fen))))


def settled(fen, space=None):
    return int(quiet_value(row_from_board(chess.Board(fen)), space or new_space(), CHECK_DEPTH, 0))


@pytest.fixture(scope="module")
def boards():
    """Positions from random games that are not over."""
    rng = np.random.default_rng(11)
    boards = [random_game(rng, int(rng.integers(1, 100))) for _ in range(80)]
    return [board for board in boards if not board.is_game_over()][:60]


def policy(board):
    """Probabilities of the legal moves by SAN at policy temperature 1."""
    leaves = leaves_of([board])
    MaterialEvaluator().evaluate(leaves, 1)
    count = leaves.n_moves[0]
    odds = np.exp(leaves.logits[0, :count])
    moves = [decode_move(leaves.rows[0], int(move)) for move in leaves.moves[0, :count]]
    return dict(zip(map(board.san, moves), odds / odds.sum(), strict=True))


def test_colours_are_treated_alike(boards):
    for board in boards:
        row, mirrored = row_from_board(board), row_from_board(board.mirror())
        assert evaluate(row) == evaluate(mirrored)
        assert game_phase(row) == game_phase(mirrored)


PAIRS = [
    (  # a knight more
        "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
        "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKB1R w KQkq - 0 1",
    ),
    (  # the king castled, not in the centre
        "r1bq1rk1/ppp2ppp/2np1n2/4p3/4P3/2NP1N2/PPP2PPP/R1BQ1RK1 w - - 0 8",
        "r1bq1rk1/ppp2ppp/2np1n2/4p3/4P3/2NP1N2/PPPK1PPP/R1BQ1R2 w - - 0 8",
    ),
    (  # the queen at home, not before undeveloped pieces
        "rnbqkbnr/pppp1ppp/8/4p3/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2",
        "rnbqkbnr/pppp1ppp/8/4p3/4P3/6Q1/PPPP1PPP/RNB1KBNR w KQkq - 0 2",
    ),
    (  # connected pawns, not doubled ones
        "4k3/8/8/8/8/8/PPP5/4K3 w - - 0 1",
        "4k3/8/8/8/8/P7/P1P5/4K3 w - - 0 1",
    ),
    (  # a passed pawn far advanced
        "8/P3k3/8/8/8/8/8/4K3 w - - 0 1",
        "8/4k3/8/8/8/P7/8/4K3 w - - 0 1",
    ),
    (  # a rook on an open file
        "6k1/pp3ppp/8/8/8/8/PP3PPP/3R2K1 w - - 0 1",
        "6k1/pp3ppp/8/8/8/8/PP3PPP/1R4K1 w - - 0 1",
    ),
    (  # a bare king in the corner
        "k7/8/2K5/8/8/8/8/7R w - - 0 1",
        "8/8/2K1k3/8/8/8/8/7R w - - 0 1",
    ),
]


@pytest.mark.parametrize(("better", "worse"), PAIRS)
def test_the_better_position_scores_better(better, worse):
    assert static(better) > static(worse)


SETTLED = [
    # A lone minor piece is nearly a draw,
    ("4k3/8/8/8/8/8/8/3BK3 w - - 0 1", -100, 100),
    # a queen is not.
    ("4k3/8/8/8/8/8/8/3QK3 w - - 0 1", 800, 1500),
    # It takes what hangs.
    ("4k3/8/8/3r4/8/8/8/3RK3 w - - 0 1", 350, 800),
    # It keeps off what is defended.
    ("4k3/8/4p3/3r4/8/8/8/2B1K2R w - - 0 1", -100, 350),
    # A skewer: the king must step aside and the rook takes the queen behind it.
    ("4q3/8/8/4k3/8/8/8/K3R3 b - - 0 1", -1000, -300),
    # The rook must take the queen, then the bishop mates on g6 without capturing anything.
    (
        "rnbqkbn1/ppppp3/7r/6pQ/3P1p2/3BP1B1/PPP2PPP/RN2K1NR b KQq - 0 7",
        -MATE_CP,
        100 - MATE_CP,
    ),
]


@pytest.mark.parametrize(("fen", "least", "most"), SETTLED)
def test_quiescence_sees_what_captures_and_checks_come_to(fen, least, most):
    assert least <= settled(fen) <= most


def test_a_settled_position_is_one_whose_quiescence_visits_nothing_else(boards):
    space = new_space()
    for row in map(row_from_board, boards):
        value = settled_value(row, space)
        alone = space.nodes[0] == 1
        assert wins_nothing(row, space) == alone
        assert not alone or value == evaluate(row)


def test_an_evaluation_is_remembered_for_its_own_position_alone(boards):
    space = new_space()
    for row in map(row_from_board, 2 * boards):  # More than there is room for.
        assert known_evaluation(row, space) == evaluate(row)


def test_quiescence_is_bounded():
    space = new_space()
    for fen in (
        "q2k2q1/2nqn2b/1n1P1n1b/2rnr2Q/1NQ1QN1Q/3Q3B/2RQR2B/Q2K2Q1 w - - 0 1",
        "R6R/3Q4/1Q4Q1/4Q3/2Q4Q/Q4Q2/pp1Q4/kBNN1KB1 w - - 0 1",
    ):
        score = settled(fen, space)
        assert abs(score) <= MATE_CP
        assert space.nodes[0] < 100 * QUIESCENCE_NODE_LIMIT
        space.nodes[0] = 0


def is_direct_check(board, move):
    """Whether the moved piece itself gives check."""
    king = chess.BB_SQUARES[board.king(not board.turn)]
    after = board.copy(stack=False)
    after.push(move)
    return bool(after.attacks_mask(move.to_square) & king)


@pytest.mark.parametrize("with_checks", [False, True])
def test_forcing_moves_match_python_chess(boards, with_checks):
    """Captures, promotions and quiet direct checks, in the order of all moves."""
    moves = np.zeros(218, np.uint16)
    for board in boards:
        row = row_from_board(board)
        every = [decode_move(row, int(code)) for code in legal_codes(row)]
        theirs = row[BLACK - int(row[SIDE])]
        targets = Targets(*map(np.uint64, forcing_targets(row, theirs, with_checks)))
        count = generate_some(row, targets, moves)
        assert [decode_move(row, int(code)) for code in moves[:count]] == [
            move
            for move in every
            if board.is_capture(move)
            or move.promotion
            or (with_checks and is_direct_check(board, move))
        ]


WORTH = {
    None: 0,
    chess.PAWN: 100,
    chess.KNIGHT: 320,
    chess.BISHOP: 330,
    chess.ROOK: 500,
    chess.QUEEN: 950,
}


def test_gains_of_single_moves_match_python_chess(boards):
    for board in boards:
        row = row_from_board(board)
        for code in legal_codes(row):
            move = decode_move(row, int(code))
            captured = board.piece_type_at(move.to_square) if board.is_capture(move) else None
            gain = 100 if board.is_en_passant(move) else WORTH[captured]
            if move.promotion in (None, chess.QUEEN):
                assert immediate_gain(row, code) == gain + 850 * bool(move.promotion)


@pytest.mark.parametrize(
    ("fen", "likely", "unlikely"),
    [
        # Takes a free queen; does not leave its own to be taken.
        ("rnb1kbnr/pppp1ppp/8/4p3/4P2q/5N2/PPPP1PPP/RNBQKB1R w KQkq - 0 3", "Nxh4", "a3"),
        ("rnbqkb1r/pppp1ppp/5n2/4p2Q/4P3/8/PPPP1PPP/RNB1KBNR w KQkq - 0 3", "Qxe5+", "Qxh7"),
        # Castles rather than walks.
        ("r1bqk1nr/pppp1ppp/2n5/2b1p3/2B1P3/5N2/PPPP1PPP/RNBQK2R w KQkq - 0 4", "O-O", "Ke2"),
        # Promotes to a queen, not to a bishop.
        ("8/P6k/8/8/8/8/8/K7 w - - 0 1", "a8=Q", "a8=B"),
        # Saves the attacked knight.
        ("r1bqkbnr/ppp2ppp/2np4/4p3/2B1P1P1/5N2/PPPP1P1P/RNBQK2R b KQkq - 0 4", "Bxg4", "Nb4"),
    ],
)  # fmt: skip
def test_sensible_moves_get_the_higher_prior(fen, likely, unlikely):
    priors = policy(chess.Board(fen))
    assert priors[likely] > 1.5 * priors[unlikely]


def test_wdl_is_a_distribution_that_favours_the_side_ahead():
    scores = (-MATE_CP, -900, -300, -50, 0, 50, 300, 900, MATE_CP)
    wdl = np.zeros((len(scores), 3), np.float32)
    for score, chances in zip(scores, wdl, strict=True):
        write_wdl(score, chances)
    assert wdl.sum(axis=1) == pytest.approx(np.ones(len(scores)), abs=1e-6)
    assert wdl.min() >= 0
    assert np.all(np.diff(wdl[:, 0] - wdl[:, 2]) > 0)
    write_wdl(220, wdl[0])
    assert wdl[0, 0] - wdl[0, 2] == pytest.approx(0.5, abs=0.01)
