"""The pages people read, taken apart: headings, links, blocks of code, and commands."""

import itertools
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "engine/nn/README.md",
    "weights/README.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
PROGRAMS = "aino aino-train python pytest ruff mypy pdoc pip".split()
OPERATORS = "| || && ; < > &".split()


def text_of(name):
    """A file of the project by its path."""
    return (ROOT / name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the line that its text begins on, and what is printed
    below it.
    """

    language: str
    text: str
    line: int
    prints: str | None  # the text block after the word "prints", if there is one


def blocks(page):
    """All fenced blocks of a page, in order."""
    text = text_of(page)
    fences = list(FENCE.finditer(text))
    result = []
    for match, following in itertools.zip_longest(fences, fences[1:]):
        prints = None
        if following and text[match.end() : following.start()].strip() == "prints":
            prints = following[2]
        line = text.count("\n", 0, match.start(2)) + 1
        result.append(Block(match[1], match[2], line, prints))
    return result


def plain_text(page):
    """A page without its fenced blocks."""
    return FENCE.sub("", text_of(page))


def links(page):
    """Targets of the links and pictures of a page."""
    return LINK.findall(plain_text(page))


def anchors(page):
    """The anchors that Markdown viewers give a page's headings."""
    names = set()
    for heading in HEADING.findall(plain_text(page)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w -]", "", words).replace(" ", "-")
        number = 0
        while (name := f"{anchor}-{number}" if number else anchor) in names:
            number += 1
        names.add(name)
    return names


def sections(page):
    """Headings and the text up to the next heading of any level, with the blocks of code."""
    text = text_of(page)
    # a # in code is no heading
    hidden = FENCE.sub(lambda match: re.sub(r"(?m)^#", " ", match[0]), text)
    parts = re.split(r"(?m)^#+ (.+)$", hidden)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def commands(text):
    """The simple commands of a shell text, as words; a folder before the program's name is taken
    off, and a variable is 1.
    """
    for line in re.sub(r"\$\w+", "1", text.replace("\\\n", " ")).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        command = []
        for word in [*lexer, ";"]:
            if word not in OPERATORS:
                command.append(word)
            else:
                if command:
                    yield [Path(command[0]).name, *command[1:]]
                command = []
                if word in "<>":
                    command = ["redirection"]


def inline_commands(page):
    """Commands in the running text and the tables: words between backquotes that begin with a
    program's name.
    """
    for text in INLINE.findall(plain_text(page)):
        words = text.replace("\\|", "|").split()
        placeholders = [word for word in words if re.search(r"\b[A-Z]{2,}\b|\.\.\.|\.$", word)]
        if words[0] in PROGRAMS and len(words) > 1 and not placeholders:
            yield from commands(text)
