"""No page breaks a rule of axe-core, which checks what screen readers, keyboards and eyes need. Skipped without it."""

import importlib.util
from pathlib import Path

import chess
import pytest

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.devtools import Tab
from tests.browser.web_board import web_board
from uci.game.timed_game import Setup

DIALOGS = ("new-game", "games", "puzzles", "setup", "load", "keep", "look", "keys")


@pytest.fixture(scope="module")
def axe() -> str:
    """The script's text."""
    found = importlib.util.find_spec("axe_core_python")
    if found is None or found.origin is None:
        pytest.skip("axe-core-python is not installed")
    return Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def violations(tab: Tab, axe: str) -> list[str]:
    """The rules that the page breaks, and where."""
    tab.script(f"{axe}; 1")
    # Colours are judged at rest. While the engine thinks, new lines cut animations short.
    tab.script("Promise.allSettled(document.getAnimations().map(one => one.finished)).then(() => 1)")
    found = tab.script("axe.run().then(done => done.violations.map(rule => [rule.id, rule.nodes.map(n => n.target)]))")
    return [f"{rule}: {places}" for rule, places in found]


@pytest.mark.parametrize(("width", "dark"), [(DESKTOP, False), (PHONE, True)])
def test_the_board_and_its_dialogs_break_no_rule(chromium, tmp_path, axe, width, dark):
    with web_board(tmp_path, Setup(chess.Board())) as server:
        tab = chromium.open(server.url, width, dark=dark)
        tab.wait_for("state")
        assert violations(tab, axe) == []
        for dialog in DIALOGS:
            tab.script(f"openDialog({dialog!r}), document.querySelectorAll('.error').forEach(p => p.append('refused'))")
            assert violations(tab, axe) == [], dialog
            tab.script(f"document.getElementById({dialog!r}).close('cancel')")
        tab.script("send('analyse', { on: true })")
        tab.wait_for("linesFit()")
        assert violations(tab, axe) == []
        tab.close()


@pytest.mark.parametrize(("width", "dark"), [(DESKTOP, False), (PHONE, True)])
@pytest.mark.parametrize("name", ["annotated_page", "explained_page"])
def test_a_page_in_a_file_breaks_no_rule(chromium, tmp_path, axe, name, width, dark, request):
    page = tmp_path / "page.html"
    page.write_text(request.getfixturevalue(name), encoding="utf-8")
    tab = chromium.open(page.as_uri(), width, dark=dark)
    assert violations(tab, axe) == []
    if name == "annotated_page":
        tab.click(".columns [data-try]")
        assert violations(tab, axe) == []
    tab.close()
