"""A real browser for the pages' tests: what a script sees in a page of a given width. Skipped where there is none."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.devtools import Chromium

PHONE, DESKTOP = 360, 1280  # CSS pixels

# Runs `act` (JavaScript with `page`, the framed document, and `view`, its window) once the framed page has loaded, and
# leaves what it returns as JSON. The frame has any width; a headless window has not.
FRAME = """\
<body><iframe width="{width}" height="800" srcdoc="{page}"></iframe><pre id="answer"></pre><script>
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => {{
  const view = frame.contentWindow, page = frame.contentDocument;
  document.getElementById("answer").textContent = JSON.stringify((() => {{ {act} }})());
}});
</script></body>
"""
CATCH = "<head><script>window.failures = []; window.onerror = text => {{ window.failures.push(text); }};</script>"


@pytest.fixture(scope="session")
def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        program = shutil.which(name)
        if program is not None:
            return program
    pytest.skip("no Chromium is installed")


@pytest.fixture(scope="module")
def chromium(browser: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(browser, tmp_path_factory.mktemp("profile")) as running:
        yield running


def ask(browser: str, folder: Path, text: str, width: int, act: str) -> object:
    """What `act` returns in a page of that width."""
    framed = html.escape(text.replace("<head>", CATCH.format()))
    file = folder / "frame.html"
    file.write_text(FRAME.format(width=width, page=framed, act=act), encoding="utf-8")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom")
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run(
        [browser, *flags, profile, file.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    answer = re.search(r'<pre id="answer">(.*?)</pre>', done.stdout, re.S)
    assert answer[1], "the frame never loaded"
    return json.loads(html.unescape(answer[1]))


EXCESS = "return [page.documentElement.scrollWidth - page.documentElement.clientWidth, view.failures];"
