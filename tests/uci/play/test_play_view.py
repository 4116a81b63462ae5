"""What the terminal game looks like, on the screen and as PGN, and the moves that people write."""

import io
from pathlib import Path

import chess
import chess.pgn
import pytest
from rich.console import Console
from rich.style import Style

from engine.cli.console import say
from tests.boards import board_after
from tests.new_process import largest_file
from tests.uci.play.terminal_game import FOOLS_MATE_NEXT, PLAIN
from uci.game.game_file import game_from_board, save_game
from uci.terminal.board_view import BoardStyle, captured_text, choose_style, render_bar, render_board
from uci.terminal.verdict import Verdict


def test_boards_are_seen_from_both_sides_and_symbols_tell_the_sides_apart() -> None:
    board = board_after("e4")
    white = render_board(board, chess.WHITE, PLAIN).plain.splitlines()
    black = render_board(board, chess.BLACK, PLAIN).plain.splitlines()
    assert white[0] == " 8  r  n  b  q  k  b  n  r "
    assert white[4] == " 4  .  .  .  . (P) .  .  . "
    assert white[-1].split() == list("abcdefgh")
    assert black[0] == " 1  R  N  B  K  Q  B  N  R "
    assert black[-1].split() == list("hgfedcba")
    text = render_board(chess.Board(), chess.WHITE, BoardStyle(color=False, symbols=True)).plain
    assert "♔" in text
    assert "♚" in text
    assert "·" in text


def test_color_and_symbols_only_where_they_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("COLORTERM", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")

    def console(encoding: str, terminal: bool, no_color: bool | None = None) -> Console:
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        return Console(file=file, force_terminal=terminal, no_color=no_color)

    assert choose_style(console("utf-8", True)) == BoardStyle(color=True, symbols=True)
    assert choose_style(console("utf-8", True, no_color=True)) == BoardStyle(color=False, symbols=True)
    assert choose_style(console("utf-8", False)) == BoardStyle(color=False, symbols=True)
    assert choose_style(console("ascii", False)) == BoardStyle(color=False, symbols=False)
    assert choose_style(console("utf-8", True), ascii_only=True).symbols is False
    monkeypatch.setenv("TERM", "xterm")
    assert choose_style(console("utf-8", True)) == BoardStyle(color=True, symbols=True, few_colors=True)


@pytest.mark.parametrize("few", [False, True])
def test_pieces_stand_out_from_every_square(few: bool) -> None:
    board = board_after("Nf3")
    text = render_board(board, chess.WHITE, BoardStyle(color=True, symbols=True, few_colors=few))
    styles = [span.style for span in text.spans]
    assert len(styles) == 64
    assert all(isinstance(style, Style) and style.color != style.bgcolor for style in styles)
    papers = {style.bgcolor.name for style in styles if isinstance(style, Style) and style.bgcolor}
    assert len(papers) == (3 if few else 4), "light and dark, and those of the last move"


def test_checks_captures_and_material_are_told() -> None:
    board = chess.Board("4k3/8/8/8/8/8/4r3/4K3 w - - 0 1")
    assert "[K]" in render_board(board, chess.WHITE, PLAIN).plain
    colors = render_board(board, chess.WHITE, BoardStyle(color=True, symbols=True))
    papers = [span.style.bgcolor.name for span in colors.spans if isinstance(span.style, Style) and span.style.bgcolor]
    assert papers.count("#a83232") == 1
    assert captured_text(chess.Board(), PLAIN) == ""
    assert captured_text(board_after("e4 d5 exd5 Qxd5 Nc3 Qxg2 Bxg2"), PLAIN) == (
        "White took p q, Black took P P; White +8"
    )
    en_passant = board_after("dxe3", "4k3/8/8/8/3pP3/8/8/4K3 b - e3 0 1")
    assert captured_text(en_passant, PLAIN) == "Black took P; Black +1"


def test_saved_game_reads_back_and_is_appended(tmp_path: Path) -> None:
    board = board_after("Qh4#", FOOLS_MATE_NEXT)
    game = game_from_board(board, {"White": "You", "Date": "2024.05.06"}, "0-1", {1: 61.5})
    path = tmp_path / "game.pgn"
    save_game(game, path)
    save_game(game, path)
    with path.open() as file:
        first, second = chess.pgn.read_game(file), chess.pgn.read_game(file)
    assert second is not None
    assert first.headers["FEN"] == FOOLS_MATE_NEXT
    assert (first.headers["Result"], first.headers["Date"], first.headers["White"]) == ("0-1", "2024.05.06", "You")
    assert [move.uci() for move in first.mainline_moves()] == ["d8h4"]
    assert first.end().clock() == 61.5
    assert game_from_board(board_after("e4 e6"), {}).headers["Opening"] == "French Defence"


def test_a_disk_that_became_full_left_half_a_game_before_the_next_one(tmp_path: Path) -> None:
    game, path = game_from_board(chess.Board(), {"White": "You"}), tmp_path / "game.pgn"
    save_game(game, path)
    before = path.read_bytes()
    with largest_file(len(before) + 20), pytest.raises(OSError, match="large"):
        save_game(game, path)
    assert path.read_bytes() == before


def test_bars_are_full_for_the_winner_and_accents_dropped_where_they_cannot_be_shown() -> None:
    assert render_bar(Verdict(0, 3, (1000, 0, 0)), PLAIN) == f"White [{'#' * 24}] Black  #3"
    symbols = BoardStyle(color=False, symbols=True)
    assert render_bar(Verdict(-50, None, (250, 250, 500)), symbols) == f"White [{'█' * 9}{'░' * 15}] Black  -0.50"
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    say(Console(file=file), "Réti, Grünfeld")
    file.flush()
    assert file.buffer.getvalue() == b"Reti, Grunfeld\n"  # type: ignore[attr-defined]
