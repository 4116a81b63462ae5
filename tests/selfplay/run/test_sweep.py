"""A sweep: its table, its runs and their report, killed and continued."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from engine.errors import ConfigError
from engine.nn import dit
from selfplay.commands import sweep
from selfplay.families.by_name import family_of
from selfplay.run.config import config_text, read_toml
from selfplay.run.ledger import Ledger
from tests.new_process import ROOT, wait_until
from tests.selfplay.run.crews import TINY_FLAGS, weights_of

MARKS = [
    "late/seed-1/nets/*1.dit",
    "plain/seed-1/replay/*1.replay",
    "plain/seed-2/ledger.sqlite",
    "*/*/result.json",
]
SETTINGS = "\n".join(flag.removeprefix("--") for flag in TINY_FLAGS)
TABLE = f"""
seeds = [1, 2]
[settings]
{SETTINGS}
net = "16x1"
gate.accept_score = 0.0
[[stages]]
generations = 1
[[stages]]
generations = 1
games.count = 4
[rows.plain]
[rows.late]
begins = 2
fit.value_share = 0.8
[match]
games = 2
nodes = 1
"""


def sweep_in(folder, text=TABLE):
    """The file of a sweep whose runs lie in `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "table.toml").write_text(
        f'out = "{(folder / "out").as_posix()}"\n{text}', encoding="utf-8"
    )
    return folder / "table.toml"


def runs_of(folder):
    """The last networks of its runs."""
    paths = sorted((folder / "out").glob("*/seed-*/nets/gen-00002.dit"))
    return {str(path.relative_to(folder)): weights_of(path) for path in paths}


@pytest.mark.slow
def test_a_sweep_killed_while_it_moved_ends_in_the_same_bits(tmp_path, aino_train):
    file = sweep_in(tmp_path / "killed")
    out = tmp_path / "killed" / "out"
    for mark in MARKS:
        command = [sys.executable, "-m", "selfplay", "sweep", str(file), "--workers=1"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            wait_until(lambda mark=mark: any(out.glob(mark)) or process.poll() is not None)
            os.kill(process.pid, signal.SIGKILL)
    shutil.move(out, out := tmp_path / "moved" / "out")
    for folder in ("straight", "moved"):
        told = aino_train("sweep", sweep_in(tmp_path / folder), "--workers=1")
    assert "report.html: 4 runs" in told
    assert runs_of(tmp_path / "moved") == runs_of(tmp_path / "straight")
    assert len(runs_of(tmp_path / "moved")) == 4
    runs = json.loads((out / "report.json").read_text())
    assert runs[0]["changes"] == [{"generation": 2, "games.count": [6, 4]}]
    page = (out / "report.html").read_text()
    assert '<th scope="row">late</th><td>plain</td><td>4</td>' in page, "two games of each seed"
    changed = sweep_in(tmp_path / "moved", TABLE.replace("value_share = 0.8", "value_share = 0.7"))
    assert "made with fit.value_share 0.8, and" in aino_train(
        f"sweep {changed} --workers=1", status=1
    )
    shutil.rmtree(out / "late")
    aino_train(f"sweep {changed} --workers=1")
    assert len([*out.glob("matches/*/result.json")]) == 4, (
        "the games of the row's earlier networks counted for it"
    )


def test_an_earlier_stage_goes_on_with_its_own_settings(tmp_path, monkeypatch):
    """As where the hours of a sweep were over, and are more now. The default net was missing before
    the matches.
    """
    file = sweep_in(tmp_path, TABLE.replace('net = "16x1"', ""))
    given = []
    monkeypatch.setattr(
        sweep,
        "work_in",
        lambda run, one, *more: given.append((one["fit"]["value_share"], one["net"])),
    )
    assert sweep._make(sweep.Sweep(file, read_toml(file)), "late", 1, None, "1")
    assert given == [(0.5, "32x4"), (0.8, "32x4")]


def test_a_run_that_fails_does_not_keep_the_others(tmp_path, aino_train):
    file = sweep_in(tmp_path, TABLE.replace("seeds = [1, 2]", "seeds = [1]"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "plain").write_text("no folder")
    assert "1 of 2 runs failed" in aino_train(f"sweep {file} --workers=1", status=1)
    assert Ledger(tmp_path / "out" / "late" / "seed-1" / "ledger.sqlite").current()[0] == 2


def test_a_network_plays_no_match_against_itself(tmp_path, monkeypatch, capsys):
    """As that of two rows with one beginning, of which neither was promoted."""
    table = sweep.Sweep(file := sweep_in(tmp_path), read_toml(file))
    network = family_of("16x1").build(np.random.default_rng(1))
    for row in ("plain", "late"):
        path = table.path(row, 1)
        (path / "nets").mkdir(parents=True)
        Ledger(path / "ledger.sqlite").close()
        dit.save(path / "nets" / "gen-00000.dit", network, {"made": row})
    monkeypatch.setattr(sweep, "play_series", None)
    assert sweep._match(table, "late", "plain", 1) == (True, None)
    assert "late-0 - plain-0, seed 1: the same network" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[match]", "[matches]", "unknown matches; known: out, seeds"), ("seeds = [1, 2]", "", "seeds is missing"),
        ("fit.value_share", "fit.value_shares", "unknown setting fit.value_shares"),
        ("begins = 2", 'against = "plane"', "expected one of plain, late, got 'plane'"),
        ("generations = 1", "generation = 1", "stages: generations is missing"),
        ("seeds = [1, 2]", "seeds = [1]\nhours = 'one'", "hours: expected a number above 0, got 'one'"),
        ("seeds = [1, 2]", "seeds = [1, 1]", "seeds: expected each once, got [1, 1]"),
        ("seeds = [1, 2]", 'seeds = ["one"]', "seed: expected int, got 'one'"),
        ("begins = 2", "begins = 2\nseed = 2", "rows.late: a run has one net, and one seed"),
        ("[rows.plain]", '[rows.".."]', "'..' cannot be the name of a folder"),
        ("seeds = [1, 2]", "seeds = []", "at least one of seeds and of rows"),
        ("games = 2\nnodes", "games = 3\nnodes", "match: expected games, an even number"),
        ("begins = 2", "begins = 3", "rows.late: begins 3 is after its last generation, 2"),
    ],
)  # fmt: skip
def test_a_faulty_table_is_refused_by_name(old, new, message, tmp_path):
    file = sweep_in(tmp_path, TABLE.replace(old, new))
    with pytest.raises(ConfigError, match=rf"table\.toml: .*{re.escape(message)}"):
        sweep.Sweep(file, read_toml(file))


def test_the_table_of_ingredients_is_that_of_the_recipe():
    """Stages, and rows that begin late, or go on for longer."""
    file = ROOT / "examples" / "ingredients.toml"
    table = sweep.Sweep(file, read_toml(file))
    assert list(table.parts("late")) == [(1, 8), (9, 20), (21, 26)]
    counts = [table.config("late", 1, number) for number in (8, 9, 21)]
    assert [(one.games.count, one.fit.value_share) for one in counts] == [
        (300, 0.5),
        (1000, 0.5),
        (1000, 0.8),
    ]
    assert "seed = 1" in config_text(counts[0])
    timed = sweep.Sweep(file, {**table.table, "hours": 1.0})
    assert [[*timed.parts(row)][-1] for row in ("late", "recipe")] == [(21, 26), (9, None)], (
        "26 were not counted"
    )
