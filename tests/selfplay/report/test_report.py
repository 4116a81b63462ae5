"""The report of a run: what it counts, what it draws, and its page."""

import json
import re
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict, replace

import pytest

from engine.errors import RunError
from engine.pages.chart import HEIGHT, WIDTH, Chart, Curve, draw_chart, drawn, ticks
from selfplay.report.page import report_page
from selfplay.report.run_numbers import read_run
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import ENVIRONMENT, GateResult
from tests.documents.pages import ROOT
from tests.new_process import posix, running, wait_until
from tests.selfplay.matches.rows import PLAYED
from tests.selfplay.report.runs import gate_result, numbers_with, run_with
from tests.selfplay.run.crews import TINY

# ---- charts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-31.7, 88.2), (1.97, 2.03), (0.0, 1e-6), (3, 4000), (0.5, 0.5)]
)
@pytest.mark.parametrize("most", [2, 5, 7])
def test_ticks_are_few_round_numbers_inside(low, high, most):
    marks = ticks(low, high, most)
    assert len(marks) <= most
    assert all(low - 1e-9 <= mark <= high + 1e-9 for mark in marks)
    if len(marks) > 1:
        step = marks[1] - marks[0]
        assert (
            min(abs(step / 10.0**power - digit) for power in range(-9, 5) for digit in (1, 2, 5))
            < 1e-6
        )


def test_curves_stay_inside_their_box():
    curve = Curve("a", [(1, 5.0), (2, -3.0), (9, 1.0)], band=[(1, -99.0, 7.0), (9, 0.0, 99.0)])
    drawn = draw_chart(Chart("title", [curve, Curve("empty", [])]))
    (shown,) = drawn.curves
    numbers = [float(word) for word in re.findall(r"[\d.]+", shown.line + shown.band)]
    assert all(0 <= x <= WIDTH for x in numbers[::2])
    assert all(0 <= y <= HEIGHT for y in numbers[1::2])
    assert all(0 <= at <= 100 for _, at in drawn.x_marks + drawn.y_marks)


def test_marks_of_logarithms_are_what_they_stand_for():
    drawn = draw_chart(Chart("nodes", [Curve("Nf3", [(0, 1), (3, 2)])], log_x=True))
    assert [text for text, _ in drawn.x_marks] == ["1", "10", "100", "1,000"]


def test_a_chart_without_points_is_none():
    assert drawn([Chart("title", [Curve("empty", [])])]) == []


@pytest.mark.parametrize("value", [117.9140625, -20.0, 0.0])
def test_flat_curve_has_a_scale_that_can_be_read(value):
    drawn = draw_chart(Chart("plies", [Curve("length", [(1, value)])]))
    texts = [text for text, _ in drawn.y_marks]
    assert len(texts) >= 2
    assert max(map(len, texts)) <= len("-0.0005")


# ---- numbers and page ----------------------------------------------------------------------------


def test_strength_adds_up_over_promotions(tmp_path):
    run = numbers_with(
        tmp_path, [gate_result(30), gate_result(-40, accepted=False), gate_result(50)]
    )
    assert [row["gained"] for row in run.rows] == pytest.approx([30, 30, 80, 80])
    page = report_page(run)
    assert "rejected candidates: from -10.00 to -10.00" in page, "40 below the promoted one"
    verdicts = re.findall("<td>(promoted|rejected)", page)
    assert verdicts == ["promoted", "rejected", "promoted"], "the latest is the first"
    assert "rejected candidates" not in report_page(
        numbers_with(tmp_path / "other", [gate_result(30)])
    )


def test_perfect_score_counts_half_a_point_less(tmp_path):
    endless = float("inf")
    perfect = GateResult(True, True, (0, 0, 0, 0, 10), 3.0, 1.0, endless, endless, endless)
    # 400 log10(19.5 / 0.5)
    assert numbers_with(tmp_path, [perfect]).rows[0]["gained"] == pytest.approx(636.4, abs=0.1)


def test_numbers_are_those_of_the_run_database(tmp_path):
    run = numbers_with(tmp_path, [gate_result(30)])
    first, second = run.rows
    assert "games" not in second
    assert first["games"] == 4
    assert first["positions"] == 18
    assert first["mean_plies"] == 4.5
    assert first["draws"] == 0.5
    assert first["resigned"] == 0.25
    assert first["white_score"] == 0.5
    assert [(row["step"], row["policy"], row["value"]) for row in run.steps] == [
        (10, 2.5, 1.0),
        (20, 2.0, 1.0),
    ]
    assert "before_policy" not in first
    assert first["policy"] == 2.0
    assert first["given_up"] == 2
    assert first["wrong"] == 1
    assert second.get("given_up") is None
    assert run.endings["checkmate"] == run.endings["the longest allowed game"] == 1


