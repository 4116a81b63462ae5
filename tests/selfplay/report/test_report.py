"""The report of a run: what it counts, what it draws, and its page."""

import json
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import chess
import pytest

from engine.board.convert import row_from_board
from engine.errors import RunError
from engine.pages.chart import HEIGHT, WIDTH
from selfplay.matches.archive import GameRow
from selfplay.records.replay import published_games, write_segment
from selfplay.report.charts import Chart, Curve, draw_chart, ticks
from selfplay.report.facts import read_facts
from selfplay.report.live import LivePage, serving
from selfplay.report.metrics import metrics_of
from selfplay.report.opening_tree import opening_tree
from selfplay.report.page import report_page
from selfplay.report.samples import choose_samples, sample_of_game
from selfplay.run.config import config_text
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import GateResult, Phase, ledger_row
from tests.selfplay.report.runs import FOOLS_MATE, GAMES, facts_with, game_of, gate_result, run_with, write_pretraining
from tests.selfplay.run.crews import TINY

# ---- openings and samples -----------------------------------------------------------------------------------------


def test_opening_tree_counts_moves_and_points() -> None:
    games = [game_of("e4 e5 Nf3", 1), game_of("e4 e5 Bc4", 0), game_of("e4 c5", -1), game_of("d4", 1)]
    other = replace(game_of("e4 e5"), start=row_from_board(chess.Board("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1")))
    tree = opening_tree([*games, other])
    assert (tree.games, tree.score) == (4, 0.625)
    assert [(branch.text, branch.games, branch.score) for branch in tree.replies] == [("1. e4", 3, 0.5)]
    assert [(branch.text, branch.games, branch.score) for branch in tree.replies[0].replies] == [("1... e5", 2, 0.75)]


def test_samples_show_each_kind_of_end_once() -> None:
    samples = choose_samples({1: [game_of("d4")], 7: GAMES})
    assert [(sample.generation, sample.number) for sample in samples] == [(1, 0), (1, 2), (1, 1), (1, 3)]
    assert choose_samples({}) == []


def test_steps_of_a_sample_are_the_game() -> None:
    sample = sample_of_game(GAMES[0])
    board = chess.Board()
    for step, san in zip(sample.steps, ["", *FOOLS_MATE.split()], strict=True):
        if san:
            move = board.push_san(san)
            assert step.marked == (move.from_square, move.to_square)
        assert step.pieces == board.board_fen()
    assert [step.san for step in sample.steps] == ["", "1. f3", "e5", "2. g4", "Qh4#"]
    assert sample.steps[-1].text == "2... Qh4#. 0-1, checkmate"
    assert sample.steps[1].text == "1. f3. White expects 0%"
    assert sample.expected == [0.0, 0.0, 0.0, 0.0]


def test_last_move_of_a_resigned_sample_was_not_played() -> None:
    assert [step.san for step in sample_of_game(GAMES[2]).steps] == ["", "1. e4", "e5", "2. Qh5"]


# ---- charts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-31.7, 88.2), (1.97, 2.03), (0.0, 1e-6), (3, 4000), (0.5, 0.5)])
@pytest.mark.parametrize("most", [2, 5, 7])
def test_ticks_are_few_round_and_inside(low: float, high: float, most: int) -> None:
    marks = ticks(low, high, most)
    assert len(marks) <= most
    assert all(low - 1e-9 <= mark <= high + 1e-9 for mark in marks)
    if len(marks) > 1:
        step = marks[1] - marks[0]
        assert min(abs(step / 10.0**power - digit) for power in range(-9, 5) for digit in (1, 2, 5)) < 1e-6


def test_curves_stay_inside_their_box() -> None:
    curve = Curve("a", [(1, 5.0), (2, -3.0), (9, 1.0)], band=[(1, -99.0, 7.0), (9, 0.0, 99.0)])
    drawn = draw_chart(Chart("title", [curve, Curve("empty", [])]))
    (shown,) = drawn.curves
    numbers = [float(word) for word in re.findall(r"[\d.]+", shown.line + shown.band)]
    assert all(0 <= x <= WIDTH for x in numbers[::2])
    assert all(0 <= y <= HEIGHT for y in numbers[1::2])
    assert all(0 <= at <= 100 for _, at in drawn.x_marks + drawn.y_marks)
    assert draw_chart(Chart("title", [Curve("empty", [])])) is None


@pytest.mark.parametrize("value", [117.9140625, -20.0, 0.0])
def test_flat_curve_has_a_scale_that_can_be_read(value: float) -> None:
    drawn = draw_chart(Chart("plies", [Curve("length", [(1, value)])]))
    texts = [text for text, _ in drawn.y_marks]
    assert len(texts) >= 2
    assert max(map(len, texts)) <= len("-0.0005")


