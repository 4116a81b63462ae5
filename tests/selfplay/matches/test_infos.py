"""What the referee takes for an engine's judgement."""

import sys
from pathlib import Path

import chess
import pytest

from selfplay.matches.adjudication import Adjudication, DrawRule, ResignRule
from selfplay.matches.archive import MatchArchive
from selfplay.matches.contestant import Contestant
from selfplay.matches.control import TimeControl
from selfplay.matches.infos import Info, last_judgement, read_info
from selfplay.matches.series import Match, MatchSettings
from selfplay.suites.solver import UciSolver
from tests.selfplay import scripted_engine
from tests.selfplay.scripted_engine import NOT_THE_SCORE

SCRIPT = str(Path(scripted_engine.__file__))
EXACT = "info depth 3 nodes 77 score cp 20 pv e2e4 e7e5"


@pytest.mark.parametrize("line", NOT_THE_SCORE)
def test_what_is_no_exact_score_of_the_best_line_was_stored_as_the_score(line: str) -> None:
    judged = last_judgement([EXACT, f"info {line.format('e2e4')}"], chess.Board())
    assert (judged.score_cp, judged.depth) == (20, 3)


def test_bounds_ended_games_that_both_engines_called_even(tmp_path: Path) -> None:
    one, two = (Contestant(name, (sys.executable, SCRIPT, "bounds", str(cp))) for name, cp in (("a", 20), ("b", -20)))
    rules = Adjudication(DrawRule(2, 30, 0), ResignRule(2, 600))
    settings = MatchSettings(
        first=one,
        second=two,
        games=2,
        openings=(chess.STARTING_FEN,),
        control=TimeControl.parse("60+1"),
        adjudication=rules,
    )
    archive = MatchArchive(tmp_path, settings.description())
    assert Match(settings, archive).play(lambda row: None, lambda: False)
    for row in archive.rows.values():
        assert (row.result, row.reason) == ("1/2-1/2", "adjudication")
        assert {thought.score_cp for thought in row.thoughts} == {20, -20}
        assert {thought.nodes for thought in row.thoughts} == {87}


def test_without_an_exact_score_there_is_none() -> None:
    bound = "info depth 9 nodes 5 score cp 700 lowerbound pv e2e4"
    assert last_judgement([bound], chess.Board()) == Info(nodes=5)
    assert last_judgement([], chess.Board()) == Info()


def test_scores_are_read_in_any_order_of_words_and_never_pass_for_a_mate() -> None:
    assert read_info("info pv e2e4 score cp 31990 depth 7") == Info(1, "e2e4", 30_000, 7)
    assert read_info("info score mate 0") == Info(score_cp=-32_000)
    assert read_info("info score mate -0 depth x") == Info(score_cp=-32_000)
    assert read_info("info score mate 99999999") == Info(score_cp=31_001)
    assert read_info("info score mate -40000") == Info(score_cp=-31_001)
    assert read_info("info depth 2 score cp 1.5 pv e2e4") == Info(1, "e2e4", None, 2)
    assert read_info("information depth 2") is None
    assert read_info("") is None
    assert read_info("info string score cp 5 pv e2e4") == Info()
    assert read_info("info score lowerbound cp 5 pv e2e4") == Info(move="e2e4")


def test_castling_of_chess960_is_a_move_of_the_position() -> None:
    board = chess.Board("4k3/8/8/8/8/8/8/4K2R w K - 0 1", chess960=True)
    assert last_judgement(["info depth 1 score cp 3 pv e1h1"], board).score_cp == 3


def test_a_bound_was_taken_for_a_mate_by_the_suite() -> None:
    solver = UciSolver(Contestant("a", (sys.executable, SCRIPT, "bounds", "20")), TimeControl(nodes=10))
    try:
        assert {step.mate for step in solver.solve(chess.Board(), fresh=True)} == {None}
    finally:
        solver.close()