def test_page_loads_nothing(tmp_path):
    with closing(run_with(tmp_path / "a<b>", [gate_result(30)])) as run:
        run.ledger.note_environment(dict.fromkeys(ENVIRONMENT, "<b>"))
    text = report_page(read_run(tmp_path / "a<b>"))
    assert "What made them" in text
    assert "<h1>a&lt;b&gt;</h1>" in text
    assert "<b>" not in text
    assert not re.search(r"\bsrc=|url\((?!#)|@import|<link(?! rel=\"icon\" href=\"data:,\")", text)
    assert "://" not in text
    assert "continues with generate" in text


@pytest.mark.parametrize("gates", [[], [gate_result(30)]])
def test_report_command_leaves_the_run_alone(gates, tmp_path, aino_train):
    run_with(tmp_path / "run", gates).close()

    def contents():
        files = (tmp_path / "run").rglob("*")
        return {path: path.read_bytes() for path in files if path.is_file()}

    before = contents()
    aino_train(f"report {tmp_path}/run --out {tmp_path}/pages/run.html")
    assert contents() == before
    page = (tmp_path / "pages" / "run.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")


def test_elo_gained_is_an_upper_bound_without_an_interval(tmp_path):
    """Equal candidates, of which the gate let those pass that were lucky: their sum is no measured
    gain.
    """
    gates = [gate_result(elo, accepted=elo > 0) for elo in (35, -20, 25, -40)]
    text = report_page(numbers_with(tmp_path, gates))
    assert "<dt>Elo gained, at most</dt><dd>+60</dd>" in text
    assert "an upper bound: it rises even where no candidate is stronger" in text
    assert 'class="band"' not in text
    assert "95% interval. It is Elo" not in text


def test_report_of_no_run_is_refused(tmp_path):
    with pytest.raises(
        RunError, match="not a self-play run; reports are for runs of `loop` and `pretrain`"
    ):
        read_run(tmp_path)
    RunFolder(tmp_path, TINY).close()
    with pytest.raises(RunError, match="has not begun a generation"):
        read_run(tmp_path)
    (tmp_path / "ledger.sqlite").unlink()
    with pytest.raises(RunError, match=r"the run database, ledger\.sqlite, is missing"):
        read_run(tmp_path)


def test_rungs_are_drawn_over_hours_with_their_interval(tmp_path):
    run = run_with(tmp_path / "run", [gate_result(30), gate_result(30)])
    run.ledger.add_work(1, 1800.0)
    run.ledger.add_work(2, 1800.0)
    run.close()
    (tmp_path / "run" / "anchors").mkdir()
    with open(tmp_path / "run" / "anchors" / "games.jsonl", "w") as file:
        for number, winner in enumerate("aabbab"):  # each network wins as many games as it loses
            first = "gen-00002:400" if number < 4 else "gen-00000:400"
            white, black = (first, "stockfish:1700")[:: 1 if number % 2 == 0 else -1]
            result = "1-0" if (winner == "a") == (number % 2 == 0) else "0-1"
            row = replace(PLAYED, number=number, white=white, black=black, result=result)
            file.write(json.dumps(asdict(row)) + "\n")
    numbers = read_run(tmp_path / "run")
    start, unmeasured, row = numbers.rows[:3]
    assert row["rung"] == pytest.approx(1700)
    assert row["rung_low"] == pytest.approx(3400 - row["rung_high"])
    assert row["rung_games"] == 4
    assert row["hours"] == 1.0
    assert "rung" not in unmeasured
    assert (start["hours"], start["rung_games"]) == (0.0, 2), "the start of the curve"
    assert "promoted network: from 1,700.00 to 1,700.00" in report_page(numbers)


@posix  # no SIGINT for another process
def test_a_live_page_follows_the_run_until_ctrl_c(tmp_path):
    run_with(tmp_path / "run", [gate_result(30)]).close()
    page = tmp_path / "run" / "report.html"

    def shows(promoted):
        return page.is_file() and f"<dt>Promoted</dt><dd>{promoted}</dd>" in page.read_text(
            encoding="utf-8"
        )

    program = "import selfplay.commands.report as report, selfplay.main; report.REFRESH_S = 1; selfplay.main.main()"
    command = [sys.executable, "-c", program, "report", str(tmp_path / "run"), "--live"]
    with running(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: shows(1) or process.poll() is not None)
        assert '<meta http-equiv="refresh" content="1">' in page.read_text(encoding="utf-8")
        run = RunFolder(tmp_path / "run", {})
        run.ledger.note_gate(2, gate_result(30))
        run.close()
        wait_until(lambda: shows(2) or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        assert process.wait(400) == 0
    assert shows(2)
    assert "refresh" not in page.read_text(encoding="utf-8"), "the last page stays as it is"
