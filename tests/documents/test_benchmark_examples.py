"""The examples in the benchmarks' docstrings: their parsers take every word for what it is, and they run."""

import argparse
import os
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.documents.pages import ROOT
from tests.documents.workshop import in_a_shell, new_workshop

EXAMPLE = re.compile(
    r"^ *(?:perf record \S+ \S+ \S+ )?python -m benchmarks\.(\w+) ?(.*?)(?: {3,}.*| \.\.\. .*)?$", re.M
)

# What makes an example small. The others are too large, or have tests of their own.
TINY = {
    "determinism": "--evaluators material --threads 1 --runs 1 --nodes 20",
    "endurance": "--visits 2000 --searches 2 --search-nodes 20 --hash-mib 4",
    "inference": "--nets 8x1 --batches 1 8 --threads 1",
    "perf_map": "analyse startpos --nodes 20",
    "puzzles draw": "draw game.pgn --out drawn.csv",
    "reviews": "game.annotated.pgn --engine stockfish --nodes 1000",
    "sparse_speed": "--nets sparse-128",
}


def examples() -> Iterator[tuple[str, list[str]]]:
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        text = path.read_text(encoding="utf-8").split('"""')[1]
        for name, words in EXAMPLE.findall(text):
            yield name, shlex.split(words)


def parsed(name: str, words: list[str]) -> argparse.Namespace:
    """What a benchmark reads from these words; nothing is run."""

    class Parsed(Exception):
        pass

    whole = argparse.ArgumentParser.parse_args

    def parse(parser: argparse.ArgumentParser, given: list[str] | None = None) -> None:
        raise Parsed(parser, whole(parser, given))

    as_given = patch.object(sys, "argv", [name, *words])
    with patch.object(argparse.ArgumentParser, "parse_args", parse), as_given, pytest.raises(Parsed) as found:
        run(name)
    return found.value.args


def run(name: str) -> None:
    """Run a benchmark as a script, whether its module is imported or not."""
    runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py"), run_name="__main__")


@pytest.mark.parametrize(("name", "words"), list(examples()), ids=str)
def test_every_word_of_an_example_is_taken_for_what_it_is(name, words, tmp_path, monkeypatch):
    """`--data FOLDER new.dit default` had taken two networks for folders."""
    if name in ("perf_map", "startup"):
        return  # Their words are another command's.
    monkeypatch.chdir(tmp_path)
    for word in [*words, "labels/parents"]:
        if "=" not in word and (re.search(r"\w\.[a-z]{3}|/", word)):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    for command in ("stockfish", "lc0", "python3.13"):
        (tmp_path / command).touch(0o755)
    _, options = parsed(name, words)
    if name == "sibling_order":
        assert (options.data, options.judges) == ([Path("labels/parents")], ["new.dit", "default"])


@pytest.mark.parametrize(
    ("module", "words", "said"),
    [
        ("sibling_order", "--teacher here --data here nowhere.dit", "nowhere.dit: no such file"),
        ("sibling_order", "--teacher here --data nowhere", "nowhere: no such file"),
        ("sibling_order", "--teacher here --data here --count 0", "at least 1"),
        ("value_distance", "--data here --net nowhere.dit", "nowhere.dit: no such file"),
        ("reviews", "nowhere.pgn", "nowhere.pgn: no such file"),
        ("reviews", "here --engine no-such-engine", "no such program"),
        ("puzzles", "draw here", "--out"),
        ("puzzles", "check here --engine no-such-engine", "no such program"),
        ("rival_speed", "--rival no-such-engine", "no such program"),
        ("rival_speed", "--rival sh --positions 1", "at least 2"),
        ("determinism", "--evaluators material none", "invalid choice"),
        ("stop_latency", "--evaluators material none", "invalid choice"),
        ("stop_latency", "--stops 0", "at least 1"),
        ("endurance", "--evaluator none", "invalid choice"),
        ("compile_times", "nowhere", "nowhere: no such file"),
        ("pgn_reading", "nowhere.pgn", "nowhere.pgn: no such file"),
    ],
)
def test_arguments_are_looked_at_before_the_work_begins(module, words, said, tmp_path, monkeypatch, capsys):
    (tmp_path / "here").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [module, *words.split()])
    with pytest.raises(SystemExit) as end:
        run(module)
    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return new_workshop(tmp_path_factory.mktemp("workshop"))


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_an_example_runs(name, workshop, stockfish, monkeypatch):
    module = name.split()[0]
    monkeypatch.chdir(workshop)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    places = [str(Path(sys.executable).parent), str(Path(stockfish).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(places))
    if name == "reviews":
        status, said = in_a_shell(f"{sys.executable} -m uci annotate game.pgn --nodes 20")
        assert status == 0, said
    status, said = in_a_shell(f"{sys.executable} -m benchmarks.{module} {TINY[name]}")
    assert status == 0, said
