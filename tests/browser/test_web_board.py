"""The web board in a real browser, driven by mouse and keys: whole games, their review, analysis, a
second tab.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import chess
import pytest

from engine.player import Engine
from tests.browser.devtools import WAIT_S
from tests.browser.web_board import (
    FREE,
    SCHOLARS_MATE,
    ScriptedEngine,
    on_boards,
    open_board,
    web_board,
)
from tests.new_process import posix, running, wait_until
from uci.game.clock import GameClock, GameTime
from uci.game.timed_game import Setup

BACK_RANK = "6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1"
PROMOTION = "8/P6k/8/8/8/8/8/K7 w - - 0 1"


class SlowEngine(ScriptedEngine):
    """Thinks until it is stopped."""

    def search(self, limits, on_info=None, job=None):
        return Engine.search(self, replace(limits, infinite=True), on_info, job)


def square(tab, name):
    """The middle of a square of the board on the screen."""
    x, y = tab.script(f"""(() => {{
      const box = live.view.svg.getBoundingClientRect();
      return live.view.corner({chess.parse_square(name)}).map(part => (part + 22.5) / 360 * box.width)
        .map((part, axis) => part + [box.x, box.y][axis]);
    }})()""")
    return x, y


def drag(tab, source, target):
    tab.drag([square(tab, source), square(tab, target)])


def click_squares(tab, *names):
    for name in names:
        tab.drag([square(tab, name)])


def wait_for_moves(tab, count):
    tab.wait_for(f"state && state.steps.length === {count + 1} && !state.thinking")


def load(tab, text, plies):
    tab.script(
        f"$('edit').open = true, send('load', {{ text: {json.dumps(text)}, game: 1 }})",
        until=f"state.steps.length === {plies + 1}",
    )


def lose_connection(tab):
    """Closes the page's connection. It is opened again with `reconnect` only, not after a while."""
    tab.script("""(() => {
      const later = setTimeout;
      window.setTimeout = (call, wait) => call === connectAgain ? window.reconnect = call : later(call, wait);
      socket.close();
    })()""")
    tab.wait_for("window.reconnect && !document.querySelector('#curtain').hidden")


@pytest.mark.parametrize("width", [375, 1280])
def test_a_game_is_played_to_mate(chromium, tmp_path, width):
    with open_board(chromium, tmp_path, width, load=lambda: ScriptedEngine(SCHOLARS_MATE)) as tab:
        drag(tab, "e2", "e4")
        wait_for_moves(tab, 2)
        click_squares(tab, "d1", "h5")
        wait_for_moves(tab, 4)
        tab.press("/")
        tab.type("Bc4")
        tab.press("Enter")
        wait_for_moves(tab, 6)
        tab.script("document.activeElement.blur(), document.getElementById('board').focus()")
        to_h5, to_f7 = (
            "ArrowUp " * 3 + "ArrowRight " * 3 + "Enter ",
            "ArrowUp " * 2 + "ArrowLeft " * 2 + "Enter",
        )
        for key in f"ArrowUp {to_h5}{to_f7}".split():  # the first one shows e2
            tab.press(key)
        tab.wait_for("state.end")
        assert tab.script("[state.end.result, state.end.reason]") == ["1-0", "checkmate"]
        tab.wait_for(
            "document.querySelector('#status').textContent.includes('1-0: checkmate. The game is saved in ')"
        )
        tab.click(
            "#review-button", until="document.querySelector('#review-link').checkVisibility()"
        )
        tab.go(tab.script("location.href") + "review")
        assert tab.text(".says").startswith("Start position")


@on_boards({"setup": Setup(chess.Board(PROMOTION))})
def test_a_pawn_promotes_to_what_is_chosen_on_a_board_that_turns(tab):
    drag(tab, "a7", "a8")
    tab.wait_for("!document.querySelector('.promotion').hidden")
    tab.script("document.activeElement.blur()")
    tab.press("f")
    tab.wait_for("live.view.flipped")
    distance = """(() => {
      const box = document.querySelector('.promotion [aria-label=queen]').getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    })()"""
    assert tab.script(distance) == pytest.approx([*square(tab, "a8")], abs=3)
    tab.click(".promotion [aria-label=knight]", until="state.steps.length >= 2")
    assert tab.script("state.steps[1].san") == "a8=N"


