"""A real browser for the pages' tests: what a script sees in a page of a given width. Skipped where there is none."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.devtools import Chromium

PHONE, DESKTOP = 360, 1280  # CSS pixels


@pytest.fixture(scope="session")
def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        program = shutil.which(name)
        if program is not None:
            return program
    pytest.skip("no Chromium is installed")


@pytest.fixture(scope="session")
def chromium(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(browser, tmp_path_factory.mktemp("profile")) as running:
        yield running


def ask(chromium: Chromium, folder: Path, text: str, width: int, act: str) -> object:
    """What `act` returns (JavaScript with `page`, the document, and `view`, its window) in a page of that width.

    Nothing in the page may fail.
    """
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    tab = chromium.open(file.as_uri(), width)
    found = tab.script(f"(() => {{ const page = document, view = window; {act} }})()")
    assert tab.failures == []
    tab.close()
    return found


EXCESS = "return page.documentElement.scrollWidth - page.documentElement.clientWidth;"
