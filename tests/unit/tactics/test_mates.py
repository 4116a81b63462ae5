"""Forced mates found by the rules, and the search that is led to them."""

import random

import chess
import numpy as np
import pytest

from engine.board.convert import decode_move, row_from_board
from engine.board.layout import MAX_MOVES
from engine.board.movegen import generate
from engine.search.limits import Limits
from engine.search.search_tree_state import add_root_noise
from engine.search.tree.arrays import ASIDE, ROOT, WIN
from engine.search.tree.excluded_wins import bring_back_wins, put_wins_aside
from engine.search.tree.params import MATE_PRIOR
from engine.tactics.mates import can_mate, mating_move, mating_start, new_mate_space
from tests.boards import board_after
from tests.unit.board.board_positions import odd_position
from tests.unit.search.trees import alone, assert_whole, search_nodes, search_on, searched


def after_each(board):
    for move in board.legal_moves:
        after = board.copy(stack=False)
        after.push(move)
        yield after


def mates_within(board, moves):
    """Whether the side to move forces mate in so many moves, by brute force."""
    return moves > 0 and any(
        after.is_checkmate() or all_mated(after, moves - 1) for after in after_each(board)
    )


def all_mated(board, moves):
    """Whether there are defences and every one runs into a mate in so many moves."""
    return any(board.legal_moves) and all(mates_within(after, moves) for after in after_each(board))


def start_of_mate(board, moves):
    row = row_from_board(board)
    start, _ = mating_start(row, np.int64(moves), new_mate_space())
    return None if start < 0 else decode_move(row, start)


@pytest.mark.parametrize(("moves", "length"), [(3, 0), (4, 4), (5, 4)])
def test_a_mate_in_four_is_found_in_exactly_four(moves, length):
    row = row_from_board(chess.Board("3r3k/6pp/8/6N1/2Q5/8/8/6K1 w - - 0 1"))
    start, found_length = mating_start(row, np.int64(moves), new_mate_space())
    assert found_length == length
    assert (start >= 0) == (length > 0)
    assert not length or decode_move(row, start).uci() == "g5f7"  # the smothered mate's checks


def hunted_king(rng):
    """White's king, queen and rook somewhere, Black's king in a corner behind a pawn."""
    while True:
        board = chess.Board(None)
        squares = rng.sample(
            [square for square in chess.SQUARES if square not in (chess.H8, chess.H7)], 3
        )
        for square, piece in zip((*squares, chess.H8, chess.H7), "KQRkp", strict=True):
            board.set_piece_at(square, chess.Piece.from_symbol(piece))
        if board.is_valid() and not board.is_check():
            return board


def test_mates_in_two_are_those_of_brute_force():
    rng = random.Random(4)
    mates = 0
    for number in range(100):
        board = odd_position(rng) if number % 2 else hunted_king(rng)
        if not 0 < board.legal_moves.count() <= 45:
            continue
        start = start_of_mate(board, 2)
        assert (start is not None) == mates_within(board, 2), board.fen()
        if start is not None:
            mates += 1
            board.push(start)
            assert board.is_checkmate() or all_mated(board, 1)
    assert mates >= 3


MATES_IN_TWO = [
    ("r1b2k1r/ppp1bppp/8/1B1Q4/5q2/2P5/PPP2PPP/R3R1K1 w - - 1 1", "d5d8"),
    ("kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1", "a1a6"),
]


@pytest.mark.parametrize(("fen", "start"), MATES_IN_TWO)
def test_one_node_plays_the_mate_that_the_rules_found(fen, start):
    with alone(fen, "material") as engine:
        result = search_nodes(engine, 1)
        assert engine.search(Limits(nodes=1000, mate=2)).nodes == 0, (
            "it searched on for the proof of what it had told"
        )
    assert result.best_move.uci() == start
    assert result.infos[0].score_mate == 2
    assert result.infos[0].wdl == (1000, 0, 0)


def test_a_forced_mate_is_played_though_other_moves_have_the_visits_of_an_earlier_search():
    board = board_after("h2h3", MATES_IN_TWO[0][0])
    with alone(board, "material") as engine:
        search_nodes(engine, 2000)
        board.push_uci("h7h6")  # the mate is there again, and the tree knows this position
        engine.set_position(board)
        result = search_nodes(engine, 1)
        assert result.nodes == 0
    assert result.best_move.uci() == "d5d8"


