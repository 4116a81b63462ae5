"""The board and a review fit phones, and no page breaks a rule of axe-core. Skipped without a
browser.
"""

import importlib.util
import json
from pathlib import Path

import chess
import pytest

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_web_board import PROMOTION, square, wait_for_moves
from tests.browser.web_board import FREE, on_boards, open_board
from uci.catalogues import spoken_languages
from uci.game.timed_game import Setup

PHONES = [(844, 390), (390, 844), (320, 568), (568, 320)]

# The fields of the open dialog that reach over the end of their label, and so over the next one.
COVERED = """[...document.querySelectorAll("dialog[open] label > :is(select, input, textarea):not(.hidden)")].filter(
  field => field.getBoundingClientRect().right > field.parentElement.getBoundingClientRect().right + 1,
).map(field => field.id || field.name)"""


@pytest.mark.parametrize(("width", "height"), PHONES)
def test_the_whole_board_fits_a_phone(chromium, tmp_path, width, height):
    """On its side it was as wide as the window, and twice as high."""
    with open_board(chromium, tmp_path, width, height, **FREE) as tab:
        tab.wait_for("linesHere()")
        box = tab.box("#board")
        assert 0 <= box["top"] < box["bottom"] <= height
        assert box["width"] >= 0.6 * min(width, height)
        assert tab.script("document.documentElement.scrollWidth") <= width
        menu = tab.box(".menu")
        assert menu["right"] <= width
        assert menu["left"] > box["right"] or menu["bottom"] < box["top"], (
            "the menu covers the board"
        )
        tab.script(
            "send('load', { text: '1. f3 e5 2. g4 Qh4# 0-1', game: 1 })",
            until="state.steps.length === 5",
        )
        tab.click("#review-too", until="document.querySelector('#review-link').checkVisibility()")
        tab.go(f"{tab.script('location.href')}review")
        board = tab.box(".replay")
        assert board["bottom"] - board["top"] <= height
        assert tab.script("document.documentElement.scrollWidth") <= width


@on_boards({"setup": Setup(chess.Board(PROMOTION)), "width": 390})
def test_a_finger_chooses_a_promotion(tab):
    """The tap that opened the choice fell on the queen in it, too."""
    tab.call("Emulation.setTouchEmulationEnabled", enabled=True)

    def touch(kind, *fingers):
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(fingers)]
        tab.call("Input.dispatchTouchEvent", type=f"touch{kind}", touchPoints=points)

    king, pawn = square(tab, "b1"), square(tab, "a7")
    touch("Start", square(tab, "a1"))
    touch("Move", king)
    touch("Start", king, pawn)  # a second finger leaves the piece to the first
    touch("End")
    wait_for_moves(tab, 2)
    for place in (pawn, square(tab, "a8"), None):
        touch("Start", place or tab.middle(".promotion [data-piece=r]"))
        touch("End")
    tab.wait_for("state.steps.length > 3")
    first, second = tab.script("[state.steps[1].san, state.steps[3].san]")
    assert first == "Kb1"
    assert second.rstrip("+") == "a8=R"  # a check where the engine went there


@pytest.mark.parametrize(
    "language",
    [
        code if code == "de" else pytest.param(code, marks=pytest.mark.slow)
        for code in [*spoken_languages()][1:]
    ],
)
def test_nothing_is_wider_than_a_phone_in_longer_words(chromium, tmp_path, language):
    """A menu of levels in German, and one of sides in French, made the page wider than a phone, and
    each dialog.
    """
    with open_board(chromium, tmp_path, *PHONES[2], setup=Setup(chess.Board())) as tab:
        tab.script(f"speak({language!r})")
        tab.wait_for(
            f"document.documentElement.lang === {language!r} && typeof state !== 'undefined' && state"
        )
        for analysing in (False, True):
            tab.script(f"send('analyse', {{ on: {json.dumps(analysing)} }})")
            tab.wait_for(f"state.analysing === {json.dumps(analysing)}")
            for width, height in PHONES:
                tab.resize(width, height)
                assert tab.script("document.documentElement.scrollWidth") <= width
                menu, status = (tab.box(place) for place in (".menu", "#status"))
                assert menu["bottom"] <= status["top"], "the menu covers what is said"
                for dialog in DIALOGS:
                    tab.script(f"openDialog({dialog!r})")
                    dialog_open = "document.querySelector('dialog[open]')"
                    excess = f"(dialog => dialog.scrollWidth - dialog.clientWidth)({dialog_open})"
                    assert tab.script(excess) <= 0, dialog
                    assert tab.script(COVERED) == [], dialog
                    tab.script(f"document.getElementById({dialog!r}).close('cancel')")