class ReviewedSlowly(ScriptedEngine):
    """Reviews until a test lets go."""

    gate = threading.Event()

    def search(self, limits, on_info=None, job=None):
        if self.options.analyse_mode and limits.nodes:
            assert self.gate.wait(WAIT_S)
        return super().search(limits, on_info, job)


@on_boards({"load": ReviewedSlowly})
def test_a_page_that_lost_its_connection_shows_the_whole_state_again(tab):
    ReviewedSlowly.gate.clear()
    load(tab, "1. f3 e5 2. g4 Qh4# 0-1", 4)
    tab.script("send('lines', { on: false, count: 5 })", until="!state.shows.on")
    tab.click("#review-too", until="!document.querySelector('#review').hidden")
    tab.script("look(1), $('comment').focus()", until="state.here === 1")
    tab.type("Why?")
    lose_connection(tab)
    tab.script("send('review')")
    assert "cannot be reached" in tab.text("#status")
    tab.script(
        "reconnect()",
        until="document.querySelector('#curtain').hidden && tree.get(1).note === 'Why?'",
    )
    assert "of 2 moves" in tab.text("#review-text")
    ReviewedSlowly.gate.set()
    tab.wait_for("document.querySelector('#review-link').checkVisibility()")


@on_boards({"setup": Setup(clock=GameClock(GameTime(600, 0)))})
def test_the_clocks_stand_still_while_the_connection_is_lost(tab):
    drag(tab, "e2", "e4")
    wait_for_moves(tab, 2)
    assert tab.script("state.clock.running") == "white"
    lose_connection(tab)
    assert tab.script("state.clock.running") is None
    tab.script(
        "reconnect()",
        until="document.querySelector('#curtain').hidden && state.clock.running === 'white'",
    )


@on_boards(FREE)
def test_a_line_can_be_played_though_it_is_replaced_while_it_is_pressed(tab):
    """The lines under the mouse change all the time."""
    tab.wait_for("state && linesHere() && linesHere().lines.length === 3")
    place = tab.middle("#line-list li button")
    tab.script("""addEventListener('pointerdown', event => {
      window.pressed = { san: event.target.textContent, nodes: linesHere().nodes };
    }, { capture: true })""")
    tab.hold(place)
    pressed = tab.script("pressed.san")
    tab.script("answers.lines({ ...linesHere(), lines: [...linesHere().lines].reverse() })")
    tab.wait_for("linesHere().nodes > pressed.nodes")  # the engine's own next lines
    assert tab.script("document.querySelector('#line-list li button').textContent") == pressed
    tab.let_go(place)
    tab.wait_for("state.steps.length === 2 && linesHere()")
    assert tab.script("state.steps[1].san") == pressed
    tab.wait_for(
        "document.querySelector('#line-list li button').textContent === linesHere().lines[0].moves[0].san"
    )


@on_boards({"width": 375})
def test_lines_that_change_leave_the_rest_of_the_page_alone(tab):
    load(
        tab,
        " ".join(f"{number}. {'Nf3 Nf6' if number % 2 else 'Ng1 Ng8'}" for number in range(1, 61))
        + " *",
        120,
    )
    tab.wait_for("linesHere()")
    tab.script("document.querySelector('#moves').scrollTop = 60")
    tab.script("document.querySelectorAll('#line-list button')[1].focus()")
    for _ in range(2):  # the lines of the engine, which come again and again
        tab.script("window.seen = linesHere()", until="linesHere() !== seen")
    assert tab.script("document.querySelector('#moves').scrollTop") == 60
    assert (
        tab.script(
            "[...document.querySelectorAll('#line-list button')].indexOf(document.activeElement)"
        )
        == 1
    )


def test_a_second_tab_may_take_over(chromium, tmp_path):
    with open_board(chromium, tmp_path, load=lambda: ScriptedEngine(("e7e5", "b8c6"))) as first:
        first.script("premoves = [[6, 21]]")
        second = chromium.open(first.script("location.href"))
        second.wait_for("!document.querySelector('#curtain').hidden")
        assert second.script("[state, $('status').textContent]") == [None, ""], (
            "it cannot be reached before it is open"
        )
        second.click("#take-over", until="state")
        first.wait_for("!document.querySelector('#curtain').hidden")
        for ply, squares in ((2, ("e2", "e4")), (4, ("d2", "d4"))):
            drag(second, *squares)
            wait_for_moves(second, ply)
        second.close()
        first.wait_for("document.querySelector('#curtain').hidden")
        first.script(
            "send('type', { text: 'Z0' })", until="$('status').classList.contains('error')"
        )
        assert first.script("state.steps.length") == 5, (
            "a premove was played in a game that had gone on elsewhere"
        )


