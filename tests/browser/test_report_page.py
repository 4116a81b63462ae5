"""The report of a run in a real browser: no overflow on a phone, games can be stepped through, nothing fails."""

from pathlib import Path

import pytest

from selfplay.report.facts import read_facts
from selfplay.report.page import report_page
from tests.browser.conftest import DESKTOP, EXCESS, PHONE, ask
from tests.browser.devtools import Chromium
from tests.selfplay.report.test_report import gate_result, run_with


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("run")
    run_with(folder, [gate_result(30), gate_result(-40, accepted=False)]).close()
    return report_page(read_facts(folder))


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_report_fits_its_window_and_fails_nowhere(chromium: Chromium, tmp_path: Path, report: str, width: int) -> None:
    assert ask(chromium, tmp_path, report, width, EXCESS) == 0


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_charts_and_boards_of_the_report_are_drawn(chromium: Chromium, tmp_path: Path, report: str, width: int) -> None:
    act = """
    return [...page.querySelectorAll("svg.board, .plot > svg, .expected")].map(picture => {
      const box = picture.getBoundingClientRect();
      return box.width > 60 && box.height > 60 && box.right <= view.innerWidth;
    });
    """
    drawn = ask(chromium, tmp_path, report, width, act)
    assert len(drawn) >= 9
    assert all(drawn)


def test_keys_and_buttons_go_through_a_sample(chromium: Chromium, tmp_path: Path, report: str) -> None:
    act = """
    const game = page.querySelector(".game"), seen = [];
    const shown = [".pieces use", ".marked", "a[aria-current]"];
    const note = () => seen.push([game.querySelector(".says").textContent,
      ...shown.map(kind => game.querySelectorAll(kind).length)].join(" "));
    const press = key => game.querySelector(".replay").dispatchEvent(
      new view.KeyboardEvent("keydown", { key, bubbles: true }));
    note();
    for (const key of ["Home", "ArrowRight", "ArrowLeft", "End"]) { press(key); note(); }
    game.querySelector("[data-go=back]").click(); note();
    game.querySelectorAll(".moves a")[1].click(); note();
    return seen;
    """
    assert ask(chromium, tmp_path, report, DESKTOP, act) == [
        "2... Qh4#. 0-1, checkmate 32 2 1",
        "Start. White expects 0% 32 0 0",
        "1. f3. White expects 0% 32 2 1",
        "Start. White expects 0% 32 0 0",
        "2... Qh4#. 0-1, checkmate 32 2 1",
        "2. g4. White expects 0% 32 2 1",
        "1... e5. White expects 0% 32 2 1",
    ]


def test_everything_in_the_report_can_be_reached_with_the_keyboard(
    chromium: Chromium, tmp_path: Path, report: str
) -> None:
    act = """
    const reach = [...page.querySelectorAll("a[href], button, summary, [tabindex]")].filter(e => e.checkVisibility());
    return [reach.every(e => { e.focus(); return page.activeElement === e; }), reach.length];
    """
    all_take_focus, count = ask(chromium, tmp_path, report, DESKTOP, act)
    assert all_take_focus
    assert count > 20
