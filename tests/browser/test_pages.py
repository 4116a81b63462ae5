"""The web pages in a real browser: no overflow on a phone, keys and buttons work, nothing fails. Skipped without."""

from __future__ import annotations

import io
from pathlib import Path

import chess
import chess.pgn
import pytest

from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from tests.browser.conftest import DESKTOP, EXCESS, PHONE, ask
from uci.annotate.game_page import game_section, page
from uci.annotate.review import review_game
from uci.main import main

GAME = '[White "A"]\n[Black "B"]\n\n1. e4 e5 2. Qh5 Nc6 3. Bc4 Nf6 4. Qxf7# 1-0\n'
SCHOLAR = "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR b KQkq - 3 3"


@pytest.fixture(scope="module")
def annotated_page() -> str:
    game = chess.pgn.read_game(io.StringIO(GAME))
    assert game is not None
    with Engine(EngineOptions(evaluator="material", threads=1, hash_mib=16)) as engine:
        return page("A game", [game_section(review_game(engine, game, Limits(nodes=100)), 1)], "100 nodes")


@pytest.fixture(scope="module")
def explained_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("explain") / "page.html"
    assert main(["explain", SCHOLAR, "--nodes", "100", "--threads", "1", "--hash-mib", "16", "--out", str(path)]) == 0
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("name", ["annotated_page", "explained_page"])
def test_page_fits_its_window_and_fails_nowhere(
    browser: str, tmp_path: Path, name: str, width: int, request: pytest.FixtureRequest
) -> None:
    text = request.getfixturevalue(name)
    assert ask(browser, tmp_path, text, width, EXCESS) == [0, []]


def test_arrow_keys_and_buttons_go_through_the_game(browser: str, tmp_path: Path, annotated_page: str) -> None:
    act = """
    const seen = [];
    const note = () => seen.push(page.querySelector(".says").textContent.split(" ").slice(0, 2).join(" ")
      + " " + page.querySelectorAll(".replay use").length
      + " " + page.querySelectorAll(".moves a[aria-current]").length);
    const press = key => page.querySelector(".replay").dispatchEvent(
      new view.KeyboardEvent("keydown", { key, bubbles: true }));
    for (const key of ["Home", "ArrowRight", "End", "ArrowLeft"]) { press(key); note(); }
    page.querySelector("[data-go=on]").click(); note();
    page.querySelectorAll(".moves a")[1].click(); note();
    return seen;
    """
    assert ask(browser, tmp_path, annotated_page, DESKTOP, act) == [
        "Start position 32 0",
        "1. e4 32 1",
        "4. Qxf7# 31 1",
        "3... Nf6?? 32 1",
        "4. Qxf7# 31 1",
        "1... e5 32 1",
    ]


def test_controls_can_be_reached_with_the_keyboard(
    browser: str, tmp_path: Path, annotated_page: str, explained_page: str
) -> None:
    act = """
    const all = [...page.querySelectorAll("a[href], button, summary, [tabindex]")];
    const reach = all.filter(e => e.tabIndex >= 0 && e.checkVisibility());
    return [reach.every(e => { e.focus(); return page.activeElement === e; }), reach.length,
      page.querySelectorAll(".replay[tabindex='0'], details > summary").length];
    """
    for text in (annotated_page, explained_page):
        all_take_focus, count, special = ask(browser, tmp_path, text, DESKTOP, act)  # type: ignore[misc]
        assert all_take_focus
        assert special >= 1
        assert count >= 5


def test_dark_and_light_have_papers_of_their_own(browser: str, tmp_path: Path, explained_page: str) -> None:
    act = """
    const dark = [...page.styleSheets[0].cssRules].find(rule => rule.conditionText === "(prefers-color-scheme: dark)");
    const light = view.getComputedStyle(page.documentElement).getPropertyValue("--paper");
    return [light.trim(), dark.cssRules[0].style.getPropertyValue("--paper").trim()];
    """
    light, dark = ask(browser, tmp_path, explained_page, DESKTOP, act)  # type: ignore[misc]
    assert light != dark


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_charts_and_boards_are_drawn(browser: str, tmp_path: Path, explained_page: str, width: int) -> None:
    act = """
    return [...page.querySelectorAll("svg.board, .chart svg")].map(picture => {
      const box = picture.getBoundingClientRect();
      return box.width > 60 && box.height > 60 && box.right <= view.innerWidth;
    });
    """
    drawn = ask(browser, tmp_path, explained_page, width, act)
    assert isinstance(drawn, list)
    assert len(drawn) >= 4
    assert all(drawn)
