"""What is known of endings with few pieces agrees with endgame tables, and leads a search to the
mate.
"""

import chess
import chess.syzygy
import numpy as np
import pytest

from engine.board.convert import row_from_board
from engine.tactics.small_endings import (
    BEFORE,
    FADED_SHARE,
    INSIDE,
    PAWNLESS_SHARE,
    has_few_pieces,
    is_certain_draw,
    judge_small_ending,
    pawn_wins,
    seen_from_before,
    share_of_value,
)
from engine.tactics.solved_endings import probe
from tests.boards import random_positions
from tests.regression.test_endings import best_defence
from tests.unit.search.flat import alone, search, search_nodes

UNKNOWN = (0.25, 0.5, 33.0)
WRONG = {"KBNk": 0.004, "KBBk": 0.02}  # Most that may be called won wrongly; else none.


def positions(letters, count):
    """Random positions, each also with colours swapped."""
    for board in random_positions(letters, count, seed=1):
        yield board
        yield board.mirror()


def judged(board, root=None, value=UNKNOWN[0]):
    rows = row_from_board(board), row_from_board(root or board)
    return judge_small_ending(*rows, value, *UNKNOWN[1:])


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


@pytest.mark.parametrize("letters", ["KNNk", "KBPk"])
def test_certain_draws_are_draws_in_the_tables(letters, tables):
    found = 0
    for board in positions(letters, 1500):
        if is_certain_draw(row_from_board(board)):
            found += 1
            assert tables.probe_wdl(board) == 0, board.fen()
    assert found > 10


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


@pytest.mark.parametrize("letters", ["KBNk", "KBBk", "KRk", "KQk"])
def test_what_is_called_won_is_won(letters, tables):
    called = wrong = 0
    for board in positions(letters, 250):
        value, draw, plies = judged(board, value=UNKNOWN[0])
        if (value, draw, plies) == UNKNOWN:
            continue
        called += 1
        wdl = tables.probe_wdl(board)
        wrong += wdl != 2 * np.sign(value)
        assert draw == pytest.approx(1.0 - abs(value))
        assert plies >= 0.0
    assert called > 100
    assert wrong <= WRONG.get(letters, 0) * called, "a search sees forks a move later"


def test_what_is_called_a_certain_draw_is_drawn():
    wrong = found = 0
    for board in positions("KBNk", 1500):
        called = is_certain_draw(row_from_board(board))
        drawn = probe(board) == (0, 0)
        assert drawn or not called, board.fen()
        found += called
        wrong += drawn and judged(board) != UNKNOWN
    assert found > 20
    assert wrong <= 0.003 * 1500


@pytest.mark.parametrize("halfmoves", [100, 149, 150, 200, 9_999])
def test_a_root_beyond_the_fifty_moves_has_the_value_of_one_at_fifty(halfmoves):
    assert root_value("auto", halfmoves) == root_value("auto", 100)
    # A tower is given the number itself, as lc0 gives it.
    assert root_value("hybrid", halfmoves) == pytest.approx(root_value("hybrid", 100), abs=0.1)


def root_value(evaluator, halfmoves):
    fen = f"r3k3/1p6/8/4n3/3B4/8/PP6/R3K3 w - - {halfmoves} 300"
    with alone(fen, evaluator) as engine:
        return search_nodes(engine, 1).root.q


def test_progress_is_worth_more():
    centre, edge = (
        judged(chess.Board(f"8/8/8/{rank}/8/2K5/8/1BN5 w - - 0 1")) for rank in ("4k3", "k7")
    )
    assert INSIDE <= centre[0] < edge[0]
    assert centre[2] > edge[2]


def test_a_win_counts_fully_before_the_search_is_in_it():
    ending, before = (
        chess.Board("8/8/8/4k3/8/2K5/8/1BN5 w - - 0 1"),
        chess.Board("8/8/8/3pk3/8/2K5/8/1BN5 w - - 0 1"),
    )
    assert judged(ending, before)[0] > 0.95 > judged(ending)[0]


