"""What is seen at once on the screens that people have."""

import pytest

from tests.browser.web_board import FREE, open_board, web_board

LAPTOP, DESKTOP, LAPTOP_AT_150, PHONE = (1366, 768), (1920, 1080), (911, 512), (390, 844)


@pytest.fixture(params=[LAPTOP, DESKTOP, LAPTOP_AT_150], ids=["laptop", "desktop", "150%"])
def analysis(request, chromium, tmp_path):
    """A board with lines of the engine, and the height of its window."""
    width, height = request.param
    with open_board(chromium, tmp_path, width, height, **FREE) as tab:
        tab.wait_for("linesHere() && linesHere().lines.length === 3")
        yield tab, height


def test_the_panel_is_as_high_as_the_board(analysis):
    """Two rows of moves were seen, and the panel went on below the window."""
    tab, height = analysis
    side, panel, moves, typed = (
        tab.box(place) for place in (".board-side", ".panel", "#moves", "#typed")
    )
    assert (panel["top"], panel["bottom"]) == pytest.approx((side["top"], side["bottom"]), abs=1)
    assert panel["bottom"] == typed["bottom"] <= height
    assert moves["height"] >= (8 if height > 600 else 6) * 32


def test_a_line_has_one_row_until_it_is_opened(analysis):
    tab, _height = analysis
    assert tab.box("#line-list li")["height"] < 30
    tab.click("#line-list li > button")
    assert tab.script("document.querySelector('#line-list li').matches('.whole')")


def test_the_board_keeps_its_size_when_the_analysis_begins(chromium, tmp_path):
    """It gave way to the bar beside it."""
    with open_board(chromium, tmp_path, *LAPTOP) as tab:
        before = tab.box("#board")["width"]
        tab.script("send('analyse', { on: true })", until="state.analysing && linesHere()")
        assert tab.box("#board")["width"] == before > 600


def test_a_page_that_finds_another_board_says_so(chromium, tmp_path):
    """It tried again for ever."""
    with web_board(tmp_path) as server:
        tab = chromium.open(server.url)
        tab.wait_for("state")
        server.token = "another"
        tab.script("socket.close()")
        tab.wait_for("$('curtain-text').textContent.includes('Another board of Aino')")
        tab.close()


@pytest.fixture
def reviewed(chromium, tmp_path):
    """A phone with a reviewed game."""
    with open_board(chromium, tmp_path, *PHONE) as tab:
        tab.script("send('load', { text: '1. f3 e5 2. g4 Qh4# 0-1', game: 1 })")
        tab.script("send('review')", until="Object.values(marks).some(mark => mark.better)")
        yield tab


def look(tab, step):
    tab.script(f"look({step})", until="wanted === null && linesHere()")


TOLD = "document.querySelector('#status .told')?.textContent"
MISTAKE = "Number(Object.keys(marks).find(id => marks[id].better))"


def test_a_reload_keeps_what_the_review_says_of_a_move(reviewed):
    look(reviewed, MISTAKE)
    sentence = reviewed.wait_for(TOLD)
    reviewed.go(reviewed.script("location.href"))
    reviewed.wait_for(f"typeof state !== 'undefined' && state && {TOLD}")
    assert reviewed.script(TOLD) == sentence


def test_what_turned_a_game_stands_at_its_start(reviewed):
    look(reviewed, 0)
    assert reviewed.script(TOLD).startswith(" Turning point: ")


def test_moves_stand_still_under_a_finger_whatever_is_told_of_them(reviewed):
    tops = set()
    for step in (0, "state.steps[2].id", MISTAKE):
        look(reviewed, step)
        tops.add(reviewed.box("#moves")["top"])
    assert len(tops) == 1
