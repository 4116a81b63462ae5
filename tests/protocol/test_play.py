"""The terminal game, with scripted input, a fake engine and a console that writes to text."""

from __future__ import annotations

import _thread
import datetime
import io
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import chess
import chess.pgn
import pytest
from rich.console import Console

from engine.errors import MoveError
from engine.options import EngineOptions
from engine.search.limits import Limits
from tests.protocol.fake_engine import FakeEngine
from uci.play.board_view import BoardStyle, choose_style, render_board
from uci.play.game import GameEnd, TerminalGame
from uci.play.move_input import read_human_move
from uci.play.record import game_from_board, save

PLAIN = BoardStyle(color=False, symbols=False)
FOOLS_MATE_NEXT = "rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq - 0 2"


class KnightShuffler(FakeEngine):
    """Black moves its king's knight out and back."""

    def _moves(self, limits: Limits) -> list[chess.Move]:
        out, back = chess.Move.from_uci("g8f6"), chess.Move.from_uci("f6g8")
        return [out if self.board.is_legal(out) else back]


def play(
    *inputs: str,
    fen: str = chess.STARTING_FEN,
    human: chess.Color = chess.WHITE,
    engine_class: type[FakeEngine] = FakeEngine,
) -> tuple[TerminalGame, GameEnd, str]:
    """A game with the given answers; the input ends after them."""
    output = io.StringIO()
    answers: Iterator[str] = iter(inputs)

    def ask(prompt: str) -> str:
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    engine = engine_class(EngineOptions())
    console = Console(file=output, width=200)
    game = TerminalGame(console, engine, chess.Board(fen), human, Limits(nodes=1), PLAIN, ask)  # type: ignore[arg-type]
    return game, game.play(), output.getvalue()


# ---- the loop -------------------------------------------------------------------------------------------------------


def test_engine_answers_each_move_until_the_input_ends() -> None:
    game, end, output = play("e4", "d4")
    assert [move.uci() for move in game.board.move_stack[::2]] == ["e2e4", "d2d4"]
    assert len(game.board.move_stack) == 4
    assert end == GameEnd("*", "unterminated")
    assert "Aino plays" in output
    assert "(+0.10)" in output


def test_engine_begins_when_the_human_is_black() -> None:
    game, _, _ = play("a5", human=chess.BLACK)
    assert len(game.board.move_stack) == 3
    assert game.board.move_stack[1] == chess.Move.from_uci("a7a5")


def test_mate_ends_the_game_and_shows_the_board() -> None:
    _, end, output = play("Qh4", fen=FOOLS_MATE_NEXT, human=chess.BLACK)
    assert end == GameEnd("0-1", "checkmate")
    assert "(q)" in output, "the mating move is marked on the board"


def test_third_repetition_is_a_draw() -> None:
    game, end, _ = play(*["Nf3", "Ng1"] * 3, engine_class=KnightShuffler)
    assert end == GameEnd("1/2-1/2", "threefold repetition")
    assert len(game.board.move_stack) == 8


def test_fifty_moves_are_a_draw() -> None:
    _, end, _ = play("Ke2", fen="4k3/8/8/8/8/8/8/R3K3 w - - 99 80")
    assert end == GameEnd("1/2-1/2", "fifty moves")


@pytest.mark.parametrize(("human", "result"), [(chess.WHITE, "0-1"), (chess.BLACK, "1-0")])
def test_resigning_loses(human: chess.Color, result: str) -> None:
    assert play("resign", human=human)[1].result == result


def test_takeback_returns_to_the_own_move_before() -> None:
    game, _, output = play("e4", "takeback", "takeback", "d4")
    assert game.board.move_stack[0] == chess.Move.from_uci("d2d4")
    assert len(game.board.move_stack) == 2
    assert "no move of yours to take back" in output


def test_takeback_leaves_the_engines_first_move() -> None:
    game, _, output = play("undo", human=chess.BLACK)
    assert len(game.board.move_stack) == 1
    assert "no move of yours to take back" in output


def test_hint_moves_fen_flip_and_help_change_nothing() -> None:
    game, _, output = play("hint", "moves", "fen", "flip", "board", "help", "", "nonsense")
    assert game.board == chess.Board()
    assert "Aino would play" in output
    assert " e4 " in output
    assert chess.STARTING_FEN in output
    assert "takeback" in output
    assert "cannot read 'nonsense'" in output


