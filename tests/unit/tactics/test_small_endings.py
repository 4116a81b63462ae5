"""What is known of endings with few pieces agrees with endgame tables, and leads a search to the
mate.
"""

import chess
import chess.syzygy
import numpy as np
import pytest

from engine.board.convert import row_from_board
from engine.tactics.small_endings import (
    FADED_SHARE,
    FORCELESS_SHARE,
    KNOWN_WIN,
    has_few_pieces,
    is_certain_draw,
    judge_small_ending,
    pawn_wins,
    share_of_value,
)
from tests.boards import random_positions
from tests.regression.test_endings import best_defence
from tests.unit.search.trees import alone, search_alone, search_nodes

UNKNOWN = (0.25, 0.5, 33.0)
WRONG = {"KBNk": 0.004, "KBBk": 0.02}  # Most that may be called won wrongly; else none.


def positions(letters, count):
    """Random positions, each also with colours swapped."""
    for board in random_positions(letters, count, seed=1):
        yield board
        yield board.mirror()


def judged(board, value=UNKNOWN[0]):
    return judge_small_ending(row_from_board(board), value, *UNKNOWN[1:])


def test_a_pawn_wins_where_the_tables_say_so(tables):
    wins = 0
    for board in positions("KPk", 1000):
        pawn_moves = bool(board.pieces(chess.PAWN, board.turn))
        won = tables.probe_wdl(board) == (2 if pawn_moves else -2)
        row = row_from_board(board)
        assert bool(pawn_wins(row)) == won, board.fen()
        assert bool(is_certain_draw(row)) != won, board.fen()
        wins += won
    assert 500 < wins < 1500


@pytest.mark.parametrize("letters", ["KNNk", "KBPk", "KBNk"])
def test_certain_draws_are_draws_in_the_tables(letters, tables):
    draws = 0
    for board in positions(letters, 1500):
        if is_certain_draw(row_from_board(board)):
            draws += 1
            assert tables.probe_wdl(board) == 0, board.fen()
    assert draws > 10


@pytest.mark.parametrize(
    ("fen", "drawn"),
    [
        ("k7/8/8/P7/2K5/8/8/2B5 w - - 0 1", True),  # The bishop does not reach a8.
        ("k7/8/8/P7/2K5/8/8/3B4 w - - 0 1", False),
        ("8/8/8/P4k2/2K5/8/8/2B5 w - - 0 1", False),  # The king is too far away.
        ("k7/8/8/P6P/2K5/8/8/2B5 w - - 0 1", False),
        ("4k3/8/8/8/8/8/8/2NNK3 w - - 0 1", True),
        ("4k3/8/8/8/8/8/8/1NNNK3 w - - 0 1", False),
    ],
)
def test_a_certain_draw_is_told_from_what_may_win(fen, drawn):
    assert is_certain_draw(row_from_board(chess.Board(fen))) == drawn


@pytest.mark.parametrize("letters", "KBNk KBBk KRk KQk".split())
def test_what_is_called_won_is_won(letters, tables):
    called = wrong = 0
    for board in positions(letters, 250):
        value, draw, plies = judged(board)
        if (value, draw, plies) != UNKNOWN:
            called += 1
            wrong += tables.probe_wdl(board) != 2 * np.sign(value)
            assert draw == pytest.approx(1.0 - abs(value))
            assert plies >= 0.0
    assert called > 100
    assert wrong <= WRONG.get(letters, 0) * called, "a search sees forks a move later"


@pytest.mark.parametrize("halfmoves", [100, 149, 150, 200, 9_999])
def test_a_root_beyond_the_fifty_moves_has_the_value_of_one_at_fifty(halfmoves):
    assert root_value("auto", halfmoves) == root_value("auto", 100)
    # A tower is given the number itself, as lc0 gives it.
    assert root_value("hybrid", halfmoves) == pytest.approx(root_value("hybrid", 100), abs=0.1)


def root_value(evaluator, halfmoves):
    fen = f"r3k3/1p6/8/4n3/3B4/8/PP6/R3K3 w - - {halfmoves} 300"
    return search_alone(fen, 1, evaluator).root.q


def test_progress_is_worth_more():
    centre, edge = (
        judged(chess.Board(f"8/8/8/{rank}/8/2K5/8/1BN5 w - - 0 1")) for rank in ("4k3", "k7")
    )
    assert KNOWN_WIN <= centre[0] < edge[0]
    assert centre[2] > edge[2]