def test_single_point_is_drawn() -> None:
    drawn = draw_chart(Chart("title", [Curve("a", [(1, 0.4)], dots=False)], percent=True))
    assert drawn.curves[0].dots == "M300.0 100.0h0"


# ---- facts and page -----------------------------------------------------------------------------------------------


def test_strength_adds_up_over_promotions(tmp_path: Path) -> None:
    facts = facts_with(tmp_path, [gate_result(30), gate_result(-40, accepted=False), gate_result(50)])
    assert [g.gained for g in facts.generations] == pytest.approx([30, 30, 80, 80])


def test_perfect_score_counts_half_a_point_less(tmp_path: Path) -> None:
    endless = float("inf")
    perfect = GateResult(True, True, (0, 0, 0, 0, 10), 3.0, 1.0, endless, endless, endless)
    gained = facts_with(tmp_path, [perfect]).generations[0].gained
    assert gained == pytest.approx(636.4, abs=0.1)  # 400 log10(19.5 / 0.5)


def test_facts_are_those_of_ledger_and_replay(tmp_path: Path) -> None:
    facts = facts_with(tmp_path, [gate_result(30)])
    first, second = facts.generations
    assert (first.phase, second.phase) == (Phase.DONE, Phase.GENERATE)
    assert second.games is None
    assert (first.games.games, first.games.positions, first.games.mean_plies) == (4, 18, 4.5)
    assert (first.games.draws, first.games.resigned, first.games.white_score) == (0.5, 0.25, 0.5)
    assert [(row["step"], row["policy"], row["value"]) for row in first.training] == [(10, 2.5, 1.0), (20, 2.0, 1.0)]
    assert (first.before, first.after["policy"]) == (None, 2.0)
    assert (first.given_up, first.wrong, second.given_up) == (2, 1, 0)
    assert facts.tree.games == 4
    assert facts.tree_generations == (1, 1)
    assert len(facts.samples) == 4


def test_page_loads_nothing_and_escapes_names(tmp_path: Path) -> None:
    text = report_page(facts_with(tmp_path / "a<b>", [gate_result(30)]))
    assert "<h1>a&lt;b&gt;</h1>" in text
    assert not re.search(r"\bsrc=|url\((?!#)|@import|<link(?! rel=\"icon\" href=\"data:,\")", text)
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg"}
    assert "1. e4" in text
    assert "continues with <code>generate</code>" in text


