"""How much there may be to understand: what is built new is paid for by what goes.

Tokens are counted and not lines, so that packing gains nothing and a blank line costs nothing.
Comments, line ends and indents are free, and a docstring counts as one.
"""

import io
import re
import tokenize

import pytest

from tests.documents.pages import ROOT

PYTHON = {"engine", "selfplay", "uci", "benchmarks", "examples"}
PAGES = {".js", ".css", ".html", ".j2"}
# Everything that ships or runs, and the tests. To raise a number, say why in a sentence behind it.
BUDGETS = {"product": 581_500, "tests": 385_000}

FREE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
WORD = r"[A-Za-z_][\w-]*|\d[\w.]*"
STRING = r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\""
PAGE_TOKEN = re.compile(rf"{WORD}|{STRING}|[^\s\w]")


def tokens_of_python(text):
    return sum(
        token.type not in FREE for token in tokenize.generate_tokens(io.StringIO(text).readline)
    )


def tokens_of_page(text):
    return len(PAGE_TOKEN.findall(text))


def tokens_in(folder):
    python = sum(
        tokens_of_python(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py")
    )
    pages = (path for path in folder.rglob("*") if path.suffix in PAGES)
    return python + sum(tokens_of_page(path.read_text(encoding="utf-8")) for path in pages)


@pytest.mark.parametrize("part", BUDGETS)
def test_the_tokens_stay_within_their_budget(part):
    folders = PYTHON if part == "product" else {"tests"}
    assert sum(tokens_in(ROOT / name) for name in folders) <= BUDGETS[part]


def test_packing_gains_nothing():
    packed = "a, b = 1, 2  # both\nc = [x for x in (a, b) if x]\n"
    unpacked = "a, b = 1, 2\n\n# a comment\nc = [\n    x\n    for x in (a, b)\n    if x\n]\n"
    assert tokens_of_python(packed) == tokens_of_python(unpacked) == 22
    assert tokens_of_page("a.b { color: 'red blue'; }") == 9
