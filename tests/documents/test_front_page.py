"""The front page is short, its numbers stand in the results, and every table of numbers names its
command.
"""

import re
import xml.etree.ElementTree as ET

import pytest

from tests.documents.pages import FENCE, INLINE, PROGRAMS, sections, text_of

MOST_LINES = 150
MOST_HOUSE_ROWS = 12
MOST_PICTURE_BYTES = 60_000
README = text_of("README.md")
NUMBER = re.compile(r"(?<![\w-])\d[\d,.]*\d|(?<![\w-])\d")
TABLE_ROW = re.compile(r"(?m)^\|.*\d.*\|$")


def section(page, title):
    return next(text for heading, text in sections(page) if heading == title)


def test_the_front_page_is_short():
    assert len(README.splitlines()) <= MOST_LINES
    rows = [
        line
        for line in section("README.md", "Where things are").splitlines()
        if line.startswith("|")
    ]
    assert 0 < len(rows) - 2 <= MOST_HOUSE_ROWS


@pytest.mark.parametrize("claim", ["Strength", "Speed"])
def test_a_claim_of_the_front_page_stands_in_the_results(claim):
    """One line each; whoever measures anew changes the results and that line."""
    text = README.partition(f"- **{claim}**:")[2].partition("\n- ")[0].partition("\n\n")[0]
    results = section("docs/results.md", claim)  # the first one: that of the newest version
    numbers = NUMBER.findall(text.partition("([how measured]")[0])
    assert numbers
    assert not [number for number in numbers if number not in results]


@pytest.mark.parametrize("page", ["docs/results.md", "docs/what-was-tried.md", "CONTRIBUTING.md"])
def test_numbers_in_tables_name_their_command(page):
    """In the section of the table or in the page's first ones, which describe how all of them were
    made.
    """
    preamble = ""
    for title, text in sections(page):
        with_numbers = [
            row for row in TABLE_ROW.findall(text) if re.search(r"\d", INLINE.sub("", row))
        ]
        if not with_numbers:
            preamble += text
            continue
        named = [match[2] for match in FENCE.finditer(preamble + text) if match[1] == "sh"]
        named += [
            words for words in INLINE.findall(preamble + text) if words.split()[0] in PROGRAMS
        ]
        assert named, f"{page}: the section {title!r} has numbers and no command"
        preamble = "" if page == "docs/results.md" else preamble + text


def test_the_test_command_is_the_one_that_the_whole_check_runs():
    pattern = re.search(r"--extended-regexp '([^']+)' README.md", text_of(".ci/run"))
    assert len(re.findall(rf"(?m){pattern[1]}", README)) == 1


def test_the_front_page_says_what_the_package_asks_for():
    package = text_of("pyproject.toml")
    workflow = text_of(".github/workflows/check.yml")
    versions = re.findall(r"Programming Language :: Python :: (3\.\d+)", package)
    assert f"Python {versions[0]} to {versions[-1]}" in README
    assert f'requires-python = ">={versions[0]}"' in package
    assert re.findall(r'"(3\.\d+)"', workflow) == versions


def test_the_picture_loads_nothing():
    text = text_of("docs/board.svg")
    assert len(text.encode()) < MOST_PICTURE_BYTES
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search(r"@import|@font-face|url\(\s*['\"]?http|href=", text)
