"""The numbers of runs for other programs, and runs beside each other on one page."""

import csv
import json
import math
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from selfplay.report.metrics import EventFiles, Metrics, metrics_json
from selfplay.report.page import comparison_page, report_page
from selfplay.report.run_numbers import read_run
from selfplay.report.seed_groups import mean_curve, seed_groups, student_95
from selfplay.run.pretraining import read_log
from selfplay.training.family import HeldOutScores, scores_of
from selfplay.training.losses import Losses, LossSums, number_text
from tests.documents.pages import ROOT
from tests.selfplay.report.runs import gate_result, run_with, write_pretraining
from tests.selfplay.run.crews import TINY


def test_the_numbers_of_a_run_are_rows_for_other_programs(tmp_path, aino_train):
    run = run_with(tmp_path / "run", [gate_result(30), gate_result(-40, accepted=False)])
    run.ledger.note_losses(2, 20, "before", {"policy": math.inf})  # which JSON cannot say
    run.close()
    aino_train(f"report {tmp_path}/run --json {tmp_path}/run.json --csv {tmp_path}/run.csv")
    (run,) = json.loads((tmp_path / "run.json").read_text())
    assert run["run"] == "run"
    assert run["x"] == "generation"
    assert run["settings"]["games.visits"] == TINY["games"]["visits"]
    first, second, third = run["rows"]
    assert {"games": 4, "policy": 2.0, "elo": 30, "accepted": 1}.items() <= first.items()
    assert second["accepted"] == 0
    assert second["gained"] == pytest.approx(first["gained"])
    assert "elo" not in third
    assert "before_policy" not in second
    assert run["steps"][0] == {"generation": 1, "step": 10, "policy": 2.5, "value": 1.0}
    table = list(csv.DictReader((tmp_path / "run.csv").read_text().splitlines()))
    assert [row["elo"] for row in table] == ["30.0", "-40.0", ""]


def test_runs_are_compared_on_one_page(tmp_path, aino_train):
    for name, gates in (("slow", [gate_result(30)]), ("again", [gate_result(10), gate_result(20)])):
        run = run_with(tmp_path / name, gates)
        for number in range(1, len(gates) + 1):
            run.ledger.add_work(number, 60.0)
        run.close()
    out = tmp_path / "both.html"
    assert "2 runs" in aino_train(f"report {tmp_path}/slow {tmp_path}/again --out {out}")
    text = out.read_text(encoding="utf-8")
    assert text.count('class="series s1" d="M0 6H28"') >= 4, "charts of both"
    write_pretraining(tmp_path / "supervised")
    error = aino_train(f"report {tmp_path}/slow {tmp_path}/supervised --out {out}", status=1)
    assert "only runs of one kind" in error
    assert "given twice" in aino_train(
        f"report {tmp_path}/slow {tmp_path}/slow --out {out}", status=1
    )
    # a name of its own for each was demanded
    shutil.copytree(tmp_path / "slow", tmp_path / "copy" / "slow")
    table = tmp_path / "two.csv"
    aino_train(f"report {tmp_path}/slow {tmp_path}/copy/slow --out {out} --csv {table}")
    names = {row["run"] for row in csv.DictReader(table.read_text().splitlines())}
    assert names == {f"{tmp_path.name}/slow", "copy/slow"}


@pytest.mark.parametrize("marks", [("a", "a"), ("a", "b"), ("a", None)])
def test_scores_on_other_games_are_drawn_apart(tmp_path, marks):
    runs = []
    for name, mark in zip(("one", "two"), marks, strict=True):
        write_pretraining(tmp_path / name)
        config = {"net": "64x6", **({"heldout": mark} if mark else {})}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
        runs.append(read_run(tmp_path / name))
    text = comparison_page(runs)
    assert ("on the held-out games of one<" in text) == (marks[0] != marks[1])
    assert ("on held-out games<" in text) == (marks[0] == marks[1])


def metrics_with(name, seed, ends, **settings):
    """A run whose rungs are these, hour by hour."""
    rows = [{"generation": n, "hours": float(n), "rung": end} for n, end in enumerate(ends, 1)]
    return Metrics(name, "generation", {"seed": seed, "net": "16x1"} | settings, rows, [])


def test_settings_that_differ_are_listed():
    text = comparison_page([metrics_with("a", 1, [2.0]), metrics_with("b", 1, [2.0], net="32x4")])
    assert '<th scope="row">net</th><td>16x1</td><td>32x4</td>' in text
    assert text.count('<th scope="row">seed</th>') == 1, "among all settings alone"


def test_seeds_are_one_group_with_the_interval_of_its_mean():
    """Student's interval, which scipy gives: mean 20, s 10, three seeds: 20 ± 4.303 * 10 / sqrt(3)."""
    seeds = [metrics_with(f"base/seed-{n}", n, [9.0, 10.0 * n]) for n in (1, 2, 3)]
    late = replace(seeds[0], run="late", changes=[{"generation": 2, "net": ["16x1", "32x4"]}])
    base, single = seed_groups([*seeds, late])
    assert [group.name for group in (base, single)] == ["base", "late"]
    assert {run.group for run in base.runs} == {"base"}
    mean, *own = base.curves("generation", "rung", 0)
    assert mean.points == [(1.0, 9.0), (2.0, 20.0)]
    assert mean.band == [
        (1.0, 9.0, 9.0),
        (2.0, pytest.approx(-4.84, abs=0.01), pytest.approx(44.84, abs=0.01)),
    ]
    assert [curve.points[-1][1] for curve in own] == [10.0, 20.0, 30.0]
    page = comparison_page([*seeds, late])
    assert "4 runs compared, in 2 groups" in page
    assert "20.000 [-4.843, 44.843]" in page


