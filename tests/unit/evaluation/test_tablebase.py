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


@pytest.fixture
def tables(syzygy):
    tablebase = Tablebase(str(syzygy))
    yield tablebase
    tablebase.close()


def wdl(tables, fen):
    return tables.wdl(row_from_board(chess.Board(fen)))


def best_ranked(ranks):
    best = max(ranks.values(), default=None)
    return [move for move, rank in ranks.items() if rank == best]


def best_moves(tables, board):
    return best_ranked(tables.ranks(board))


def best(tables, fen):
    return {move.uci() for move in best_moves(tables, chess.Board(fen))}


def found_only(tables):
    """Whether all there is to say is that there are tables."""
    (news,) = tables.take_news()
    return news.startswith("Syzygy tables found: ")


def test_a_table_is_counted_once(tmp_path, syzygy):
    """It is there under two names, and was counted as two."""
    for ending in ("rtbw", "rtbz"):
        (tmp_path / f"KQvK.{ending}").symlink_to(syzygy / f"KQvK.{ending}")
    assert Tablebase(str(tmp_path)).take_news() == [
        "Syzygy tables found: 1 WDL, 1 DTZ; used up to 3 pieces"
    ]


# ---- results -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fen", "expected"),
    [
        (QUEEN, 2),
        ("8/8/8/8/4k3/8/1Q6/K7 b - - 0 1", -2),
        ("8/8/8/8/4k3/8/1N6/K7 w - - 0 1", 0),
        ("k7/P7/K7/8/8/8/8/8 b - - 0 1", 0),  # stalemate
        ("8/8/8/8/1k1Pp3/8/8/1K6 b - d3 0 1", 2),  # by capturing en passant
        ("8/8/8/8/1k1Pp3/8/8/1K6 b - - 0 1", 0),
        (CURSED, 1),
        (BLESSED, -1),
    ],
)
def test_wdl_is_from_the_side_to_move(tables, fen, expected):
    assert wdl(tables, fen) == expected
    assert tables.wdl(row_from_board(chess.Board(fen).mirror())) == expected


def test_without_the_fifty_move_rule_cursed_wins_are_wins(syzygy):
    tables = Tablebase(str(syzygy), fifty_move_rule=False)
    assert (wdl(tables, CURSED), wdl(tables, BLESSED)) == (2, -2)
    assert wdl(tables, "8/8/8/8/4k3/8/1N6/K7 w - - 0 1") == 0


def test_what_is_not_in_the_tables_is_unknown(tables):
    assert tables.largest == 5
    assert wdl(tables, chess.STARTING_FEN) is None
    assert wdl(tables, "8/8/8/7r/8/6k1/1QQ5/K7 w - - 0 1") is None  # five pieces, but no table
    # nor is it asked what the capture leads to
    assert wdl(tables, "8/8/8/2r5/8/6k1/1QQ5/K7 w - - 0 1") is None
    assert wdl(tables, "8/8/8/8/4k3/8/8/K7 w - - 0 1") is None  # bare kings: the rules decide
    assert wdl(tables, "4k3/8/8/8/8/8/8/4K2R w K - 0 1") is None
    assert tables.hits == 0
    assert wdl(tables, "4k3/8/8/8/8/8/8/4K2R w - - 0 1") == 2
    assert tables.hits == 1
    assert found_only(tables)


def test_positions_with_castling_rights_are_left_to_the_search_also_in_chess960(tables):
    board = chess.Board("4k3/8/8/8/8/8/8/1R2K3 w B - 0 1", chess960=True)
    assert board.clean_castling_rights()
    assert best_moves(tables, board) == []
    assert tables.wdl(row_from_board(board)) is None


def test_rights_that_a_fen_only_claims_do_not_hide_the_tables(tables):
    board = chess.Board(QUEEN)
    board.castling_rights = chess.BB_A1 | chess.BB_H1
    assert best_moves(tables, board)


def test_the_probe_limit_is_a_limit_on_pieces(syzygy):
    tables = Tablebase(str(syzygy), probe_limit=3)
    assert tables.largest == 3
    assert wdl(tables, QUEEN) == 2
    assert wdl(tables, "8/8/8/8/4k3/8/1Q6/K6r w - - 0 1") is None
    assert best(Tablebase(str(syzygy), probe_limit=0), QUEEN) == set()


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


def test_all_moves_that_hold_a_win_are_good(tables):
    """Tables count to the next capture or pawn move, which is no measure of how good a way is."""
    board = chess.Board("8/8/8/3k4/8/8/1Q1P4/K7 w - - 0 1")
    ranks = tables.ranks(board)
    winning = [move for move, rank in ranks.items() if rank[0] == 2]
    assert len(winning) > len(best_ranked(ranks))
    assert set(good_moves(ranks)) == set(winning)


