"""The terminal game, with scripted input, a fake engine and a console that writes to text."""

from __future__ import annotations

import _thread
import io
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import chess
import chess.pgn
import pytest
from rich.console import Console
from rich.style import Style

from engine.board.fen import parse_fen
from engine.errors import ConfigError, MoveError
from engine.options import EngineOptions
from engine.search.control import SearchControl
from engine.search.driver import OnInfo
from engine.search.limits import Limits
from engine.search.results import SearchInfo, SearchResult
from tests.protocol.aino_process import COMMAND, ROOT, START_S
from tests.protocol.fake_engine import FakeEngine
from uci.main import main
from uci.play.board_view import BoardStyle, choose_style, render_bar, render_board
from uci.play.clock import GameClock, TimeControl, clock_text, parse_time_control
from uci.play.commands import COMMANDS
from uci.play.ends import GameEnd
from uci.play.game import GameSettings, TerminalGame
from uci.play.level import DEFAULT_LEVEL, Level, parse_level
from uci.play.move_input import read_human_move
from uci.play.record import game_from_board, save
from uci.reading import read_game
from uci.terminal import say
from uci.verdict import Verdict

PLAIN = BoardStyle(color=False, symbols=False)
FOOLS_MATE_NEXT = "rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq - 0 2"


class KnightShuffler(FakeEngine):
    """Black moves its king's knight out and back."""

    def _moves(self, limits: Limits) -> list[chess.Move]:
        out, back = chess.Move.from_uci("g8f6"), chess.Move.from_uci("f6g8")
        return [out if self.board.is_legal(out) else back]


class Optimist(FakeEngine):
    """Thinks that the side to move, which asks for the draw, is worse."""

    def _info(self, move: chess.Move, rank: int) -> SearchInfo:
        return replace(super()._info(move, rank), score_cp=-10, wdl=(300, 300, 400))


class Sicilian(FakeEngine):
    """Answers with the c-pawn where it can."""

    def _moves(self, limits: Limits) -> list[chess.Move]:
        return sorted(self.board.legal_moves, key=lambda move: move.uci() != "c7c5")


class Ponderer(FakeEngine):
    """Thinks until it is stopped."""

    def search(
        self, limits: Limits, on_info: OnInfo | None = None, control: SearchControl | None = None
    ) -> SearchResult:
        return super().search(replace(limits, infinite=True), on_info, control)


class Time:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def play(
    *inputs: str,
    fen: str = chess.STARTING_FEN,
    board: chess.Board | None = None,
    human: chess.Color | None = chess.WHITE,
    engine_class: type[FakeEngine] = FakeEngine,
    clock: GameClock | None = None,
    pause: Callable[[], None] = lambda: None,
) -> tuple[TerminalGame, GameEnd, str]:
    """A game with the given answers, a pause before each; the input ends after them."""
    output = io.StringIO()
    answers: Iterator[str] = iter(inputs)

    def ask(prompt: str) -> str:
        output.write(prompt + "\n")
        pause()
        try:
            return next(answers)
        except StopIteration:
            raise EOFError from None

    engine = engine_class(EngineOptions())
    console = Console(file=output, width=200)
    game = TerminalGame(console, engine, board or chess.Board(fen), settings(human, clock), ask)  # type: ignore[arg-type]
    return game, game.play(), output.getvalue()


def settings(human: chess.Color | None, clock: GameClock | None = None) -> GameSettings:
    levels = {chess.WHITE: Level(nodes=1), chess.BLACK: Level(nodes=1)}
    return GameSettings(human, levels, PLAIN, clock)


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
    inputs = ("hint", "eval", "bar", "moves", "fen", "flip", "board", "clock", "opening", "pgn", "help", "", "nonsense")
    game, _, output = play(*inputs)
    assert game.board == chess.Board()
    assert "Aino would play" in output
    assert "White: 40% win, 30% draw, 30% loss" in output
    assert "the evaluation bar is on" in output
    assert "White [#############-----------] Black  +0.10" in output
    assert " e4 " in output
    assert chess.STARTING_FEN in output
    assert "no clock in this game" in output
    assert '[Event "Terminal game"]' in output
    assert all(command.help in output for command in COMMANDS.values())
    assert "cannot read 'nonsense'" in output