@pytest.mark.parametrize("gates", [[], [gate_result(30)]])
def test_report_command_leaves_the_run_alone(gates, tmp_path, aino_train):
    run_with(tmp_path / "run", gates).close()
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    aino_train("report", tmp_path / "run", "--out", tmp_path / "pages" / "run.html")
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before
    assert (tmp_path / "pages" / "run.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    aino_train("report", tmp_path / "run")
    assert (tmp_path / "run" / "report.html").is_file()


def test_elo_gained_is_an_upper_bound_without_an_interval(tmp_path: Path) -> None:
    """Equal candidates, of which the gate let those pass that were lucky: their sum is no measured gain."""
    gates = [gate_result(elo, accepted=elo > 0) for elo in (35, -20, 25, -40)]
    text = report_page(facts_with(tmp_path, gates))
    assert "<dt>Elo gained, at most</dt><dd>+60</dd>" in text
    assert "an upper bound: it rises even where no candidate is stronger" in text
    assert 'class="band"' not in text
    assert "95% interval. It is Elo" not in text


def test_report_of_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a self-play run; reports are for runs of `loop` and `pretrain`"):
        read_facts(tmp_path)
    RunFolder(tmp_path, TINY).close()
    with pytest.raises(RunError, match="has not begun a generation"):
        read_facts(tmp_path)


def test_lost_run_database_is_told_apart_from_another_folder(tmp_path: Path) -> None:
    run_with(tmp_path, [gate_result(30)]).close()
    (tmp_path / "ledger.sqlite").unlink()
    with pytest.raises(RunError, match=r"the run database, ledger\.sqlite, is missing"):
        read_facts(tmp_path)


def test_report_says_that_resignations_are_not_tested_yet(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, TINY)
    run.ledger.begin_generation(1, config_text(run.config))
    games = [game_of("e4 e5", number=number) for number in range(2)]
    write_segment(run.replay, 1, games)
    run.ledger.note_games(1, [ledger_row(game) for game in games])
    run.close()
    assert "Resignations are untested so far" in report_page(read_facts(tmp_path))


def test_report_of_a_pretraining_run_shows_its_losses(tmp_path: Path, aino_train: Callable[..., str]) -> None:
    write_pretraining(tmp_path)
    told = aino_train("report", tmp_path)
    assert "15,360 positions, 1 held-out evaluations" in told
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "64x6" in text
    assert "31.0%" in text
    assert "Policy loss" in text
    assert not re.search(r"\bsrc=\"http|@import", text)


def test_report_goes_on_beside_damaged_games(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = run_with(tmp_path, [gate_result(30)])
    run.close()
    path = tmp_path / "replay" / "gen-00001.replay"
    path.write_bytes(path.read_bytes()[:-5])
    assert read_facts(tmp_path).tree.games == 3
    assert "damaged bytes" in caplog.text
    assert len(published_games(run.replay, 1)) == 3


def test_rejected_candidates_were_missing_in_the_chart(tmp_path: Path) -> None:
    facts = facts_with(tmp_path, [gate_result(30), gate_result(-40, accepted=False)])
    assert report_page(facts).count("rejected candidates") >= 1
    assert "rejected candidates: from -10.00 to -10.00" in report_page(facts), "40 below the promoted one"
    assert "rejected candidates" not in report_page(facts_with(tmp_path / "other", [gate_result(30)]))


def test_rungs_are_drawn_over_hours_with_their_interval(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", [gate_result(30), gate_result(30)])
    run.ledger.add_work(1, 1800.0)
    run.ledger.add_work(2, 1800.0)
    run.close()
    assert "Rung on the anchors" not in report_page(read_facts(tmp_path / "run"))
    (tmp_path / "run" / "anchors").mkdir()
    with open(tmp_path / "run" / "anchors" / "games.jsonl", "w", encoding="utf-8") as file:
        for number, winner in enumerate("aabbab"):  # each network wins as many games as it loses
            first = "gen-00002:400" if number < 4 else "gen-00000:400"
            white, black = (first, "stockfish:1700")[:: 1 if number % 2 == 0 else -1]
            result = "1-0" if (winner == "a") == (number % 2 == 0) else "0-1"
            row = GameRow(number, white, black, chess.STARTING_FEN, "", result, "checkmate", "", "", (0.0, 0.0))
            file.write(json.dumps(asdict(row)) + "\n")
    facts = read_facts(tmp_path / "run")
    start, unmeasured, row = metrics_of(facts).rows[:3]
    assert row["rung"] == pytest.approx(1700)
    assert row["rung_low"] == pytest.approx(3400 - row["rung_high"])
    assert (row["rung_games"], row["hours"]) == (4, 1.0)
    assert "rung" not in unmeasured
    assert (start["generation"], start["hours"], start["rung_games"]) == (0, 0.0, 2), (
        "the curve's beginning was missing"
    )
    page = report_page(facts)
    assert "UCI_Elo of Stockfish" in page
    assert "promoted network: from 1,700.00 to 1,700.00" in page


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of the live page of a run that has not begun yet."""
    page = LivePage(lambda: report_page(read_facts(tmp_path / "run")))
    with serving(page) as address:
        yield address


def answer_of(address: str, host: str | None = None) -> tuple[int, Mapping[str, str], str]:
    """(status, headers, body) that the server gives."""
    request = urllib.request.Request(address, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read().decode()


def test_a_live_page_follows_the_run_and_is_for_this_machine_alone(address, tmp_path, monkeypatch):
    monkeypatch.setattr("selfplay.report.live.REFRESH_S", 0)
    monkeypatch.setattr("selfplay.report.live.WORK_SHARE", 1e9)
    assert address.startswith("http://127.0.0.1:")
    status, headers, body = answer_of(address)
    assert (status, headers["Refresh"]) == (200, "0")
    assert "no such folder" in body
    run_with(tmp_path / "run", [gate_result(30)]).close()
    assert "<dt>Promoted</dt><dd>1</dd>" in answer_of(address)[2]
    run_with(tmp_path / "more", [gate_result(30)] * 2).close()
    shutil.copytree(tmp_path / "more", tmp_path / "run", dirs_exist_ok=True)
    assert "<dt>Promoted</dt><dd>2</dd>" in answer_of(address)[2]
    base, port = address.split("/")[2], address.split(":")[2].split("/")[0]
    assert answer_of(f"http://{base}/")[0] == 404
    assert answer_of(f"http://{base}/guessed/")[0] == 404
    assert answer_of(address, "evil.example:" + port)[0] == 404, "a foreign name that resolves to this machine"
    assert answer_of(address, f"localhost:{port}")[0] == 200


def test_a_live_page_is_not_made_anew_for_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    page = LivePage(lambda: made.append(1) or "page")  # type: ignore[func-returns-value]
    assert page.text() == page.text() == "page"
    assert made == [1]
