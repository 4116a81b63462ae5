"""Every example of the documents runs: Python as it stands, commands in a reduced form, settings by
their readers.

Links inside the project lead somewhere, and so do the paths that pages name.
"""

import argparse
import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import selfplay.main
import uci.main
from engine.cli.option_forms import options_from_mapping
from engine.options import find_option
from selfplay.run.config import configured
from tests.documents.pages import PAGES, ROOT, anchors, blocks, commands, inline_commands, links
from tests.documents.workshop import new_workshop, run, why_skipped

ENTRIES = {"aino": uci.main, "aino-train": selfplay.main}
OUTSIDE = re.compile(r"^(https?|mailto):")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_headings_that_exist(page):
    for target in links(page):
        if OUTSIDE.match(target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page}: {target} leads nowhere"
        assert ROOT in path.resolve().parents, f"{page}: {target} leads out of the project"
        if anchor:
            linked_page = path.resolve().relative_to(ROOT).as_posix()
            assert anchor in anchors(linked_page), (
                f"{page}: {linked_page} has no heading {anchor!r}"
            )


def test_every_page_can_be_reached_from_the_front_page():
    reached = set()
    coming = ["README.md"]
    while coming:
        page = coming.pop()
        reached.add(page)
        for target in links(page):
            name = target.partition("#")[0]
            if name.endswith(".md") and not OUTSIDE.match(target):
                linked_page = (
                    Path((ROOT / page).parent / name).resolve().relative_to(ROOT).as_posix()
                )
                if linked_page not in reached:
                    coming.append(linked_page)
    assert reached == set(PAGES)


LANGUAGES = set("python sh text toml yaml bat".split())
# Runs blocks one after the other, each in names of its own.
RUNNER = """
import contextlib, io, json, sys
for place, text, expected in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(text, place, "exec"), {"__name__": "__main__"})
    assert said.getvalue() == expected, f"{place} shows another output, or none: {said.getvalue()}"
"""
WITH_PYTHON = [
    page
    for page in PAGES
    if page != "engine/nn/README.md"  # tests/examples/test_nn_examples.py runs that one
    and any(block.language == "python" for block in blocks(page))
]
WITH_COMMANDS = [page for page in PAGES if any(block.language == "sh" for block in blocks(page))]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_has_a_language_that_is_tested(page):
    assert not {block.language for block in blocks(page)} - LANGUAGES


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_python_prints_what_the_page_says(page, tmp_path):
    code = [
        (f"{page}:{block.line}", block.text, block.prints or "")
        for block in blocks(page)
        if block.language == "python"
    ]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(code),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr


def check_words(words, monkeypatch):
    """Fails unless the program understands these words; nothing is run."""
    program, *rest = words
    if program in ENTRIES:
        name = rest[0] if rest and not rest[0].startswith("-") else "uci"
        monkeypatch.setattr(subcommand(program, name), "run", lambda arguments: 0)
        assert exit_status(ENTRIES[program], rest) == 0, f"{' '.join(words)}: not understood"
    elif program == "python" and rest[0] == "-m":
        module = importlib.util.find_spec(rest[1])
        assert module is not None, f"no module {rest[1]}"
        if rest[1].startswith(("uci.", "selfplay.", "tests.", "benchmarks.")):
            if module.submodule_search_locations is not None:
                module = importlib.util.find_spec(f"{rest[1]}.__main__")
            assert module is not None, f"{rest[1]} cannot be run"
            check_flags(Path(str(module.origin)), rest[2:])


def exit_status(program, words):
    try:
        return program.main(words)
    except SystemExit as end:
        return end.code


def subcommand(program, name):
    if program == "aino":
        return importlib.import_module(uci.main.SUBCOMMANDS[name][0])
    return importlib.import_module(selfplay.main.COMMANDS[name][0])


def check_flags(source, words):
    """Fails if a flag is in neither the module nor what measuring commands, or those that read
    positions, share.
    """
    shared = ("benchmarks/measuring.py", "uci/common/reading.py")
    flags = set().union(*(flags_in(path) for path in (source, *map(ROOT.joinpath, shared))))
    missing = {word for word in words if word.startswith("--")} - flags
    assert not missing, f"{source}: no {sorted(missing)}"


def flags_in(path):
    """Return the flags that a module adds to a parser, by their names or as settings."""
    text = path.read_text(encoding="utf-8")
    calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    settings = (
        setting.arg
        for call in calls
        if ast.unparse(call.func) == "new_parser"
        for setting in call.keywords
    )
    named = {f"--{setting.replace('_', '-')}" for setting in settings}
    return named | set(re.findall(r'"(--[\w-]+)"', text))


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_commands_are_understood(page, monkeypatch):
    for block in blocks(page):
        if block.language == "sh":
            for words in commands(block.text):
                check_words(words, monkeypatch)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_commands_in_the_running_text_exist(page, monkeypatch):
    """Their subcommands and flags: the running text may leave out what a command needs besides."""
    for program, *rest in inline_commands(page):
        if program not in ENTRIES:
            check_words([program, *rest], monkeypatch)
        elif not rest[0].startswith("-"):
            parser = argparse.ArgumentParser()
            subcommand(program, rest[0]).add_arguments(parser)
            flags = {word for word in rest if word.startswith("--")} - {"--help"}
            assert flags <= set(parser._option_string_actions), (
                f"{page}: {program} {' '.join(rest)}"
            )


def to_type(page):
    """The command lines of a page that are typed; a loop of the shell is one."""
    text = "".join(block.text for block in blocks(page) if block.language == "sh")
    text = text.replace("\\\n", " ").replace("; do\n", "; do ")
    text = re.sub(r"(?ms)^for .*?^done$", lambda loop: loop[0].replace("\n", "; "), text)
    return [line for line in text.splitlines() if line.strip() and why_skipped(line) is None]


TYPED = {page: to_type(page) for page in WITH_COMMANDS if page != "engine/nn/README.md"}
MANY_LINES = 12


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.overlong] if len(lines) > MANY_LINES else [])
        for page, lines in TYPED.items()
        if lines
    ],
)
def test_commands_begin_one_after_the_other(page, tmp_path, stockfish):
    """As they stand, in a folder that has the files that the page speaks of."""
    folder = new_workshop(tmp_path)
    for line in TYPED[page]:
        run(folder, line)


@pytest.mark.parametrize("page", PAGES)
def test_settings_are_accepted(page):
    for block in blocks(page):
        if block.language == "toml":
            # of a run, or of the engine
            read = configured if page == "docs/training.md" else options_from_mapping
            values = tomllib.loads(block.text)
            read(values)
        if block.language == "yaml":
            names = re.findall(r"(?m)^    ([\w ]+): ", block.text)
            assert names
            assert all(find_option(name) is not None for name in names)
