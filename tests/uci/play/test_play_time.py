"""Clocks and levels of the terminal game, and its first minutes: what is asked, and how fast Aino
answers.
"""

import io
import random
from dataclasses import replace

import chess.pgn
import pytest
from rich.console import Console

from engine.cli.command_line import INTERRUPTED
from engine.cli.console import make_console
from engine.errors import ConfigError
from engine.options import EngineOptions
from engine.search.limits import Limits
from tests.boards import board_after
from tests.protocol.fake_engine import FakeEngine
from tests.uci.play.terminal_game import Time, new_game, play
from uci.game.clock import GameClock, GameTime, clock_text, parse_time_control
from uci.game.ends import UNFINISHED, GameEnd
from uci.game.level import (
    DEFAULT_LEVEL,
    EloLevel,
    LearnedAlone,
    NodesLevel,
    PeopleLevel,
    TimeLevel,
    level_choices,
    parse_level,
)
from uci.game.timed_game import Setup, TimedGame, saved_game
from uci.main import main as aino
from uci.openings.opening_names import book_move
from uci.play.play import ask_choices, completions
from uci.web.launch import _draw_code


def test_a_clock_runs_for_the_mover():
    now = Time()
    clock = GameClock(GameTime(60, 2), now)
    clock.start(chess.WHITE)
    now.seconds = 10
    clock.start(chess.WHITE)
    assert clock.left(chess.WHITE) == 50
    assert clock.left(chess.BLACK) == 60
    assert clock.limits().white_time_ms == 50_000
    assert clock.limits().black_increment_ms == 2_000
    clock.stop()
    now.seconds = 99
    assert clock.left(chess.WHITE) == 52, "with the increment"


def test_a_clock_is_written_for_people():
    shown = [clock_text(seconds) for seconds in (3723, 64.9, 10, 9.94, -1)]
    assert shown == "1:02:03 1:05 0:10 9.9 0.0".split()


def test_person_loses_on_time_but_not_against_a_bare_king():
    now = Time()

    def pause():
        now.seconds += 40

    clock = GameClock(GameTime(60, 0), now)
    game, end, output = play("e4", "d4", "Nf3", clock=clock, pause=pause)
    assert end == GameEnd("0-1", "White lost on time")
    assert "[you 1:00, Aino 1:00] 1. your move" in output
    assert game.clock_times == {1: 60, 2: 60, 3: 20, 4: 60}, "the first move is free"
    board = chess.Board("k7/8/8/8/8/8/4R3/4K3 w - - 0 1")
    clock = GameClock(GameTime(30, 0), now)
    end = play("Re3", "Re4", board=board, clock=clock, pause=pause)[1]
    assert end == GameEnd("1/2-1/2", "time ran out, but the other side cannot mate")


@pytest.mark.parametrize(
    ("text", "control"),
    [("5+3", GameTime(300, 3)), ("0.5", GameTime(30, 0)), (" 90+30 ", GameTime(5400, 30))],
)
def test_time_controls_are_read(text, control):
    assert parse_time_control(text) == control


@pytest.mark.parametrize("text", ["", "0", "5+", "x", "5+9999", "99999", "-3"])
def test_bad_time_controls_are_refused(text):
    with pytest.raises(ConfigError, match=r"5\+3"):
        parse_time_control(text)


def saved_text(white="You", black="Aino (elo 1500)", control="600+5"):
    text = f'[White "{white}"]\n[Black "{black}"]\n[TimeControl "{control}"]\n\n'
    moves = "1. e4 {[%clk 0:09:58]} e5 {[%clk 0:09:40]} 2. Nf3 {[%clk 0:08:00]} *\n"
    return chess.pgn.read_game(io.StringIO(text + moves))


def test_a_time_control_beyond_all_numbers_is_no_clock():
    assert saved_game(saved_text(control="1" + "0" * 400)).clock is None


def test_a_saved_game_goes_on_as_it_was():
    saved = saved_game(saved_text())
    assert saved.human == chess.WHITE
    assert saved.board.fullmove_number == 2
    assert saved.levels == dict.fromkeys(chess.COLORS, EloLevel(1500))
    assert saved.clock.control == GameTime(600, 5)
    assert left_of(saved.clock) == (480, 580)
    assert saved.clock_times == {1: 598, 2: 580, 3: 480}
    assert left_of(saved_game(saved_text(), ply=1).clock) == (598, 600)


def left_of(clock):
    return clock.left(chess.WHITE), clock.left(chess.BLACK)