def test_a_mean_goes_from_where_all_have_begun_to_where_one_ends():
    points = mean_curve([[(0.0, 0.0), (2.0, 20.0), (4.0, 40.0)], [(1.0, 30.0), (3.0, 50.0)]])[0]
    assert points == [(1.0, 20.0), (2.0, 30.0), (3.0, 40.0)]


def test_a_rung_is_told_with_its_scale():
    page = comparison_page([replace(metrics_with("a", 1, [20.0]), rung_scale="Elo of Stockfish")])
    assert "Rung on the anchors, Elo of Stockfish</figcaption>" in page
    assert "20.000, Elo of Stockfish<" in page


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (10, 2.228), (11, 2.201), (30, 2.042)]
)
def test_quantiles_are_student_s(freedom, quantile):
    assert student_95(freedom) == pytest.approx(quantile, abs=3e-3)


def test_hours_count_no_pauses(tmp_path):
    run = run_with(tmp_path, [gate_result(30), gate_result(30), gate_result(30)])
    run.ledger.add_work(1, 1800.0)
    run.ledger.add_work(1, 1800.0)  # after a pause of any length
    run.ledger.add_work(2, 3600.0)
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as ledger, ledger:
        # the clock was set
        ledger.execute("UPDATE generations SET started = 7200, finished = 3600")
    run.close()
    numbers = read_run(tmp_path)
    assert [row.get("hours") for row in numbers.rows] == [1.0, 2.0, None, None]
    assert "<dt>Hours</dt><dd>2.0</dd>" in report_page(numbers)


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_no_number_of_a_report_is_one_that_json_cannot_say(number):
    """`--json` wrote a bare Infinity, which other programs cannot read."""
    rows = [{"generation": 1.0, "elo": number}]
    run = Metrics("a", "generation", {"hours": number}, rows, [], changes=[{"x": [number, 1]}])
    (read,) = json.loads(metrics_json([run]), parse_constant=pytest.fail)
    assert read["settings"] == {"hours": None}
    assert read["rows"] == [{"generation": 1.0, "elo": None}]
    assert read["changes"] == [{"x": [None, 1]}]


def test_what_was_not_measured_is_not_reported(tmp_path):
    write_pretraining(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()[:-1]]
    rows[-1] |= {"positions_per_s": None, "losses": None}
    rows[-1]["scores"] |= {"moves_left": None, "top1": None}
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    numbers = read_run(tmp_path)
    assert numbers.rows == [
        {"positions": 15360, "step": 60, "hours": 1 / 30, "policy": 3.0, "value": 0.9}
    ]
    page = report_page(numbers)
    assert "Top-1 accuracy" not in page
    assert "0.0%" not in page
    assert "<dd>128</dd>" in page, "the last speed that was measured"
    assert LossSums(1.0, 2.0, 0.0, 0.0, 4.0, 0.0).means == Losses(None, 0.5, None)
    assert scores_of(np.array([[0.0, 1.0, 2.0, 0.0, 0.0, 4.0, 0.0]])) == HeldOutScores(
        None, 0.5, None
    )
    assert number_text(None) == "-"


def test_a_log_of_a_killed_run_repeats_no_step(tmp_path):
    write_pretraining(tmp_path)
    log = tmp_path / "log.jsonl"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:2], *lines[1:3], lines[3] + lines[0]]))
    assert [row["step"] for row in read_log(log.read_text())] == [20, 40, 60]


def test_tensorboard_reads_what_is_written_for_it(tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = run_with(tmp_path / "run", [gate_result(30)])
    folder = tmp_path / "events" / "run"
    run.ledger.note_games(2, run.ledger.games(1)[:1])

    def points(events, name):
        events.Reload()
        return [(point.step, point.tensor_proto.float_val[0]) for point in events.Tensors(name)]

    files = EventFiles(tmp_path / "events")
    events = accumulators.EventAccumulator(str(folder))
    files.update([read_run(tmp_path / "run")])
    assert points(events, "rows/elo") == [(1, 30.0)]
    assert points(events, "rows/games") == [(1, 4.0)], "not of a generation that is under way"
    assert points(events, "training/policy") == [(0, 2.5), (1, 2.0)]
    run.ledger.note_gate(2, gate_result(50))
    files.update([read_run(tmp_path / "run")])
    assert points(events, "rows/elo") == [(1, 30.0), (2, 50.0)], "each number once"
    run.close()
    files.close()


def test_the_page_describes_every_column_of_a_report(tmp_path):
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    numbers = page.partition("## Take the numbers out")[2]
    run_with(tmp_path, [gate_result(30)]).close()
    columns = set(read_run(tmp_path).rows[0])
    assert columns <= set(re.findall(r"`(\w+)`", numbers)), columns