def test_misspelt_command_is_guessed() -> None:
    assert "did you mean 'takeback'?" in play("takebak")[2]
    assert "did you mean" not in play("xx")[2]


def long_game() -> chess.Board:
    """Some 30 plies without an end."""
    board, rng = chess.Board(), random.Random(3)
    while len(board.move_stack) < 30:
        board.push(rng.choice([move for move in board.legal_moves if not board.is_capture(move)]))
    return board


def test_draw_is_declined_early_and_by_an_engine_that_is_better() -> None:
    assert "too early" in play("draw")[2]
    _, end, output = play("draw", board=long_game(), engine_class=Optimist)
    assert "Aino declines" in output
    assert end.result == "*"


def test_draw_is_agreed_where_the_engine_is_not_better() -> None:
    assert play("draw", board=long_game())[1] == GameEnd("1/2-1/2", "draw agreed")


def test_level_is_shown_and_changed_and_a_bad_one_told() -> None:
    game, _, output = play("level", "level elo 900", "level 99", "e4")
    assert "level: nodes 1; to change it" in output
    assert "level: elo 900" in output
    assert "'99': expected elo 1500" in output
    options = game._engine.options
    assert (options.limit_strength, options.elo) == (True, 900)


def test_opening_is_named_when_it_changes() -> None:
    output = play("e4", "opening", engine_class=Sicilian)[2]
    assert output.count("Sicilian Defence") == 2


def test_engine_plays_itself_to_the_end() -> None:
    board = chess.Board("k7/8/8/p7/P7/8/8/K7 w - - 96 80")
    game, end, output = play(human=None, board=board)
    assert end == GameEnd("1/2-1/2", "fifty moves")
    assert len(game.board.move_stack) == 4
    assert "help" not in output


def test_games_are_saved_and_loaded_on_the_way(tmp_path: Path) -> None:
    path = tmp_path / "a game.pgn"
    play("e4", f"save {path}", f"save {tmp_path}/no/folder")
    game, _, output = play(f"load {path}", "load", "save", "load nothing.pgn", "takeback")
    assert game.board == chess.Board()
    assert "load what?" in output
    assert "save where?" in output
    assert "nothing.pgn: No such file" in output
    assert play(f"load {path} 1")[0].board.move_stack[0] == chess.Move.from_uci("e2e4")
    assert "found 1" in play(f"load {path} 2")[2]


# ---- clocks ---------------------------------------------------------------------------------------------------------


def test_clock_runs_for_the_mover_and_adds_the_increment() -> None:
    now = Time()
    clock = GameClock(TimeControl(60, 2), now)
    clock.start(chess.WHITE)
    now.seconds = 10
    clock.start(chess.WHITE)
    assert (clock.left(chess.WHITE), clock.left(chess.BLACK)) == (50, 60)
    assert clock.limits().white_time_ms == 50_000
    assert clock.limits().black_increment_ms == 2_000
    clock.stop()
    now.seconds = 99
    assert (clock.left(chess.WHITE), clock.left(chess.BLACK)) == (52, 60)


def test_person_loses_on_time_but_not_against_a_bare_king() -> None:
    now = Time()

    def pause() -> None:
        now.seconds += 40

    clock = GameClock(TimeControl(60, 0), now)
    game, end, output = play("e4", "d4", clock=clock, pause=pause)
    assert end == GameEnd("0-1", "White lost on time")
    assert "[you 1:00, Aino 1:00] 1. your move" in output
    assert game.clock_times[1] == 20
    board = chess.Board("k7/8/8/8/8/8/4R3/4K3 w - - 0 1")
    clock = GameClock(TimeControl(30, 0), now)
    end = play("Re3", board=board, clock=clock, pause=pause)[1]
    assert end == GameEnd("1/2-1/2", "time ran out, but the other side cannot mate")


