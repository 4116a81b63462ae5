"""What pages and help texts name in code exists: files, and names of functions, classes, fields and
options.
"""

import re
from functools import cache

import pytest

from tests.documents import generate
from tests.documents.pages import INLINE, PAGES, ROOT, blocks, plain_text, text_of

SOURCES = "engine examples selfplay uci tests benchmarks weights .github".split()
# The change log tells of what is gone.
PRESENT = tuple(page for page in PAGES if page != "CHANGELOG.md")
# Of other libraries, beside Aino's own.
ELSEWHERE = (
    "DataLoader GradientTape ModelCheckpoint clip_grad_value_ key_padding_mask mask_zero "
    "pack_padded_sequence state_dict"
)
# hides a package of Aino's; starts somebody's program
OF_THE_READER = {"engine.py", "lichess-bot.py"}
TOP = tuple(f"{path.name}/" for path in ROOT.iterdir() if path.is_dir())
WORD = re.compile(r"[A-Za-z_]\w+")
NAME = re.compile(r"_?[A-Za-z]\w*(\.\w+)*(\(\))?")
IN_TWO_FORMS = re.compile(r"^before_")  # the report's columns: before and after training


@cache
def known_words():
    """All words of the sources, and of the names of their files."""
    words = set()
    paths = [
        path
        for folder in SOURCES
        for path in (ROOT / folder).rglob("*")
        if "__pycache__" not in path.parts
    ]
    for path in [*paths, ROOT / "pyproject.toml"]:
        words.update(WORD.findall(path.name))
        if (
            path.suffix in {".py", ".toml", ".yml", ".js", ".j2", ".css", ".txt"}
            and path.name != "test_names.py"
        ):
            words.update(WORD.findall(path.read_text(encoding="utf-8")))
    return frozenset(words)


def mentions(page):
    return INLINE.findall(plain_text(page))


@pytest.mark.parametrize("page", PAGES)
def test_words_of_code_stand_in_one_line(page):
    """Checks of names and commands would pass them by."""
    lines = [line for line in plain_text(page).splitlines() if "```" not in line]
    assert not [line for line in lines if line.count("`") % 2]


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_exists(page):
    """A name such as `engine/player.py` that begins with one of the project's folders, or a Python
    file.
    """
    for name in mentions(page):
        if name.startswith(TOP) and re.fullmatch(r"[\w./-]+", name):
            assert (ROOT / name).exists(), f"there is no {name}"
    if page not in PRESENT:
        return
    code = "".join(block.text for block in blocks(page))
    named = {name for text in mentions(page) for name in re.findall(r"[\w/.-]+\.py\b", text)}
    written = {name for name in named if f"`{name}`:" in plain_text(page)}  # the reader saves it
    assert code or not written
    assert not [
        name
        for name in named - written - OF_THE_READER
        if not list(ROOT.glob(f"**/{name.lstrip('/')}"))
    ]


def test_files_and_folders_of_the_house_exist():
    """In the drawings of the design: the tree of folders, and the walks through files."""
    drawings = "".join(block.text for block in blocks("docs/design.md"))
    names = re.findall(r"(?<![\w./{])[a-z][\w/]*(?:/|\.py)(?=[\s,;:)]|$)", drawings)
    assert len(names) > 100
    assert not [name for name in names if not list(ROOT.glob(f"**/{name.rstrip('/')}"))]


def test_buttons_that_the_page_of_the_board_names_exist():
    board = text_of("uci/pages/templates/web.html.j2")
    buttons = re.findall(r"\*\*(.+?)\*\*", plain_text("docs/board.md"))
    assert len(buttons) > 10
    assert not [name for name in buttons if name not in board]


@pytest.mark.parametrize("page", PRESENT)
def test_every_name_that_a_page_mentions_exists(page):
    """A name of Aino's has an underscore or a capital inside: `e4`, `Q` and `bestmove` are none."""
    words = known_words().union(ELSEWHERE.split())
    words |= {word for block in blocks(page) for word in WORD.findall(block.text)}
    missing = []
    for text in mentions(page):
        is_name = NAME.fullmatch(text) and (
            "_" in text.strip("_") or re.search(r"[a-z][A-Z]", text)
        )
        if is_name and not {IN_TWO_FORMS.sub("", word) for word in WORD.findall(text)} <= words:
            missing.append(text)
    assert not missing


def test_the_option_table_is_what_the_options_say():
    page = generate.OPTIONS.read_text(encoding="utf-8")
    assert generate.with_option_table(page) == page, "run `python -m tests.documents.generate`"
    assert {row.count("|") for row in generate.markdown_table().splitlines()} == {6}, (
        "a bar in a cell ends it"
    )