# Of each, the side to move enters other endings by promotions and captures.
ENTERED_FROM = (
    "KPk KPPk KBPk KNPk KRPk KQPk KQkr KRkn KQkp KBNkp KPkn KPkp KPkq KBPkq KRPkr KQPkq KPkbb KRBkrp "
    "KRBNkrnpp KRRBkrrppp"
)


def entries():
    """Positions and those that a capture or a promotion to a queen leads to."""
    for letters in ENTERED_FROM.split():
        for board in random_positions(letters, 150, seed=1):
            for move in board.legal_moves:
                is_promotion = move.promotion == chess.QUEEN
                if is_promotion or (board.is_capture(move) and not move.promotion):
                    after = board.copy(stack=False)
                    after.push(move)
                    yield board, after


def test_no_way_into_a_won_ending_lowers_the_value():
    """A queen was worth less than the pawn that it came from, so pawns on the seventh stayed there."""
    entered = 0
    for board, after in entries():
        value = judged(after, -KNOWN_WIN)[0]
        if value < -KNOWN_WIN:
            entered += 1
            for evaluation in (1.0, 0.99, 0.0, -1.0):
                assert -value >= judged(board, evaluation)[0], (board.fen(), after.fen())
    assert entered > 150


def test_no_capture_and_no_promotion_lowers_the_share_of_a_value_that_counts():
    """So it was where the last pawn became a queen against two bishops, and from nine men to eight."""
    checked = 0
    for board, after in entries():
        before, behind = map(row_from_board, (board, after))
        assert share_of_value(behind, -0.9) >= share_of_value(before, 0.9), (
            board.fen(),
            after.fen(),
        )
        checked += 1
    assert checked > 1000


@pytest.mark.parametrize("fen", [chess.STARTING_FEN, "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"])
@pytest.mark.parametrize(("value", "worth"), [(1.0, KNOWN_WIN), (-1.0, -KNOWN_WIN), (0.98, 0.98)])
def test_nothing_that_is_not_known_is_worth_as_much_as_a_known_win(fen, value, worth):
    assert judged(chess.Board(fen), value)[0] == worth


# The pawn promotes, and the queen wins at once.
PROMOTIONS = """
8/6PK/8/5k2/8/8/8/8 w - - 0 6
8/1P6/8/1B6/8/K7/3k4/8 w - - 0 1
3N4/5P2/8/K7/8/8/8/3k4 w - - 0 1
8/P7/8/8/7K/4k3/6R1/8 w - - 0 1
8/7P/7K/P7/7k/8/8/8 w - - 0 1
8/3P4/8/8/8/8/5K2/1k6 w - - 0 1
8/6P1/8/8/8/4k2K/8/8 w - - 0 1
k7/2P5/8/8/8/B7/1K6/8 w - - 0 1
8/P7/8/8/2N5/K7/8/k7 w - - 0 1
8/3P4/K7/8/2k5/7R/8/8 w - - 0 1
8/6P1/8/6k1/1K6/8/1P6/8 w - - 0 1
8/6P1/6K1/8/8/5k2/8/8 w - - 0 1
8/4P3/8/8/8/2K5/k7/8 w - - 0 1
8/4P3/2KB4/8/8/8/8/k7 w - - 0 1
4K3/2P5/8/N7/8/8/8/7k w - - 0 1
1K6/P7/8/8/1R6/7k/8/8 w - - 0 1
8/4P3/7K/3P4/8/8/8/4k3 w - - 0 1
8/3P4/3k4/8/8/8/3K4/8 w - - 0 1
8/2P5/3k2K1/8/8/8/8/8 w - - 0 1
8/1P6/B7/3K3k/8/8/8/8 w - - 0 1
""".strip().splitlines()


@pytest.mark.parametrize("nodes", [1000, 10_000, pytest.param(60_000, marks=pytest.mark.slow)])
def test_a_pawn_that_wins_by_promoting_promotes(nodes):
    """Of these 20, two were promoted at 1,000 nodes, ten at 10,000; a proven mate is as good."""
    waiting = []
    with alone(hash_mib=32) as player:
        for fen in PROMOTIONS:
            player.new_game()
            player.set_position(chess.Board(fen))
            result = search_nodes(player, nodes)
            mate = result.infos[0].score_mate
            if result.best_move.promotion != chess.QUEEN and (mate is None or mate < 0):
                waiting.append(fen)
    assert not waiting