def test_a_dialog_copies_without_a_clipboard_as_in_the_network_of_a_phone(tab):
    tab.script("Object.defineProperty(navigator, 'clipboard', {}), window.copied = ''")
    tab.script("document.execCommand = () => { copied = `${getSelection()}`; }, 1")
    tab.click("[data-open=keep]")
    tab.click("#keep [data-copy=fen]", until="copied === shownStep().fen")


@pytest.mark.parametrize("form", ["{}", '[FEN "{}"]', "https://lichess.org/fromPosition/{}"])
def test_a_pasted_position_is_understood(tab, form):
    tab.click("[data-open=setup]")
    for fen in ("4k3/8/8/8/3pP3/8/8/4K3 b - e3 0 30", "1r2kr2/8/8/8/8/8/8/1R2KRR1 w FBfb - 0 9"):
        text = form.format(fen.replace(" ", "_") if form.startswith("https") else fen)
        assert tab.script(f"(setUpFrom({text!r}), showSetup(), $('setup-fen').value)") == fen


def test_a_position_that_is_refused_stays_to_be_mended(tab):
    tab.click("[data-open=setup]")
    tab.click("[data-setup=clear]")
    tab.click("#setup button[value=analyse]")
    refused = "document.querySelector('#setup').open && document.querySelector('#setup .error').textContent"
    tab.wait_for(refused)
    assert "king" in tab.text("#setup .error")
    tab.click("#setup button[value=play]")
    tab.click("#from-here button[value=ok]", until=refused)
    assert tab.script("document.getElementById('setup-fen').value").startswith("8/8/8/8/8/8/8/8 w")


@posix  # signals as on Unix
@pytest.mark.usefixtures("listens_to_interrupts")
def test_the_command_plays_in_the_browser(chromium, tmp_path):
    """All users of a machine could read the page's token among the browser's arguments."""
    words = "play --web --evaluator material --threads 1 --hash-mib 16 --multi-pv 4 --pgn".split()
    command = [sys.executable, "-m", "uci", *words, str(tmp_path / "mine.pgn"), "--fen", BACK_RANK]
    browser, arguments = tmp_path / "browser", tmp_path / "arguments"
    browser.write_text(
        f'#!/bin/sh\necho "$@" > {arguments}.part\nmv {arguments}.part {arguments}\n'
    )
    browser.chmod(0o700)
    surroundings = {**os.environ, "BROWSER": f"{browser} %s"}
    with running(command, stdout=subprocess.PIPE, text=True, env=surroundings) as process:
        printed = process.stdout.readline().split()[-1]
        wait_until(arguments.exists)
        address = arguments.read_text().strip()
        assert printed.split("/")[3] not in address
        tab = chromium.open(address)
        tab.wait_for("state && state.shows.count === 4")
        assert tab.script("location.href") == printed
        drag(tab, "g1", "f2")
        tab.wait_for("state.steps.length === 3")
        process.send_signal(signal.SIGHUP)
        output, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    assert "saved in" in output
    assert "1. Kf2" in (tmp_path / "mine.pgn").read_text()
    tab.wait_for("!document.querySelector('#curtain').hidden")
    tab.close()


@on_boards({"load": SlowEngine})
def test_a_premove_is_taken_back(tab):
    click_squares(tab, "e2", "e4")
    tab.wait_for("state.thinking")
    for cancel in (
        lambda: tab.press("Escape"),
        lambda: click_squares(tab, "e5"),
        lambda: tab.drag([square(tab, "h5")], button="right"),
    ):
        click_squares(tab, "d2", "d4")
        tab.wait_for("premoves.length")
        cancel()
        tab.wait_for("!premoves.length")
    click_squares(tab, "d2", "d4")
    tab.wait_for("premoves.length === 1")
    click_squares(tab, "d4", "d5")
    tab.wait_for("premoves.length === 2")
    assert tab.script("live.base.placement.split('/')[3]") == "3P4"
    tab.press("Escape")
    click_squares(tab, "d2", "d4")
    tab.press("u")
    tab.script("send('type', { text: 'Z0' })", until="$('status').classList.contains('error')")
    assert tab.script("state.steps.length") == 1, "the premove became the person's own move"


SHAPES = "[...document.querySelectorAll('#board :is(.arrow, .ring)')].map(one => one.classList[1])"


