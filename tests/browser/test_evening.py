"""An evening of a club player and the next day: a game, its review, the puzzle that it became, in another language."""

from functools import partial

import chess

from tests.browser.devtools import Tab
from tests.browser.test_web_board import drag, wait_for_moves
from tests.browser.web_board import ScriptedEngine, web_board
from uci.game.timed_game import Setup
from uci.library.training import Trainer

DAY_S = 86_400.0
ANSWERS = ("e7e5", "b8c6", "g8f6", "f6h5")  # White can mate on f7, and gives the queen away instead


def lose_and_review(tab: Tab) -> None:
    """Plays White's side of a game against ANSWERS until there is a mistake, resigns and has the game reviewed."""
    for number, (source, target) in enumerate((("e2", "e4"), ("d1", "h5"), ("f1", "c4"), ("a2", "a3")), 1):
        drag(tab, source, target)
        wait_for_moves(tab, 2 * number)
    tab.script("send('resign')")
    tab.wait_for("state.end && state.saved")
    tab.click("#review-button")
    tab.wait_for("document.querySelector('#review-link').checkVisibility()")


def says(tab: Tab, words: str) -> None:
    tab.wait_for(f"document.querySelector('#puzzle-says').textContent.includes({words!r})")


def test_play_review_puzzles_and_the_next_day(chromium, tmp_path, monkeypatch):
    now = [1.7e9]
    monkeypatch.setattr("uci.web.puzzle_desk.Trainer", partial(Trainer, now=lambda: now[0]))
    with web_board(tmp_path, Setup(human=chess.WHITE), lambda: ScriptedEngine(ANSWERS)) as server:
        tab = chromium.open(server.url)
        tab.wait_for("state")
        lose_and_review(tab)
        tab.click("[data-open=games]")
        tab.wait_for("games.rows.length === 1 && games.rows[0].accuracy_white !== null")
        assert tab.text(".game-row .ending") == "you resigned, 4 moves"
        tab.script("document.querySelector('#games').close('cancel')")
        tab.click("[data-open=puzzles]")
        says(tab, "White to move")
        assert "h5f7" not in tab.script("JSON.stringify(puzzleBoard.base)")
        tab.script("puzzleBoard.onMove('h5e5')")
        says(tab, "Try again")
        tab.click("[data-puzzle=answer]")
        says(tab, "Qxf7#")
        assert tab.failures == []
        tab.close()
    now[0] += DAY_S + 1.0
    with web_board(tmp_path) as server:
        tab = chromium.open(server.url)
        tab.wait_for("state")
        tab.script("speak('de')")
        tab.wait_for("typeof state !== 'undefined' && state && document.documentElement.lang === 'de'")
        tab.script("openDialog('puzzles')")
        says(tab, "Weiß am Zug. Finden Sie den einzigen guten Zug.")
        assert tab.script("puzzleBoard.base.placement").startswith("r1bqkb1r/pppp1ppp/2n2n2")
        tab.script("puzzleBoard.onMove('h5f7')")
        says(tab, "Gelöst!")
        assert tab.script("document.activeElement.dataset.puzzle") == "next"
        assert "In Folge: 1" in tab.text("#puzzle-standing")
        assert tab.failures == []
        tab.close()
