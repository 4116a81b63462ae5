"""The examples in the benchmarks' docstrings: their flags exist, and they run."""

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.documents.pages import ROOT
from tests.documents.test_snippets import check_flags
from tests.documents.workshop import in_a_shell, new_workshop

EXAMPLE = re.compile(r"^ *python -m benchmarks\.(\w+) ?(.*?)(?: {3,}.*| \.\.\. .*)?$", re.M)

# What makes an example small. The others are too large, or have tests of their own.
TINY = {
    "inference": "--nets 8x1 --batches 1 8 --threads 1",
    "reviews": "game.annotated.pgn --engine stockfish --nodes 1000",
    "selfplay_speed": "--net sparse-128 --batch 32 --visits 4 --concurrency 4 --seconds 0.06",
}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem
)
def test_flags_of_an_example_exist(path):
    for name, words in EXAMPLE.findall(path.read_text(encoding="utf-8").split('"""')[1]):
        if name != "startup":  # Its words are another command's.
            check_flags(ROOT / "benchmarks" / f"{name}.py", shlex.split(words))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return new_workshop(tmp_path_factory.mktemp("workshop"))


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_an_example_runs(name, workshop, stockfish, monkeypatch):
    monkeypatch.chdir(workshop)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    places = [str(Path(sys.executable).parent), str(Path(stockfish).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(places))
    if name == "reviews":
        status, output = in_a_shell(f"{sys.executable} -m uci annotate game.pgn --nodes 20")
        assert status == 0, output
    status, output = in_a_shell(f"{sys.executable} -m benchmarks.{name} {TINY[name]}")
    assert status == 0, output