def test_the_mates_prior_does_not_grow_when_the_same_position_is_searched_again():
    with alone(MATES_IN_TWO[0][0], "material") as engine:
        for _ in range(4):
            result = search_nodes(engine, 1)
            assert engine._search.root().priors[0] == pytest.approx(MATE_PRIOR)
            assert result.children[0].prior < 0.5  # the policy's own word
            assert result.children[0].prior + result.children[0].hint == pytest.approx(MATE_PRIOR)


def test_a_mate_is_found_among_the_moves_asked_for():
    fen, start = MATES_IN_TWO[0]
    allowed = tuple(chess.Move.from_uci(text) for text in ("a2a3", "b2b3", "h2h3", start))
    with alone(fen, "material") as engine:
        result = engine.search(Limits(nodes=1, searchmoves=allowed))
        assert result.best_move.uci() == start
        add_root_noise(engine._search, np.random.default_rng(1), 0.9, 0.3)
        mate = engine._search.root().forced_index()
        assert engine._search.root().priors[mate] == pytest.approx(MATE_PRIOR)
        without = engine.search(Limits(nodes=1, searchmoves=allowed[:3]))
        assert without.best_move in allowed[:3]
        assert without.infos[0].score_mate is None


def test_a_mating_move_is_found_exactly_where_there_is_one():
    rng = np.random.default_rng(5)
    moves = np.zeros(MAX_MOVES, np.uint16)
    mates = 0
    for game in range(12):
        board = chess.Board.from_chess960_pos(int(rng.integers(960))) if game % 2 else chess.Board()
        while not board.is_game_over() and board.ply() < 120:
            row = row_from_board(board)
            count = np.int64(generate(row, moves))
            index = int(mating_move(row, moves, count, np.empty_like(row), np.zeros_like(moves)))
            decoded = [decode_move(row, int(move), board.chess960) for move in moves[:count]]
            mating = [move for move in decoded if board.san(move)[-1] == "#"]
            assert mating[:1] == ([decoded[index]] if index >= 0 else []), board.fen()
            mates += bool(mating)
            board.push(decoded[int(rng.integers(count))])
    assert mates > 3


def test_that_a_move_can_mate_is_seen_without_all_moves():
    rng = random.Random(3)
    moves, replies = np.zeros((2, MAX_MOVES), np.uint16)
    mates = 0
    for number in range(1200):
        row = row_from_board(odd_position(rng) if number % 2 else hunted_king(rng))
        count = np.int64(generate(row, moves))
        mating = int(mating_move(row, moves, count, np.empty_like(row), replies))
        assert can_mate(row, moves, np.empty_like(row), replies) == (mating >= 0), row
        mates += mating >= 0
    assert mates >= 40


@pytest.mark.parametrize(
    "fen", ["5k2/R7/8/8/8/8/4R1RP/5K1R w H - 0 1", "5k1r/4r1rp/8/8/8/8/r7/5K2 b h - 0 1"]
)
def test_a_mate_by_castling_alone_is_seen(fen):
    board = chess.Board(fen, chess960=True)
    (mate,) = [move for move in board.legal_moves if board.san(move).endswith("#")]
    assert board.is_castling(mate)
    moves, replies = np.zeros((2, MAX_MOVES), np.uint16)
    row = row_from_board(board)
    assert can_mate(row, moves, np.empty_like(row), replies)


def test_a_win_that_is_set_aside_stays_a_win_while_the_root_tells_of_the_others():
    search = searched("6k1/5ppp/8/8/8/8/5PPP/3R2K1 w - - 0 1", 50)
    tree = search.tree
    edges = search.edges()
    assert put_wins_aside(tree, 1, 0.5, 0.25)
    (won,) = np.flatnonzero(tree.barred[edges] == ASIDE)
    visits = tree.passes[edges][won]
    assert not search.is_proven
    assert (search.root().proven[won], search.root().position.q) == (WIN, 1.0)
    search_on(search, 200)
    assert tree.passes[edges][won] == visits, "no visit goes there"
    assert -tree.value_sum[ROOT] / tree.visits[ROOT] < 1.0
    bring_back_wins(tree)
    assert search.is_proven
    assert_whole(search, adds_up=False)