def test_time_that_an_adjourned_move_has_used_is_not_given_back():
    time = Time()
    clock = GameClock(GameTime(600, 5), time)
    game = saved_text()
    clock.set_left(chess.BLACK, 580)
    clock.start(chess.BLACK)
    time.seconds = 100.25
    game.headers.update(clock.headers())
    assert game.headers["BlackClock"] == "0:07:59.8"
    assert saved_game(game).clock.left(chess.BLACK) == pytest.approx(479.8)
    assert saved_game(game, ply=2).clock.left(chess.BLACK) == 580
    game.headers["BlackClock"] = "soon"
    assert saved_game(game).clock.left(chess.BLACK) == 580


@pytest.mark.parametrize(
    ("end", "has_clocks"), [(UNFINISHED, True), (GameEnd("1-0", "checkmate"), False)]
)
def test_only_an_unfinished_game_is_saved_with_its_clocks(end, has_clocks):
    game, _, _ = play("e4", clock=GameClock(GameTime(60, 1), Time()))
    headers = game.record(end).headers
    assert ("WhiteClock" in headers) == ("BlackClock" in headers) == has_clocks
    assert headers["TimeControl"] == "60+1"
    assert headers["Black"] == "Aino (nodes 1)"


def test_game_of_others_gives_its_position_alone():
    saved = saved_game(saved_text("Morphy", "Anderssen", "-"))
    assert saved.human is None
    assert saved.levels is None
    assert saved.clock is None
    watched = saved_game(saved_text("Aino (full strength)", "Aino (time 2)"))
    assert watched.human is None
    assert watched.levels == {chess.WHITE: DEFAULT_LEVEL, chess.BLACK: TimeLevel(2)}


def test_a_rematch_begins_anew():
    clock = GameClock(GameTime(60, 0), Time())
    clock.set_left(chess.WHITE, 3)
    levels = {chess.WHITE: NodesLevel(1), chess.BLACK: NodesLevel(2)}
    same, swapped = (
        TimedGame(Setup(clock=clock, levels=levels)).again(swap) for swap in (False, True)
    )
    assert same.human == chess.WHITE
    assert swapped.human == chess.BLACK
    assert swapped.levels == {chess.WHITE: NodesLevel(2), chess.BLACK: NodesLevel(1)}
    assert same.clock.left(chess.WHITE) == 60


LEVELS = {
    "elo 1500|1500|Elo=1500": EloLevel(1500),
    "time 2.5s": TimeLevel(2.5),
    "nodes:10": NodesLevel(10),
    "people 1400": PeopleLevel(1400),
    "full|full strength": DEFAULT_LEVEL,
    "alone": LearnedAlone(),
    "Hard": EloLevel(2000),
}


@pytest.mark.parametrize("texts", LEVELS)
def test_levels_are_read_as_people_type_them(texts):
    for text in texts.split("|"):
        assert parse_level(text) == LEVELS[texts]
    assert parse_level(LEVELS[texts].text) == LEVELS[texts]


def test_people_of_every_hundred_points_are_in_the_menu():
    people = [name for name, _text in level_choices() if name.startswith("people")]
    assert people == [f"people {elo}" for elo in range(1100, 2000, 100)]


def test_a_network_that_learned_alone_is_a_level(tmp_path, monkeypatch):
    """Of the menu where one is shipped; it plays with that network's weights alone."""
    monkeypatch.setattr("engine.network.manifest.SHIPPED", tmp_path)
    assert "alone" not in dict(level_choices()), "no manifest"
    (tmp_path / "MANIFEST.toml").write_text(
        '[[net]]\nname = "a"\nfile = "zero-1.dit"\nsha256 = ""\nhours = 12\n'
    )
    assert dict(level_choices())["alone"] == "Learned alone, in 12 hours"
    options = parse_level("alone").options(
        EngineOptions(weights_file="other.dit", evaluator="material")
    )
    assert options.weights_file == "zero"
    assert options.evaluator == "auto"


BAD_LEVELS = ["", "15", "1500.5", "elo", "elo 1", "elo 1.5", "time 0", "time .", "full 3", "harder"]


@pytest.mark.parametrize("text", BAD_LEVELS)
def test_bad_levels_are_refused(text):
    with pytest.raises(ConfigError, match=r"expected"):
        parse_level(text)


