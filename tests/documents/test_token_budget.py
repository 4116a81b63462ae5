"""How much there may be to understand: what is built new is paid for by what goes.

Tokens are counted and not lines, so that packing gains nothing and a blank line costs nothing.
Comments, line ends and indents are free, and a docstring counts as one.
"""

import ast
import io
import re
import tokenize
from collections import Counter

import pytest

from tests.documents.pages import ROOT

PYTHON = {"engine", "selfplay", "uci", "benchmarks", "examples"}
PAGES = {".js", ".css", ".html", ".j2"}
# Everything that ships or runs, and the tests. They fall with each cut; to raise one, say why in a
# sentence behind it.
BUDGETS = {"product": 565_709, "tests": 325_079}

FREE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
WORD = r"[A-Za-z_][\w-]*|\d[\w.]*"
# A string of ' or " ends with its line, so that an apostrophe in a text swallows nothing; a template
# string of JavaScript may have several lines.
STRING = r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\])*`"
# Of a style, a script, a template and a page. The address in `https://a` is none.
PAGE_COMMENT = r"/\*.*?\*/|(?<!\S)//[^\n]*|\{#.*?#\}|<!--.*?-->"
PAGE_TOKEN = re.compile(rf"(?P<comment>{PAGE_COMMENT})|{WORD}|{STRING}|[^\s\w]", re.DOTALL)


# Python 3.12 and later part an f-string, which is one token as any string is.
STRING_STARTS = getattr(tokenize, "FSTRING_START", None)
STRING_ENDS = getattr(tokenize, "FSTRING_END", None)


def counted_tokens(text):
    depth = 0  # of f-strings in f-strings
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        depth -= token.type == STRING_ENDS
        if depth == 0 and token.type not in FREE and token.type != STRING_ENDS:
            yield token
        depth += token.type == STRING_STARTS


def tokens_of_python(text):
    return sum(1 for _ in counted_tokens(text))


def tokens_of_page(text):
    return sum(found["comment"] is None for found in PAGE_TOKEN.finditer(text))


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


def test_a_formatted_string_is_one_token():
    assert tokens_of_python("f'{a + 1} {f\"{b}\"}'") == 1


def test_an_apostrophe_in_a_comment_swallows_no_code():
    """Two thirds of a script lay between the apostrophes of two comments, and were one token."""
    assert tokens_of_page("// It's one.\na = 1;\n// It's another.\n") == 4


@pytest.mark.parametrize("text", ["/* a\n b */", "  // a", "{# it's a #}", "<!-- a -->"])
def test_a_comment_in_a_page_is_free(text):
    assert tokens_of_page(f"a{text}\nb") == 2


def test_a_template_string_is_one_token():
    assert tokens_of_page("say(`it's ${name},\n and more`);") == 5


def test_an_address_is_no_comment():
    assert tokens_of_page("see https://a.b now") == 9


# ---- form ----------------------------------------------------------------------------------------

# Functions above LONG tokens: most are kernels, whose steps share too many values for a call.
LONG, MOST_LONG = 300, 41
# Lines that hold WIDE tokens and more.
WIDE, MOST_WIDE = 30, 527


def tokens_by_line(text):
    lines = Counter()
    for token in counted_tokens(text):
        lines[token.start[0]] += 1
    return lines


def product():
    for folder in sorted(PYTHON):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, path.read_text(encoding="utf-8")


def nodes(kind):
    for path, text in product():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, kind):
                yield f"{path.name}:{node.lineno}", node


def test_no_conditional_expression_holds_another():
    for place, node in nodes(ast.IfExp):
        parts = ast.iter_child_nodes(node)
        assert not any(isinstance(part, ast.IfExp) for part in parts), place


def test_no_assignment_has_three_values():
    """A line says one thing; a pair, or a swap, is one."""
    for place, node in nodes(ast.Assign):
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            assert len(node.value.elts) < 3, place


def test_few_functions_are_long():
    long = 0
    for _, text in product():
        lines = tokens_by_line(text)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                own = range(node.lineno, node.end_lineno + 1)
                long += sum(lines[number] for number in own) > LONG
    assert long <= MOST_LONG


def test_few_lines_hold_much():
    wide = sum(count >= WIDE for _, text in product() for count in tokens_by_line(text).values())
    assert wide <= MOST_WIDE