PROGRESS = """progress.show({
  points: [{ date: '2024.01.02', accuracy: 70, mistakes: [1, 2, 0] }],
  rows: [{ by: 'opening', name: "Queen's Gambit Declined", games: 112, mistakes: 331, points: .5, accuracy: 78 }],
}), 1"""
REFUTED = """(() => {
  puzzle.failed = true;
  showRefutation({ fen: puzzle.fen, after: puzzle.fen, squares: [[0, 1], [2, 3]], check: null,
    says: 'Qxd4 is not the move: loses the queen for a rook to a discovered attack on the queen on d4. '.repeat(2) });
})()"""


@pytest.mark.parametrize("language", ["en", "de"])
@on_boards({"width": PHONES[1][0], "height": PHONES[1][1]})
def test_the_progress_is_no_wider_than_a_phone(tab, language):
    """Its tables were 32 pixels wider, and 70 in German."""
    tab.script(f"window.isBefore = true; speak({language!r})")
    tab.wait_for("!window.isBefore && typeof state !== 'undefined' && state")
    assert tab.script("document.documentElement.lang") == language
    tab.script("openDialog('progress')")
    tab.script(PROGRESS)
    assert tab.script("$('progress').scrollWidth - $('progress').clientWidth") == 0


@on_boards({"width": 1366, "height": 768})
def test_a_puzzle_fits_its_window_after_a_wrong_try(tab):
    """Its buttons went below the window, which hid them."""
    tab.script("openDialog('puzzles')", until="puzzle?.fen")
    tab.script(REFUTED)
    assert tab.script("$('puzzles').scrollHeight - $('puzzles').clientHeight") == 0
    assert tab.script("$('puzzle-says').scrollHeight - $('puzzle-says').clientHeight") <= 0


DIALOGS = "new-game games puzzles setup load keep look keys".split()

SIGHTS = pytest.mark.parametrize(
    ("width", "dark"), [pytest.param(DESKTOP, False, marks=pytest.mark.slow), (PHONE, True)]
)


@pytest.fixture(scope="module")
def axe():
    """The script's text."""
    package = importlib.util.find_spec("axe_core_python")
    if package is None or package.origin is None:
        pytest.skip("axe-core-python is not installed")
    return Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def violations(tab, axe):
    """The rules that the page breaks, and where."""
    tab.script(f"{axe}; 1")
    # Colours are judged at rest. While the engine thinks, new lines cut animations short.
    tab.script(
        "Promise.allSettled(document.getAnimations().map(one => one.finished)).then(() => 1)"
    )
    rules = tab.script(
        "axe.run().then(done => done.violations.map(rule => [rule.id, rule.nodes.map(n => n.target)]))"
    )
    return [f"{rule}: {places}" for rule, places in rules]


@SIGHTS
def test_the_board_breaks_no_rule(chromium, tmp_path, axe, width, dark):
    with open_board(chromium, tmp_path, width, dark=dark, setup=Setup(chess.Board())) as tab:
        assert not violations(tab, axe)
        for dialog in DIALOGS:
            tab.script(
                f"openDialog({dialog!r}), document.querySelectorAll('.error').forEach(p => p.append('refused'))"
            )
            assert not violations(tab, axe), dialog
            tab.script(f"document.getElementById({dialog!r}).close('cancel')")
        tab.script("send('analyse', { on: true })", until="linesHere()")
        assert not violations(tab, axe)


@SIGHTS
@pytest.mark.parametrize("name", ["annotated_page", "explained_page"])
def test_a_page_in_a_file_breaks_no_rule(chromium, tmp_path, axe, name, width, dark, request):
    page = tmp_path / "page.html"
    page.write_text(request.getfixturevalue(name), encoding="utf-8")
    tab = chromium.open(page.as_uri(), width, dark=dark)
    assert not violations(tab, axe)
    tab.close()
