"""What the terminal game looks like, on the screen and as PGN, and the moves that people write."""

import contextlib
import io
import re
from pathlib import Path

import chess
import pytest
from rich.console import Console

from engine.cli.console import say
from engine.errors import MoveError
from tests.boards import board_after, games_in
from tests.new_process import largest_file
from tests.uci.play.terminal_game import FOOLS_MATE_NEXT, PLAIN
from uci.catalogues import spoken_languages
from uci.common.board_view import BoardStyle, captured_text, choose_style, render_bar, render_board
from uci.common.evaluation import Evaluation
from uci.game.game_file import game_from_board
from uci.game.move_input import read_human_move
from uci.language import own_letters, show_own_letters, shown_moves, speak
from uci.library.changes import save_game


def test_boards_are_seen_from_both_sides():
    board = board_after("e4")
    white = render_board(board, chess.WHITE, PLAIN).plain.splitlines()
    black = render_board(board, chess.BLACK, PLAIN).plain.splitlines()
    assert white[0] == " 8  r  n  b  q  k  b  n  r "
    assert white[4] == " 4  .  .  .  . (P) .  .  . "
    assert black[0] == " 1  R  N  B  K  Q  B  N  R "
    assert [rows[-1].split() for rows in (white, black)] == [list("abcdefgh"), list("hgfedcba")]


def test_symbols_tell_the_sides_apart():
    text = render_board(chess.Board(), chess.WHITE, BoardStyle(color=False, symbols=True)).plain
    assert set("♔♚·") < set(text)


# An encoding, the terminal, if it is one, whether NO_COLOR is set, and the features of the board.
STYLES = [
    ("utf-8", "xterm-256color", False, "color symbols"),
    ("utf-8", "xterm-256color", True, "symbols"),
    ("utf-8", "xterm", False, "color symbols few_colors"),
    ("utf-8", "linux", False, "color few_colors"),
    ("utf-8", "", False, "symbols"),
    ("ascii", "", False, ""),
]


@pytest.mark.parametrize(("encoding", "term", "no_color", "features"), STYLES)
def test_a_board_is_drawn_as_its_console_can_show_it(
    encoding, term, no_color, features, monkeypatch
):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.setenv("TERM", term or "xterm-256color")
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    style = choose_style(Console(file=file, force_terminal=bool(term), no_color=no_color))
    assert " ".join(name for name, is_there in vars(style).items() if is_there) == features


@pytest.mark.parametrize("few", [False, True])
def test_pieces_stand_out_from_every_square(few):
    style = BoardStyle(color=True, symbols=True, few_colors=few)
    styles = [span.style for span in render_board(board_after("Nf3"), chess.WHITE, style).spans]
    assert len(styles) == 64
    assert all(style.color != style.bgcolor for style in styles)
    papers = {style.bgcolor.name for style in styles}
    assert len(papers) == (3 if few else 4), "light and dark, and those of the last move"


def test_a_check_is_shown():
    board = chess.Board("4k3/8/8/8/8/8/4r3/4K3 w - - 0 1")
    colors = render_board(board, chess.WHITE, BoardStyle(color=True, symbols=True))
    assert [span.style.bgcolor.name for span in colors.spans].count("#a83232") == 1


@pytest.mark.parametrize(
    ("board", "sentence"),
    [
        (chess.Board(), ""),
        (
            board_after("e4 d5 exd5 Qxd5 Nc3 Qxg2 Bxg2"),
            "White took p q, Black took P P; White +8",
        ),
        (board_after("dxe3", "4k3/8/8/8/3pP3/8/8/4K3 b - e3 0 1"), "Black took P; Black +1"),
    ],
    ids=["nothing", "captures", "en passant"],
)
def test_what_was_taken_is_told(board, sentence):
    assert captured_text(board, PLAIN) == sentence


