"""Speeds of two engines, measured in turns."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from benchmarks import rival_speed

ENGINE = """
import sys, time
nodes = int(sys.argv[1])
threads = 1
for line in sys.stdin:
    word = line.split()
    if word[0] == "uci":
        print("id name counter", "uciok", sep="\\n")
    elif word[0] == "isready":
        print("readyok")
    elif word[0] == "setoption":
        threads = int(word[4])
    elif word[0] == "go":
        begun = time.perf_counter()
    if line in ("go nodes 100\\n", "stop\\n"):
        print("info depth 1 nodes 3")
        print("info depth 2 nodes", round(threads * nodes * (time.perf_counter() - begun)), "pv e2e4")
        print("info string the search is over")
        print("bestmove e2e4")
    if word[0] == "quit":
        break
    sys.stdout.flush()
"""


def counter(folder: Path, nodes: int) -> list[str]:
    """The command of an engine that counts so many nodes a second for each of its threads."""
    script = folder / "counter.py"
    script.write_text(ENGINE)
    return [sys.executable, str(script), str(nodes)]


def test_aino_is_measured_against_a_rival(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rival = shlex.join(counter(tmp_path, 1000))
    arguments = ["--rival", rival, "--flags", "--evaluator material", "--threads", "1", "--seconds", "0.5"]
    rival_speed.main([*arguments, "--positions", "2", "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["aino"] > 0
    assert row["rival"] == pytest.approx(1000, rel=0.4)