CLOCK = Limits(white_time_ms=180_000, black_time_ms=180_000)
LONG = Limits(white_time_ms=1_800_000, black_time_ms=1_800_000)
# A level, the game's clock, and what bounds a search.
BOUNDS = [
    (DEFAULT_LEVEL, None, Limits(movetime_ms=2000)),
    (DEFAULT_LEVEL, CLOCK, CLOCK),
    (DEFAULT_LEVEL, LONG, replace(LONG, movetime_ms=8000)),  # An answer comes within seconds.
    (EloLevel(1500), LONG, LONG),  # in the time of a person
    (TimeLevel(1), CLOCK, replace(CLOCK, movetime_ms=1000)),
    (NodesLevel(7), None, Limits(nodes=7)),
]


@pytest.mark.parametrize(("level", "clock", "limits"), BOUNDS)
def test_a_level_bounds_the_search(level, clock, limits):
    assert level.limits(clock) == limits


def test_a_level_leaves_no_trace_of_another():
    options = EloLevel(900).options(EngineOptions())
    assert options.elo == 900
    assert options.limit_strength
    assert not DEFAULT_LEVEL.options(options).limit_strength


class Compiling(FakeEngine):
    """Becomes ready a while after it was asked, by the clock of the game."""

    def __init__(self, now):
        super().__init__(EngineOptions())
        self.is_prepared = False
        self._now = now

    def wait(self, tell=None, job=None):
        self._now.seconds += 100.0
        tell("compiling")

    def search(self, limits, on_info=None, job=None):
        self._now.seconds += 3.0
        return super().search(limits, on_info, job)


@pytest.mark.parametrize(("side", "played"), [(chess.WHITE, "e4 e5"), (chess.BLACK, "e4")])
def test_nobodys_clock_runs_while_aino_compiles(side, played):
    """A hint cost the person's clock, and Aino's first move its own, what compiling took."""
    now = Time()
    engine = Compiling(now)
    setup = Setup(board_after(played), clock=GameClock(GameTime(600, 0), now))
    game = new_game(make_console(), engine, input, setup)
    game.first_ply = 0
    game.start_clock()

    now.seconds = 10.0
    game.search(NodesLevel(1))
    assert game.clock.left(side) == 587.0
    engine.is_prepared = True
    game.search(NodesLevel(1))
    assert game.clock.left(side) == 584.0, "what a search takes counts"


def choices_of(*answers):
    """What a person chooses by these answers, and what is shown to them."""
    following = iter(answers)
    lines = []

    def ask(question):
        lines.append(question)
        return next(following)

    return ask_choices(ask, lines.append), "\n".join(lines)


def test_questions_take_defaults():
    choices, dialogue = choices_of("", "", "")
    assert choices == ("white", "elo 1600", "")
    assert dialogue.count("[") == 3
    assert "medium  1600, like a club player" in dialogue
    assert max(map(len, dialogue.splitlines())) <= 60


def test_questions_ask_again_for_what_they_cannot_read():
    choices, dialogue = choices_of("green", "B", "very", "elo 1000", "soon", "5+3")
    assert choices == ("black", "elo 1000", "5+3")
    assert "side 'green': expected white, black or random" in dialogue
    assert "level 'very'" in dialogue


def test_who_leaves_before_the_game_is_shown_no_traceback(monkeypatch):
    monkeypatch.setattr(
        "sys.stdin", type("Terminal", (io.StringIO,), {"isatty": lambda self: True})()
    )
    assert aino(["play"]) == INTERRUPTED


def test_games_begin_in_many_known_ways():
    openings = set()
    for seed in range(16):
        board = chess.Board()
        rng = random.Random(seed)
        while (move := book_move(board, rng)) is not None:
            board.push(move)
        assert 1 <= len(board.move_stack) <= 8
        openings.add(board.root().variation_san(board.move_stack))
    assert len(openings) > 8
    assert not any(name in text for text in openings for name in ("g4", "Ke2", "Qh5"))
    assert book_move(chess.Board("4k3/8/8/8/8/8/8/4K2R w K - 0 1"), random.Random(0)) is None


def test_tab_completes_what_is_typed():
    assert completions(chess.Board(), "N") == ["Na3", "Nc3", "Nf3", "Nh3"]
    assert completions(chess.Board(), "ha") == ["hard"]


def test_after_leaving_a_line_says_how_to_go_on(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    game, end, _ = play("e4")
    game.keep(end)
    assert "Continue it with `aino play --load last`." in game.console.file.getvalue()


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_address_for_a_phone_is_drawn_in_a_terminal_alone(is_terminal):
    pytest.importorskip("segno")
    console = Console(file=io.StringIO(), force_terminal=is_terminal, width=60)
    _draw_code(console, "http://192.168.1.7:40123/Ab3dEf6hIj9lMn2pQr5tUv8xYz1BcD4f/")
    assert ("█" in console.file.getvalue()) == is_terminal