def test_takeback_gives_the_time_back() -> None:
    now = Time()

    def pause() -> None:
        now.seconds += 10

    game, _, output = play("e4", "d4", "takeback", clock=GameClock(TimeControl(60, 0), now), pause=pause)
    prompts = [line for line in output.splitlines() if line.startswith("[you")]
    assert [line.split("]")[0] for line in prompts] == [
        "[you 1:00, Aino 1:00",
        "[you 0:50, Aino 1:00",
        "[you 0:40, Aino 1:00",
        "[you 0:50, Aino 1:00",
    ]
    assert len(game.board.move_stack) == 2


@pytest.mark.parametrize(
    ("text", "control"), [("5+3", TimeControl(300, 3)), ("0.5", TimeControl(30, 0)), (" 90+30 ", TimeControl(5400, 30))]
)
def test_time_controls_are_minutes_and_seconds(text: str, control: TimeControl) -> None:
    assert parse_time_control(text) == control


@pytest.mark.parametrize("text", ["", "0", "5+", "x", "5+9999", "99999", "-3"])
def test_bad_time_controls_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"5\+3"):
        parse_time_control(text)


def test_clock_times_are_written_for_people() -> None:
    assert [clock_text(s) for s in (3723, 64.9, 10, 9.94, -1)] == ["1:02:03", "1:05", "0:10", "9.9", "0.0"]


# ---- levels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("elo 1500", Level(elo=1500)),
        ("Elo=1500", Level(elo=1500)),
        ("time 2.5s", Level(movetime_s=2.5)),
        ("nodes:10", Level(nodes=10)),
        ("full", DEFAULT_LEVEL),
    ],
)
def test_levels_are_read_as_people_type_them(text: str, level: Level) -> None:
    assert parse_level(text) == level


BAD_LEVELS = ("", "1500", "elo", "elo 1", "elo 1.5", "time 0", "time .", "nodes 0", "full 3", "hard")


@pytest.mark.parametrize("text", BAD_LEVELS)
def test_bad_levels_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected"):
        parse_level(text)


def test_level_bounds_the_search() -> None:
    clock = Limits(white_time_ms=5)
    assert DEFAULT_LEVEL.limits(None) == Limits(movetime_ms=2000)
    assert DEFAULT_LEVEL.limits(clock) == clock
    assert Level(movetime_s=1).limits(clock) == Limits(white_time_ms=5, movetime_ms=1000)
    assert Level(nodes=7).limits(None) == Limits(nodes=7)
    assert Level(elo=900).options(EngineOptions()).elo == 900
    assert not DEFAULT_LEVEL.options(EngineOptions(limit_strength=True)).limit_strength


# ---- leaving --------------------------------------------------------------------------------------------------------