@pytest.fixture
def listens_to_interrupts() -> Iterator[None]:
    """A process started in the background of a shell ignores SIGINT; this one must not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listens_to_interrupts")
def test_interrupt_while_the_engine_thinks_stops_it_and_keeps_the_game() -> None:
    engine, limits = FakeEngine(EngineOptions()), Limits(infinite=True)
    console = Console(file=io.StringIO())
    game = TerminalGame(console, engine, chess.Board(), chess.WHITE, limits, PLAIN, lambda prompt: "e4")  # type: ignore[arg-type]
    interrupt = threading.Timer(0.2, _thread.interrupt_main)
    interrupt.start()
    end = game.play()
    interrupt.join()
    assert end.result == "*"
    assert [move.uci() for move in game.board.move_stack] == ["e2e4"]


# ---- moves as people write them -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fen", "uci"),
    [
        ("e4", chess.STARTING_FEN, "e2e4"),
        ("e2-e4", chess.STARTING_FEN, "e2e4"),
        ("E2E4".lower(), chess.STARTING_FEN, "e2e4"),
        ("nf3!?", chess.STARTING_FEN, "g1f3"),
        ("Ng1-f3", chess.STARTING_FEN, "g1f3"),
        ("0-0", "4k3/8/8/8/8/8/8/4K2R w K - 0 1", "e1g1"),
        ("ooo", "4k3/8/8/8/8/8/8/R3K3 w Q - 0 1", "e1c1"),
        ("e1h1", "4k3/8/8/8/8/8/8/4K2R w K - 0 1", "e1g1"),
        ("e8=Q+", "8/4P3/8/8/8/8/k7/4K3 w - - 0 1", "e7e8q"),
        ("e8n", "8/4P3/8/8/8/8/k7/4K3 w - - 0 1", "e7e8n"),
        ("e7e8R", "8/4P3/8/8/8/8/k7/4K3 w - - 0 1", "e7e8r"),
        ("bxc3", "4k3/8/8/8/8/2n5/1P6/B3K3 w - - 0 1", "b2c3"),
    ],
)
def test_human_notations_are_read(text: str, fen: str, uci: str) -> None:
    assert read_human_move(chess.Board(fen), text).uci() == uci


@pytest.mark.parametrize(
    ("text", "fen", "help_text"),
    [
        ("Nd2", "4k3/8/8/8/8/5N2/8/1N2K3 w - - 0 1", "ambiguous: Nbd2, Nfd2"),
        ("hello", chess.STARTING_FEN, "cannot read 'hello'"),
        ("e5", chess.STARTING_FEN, "'moves' lists"),
        ("Qf3", chess.STARTING_FEN, "to that square you can play Nf3"),
        ("e2e5", chess.STARTING_FEN, "from e2 you can play e3, e4"),
        ("e3e4", chess.STARTING_FEN, "e3 is empty"),
        ("e7e5", chess.STARTING_FEN, "pawn on e7 is not yours"),
        ("e7e8", "8/4P3/8/8/8/8/k7/4K3 w - - 0 1", "add the piece, as in e7e8q"),
        ("a3", "4k3/8/8/8/8/8/P3r3/4K3 w - - 0 1", "you are in check, and can play"),
        ("a2a3", "4k3/8/8/8/8/8/P3r3/4K3 w - - 0 1", "you are in check, and can play"),
    ],
)
def test_refused_move_says_what_could_be_meant(text: str, fen: str, help_text: str) -> None:
    with pytest.raises(MoveError) as caught:
        read_human_move(chess.Board(fen), text)
    assert help_text in str(caught.value)


# ---- the board ------------------------------------------------------------------------------------------------------


def test_ascii_board_seen_from_both_sides() -> None:
    board = chess.Board()
    board.push_san("e4")
    white = render_board(board, chess.WHITE, PLAIN).plain.splitlines()
    black = render_board(board, chess.BLACK, PLAIN).plain.splitlines()
    assert white[0] == " 8  r  n  b  q  k  b  n  r "
    assert white[4] == " 4  .  .  .  . (P) .  .  . "
    assert white[-1].split() == list("abcdefgh")
    assert black[0] == " 1  R  N  B  K  Q  B  N  R "
    assert black[-1].split() == list("hgfedcba")


def test_symbols_without_color_tell_the_sides_apart() -> None:
    text = render_board(chess.Board(), chess.WHITE, BoardStyle(color=False, symbols=True)).plain
    assert "♔" in text
    assert "♚" in text
    assert "·" in text


def test_color_and_symbols_only_where_they_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)

    def console(encoding: str, terminal: bool, no_color: bool | None = None) -> Console:
        file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        return Console(file=file, force_terminal=terminal, no_color=no_color)

    assert choose_style(console("utf-8", True)) == BoardStyle(color=True, symbols=True)
    assert choose_style(console("utf-8", True, no_color=True)) == BoardStyle(color=False, symbols=True)
    assert choose_style(console("utf-8", False)) == BoardStyle(color=False, symbols=True)
    assert choose_style(console("ascii", False)) == BoardStyle(color=False, symbols=False)
    assert choose_style(console("utf-8", True), ascii_only=True).symbols is False


# ---- PGN ------------------------------------------------------------------------------------------------------------


def test_saved_game_reads_back_and_is_appended(tmp_path: Path) -> None:
    board = chess.Board(FOOLS_MATE_NEXT)
    board.push_san("Qh4#")
    names = {chess.WHITE: "You", chess.BLACK: "Aino"}
    game = game_from_board(board, names, "0-1", "checkmate", datetime.datetime(2024, 5, 6))
    path = tmp_path / "game.pgn"
    save(game, path)
    save(game, path)
    with path.open() as file:
        first, second = chess.pgn.read_game(file), chess.pgn.read_game(file)
    assert first is not None
    assert second is not None
    assert first.headers["FEN"] == FOOLS_MATE_NEXT
    assert (first.headers["Result"], first.headers["Date"], first.headers["Black"]) == ("0-1", "2024.05.06", "Aino")
    assert [move.uci() for move in first.mainline_moves()] == ["d8h4"]
