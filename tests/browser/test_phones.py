"""The board and a review fit phones, upright and on their side. Skipped without a browser."""

import json
from pathlib import Path

import chess
import pytest

from tests.browser.devtools import Chromium
from tests.browser.test_axe import DIALOGS
from tests.browser.web_board import web_board
from uci.game.timed_game import Setup
from uci.language import spoken_languages

PHONES = [(844, 390), (390, 844), (320, 568), (568, 320)]
BOX = "document.querySelector({!r}).getBoundingClientRect()"

# The fields of the open dialog that reach over the end of their label, and so over the next one.
COVERED = """[...document.querySelectorAll("dialog[open] label > :is(select, input, textarea):not(.hidden)")].filter(
  field => field.getBoundingClientRect().right > field.parentElement.getBoundingClientRect().right + 1,
).map(field => field.id || field.name)"""


@pytest.mark.parametrize(("width", "height"), PHONES)
def test_the_whole_board_fits_a_phone_upright_and_on_its_side(chromium, tmp_path, width, height):
    """On its side it was as wide as the window, and twice as high."""
    with web_board(tmp_path, Setup(chess.Board(), human=None)) as server:
        tab = chromium.open(server.url, width, height)
        tab.wait_for("state && linesFit()")
        box = tab.script(f"{BOX.format('#board')}.toJSON()")
        assert 0 <= box["top"] < box["bottom"] <= height
        assert box["width"] >= 0.6 * min(width, height)
        assert tab.script("document.documentElement.scrollWidth") <= width
        menu = tab.script(f"{BOX.format('.menu')}.toJSON()")
        assert menu["right"] <= width
        assert menu["left"] > box["right"] or menu["bottom"] < box["top"], "the menu covers the board"
        tab.script("send('load', { text: '1. f3 e5 2. g4 Qh4# 0-1', game: 1 })")
        tab.wait_for("state.steps.length === 5")
        tab.click("#review-too")
        tab.wait_for("document.querySelector('#review-link').checkVisibility()")
        tab.go(f"{server.url}review")
        board = tab.script(f"{BOX.format('.replay')}.toJSON()")
        assert board["bottom"] - board["top"] <= height
        assert tab.script("document.documentElement.scrollWidth") <= width
        assert tab.failures == []
        tab.close()


@pytest.mark.parametrize("language", [*spoken_languages()][1:])
def test_nothing_is_wider_than_a_phone_in_longer_words(chromium: Chromium, tmp_path: Path, language: str) -> None:
    """A menu of levels in German, and one of sides in French, made the page wider than a phone, and each dialog."""
    with web_board(tmp_path, Setup(chess.Board())) as server:
        tab = chromium.open(server.url, *PHONES[2])
        tab.wait_for("state")
        tab.script(f"speak({language!r})")
        tab.wait_for(f"document.documentElement.lang === {language!r} && typeof state !== 'undefined' && state")
        for analysing in (False, True):
            tab.script(f"send('analyse', {{ on: {json.dumps(analysing)} }})")
            tab.wait_for(f"state.analysing === {json.dumps(analysing)}")
            for width, height in PHONES:
                tab.resize(width, height)
                assert tab.script("document.documentElement.scrollWidth") <= width
                menu, status = (tab.script(f"{BOX.format(place)}.toJSON()") for place in (".menu", "#status"))
                assert menu["bottom"] <= status["top"], "the menu covers what is said"
                for dialog in DIALOGS:
                    tab.script(f"openDialog({dialog!r})")
                    excess = (
                        "(dialog => dialog.scrollWidth - dialog.clientWidth)(document.querySelector('dialog[open]'))"
                    )
                    assert tab.script(excess) <= 0, dialog
                    assert tab.script(COVERED) == [], dialog
                    tab.script(f"document.getElementById({dialog!r}).close('cancel')")
        assert tab.failures == []
        tab.close()