def test_saved_games_read_back(tmp_path, monkeypatch):
    board = board_after("Qh4#", FOOLS_MATE_NEXT)
    game = game_from_board(board, {"White": "You", "Date": "2024.05.06"}, "0-1", {1: 61.5})
    path = tmp_path / "game.pgn"
    save_game(game, path)
    path.write_text(path.read_text().rstrip())  # Behind such a last line the next game had no tags.
    with monkeypatch.context() as patched:
        patched.delattr(Path, "read_bytes")  # Each game at the end of a large file read all of it.
        save_game(game, path)
    assert list(map(str, games_in(path))) == [str(game)] * 2
    assert game.end().clock() == 61.5
    assert game_from_board(board_after("e4 e6"), {}, "*", {}).headers["Opening"] == "French Defence"


def test_a_full_disk_leaves_no_half_of_a_game(tmp_path):
    game = game_from_board(chess.Board(), {"White": "You"}, "*", {})
    path = tmp_path / "game.pgn"
    with largest_file(20), pytest.raises(OSError, match="large"):
        save_game(game, path)
    assert not path.exists(), "it was the last game, without one in it"
    save_game(game, path)
    before = path.read_bytes()
    with largest_file(len(before) + 20), pytest.raises(OSError, match="large"):
        save_game(game, path)
    assert path.read_bytes() == before


def test_a_bar_shows_the_chances():
    symbols = BoardStyle(color=False, symbols=True)
    mate = Evaluation(0, 3, (1000, 0, 0))
    worse = Evaluation(-50, None, (250, 250, 500))
    assert render_bar(mate, PLAIN) == f"White [{'#' * 24}] Black  #3"
    assert render_bar(worse, symbols) == f"White [{'█' * 9}{'░' * 15}] Black  -0.50"


def test_accents_are_dropped_where_they_cannot_be_shown():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    say(Console(file=file), "Réti, Grünfeld")
    file.flush()
    assert file.buffer.getvalue() == b"Reti, Grunfeld\n"


START = chess.STARTING_FEN
ROOK = "4k3/8/8/8/8/8/8/R3K3 w Q - 0 1"
SHORT, BOTH = (
    "4k3/8/8/8/8/8/8/4K2R w K - 0 1",
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
)
KNIGHTS, CHECK = "4k3/8/8/8/8/5N2/8/1N2K3 w - - 0 1", "4k3/8/8/8/8/8/P3r3/4K3 w - - 0 1"
PROMOTION, BISHOP = "8/4P3/8/8/8/8/k7/4K3 w - - 0 1", "4k3/8/8/8/4p3/3P1Q2/4P3/4KB2 w - - 0 1"
PINNED = "1r2k3/8/8/8/8/2p5/1P6/1K2B3 w - - 0 1"


# Language, position, move, and what people write for it.
WRITTEN = [
    ("en", START, "e2e4", "e4|e2-e4|1. e4|1...e2 - e4|e2–e4|e2:e4|E4|“e4”,|e4 ⩲"),
    ("en", START, "g1f3", "nf3!?|Ng1-f3|♘f3"),
    (
        "en",
        SHORT,
        "e1g1",
        "0-0|e1h1|O–O|castle|castles short|Castle kingside|castle k|castle king-side",
    ),
    ("en", BOTH, "e1c1", "ooo|castle long"),
    ("en", PROMOTION, "e7e8q", "e8=Q+|e8/Q|e8=♕"),
    ("en", PROMOTION, "e7e8n", "e8n"),
    ("en", PROMOTION, "e7e8r", "e7e8R"),
    ("en", "4k3/8/8/8/8/2n5/1P6/B3K3 w - - 0 1", "b2c3", "bxc3"),
    ("de", START, "g1f3", "Sg1-f3|1. S g1–f3|sf3!|Nf3"),
    ("de", START, "e2e4", "Be4"),
    ("de", BISHOP, "f1g2", "Bg2"),
    ("de", BISHOP, "e2e3", "Be3"),
    ("de", BISHOP, "d3e4", "dxe4"),
    ("de", BISHOP, "f3e4", "Dxe4+"),
    ("de", PROMOTION, "e7e8q", "e8=D+"),
    ("de", PROMOTION, "e7e8n", "e8s"),
    ("de", PROMOTION, "e7e8b", "e8=B"),
    ("de", PROMOTION, "e7e8r", "e7e8T"),
    ("fr", ROOK, "e1d2", "Rd2"),
    ("fr", ROOK, "a1b1", "Rb1"),
    ("fr", ROOK, "a1d1", "♖d1|Td1+"),
    ("fr", ROOK, "e1d1", "Kd1"),
    ("fr", ROOK, "a1a2", "ta2"),
    ("es", "4k3/5p2/8/8/2B5/8/8/4K3 w - - 0 1", "c4f7", "Axf7+"),
    ("es", "4k3/5p2/8/8/2B5/8/8/4K3 w - - 0 1", "c4d5", "ad5"),
]


