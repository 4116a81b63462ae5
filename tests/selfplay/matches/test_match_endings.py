"""Endings played out, and what the referee takes for an engine's judgement."""

from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import chess.syzygy
import pytest

from engine.errors import ConfigError
from selfplay.matches.control import TimeControl
from selfplay.matches.match_game import Info, last_judgement, read_info
from selfplay.matches.opening_book import load_book
from selfplay.matches.statistics import Sprt
from selfplay.suites.solver import Solver
from tests.selfplay.matches.rows import scripted
from tests.selfplay.matches.test_match import match_of, played
from tests.selfplay.scripted_engine import NOT_THE_SCORE

WHITE_ROOK, BLACK_PAWN = "4k3/8/8/8/8/8/4P3/R3K3 w - - 0 1", "4k3/4p3/4p3/8/8/8/4P3/4K3 b - - 0 1"


def test_the_first_engine_can_have_the_side_to_move_in_every_game(tmp_path):
    three = (WHITE_ROOK, BLACK_PAWN, BLACK_PAWN.replace("4p3", "3p4"))
    settings = replace(match_of(), openings=three, games=3, first_to_move=True)
    rows = played(settings, tmp_path)
    assert len({row.start_fen for row in rows}) == 3
    for row in rows:
        assert row.white == ("one" if " w " in row.start_fen else "two")
        assert (row.number % 2 == 0) == (row.white == "one")
    with pytest.raises(ConfigError, match="both colours"):
        match_of(games=2, first_to_move=True, sprt=Sprt(0.0, 10.0))


def test_small_endings_are_won_or_held_as_the_tables_tell(tables):
    boards = [chess.Board(opening) for opening in load_book(Path("endings-small"))]
    assert len({board.epd() for board in boards}) == len(boards)
    counts = Counter()
    for board in boards:
        ending = chess.syzygy.calc_key(board, mirror=board.turn == chess.BLACK)
        if ending in ("KRPvKR", "KRvKRP"):  # The test data have no such table.
            counts[ending, 0] += 1
            continue
        counts[ending, tables.probe_wdl(board)] += 1
        assert abs(tables.probe_dtz(board)) <= 100, "the fifty-move rule leaves time to win"
    won = dict.fromkeys(("KBNvK", "KBBvK", "KQvKR", "KPvK"), 2)
    held = dict.fromkeys(("KvKP", "KRPvKR", "KRvKRP"), 0)
    assert counts == dict.fromkeys((won | held).items(), 50)


EXACT = "info depth 3 nodes 77 score cp 20 pv e2e4 e7e5"


@pytest.mark.parametrize("line", NOT_THE_SCORE)
def test_only_an_exact_score_of_the_best_line_is_the_score(line):
    judged = last_judgement([EXACT, f"info {line.format('e2e4')}"], chess.Board())
    assert judged.score_cp == 20
    assert judged.depth == 3


def test_without_an_exact_score_there_is_none():
    bound = "info depth 9 nodes 5 score cp 700 lowerbound pv e2e4"
    assert last_judgement([bound], chess.Board()) == Info(nodes=5)
    assert last_judgement([], chess.Board()) == Info()


@pytest.mark.parametrize(
    ("line", "info"),
    [
        ("info pv e2e4 score cp 31990 depth 7", Info(1, "e2e4", 30_000, 7)),  # no mate
        ("info score mate 0", Info(score_cp=-32_000)),
        ("info score mate -0 depth x", Info(score_cp=-32_000)),
        ("info score mate 99999999", Info(score_cp=31_001)),
        ("info score mate -40000", Info(score_cp=-31_001)),
        ("info depth 2 score cp 1.5 pv e2e4", Info(1, "e2e4", None, 2)),
        ("information depth 2", None),
        ("", None),
        ("info string score cp 5 pv e2e4", Info()),
        ("info score lowerbound cp 5 pv e2e4", Info(move="e2e4")),
    ],
)
def test_scores_are_read_in_any_order_of_words(line, info):
    assert read_info(line) == info


def test_castling_of_chess960_is_a_move_of_the_position():
    board = chess.Board("4k3/8/8/8/8/8/8/4K2R w K - 0 1", chess960=True)
    assert last_judgement(["info depth 1 score cp 3 pv e1h1"], board).score_cp == 3


def test_a_suite_takes_no_bound_for_a_mate():
    with closing(Solver(scripted("a", "bounds", 20), TimeControl(nodes=10))) as solver:
        assert {step.mate for step in solver.solve(chess.Board(), fresh=True)} == {None}