def test_a_win_is_shown_at_its_full_value():
    for fen, sign in (
        ("8/8/8/3k4/8/8/8/1BN1K3 {} - - 0 1", 1),
        ("1bn1k3/8/8/8/3K4/8/8/8 {} - - 0 1", -1),
    ):
        for turn in "wb":
            shown = search(chess.Board(fen.format(turn)), nodes=300).infos[0]
            better = sign if turn == "w" else -sign
            assert better * shown.score_cp > 1000
            assert shown.wdl[0 if better > 0 else 2] > 900
    values = np.array([-1.0, -INSIDE, 0.0, INSIDE / 2, 1.0])
    assert np.allclose(seen_from_before(values), [-1.0, -BEFORE, 0.0, BEFORE / 2, 1.0])


def test_nothing_is_said_of_a_piece_that_hangs_or_of_many_pieces():
    hanging = "8/8/8/4k3/4B3/8/8/1N2K3 {} - - 0 1"
    assert judged(chess.Board(hanging.format("b"))) == UNKNOWN
    assert judged(chess.Board(hanging.format("w"))) != UNKNOWN
    assert judged(chess.Board("8/8/8/3rk3/8/2K5/8/1BN5 w - - 0 1")) == UNKNOWN
    assert has_few_pieces(row_from_board(chess.Board("4k3/pp6/8/8/8/8/P7/4K3 w - - 0 1")))
    assert not has_few_pieces(row_from_board(chess.Board("4k3/ppp5/8/8/8/8/P7/4K3 w - - 0 1")))


# ---- the fifty-move rule -------------------------------------------------------------------------

# Won positions in which one or two of many moves win before the rule makes a draw, most by a pawn
# move or a capture.
LAST_CHANCES = (
    "8/1k2K3/8/3P4/8/7P/8/8 w - - 99 1", "8/8/3P4/5K2/8/6P1/8/1k6 w - - 98 1", "3k4/8/1R6/K2P4/8/8/8/8 w - - 98 1",
    "8/4K3/7P/8/8/8/6B1/4k3 w - - 98 1", "8/6k1/2P5/8/8/8/K7/3N4 w - - 99 1", "8/8/8/5Q2/4p3/1K1k4/8/8 w - - 98 1",
    "6k1/8/8/8/3p4/8/2R3K1/8 w - - 97 1", "8/8/6K1/8/3k4/7p/8/4R3 w - - 96 1", "6k1/8/3K4/5p2/8/8/1P6/8 w - - 97 1",
    "8/k7/8/8/8/8/2P1Q1K1/8 w - - 98 1",
)  # fmt: skip


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
            board.push(best_defence(board, tables))
    assert board.is_checkmate() or tables.probe_wdl(board) == -2


@pytest.mark.parametrize(
    ("fen", "value", "share"),
    [
        ("8/8/4k3/8/7r/8/2NK4/3R4 w - - 0 1", 0.9, PAWNLESS_SHARE),  # rook and knight against rook
        ("8/8/4k3/8/7r/8/2NK4/3R4 b - - 0 1", -0.9, PAWNLESS_SHARE),
        ("8/8/4k3/8/7r/8/2QK4/8 w - - 0 1", 0.9, 1.0),  # a queen beats a rook
        ("8/6kp/8/2B5/r7/6K1/8/8 b - - 0 1", 0.9, 1.0),  # its pawn wins
        ("8/6kp/8/2B5/r7/6K1/8/8 b - - 0 1", -0.9, PAWNLESS_SHARE),  # the bishop does not
        ("8/6kp/8/2B5/r7/6K1/8/8 b - - 50 40", 0.9, 1.0 - FADED_SHARE / 2),
    ],
)
def test_values_count_in_part_without_force_or_progress(fen, value, share):
    assert share_of_value(row_from_board(chess.Board(fen)), value) == pytest.approx(share)