def test_after_many_moves_or_a_repetition_only_the_nearest_way_is_good(tables):
    fen = "8/8/8/3k4/8/8/1Q1P4/K7 w - - {} 80"
    late = chess.Board(fen.format(60))
    again = board_after(("b2b3", "d5d4", "b3b2", "d4d5"), fen.format(0))
    for board in (late, again):
        ranks = tables.ranks(board)
        nearest = [move for move in good_moves(ranks) if not board.is_zeroing(move)]
        assert len(good_moves(ranks)) < len([rank for rank in ranks.values() if rank[0] == 2])
        assert all(ranks[move][1] == 0 for move in good_moves(ranks)) or len(nearest) == len(
            best_ranked(ranks)
        )


# ---- the fifty-move rule -------------------------------------------------------------------------

KBN = "8/8/3k4/8/8/8/8/KBN5 w - - {} 80"


def test_a_win_that_comes_too_late_ranks_below_a_win(tables):
    board = chess.Board(KBN.format(0))
    plies = tables._tables.probe_dtz(board)
    assert 40 < plies < 100
    in_time, too_late = chess.Board(KBN.format(98 - plies)), chess.Board(KBN.format(102 - plies))
    move = best_moves(tables, in_time)[0]
    assert tables._rank(in_time, move, True)[0] == 2
    assert tables._rank(too_late, move, True)[0] == 1
    assert best_moves(tables, too_late)  # still the nearest way: the opponent may err
    without_rule = Tablebase.__new__(Tablebase)
    without_rule.__dict__.update(tables.__dict__, fifty_move_rule=False)
    assert without_rule._rank(too_late, move, True)[0] == 2


def test_a_loser_that_the_fifty_move_rule_saves_is_not_lost(tables):
    board = chess.Board(KBN.format(0))
    board.push(best_moves(tables, board)[0])
    plies = -tables._tables.probe_dtz(board)
    board.halfmove_clock = 102 - plies
    assert {tables._rank(board, move, True)[0] for move in best_moves(tables, board)} == {-1}
    board.halfmove_clock = 0
    assert {tables._rank(board, move, True)[0] for move in best_moves(tables, board)} == {-2}


def test_the_hundredth_quiet_ply_draws(tables):
    board = chess.Board("k7/8/2K5/8/8/8/8/7R w - - 99 80")
    assert {tables._rank(board, move, True)[0] for move in board.legal_moves} == {0}


# ---- folders in disrepair ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, ".", "nowhere"])
def test_a_folder_without_tables_is_told(tmp_path, name):
    tables = Tablebase(str(tmp_path / name) if name is not None else "")
    assert best(tables, QUEEN) == set()
    assert len(tables.take_news()) == (name is not None)
    assert tables.take_news() == []


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


@pytest.mark.parametrize("damage", ["cut", "zeros", "noise"])
@pytest.mark.parametrize("suffix", [".rtbw", ".rtbz"])
def test_damage_behind_the_header_costs_a_message_or_a_wrong_answer_but_no_exception(
    tmp_path, syzygy, damage, suffix
):
    for name in ("KQvK", "KRvK", "KQvKR"):
        for kind in (".rtbw", ".rtbz"):
            shutil.copy(syzygy / (name + kind), tmp_path)
    path = tmp_path / f"KQvKR{suffix}"
    path.chmod(0o644)
    data = path.read_bytes()
    keep = 192
    tail = {
        "cut": bytes(16),
        "zeros": bytes(len(data) - keep),
        "noise": b"\xa7" * (len(data) - keep),
    }
    path.write_bytes(data[:keep] + tail[damage])
    tables = Tablebase(str(tmp_path))
    board = chess.Board("8/8/8/8/4k3/2r5/1Q6/K7 b - - 0 1")
    for _ in range(3):
        assert set(best_moves(tables, board)) <= set(board.legal_moves)
    if damage == "cut":
        _, problem = tables.take_news()  # told once, not at every probe
        assert "KQvKR" in problem
    assert wdl(tables, QUEEN) == 2  # the other tables still serve


def test_without_distances_the_result_is_kept(tmp_path, syzygy):
    for name in ("KPvK", "KQvK", "KRvK", "KBvK", "KNvK"):
        shutil.copy(syzygy / f"{name}.rtbw", tmp_path)
    tables = Tablebase(str(tmp_path))
    board = chess.Board("8/5P2/8/8/8/8/2k5/K7 w - - 0 1")
    moves = {move.uci() for move in best_moves(tables, board)}
    assert moves >= {"f7f8q", "f7f8r", "a1a2"}
    assert not moves & {"f7f8n", "f7f8b"}
    assert found_only(tables)


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