@pytest.mark.parametrize(
    "fen",
    [
        "8/8/8/3k4/8/8/8/1BN1K3 w - - 0 1",
        "8/8/8/3k4/8/8/8/1BN1K3 b - - 0 1",
        "1bn1k3/8/8/8/3K4/8/8/8 w - - 0 1",
        "8/6PK/8/5k2/8/8/8/8 w - - 0 6",
        "3N4/5P2/8/K7/8/8/8/3k4 w - - 0 1",
    ],
)
def test_a_win_is_shown_as_one(fen):
    """It was shown as +2.4 and +4.6 where its last pawn could promote."""
    shown = search_alone(fen, 300).infos[0]
    assert abs(shown.score_cp) > 1000
    assert max(shown.wdl[0], shown.wdl[2]) > 900


@pytest.mark.parametrize(
    ("fen", "is_known"),
    [
        ("8/8/8/4k3/4B3/8/8/1N2K3 b - - 0 1", False),  # the bishop hangs
        ("8/8/8/4k3/4B3/8/8/1N2K3 w - - 0 1", True),
        ("8/8/8/3rk3/8/2K5/8/1BN5 w - - 0 1", False),
    ],
)
def test_nothing_is_said_of_a_piece_that_hangs_or_of_many_pieces(fen, is_known):
    assert (judged(chess.Board(fen)) != UNKNOWN) == is_known


@pytest.mark.parametrize(("black", "few"), [("pp6", True), ("ppp5", False)])
def test_few_pieces_are_at_most_so_many(black, few):
    board = chess.Board(f"4k3/{black}/8/8/8/8/P7/4K3 w - - 0 1")
    assert has_few_pieces(row_from_board(board)) == few


# ---- the fifty-move rule -------------------------------------------------------------------------

# Won positions in which one or two of many moves win before the rule makes a draw, most by a pawn
# move or a capture.
LAST_CHANCES = """
8/1k2K3/8/3P4/8/7P/8/8 w - - 99 1
8/8/3P4/5K2/8/6P1/8/1k6 w - - 98 1
3k4/8/1R6/K2P4/8/8/8/8 w - - 98 1
8/4K3/7P/8/8/8/6B1/4k3 w - - 98 1
8/6k1/2P5/8/8/8/K7/3N4 w - - 99 1
8/8/8/5Q2/4p3/1K1k4/8/8 w - - 98 1
6k1/8/8/8/3p4/8/2R3K1/8 w - - 97 1
8/8/6K1/8/3k4/7p/8/4R3 w - - 96 1
6k1/8/3K4/5p2/8/8/1P6/8 w - - 97 1
8/k7/8/8/8/8/2P1Q1K1/8 w - - 98 1
""".strip().splitlines()


@pytest.mark.parametrize("fen", LAST_CHANCES)
def test_a_win_is_kept_where_the_fifty_move_rule_is_near(fen, tables):
    board = chess.Board(fen)
    with alone() as player:
        while True:
            player.set_position(board)
            move = search_nodes(player, 1000).best_move
            is_over = board.is_zeroing(move)
            board.push(move)
            if is_over or board.is_checkmate():
                break
            assert board.halfmove_clock < 100
            board.push(best_defence(board, tables.probe_dtz))
    assert board.is_checkmate() or tables.probe_wdl(board) == -2


@pytest.mark.parametrize(
    ("fen", "value", "share"),
    [
        ("8/8/4k3/8/7r/8/2NK4/3R4 w - - 0 1", 0.9, FORCELESS_SHARE),  # rook and knight against rook
        ("8/8/4k3/8/7r/8/2NK4/3R4 b - - 0 1", -0.9, FORCELESS_SHARE),
        ("8/8/4k3/8/7r/8/2QK4/8 w - - 0 1", 0.9, 1.0),  # a queen beats a rook
        ("8/6kp/8/2B5/r7/6K1/8/8 b - - 0 1", 0.9, 1.0),  # its pawn wins
        ("8/6kp/8/2B5/r7/6K1/8/8 b - - 0 1", -0.9, FORCELESS_SHARE),  # the bishop does not
        ("8/6kp/8/2B5/r7/6K1/8/8 b - - 50 40", 0.9, 1.0 - FADED_SHARE / 2),
    ],
)
def test_values_count_in_part_without_force_or_progress(fen, value, share):
    assert share_of_value(row_from_board(chess.Board(fen)), value) == pytest.approx(share)
