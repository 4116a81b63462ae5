"""Syzygy probing: results, the fifty-move rule, and folders in every state of disrepair."""

import os
import shutil

import chess
import chess.syzygy
import pytest

from engine.board.convert import row_from_board
from engine.evaluation.tablebase import Tablebase, good_moves
from tests.boards import board_after

# bishop and knight against knight take more than fifty moves here
CURSED = "4B3/6Nk/8/4K3/8/8/n7/8 w - - 0 1"
QUEEN = "8/8/8/8/4k3/8/1Q6/K7 w - - 0 1"
BLESSED = "2N2k2/8/8/6KB/8/8/7n/8 b - - 0 1"
FOUND_ONE = "Syzygy tables found: 1 WDL, 1 DTZ; used up to 3 pieces"


@pytest.fixture
def tables(syzygy):
    tablebase = Tablebase(str(syzygy))
    yield tablebase
    tablebase.close()


def wdl(tables, fen):
    return tables.wdl(row_from_board(chess.Board(fen)))


def best_moves(tables, board):
    ranks = tables.ranks(board)
    best = max(ranks.values(), default=None)
    return [move for move, rank in ranks.items() if rank == best]


def best(tables, fen):
    return {move.uci() for move in best_moves(tables, chess.Board(fen))}


def test_a_table_is_counted_once(tmp_path, syzygy):
    """It is there under two names, and was counted as two."""
    for ending in ("rtbw", "rtbz"):
        (tmp_path / f"KQvK.{ending}").symlink_to(syzygy / f"KQvK.{ending}")
    tables = Tablebase(str(tmp_path))
    assert tables.take_news() == [FOUND_ONE]
    assert tables.take_news() == []


# ---- results -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fen", "expected", "without_rule"),
    [
        (QUEEN, 2, 2),
        ("8/8/8/8/4k3/8/1N6/K7 w - - 0 1", 0, 0),
        ("8/8/8/8/1k1Pp3/8/8/1K6 b - d3 0 1", 2, 2),  # by capturing en passant
        (CURSED, 1, 2),
        (BLESSED, -1, -2),
    ],
)
def test_wdl_is_from_the_side_to_move(tables, fen, expected, without_rule):
    assert wdl(tables, fen) == expected
    assert tables.wdl(row_from_board(chess.Board(fen).mirror())) == expected
    assert tables.hits == 2
    tables.fifty_move_rule = False
    assert wdl(tables, fen) == without_rule


@pytest.mark.parametrize(
    "fen",
    [
        chess.STARTING_FEN,
        "8/8/8/7r/8/6k1/1QQ5/K7 w - - 0 1",  # five pieces, but no table
        "8/8/8/2r5/8/6k1/1QQ5/K7 w - - 0 1",  # nor is it asked what the capture leads to
        "8/8/8/8/4k3/8/8/K7 w - - 0 1",  # bare kings: the rules decide
        "4k3/8/8/8/8/8/8/4K2R w K - 0 1",  # it may castle
    ],
)
def test_what_is_not_in_the_tables_is_unknown(tables, fen):
    assert wdl(tables, fen) is None
    assert tables.hits == 0


def test_positions_with_castling_rights_are_left_to_the_search_also_in_chess960(tables):
    board = chess.Board("4k3/8/8/8/8/8/8/1R2K3 w B - 0 1", chess960=True)
    assert best_moves(tables, board) == []
    assert tables.wdl(row_from_board(board)) is None


def test_rights_that_a_fen_only_claims_do_not_hide_the_tables(tables):
    board = chess.Board(QUEEN)
    board.castling_rights = chess.BB_A1 | chess.BB_H1
    assert best_moves(tables, board)


def test_the_probe_limit_is_a_limit_on_pieces(syzygy):
    tables = Tablebase(str(syzygy), probe_limit=3)
    assert wdl(tables, QUEEN) == 2
    assert wdl(tables, "8/8/8/8/4k3/8/1Q6/K6r w - - 0 1") is None


# ---- root moves ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fen", "moves"),
    [
        ("k7/8/1K6/8/8/8/8/7R w - - 0 1", {"h1h8"}),  # Mates at once,
        ("k7/8/1K6/8/8/8/8/7R w - - 99 80", {"h1h8"}),  # also with the hundredth quiet ply.
        ("8/5P1k/5K2/8/8/8/8/8 w - - 0 1", {"f7f8r"}),  # The queen would take a move longer.
        ("8/4k3/4P3/4K3/8/8/8/8 b - - 0 1", {"e7e8"}),  # The only move that draws.
        (
            "8/8/8/4P3/4K3/8/8/k7 w - - 99 80",
            {"e5e6"},
        ),  # The king has no time for a walk: the clock is reset.
        (
            "7k/5K2/8/6Q1/8/8/8/8 w - - 0 1",
            {"g5g8", "g5g7", "g5h6", "g5h5", "g5h4"},
        ),  # Others stalemate.
    ],
)
def test_the_best_moves_at_the_root(tables, fen, moves):
    assert best(tables, fen) == moves


def test_a_winning_move_that_repeats_for_the_third_time_is_no_winning_move(tables):
    board = board_after(("b1b3", "h8g7", "b3b1", "g7h8") * 2, "7k/8/8/8/8/8/8/KQ6 w - - 0 1")
    repeating = chess.Move.from_uci("b1b3")
    board.push(repeating)
    assert board.is_repetition(3)
    board.pop()
    assert tables._rank(board, repeating, True).result == 0
    assert repeating not in best_moves(tables, board)