@pytest.fixture
def listens_to_interrupts() -> Iterator[None]:
    """A process started in the background of a shell ignores SIGINT; this one must not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listens_to_interrupts")
def test_interrupt_while_the_engine_thinks_stops_it_and_keeps_the_game() -> None:
    engine = Ponderer(EngineOptions())
    console = Console(file=io.StringIO())
    game = TerminalGame(console, engine, chess.Board(), settings(chess.WHITE), lambda prompt: "e4")  # type: ignore[arg-type]
    interrupt = threading.Timer(0.2, _thread.interrupt_main)
    interrupt.start()
    end = game.play()
    interrupt.join()
    assert end.result == "*"
    assert [move.uci() for move in game.board.move_stack] == ["e2e4"]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.usefixtures("listens_to_interrupts")
def test_signal_at_the_prompt_leaves_with_the_game_saved(name: str, tmp_path: Path) -> None:
    path = tmp_path / "game.pgn"
    flags = ("--evaluator", "material", "--nodes", "20", "--pgn", str(path))
    with subprocess.Popen(
        [*COMMAND, "play", *flags], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"e4\n")
        process.stdin.flush()
        while b"Aino plays" not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(0.2)  # it asks for the next move now
        process.send_signal(getattr(signal, name))
        output, errors = process.communicate(timeout=START_S)
    assert (process.returncode, errors) == (0, b"")
    assert f"saved to {path}".encode() in output
    assert "1. e4 " in path.read_text(encoding="utf-8")


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
    board = chess.Board()
    board.push_san("Nf3")
    text = render_board(board, chess.WHITE, BoardStyle(color=True, symbols=True, few_colors=few))
    styles = [span.style for span in text.spans]
    assert len(styles) == 64
    assert all(isinstance(style, Style) and style.color != style.bgcolor for style in styles)
    papers = {style.bgcolor.name for style in styles if isinstance(style, Style) and style.bgcolor}
    assert len(papers) == (3 if few else 4), "light and dark, and those of the last move"


# ---- PGN ------------------------------------------------------------------------------------------------------------


def test_saved_game_reads_back_and_is_appended(tmp_path: Path) -> None:
    board = chess.Board(FOOLS_MATE_NEXT)
    board.push_san("Qh4#")
    game = game_from_board(board, {"White": "You", "Date": "2024.05.06"}, "0-1", {1: 61.5})
    path = tmp_path / "game.pgn"
    save(game, path)
    save(game, path)
    with path.open() as file:
        first, second = chess.pgn.read_game(file), chess.pgn.read_game(file)
    assert first is not None
    assert second is not None
    assert first.headers["FEN"] == FOOLS_MATE_NEXT
    assert (first.headers["Result"], first.headers["Date"], first.headers["White"]) == ("0-1", "2024.05.06", "You")
    assert [move.uci() for move in first.mainline_moves()] == ["d8h4"]
    assert first.end().clock() == 61.5


def test_opening_goes_into_the_headers() -> None:
    board = chess.Board()
    board.push_san("e4")
    board.push_san("e6")
    assert game_from_board(board, {}).headers["Opening"] == "French Defence"


# ---- the terminal ---------------------------------------------------------------------------------------------------


def test_evaluation_bar_is_full_for_the_winner() -> None:
    assert render_bar(Verdict(0, 3, (1000, 0, 0)), PLAIN) == f"White [{'#' * 24}] Black  #3"
    symbols = BoardStyle(color=False, symbols=True)
    assert render_bar(Verdict(-50, None, (250, 250, 500)), symbols) == f"White [{'█' * 9}{'░' * 15}] Black  -0.50"


def test_accents_are_dropped_where_they_cannot_be_shown() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    say(Console(file=file), "Réti, Grünfeld")
    file.flush()
    assert file.buffer.getvalue() == b"Reti, Grunfeld\n"  # type: ignore[attr-defined]


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags",
    [("--position", "960"), ("--clock", "x"), ("--level", "hard"), ("--load", "no.pgn"), ("--black-level", "1")],
)
def test_bad_arguments_are_one_line(flags: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", *flags]) == 1
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert flags[1] in errors


def test_chess960_game_castles_and_reads_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "game.pgn"
    castling = parse_fen("4k3/8/8/8/8/8/8/6KR w H - 0 1", chess960=True)
    assert castling.is_castling(read_human_move(castling, "O-O"))
    assert castling.is_castling(read_human_move(castling, "g1h1"))
    monkeypatch.setattr("sys.stdin", io.StringIO("O-O\nquit\n"))
    flags = ("--evaluator", "material", "--nodes", "5", "--hash-mib", "16", "--pgn", str(path))
    assert main(["play", "--chess960", "--fen", castling.fen(), *flags]) == 0
    game = read_game(path)
    assert game.headers["Variant"] == "Chess960"
    first = game.next()
    assert first is not None
    assert first.san() == "O-O"
