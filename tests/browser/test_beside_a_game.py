"""What people do beside a game: play on from a review, watch Aino, choose a
FEN.
"""

import pytest

from tests.browser.test_web_board import drag, load, wait_for_moves
from tests.browser.web_board import FREE, SCHOLARS_MATE, ScriptedEngine, on_boards, web_board
from uci.game.clock import GameClock, GameTime
from uci.game.timed_game import Setup

ENDING = "8/8/8/4k3/8/4K3/4P3/8 w - - 0 1"
FOOLS_MATE = "1. f3 e5 2. g4 Qh4# 0-1"


TIMED = {
    "setup": Setup(clock=GameClock(GameTime(600.0, 0.0))),
    "load": lambda: ScriptedEngine(SCHOLARS_MATE),
}


@pytest.fixture
def taught(tab):
    """A lesson beside a game with a clock that has ended."""
    for at, move in enumerate(("e2e4", "d1h5", "f1c4", "h5f7")):
        wait_for_moves(tab, 2 * at)
        tab.script(f"send('move', {{ uci: {move!r} }})")
    tab.wait_for("state.end")
    tab.script("send('review')", until="Object.values(marks).some(mark => mark.better)")
    tab.script("send('learn', { here: false })", until="state.lesson")
    return tab


@on_boards(TIMED)
def test_buttons_that_are_seen_together_have_names_of_their_own(taught):
    """After a right answer "Back to the game" stood there twice, for two things."""
    taught.script("send('learn_answer')", until="state.lesson.over")
    taught.wait_for("document.querySelector('#analysis').checkVisibility()")
    names = taught.script("""[...document.querySelectorAll('.menu button, .controls :is(button, a)')]
      .filter(one => one.checkVisibility()).map(one => one.textContent.trim())""")
    assert sorted(names) == sorted(set(names))


@on_boards(TIMED)
def test_a_lesson_shows_no_clock(taught):
    """Those of the end of the game stood beside a position in its middle."""
    shown = "[...document.querySelectorAll('.clock')].filter(one => one.checkVisibility()).length"
    assert taught.script(shown) == 0
    taught.script("send('learn_leave')", until="!state.lesson")
    assert taught.script(shown) == 2


@on_boards(FREE)
def test_one_plays_on_from_a_position_of_a_review(tab, chromium):
    load(tab, FOOLS_MATE, 4)
    tab.click("#review-too", until="document.querySelector('#review-link').checkVisibility()")
    review = chromium.open(tab.script("location.href") + "review")
    review.press("ArrowRight")
    fen = review.script("replays[0].shown.fen")
    review.click("[data-play]")
    review.wait_for(
        "typeof state !== 'undefined' && state && document.querySelector('#from-here').open"
    )
    review.click("#from-here button[value=ok]", until="state.isGame")
    assert review.script("state.steps[0].fen") == fen
    assert not review.failures
    review.close()


def test_a_game_begins_from_a_fen(tab):
    tab.click("[data-open=new-game]")
    tab.script("""(() => {
      const form = document.querySelector('#new-game form');
      form.side.value = 'none';
      form.own.value = '1:30';  // Though it was hidden in the end, the form was not sent.
      for (const [choice, value] of [[form.clock, 'own'], [form.clock, ''], [form.start, 'fen']]) {
        choice.value = value;
        choice.dispatchEvent(new Event('change'));
      }
    })()""")
    field = "document.querySelector('#new-game [name=fen]')"
    assert tab.script(f"{field}.value = 'nonsense', {field}.checkVisibility()")
    tab.click("#new-game button[value=ok]")
    tab.wait_for(
        "document.querySelector('#new-game').open && document.querySelector('#new-game .error').textContent"
    )
    tab.script(f"{field}.value = {ENDING!r}, {field}.focus()")
    tab.press("Enter")  # It meant "Cancel".
    tab.wait_for("state.steps.length >= 3")
    assert tab.script("state.steps[0].fen") == ENDING
    assert tab.script("[state.human, state.isGame, state.legal]") == [None, True, []]


@on_boards(FREE)
def test_the_bar_never_shows_the_value_of_another_position(tab):
    load(tab, FOOLS_MATE, 4)
    tab.wait_for("linesHere()")
    bar = "getComputedStyle(document.querySelector('#bar-place')).visibility"
    assert tab.script(f"known.clear(), show(), {bar}") == "hidden"
    tab.wait_for(f"{bar} === 'visible'")
    tab.script("look(3)", until="pathTo(state.here).length === 4 && linesHere()")
    tab.script(
        "window.socketSend = socket.send, look(2)",
        until="pathTo(state.here).length === 3 && linesHere()",
    )
    assert tab.script("document.querySelector('#bar-place .score').textContent.length") > 0


def test_a_private_window_that_keeps_nothing_has_a_board(chromium, tmp_path):
    """Where the browser may keep nothing, the page stayed empty."""
    with web_board(tmp_path) as server:
        tab = chromium.open("about:blank")
        refuse = "Object.defineProperty(document, 'cookie', { get: () => '', set() {} })"
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=refuse)
        tab.go(server.url)
        tab.wait_for("typeof state !== 'undefined' && state")
        tab.script("setLook('board', 'green')")
        assert tab.script("document.documentElement.dataset.board") == "green"
        drag(tab, "e2", "e4")
        wait_for_moves(tab, 2)
        tab.go("about:blank")
        tab.script(
            "history.back()",
            until="typeof state !== 'undefined' && state && state.steps.length === 3",
        )
        assert not tab.failures
        tab.close()