def draw(tab, *squares, keys=0):
    tab.held_keys = keys
    tab.drag([square(tab, name) for name in squares], button="right")
    tab.held_keys = 0


def test_each_key_that_is_held_gives_a_drawing_its_colour(tab):
    for count, keys in enumerate((0, 8, 2, 1, 4, 9)):
        draw(tab, "a1", f"{'abcdefgh'[count]}8", keys=keys)
        tab.wait_for(f"{SHAPES}.length === {count + 1}")
    assert tab.script(SHAPES) == ["green", "red", "red", "blue", "blue", "yellow"]


def test_escape_takes_drawings_away(tab):
    """They may be the author's, and a click beside a piece took all of them."""
    draw(tab, "g1", "f3")
    tab.wait_for(f"{SHAPES}.length === 1")
    click_squares(tab, "e5")
    click_squares(tab, "e2")
    tab.press("Escape")
    assert tab.script(SHAPES) == ["green"]
    tab.press("Escape")
    tab.wait_for(f"{SHAPES}.length === 0")


@on_boards({"load": lambda: ScriptedEngine(("e7e5", "b8c6", "g8f6"))})
def test_premoves_are_played_until_one_is_illegal(tab):
    tab.script("""(() => {
      const state = answers.state;
      answers.state = message => {
        state(message);
        if (message.steps.length === 2) premoves = [[6, 21], [5, 26], [26, 53], [3, 4]];
      };
    })()""")
    drag(tab, "e2", "e4")
    wait_for_moves(tab, 8)
    assert tab.script("[state.steps[7].san, premoves.length]") == ["Bxf7+", 0]


def test_the_look_of_the_board_stays(tab, tmp_path):
    """It was lost with each new port, that is with each start of Aino."""
    light = "getComputedStyle(document.querySelector('#board .light')).fill"
    before = tab.script(light)
    tab.click("[data-open=look]")
    for name, value in (("board", "blue"), ("pieces", "letters")):
        field = f"$('look').querySelector('[name={name}]')"
        tab.script(
            f"{field}.value = '{value}', {field}.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        )
    tab.click("#look [name=coordinates]")
    tab.click("#look .ends button")
    with web_board(tmp_path) as server:
        tab.go(server.url)
        tab.wait_for("typeof state !== 'undefined' && state")
        assert tab.script(light) != before
        assert tab.script("document.getElementById('black-knight').textContent") == "N"
        shown = "getComputedStyle(document.querySelector('#board .coordinates')).display"
        assert tab.script(shown) == "none"


ASKED = [{"setup": Setup(is_asked=True), "width": width} for width in (1280, 390)]


@on_boards(*ASKED)
def test_the_first_page_asks_what_is_wanted(tab):
    tab.wait_for("state && $('welcome').open")
    buttons = "[...document.querySelectorAll('.menu button')].filter(one => one.offsetHeight)"
    assert tab.script(f"new Set({buttons}.map(one => one.getBoundingClientRect().top)).size") == 1
    tab.click("[data-welcome=other]", until="$('new-game').open")
    offered = tab.script("$('new-game').querySelector('[name=level]').value")
    assert tab.script("""[...document.querySelectorAll('#new-game select')].every(select =>
      select.getBoundingClientRect().right <= document.querySelector('#new-game').getBoundingClientRect().right)""")
    tab.click("#new-game button[value=cancel]")
    assert tab.script("state.level") == offered == "elo 1600"
    tab.click("[data-open=new-game]")
    tab.click("#new-game button[value=ok]", until="!state.asks")


UNFINISHED = (
    '[White "You"]\n[Black "Aino (elo 900)"]\n[Result "*"]\n\n1. e4 e5 2. Nf3 Nc6 3. Bb5 *\n'
)


@pytest.mark.parametrize(
    ("act", "result", "until"),
    [
        ("continue", "*", "state.level === 'elo 900' && state.isGame && state.steps.length >= 6"),
        ("review", "1-0", "!state.isGame && !$('review-page').hidden"),
    ],
)
def test_the_first_page_offers_the_last_game(chromium, tmp_path, act, result, until):
    (tmp_path / "old.pgn").write_text(UNFINISHED.replace("*", result))
    with open_board(chromium, tmp_path, setup=Setup(is_asked=True)) as tab:
        tab.wait_for(f"welcome.keys.{act}")
        tab.click(f"[data-welcome={act}]", until=until)
