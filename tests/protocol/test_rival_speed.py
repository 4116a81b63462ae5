"""Speeds of two engines, measured in turns."""

import json
import os
import shlex
import sys
import time
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


def test_ratios_are_those_of_the_engines_counts(tmp_path: Path) -> None:
    row = rival_speed.measure((counter(tmp_path, 50_000), counter(tmp_path, 20_000)), 2, 0.3, 3)
    assert row["threads"] == 2
    assert row["rival"] == pytest.approx(40_000, rel=0.4)
    assert row["ratio"] == pytest.approx(2.5, rel=0.4)
    assert row["low"] <= row["ratio"] <= row["high"]  # type: ignore[operator]


def test_processor_time_is_that_of_the_process() -> None:
    before, begun = rival_speed.cpu_seconds(os.getpid()), time.process_time()
    if not sys.platform.startswith("linux"):
        assert before == 0
        return
    while time.process_time() < begun + 0.3:
        pass
    assert rival_speed.cpu_seconds(os.getpid()) - before == pytest.approx(0.3, abs=0.2)


def test_aino_is_measured_against_a_rival(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rival = shlex.join(counter(tmp_path, 1000))
    arguments = ["--rival", rival, "--flags", "--evaluator material", "--threads", "1", "--seconds", "0.5"]
    rival_speed.main([*arguments, "--positions", "2", "--json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["aino"] > 0
    assert row["rival"] == pytest.approx(1000, rel=0.4)