def winning(ranks):
    return {move for move, rank in ranks.items() if rank.result == 2}


def test_all_moves_that_hold_a_win_are_good(tables):
    """Tables count to the next capture or pawn move, which is no measure of how good a way is."""
    board = chess.Board("8/8/8/3k4/8/8/1Q1P4/K7 w - - 0 1")
    ranks = tables.ranks(board)
    assert len(winning(ranks)) > len(best_moves(tables, board))
    assert set(good_moves(ranks)) == winning(ranks)


@pytest.mark.parametrize(("clock", "moves"), [(60, ""), (0, "b2b3 d5d4 b3b2 d4d5")])
def test_after_many_moves_or_a_repetition_only_the_nearest_way_is_good(tables, clock, moves):
    board = board_after(moves, f"8/8/8/3k4/8/8/1Q1P4/K7 w - - {clock} 80")
    ranks = tables.ranks(board)
    good = good_moves(ranks)
    assert set(good) < winning(ranks)
    assert all(map(board.is_zeroing, good))


# ---- the fifty-move rule -------------------------------------------------------------------------

KBN = "8/8/3k4/8/8/8/8/KBN5 w - - {} 80"


@pytest.mark.parametrize(("spare_plies", "result"), [(2, 2), (-2, 1)])
def test_a_win_that_comes_too_late_ranks_below_a_win(tables, spare_plies, result):
    """For both sides; still the nearest way is best: the opponent may err."""
    board = chess.Board(KBN.format(0))
    board.halfmove_clock = 100 - tables._tables.probe_dtz(board) - spare_plies
    (move, *_) = best_moves(tables, board)
    assert tables.ranks(board)[move].result == result
    board.push(move)
    assert max(tables.ranks(board).values()).result == -result
    board.pop()
    tables.fifty_move_rule = False
    assert tables.ranks(board)[move].result == 2


# ---- folders in disrepair ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "sentences"), [("", 0), (".", 1), ("nowhere", 1)])
def test_a_folder_without_tables_is_told(tmp_path, name, sentences):
    tables = Tablebase(name and str(tmp_path / name))
    assert best(tables, QUEEN) == set()
    assert len(tables.take_news()) == sentences


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"\x71\xe8\x23\x5d" + bytes(12), bytes(64 * 9 + 16)]
)
def test_files_that_are_no_tables_are_named(tmp_path, content):
    (tmp_path / "KQvK.rtbw").write_bytes(content)
    (tmp_path / "README.txt").write_text("not a table")
    (tmp_path / "KXvK.rtbw").write_bytes(b"no such piece")
    tables = Tablebase(str(tmp_path))
    assert best(tables, QUEEN) == set()
    (problem,) = tables.take_news()
    assert "KQvK.rtbw" in problem


def test_a_table_under_another_name_is_refused(tmp_path, syzygy):
    """It would hang the prober."""
    shutil.copy(syzygy / "KRvK.rtbw", tmp_path / "KQvK.rtbw")
    shutil.copy(syzygy / "KPvKP.rtbz", tmp_path / "KPPvK.rtbz")
    tables = Tablebase(str(tmp_path))
    assert tables.largest == 0
    assert len(tables.take_news()) == 2


@pytest.mark.parametrize("tail", [bytes(16), bytes(16_400), b"\xa7" * 16_400])
@pytest.mark.parametrize("suffix", [".rtbw", ".rtbz"])
def test_damage_behind_the_header_costs_a_message_or_a_wrong_answer_but_no_exception(
    tmp_path, syzygy, tail, suffix
):
    for name in ("KQvK", "KRvK", "KQvKR"):
        for kind in (".rtbw", ".rtbz"):
            shutil.copyfile(syzygy / (name + kind), tmp_path / (name + kind))
    path = tmp_path / f"KQvKR{suffix}"
    path.write_bytes(path.read_bytes()[:192] + tail)
    tables = Tablebase(str(tmp_path))
    board = chess.Board("8/8/8/8/4k3/2r5/1Q6/K7 b - - 0 1")
    for _ in range(3):
        assert set(best_moves(tables, board)) <= set(board.legal_moves)
    if len(tail) == 16:
        _, problem = tables.take_news()  # told once, not at every probe
        assert "KQvKR" in problem
    assert wdl(tables, QUEEN) == 2  # the other tables still serve


def test_without_distances_the_result_is_kept(tmp_path, syzygy):
    for name in ("KPvK", "KQvK", "KRvK", "KBvK", "KNvK"):
        (tmp_path / f"{name}.rtbw").symlink_to(syzygy / f"{name}.rtbw")
    moves = best(Tablebase(str(tmp_path)), "8/5P2/8/8/8/8/2k5/K7 w - - 0 1")
    assert moves >= {"f7f8q", "f7f8r", "a1a2"}
    assert not moves & {"f7f8n", "f7f8b"}


def test_a_folder_in_the_home_folder_is_found(tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    (tmp_path / "tables").mkdir()
    assert Tablebase("~/tables").take_news() == ["no Syzygy tables found in ~/tables"]


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="needs file permissions",
)
def test_a_folder_that_may_not_be_read_is_named(tmp_path):
    tmp_path.chmod(0)
    try:
        (problem,) = Tablebase(str(tmp_path)).take_news()
    finally:
        tmp_path.chmod(0o755)
    assert str(tmp_path) in problem
