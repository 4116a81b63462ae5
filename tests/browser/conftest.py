"""A real browser for the pages' tests: what a script sees in a page of a given width. Skipped where
there is none.
"""

import io
import shutil

import chess.pgn
import pytest

from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from tests.browser.devtools import chromium_running
from tests.browser.web_board import open_board
from uci.annotate.game_page import game_section, render_game_page
from uci.annotate.review import review_game
from uci.main import main

PHONE, DESKTOP = 360, 1280  # CSS pixels
GAME = '[White "A"]\n[Black "B"]\n\n1. e4 e5 2. Qh5 Nc6 3. Bc4 Nf6 4. Qxf7# 1-0\n'
SCHOLAR = "r1bqkbnr/pppp1ppp/2n5/4p3/2B1P3/5Q2/PPPP1PPP/RNB1K1NR b KQkq - 3 3"


@pytest.fixture(scope="session")
def browser():
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        program = shutil.which(name)
        if program is not None:
            return program
    pytest.skip("no Chromium is installed")


@pytest.fixture(scope="session")
def chromium(browser, tmp_path_factory):
    with chromium_running(browser, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def tab(request, chromium, tmp_path):
    """As `open_board`; a test may give the window's width and what the board is made of."""
    with open_board(chromium, tmp_path, **getattr(request, "param", {})) as tab:
        yield tab


@pytest.fixture
def ask(chromium, tmp_path):
    """What `act` returns (JavaScript with `page`, the document, and `view`, its window) in a page
    of that width.

    Nothing in the page may fail.
    """

    def call(text, width, act):
        file = tmp_path / "page.html"
        file.write_text(text, encoding="utf-8")
        tab = chromium.open(file.as_uri(), width)
        value = tab.script(f"(() => {{ const page = document, view = window; {act} }})()")
        assert not tab.failures
        tab.close()
        return value

    return call


def annotated(text):
    """The page of a review of a game."""
    game = chess.pgn.read_game(io.StringIO(text))
    with Engine(EngineOptions(evaluator="material", threads=1, hash_mib=16)) as engine:
        section = game_section(review_game(engine, game, Limits(nodes=100)), 1, text)
    return render_game_page("A game", [section], "100 nodes")


@pytest.fixture(scope="session")
def annotated_page():
    return annotated(GAME)


@pytest.fixture(scope="session")
def explained_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("explain") / "page.html"
    flags = "--nodes 100 --threads 1 --hash-mib 16 --out".split()
    assert main(["explain", SCHOLAR, *flags, str(path)]) == 0
    return path.read_text(encoding="utf-8")