@pytest.mark.parametrize(("code", "fen", "move", "texts"), WRITTEN)
def test_human_notations_are_read(code, fen, move, texts):
    """With the letters of one's language, too."""
    speak(code)
    for text in texts.split("|"):
        assert read_human_move(chess.Board(fen), text).uci() == move, text


# Language, position, what people write, and what is said to it.
REFUSED = [
    ("en", KNIGHTS, "Nd2", "ambiguous: Nbd2, Nfd2"),
    ("en", START, "hello", "cannot read 'hello'"),
    ("en", START, "Z0", "cannot read 'Z0'"),  # python-chess: a null move, as the next one
    ("en", START, "0000", "cannot read '0000'"),
    ("en", START, "e5", "e5 is illegal"),
    ("en", START, "e3e4", "e3 is empty"),
    ("en", START, "e7e5", "piece on e7 is not yours"),
    ("en", START, "Ne5", "Your knights can only move to a3, c3, f3 or h3"),
    ("en", START, "castle", "illegal"),
    ("en", START, "Qf3", "To that square you can play Nf3"),
    ("en", START, "e2e5", "Your pawn on e2 can only move to e3 or e4"),
    ("en", PROMOTION, "e7e8", "add the piece, as in e7e8q"),
    ("en", PINNED, "bxc3|bc3|b:c3", "To that square you can play Bxc3"),
    ("en", CHECK, "a3|a2a3", "you are in check. You can play"),
    ("en", BOTH, "castle", "castle which way"),
    ("de", KNIGHTS, "Sd2", "mehrdeutig: Nbd2, Nfd2"),
    ("de", START, "Se5", "Ihre Springer können nur nach a3, c3, f3 oder h3 ziehen"),
    ("fr", ROOK, "Rd1", "ambigu : tour a1d1, roi e1d1"),
]


@pytest.mark.parametrize(("code", "fen", "texts", "answer"), REFUSED)
def test_refused_move_says_what_could_be_meant(code, fen, texts, answer):
    speak(code)
    for text in texts.split("|"):
        with pytest.raises(MoveError, match=re.escape(answer)):
            read_human_move(chess.Board(fen), text)


@pytest.mark.parametrize("code", spoken_languages())
@pytest.mark.parametrize("is_own", [False, True])
def test_every_move_can_be_typed_as_it_is_shown(code, is_own):
    """With English letters or the language's own; English ones may be the other move's, too, which
    is asked then.
    """
    speak(code)
    show_own_letters(is_own)
    may_ask = not is_own and own_letters().get("R", "R") != "R"
    for board in map(chess.Board, (BOTH, ROOK, "8/8/3q4/8/2k5/8/1p1r4/R3K2R b - - 0 1")):
        for move in board.legal_moves:
            with contextlib.suppress(MoveError) if may_ask else contextlib.nullcontext():
                assert read_human_move(board, shown_moves(board.san(move))) == move
            assert (
                read_human_move(board, board.san(move).translate(str.maketrans("KQRBN", "♔♕♖♗♘")))
                == move
            )
