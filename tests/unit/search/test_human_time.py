"""How long a limited level thinks by the clock."""

import time
from dataclasses import replace

import chess
import pytest

from engine.evaluation.material import MaterialEvaluator
from engine.options import EngineOptions
from engine.player import Engine
from engine.search import human_time
from engine.search.human_time import pace_s
from engine.search.limits import Limits
from engine.search.move_choice import SearchRequest
from engine.search.result import RootMove, SearchResult
from tests.boards import board_after

PACED = EngineOptions(limit_strength=True, elo=1400, human_pace=True, hash_mib=8, threads=1)
BLITZ = Limits(white_time_ms=300_000, white_increment_ms=3000, black_time_ms=1)
ITALIAN = "e2e4 e7e5 f1c4 b8c6 d1h5 g8f6 d2d4 e5d4 c1g5 d7d5"


def pace(moves, move, limits=BLITZ, options=PACED, plausible=2):
    board = board_after(moves)
    move = chess.Move.from_uci(move)
    priors = [0.9 / plausible] * plausible + [0.01] * 5
    children = [RootMove(move, 1, prior, 0.0, 0.0, None) for prior in priors]
    order = SearchRequest(board, limits, options, None, 0.0)
    result = SearchResult(move, None, [], children, 1, 1, board=board)
    return pace_s(order, result) if order.is_paced else 0.0


# Seconds without chance: of the usual time at this move, 11 to 13 s, a fifth, and 0.12 for each of two
# plausible moves and for each capture.
PACES = {
    "the opening": ("e2e4 e7e5", "g1f3", 2.283),
    "takes back": ("d2d4 d7d5 c2c4 d5c4 e2e3 b7b5 a2a4 c7c6 a4b5 c6b5 d1f3 b8c6", "f3c6", 2.564),
    "quiet": ("g1f3 g8f6 b1c3 b8c6 f3g1 f6g8 c3b1 c6b8 a2a3 a7a6", "h2h3", 5.504),
    "much to take": (ITALIAN, "h5f7", 13.01),
}


@pytest.mark.parametrize(("moves", "move", "seconds"), PACES.values())
def test_the_time_of_a_limited_level_follows_the_position(monkeypatch, moves, move, seconds):
    monkeypatch.setattr(human_time, "CHANCE", 0.0)
    assert pace(moves, move) == pytest.approx(seconds, rel=1e-3)


def test_chance_changes_a_time_by_less_than_a_third():
    for moves, move, usual in (PACES["quiet"], PACES["the opening"]):
        seconds = pace(moves, move)
        assert 0.7 * usual <= seconds <= 1.3 * usual
        assert seconds != usual


def test_a_move_takes_longer_where_more_moves_come_to_mind():
    quiet = PACES["quiet"][:2]
    assert pace(*quiet, plausible=1) < pace(*quiet, plausible=2) < pace(*quiet, plausible=6)


@pytest.mark.parametrize("seconds", [60, 180, 600, 1800])
def test_a_game_of_usual_length_takes_about_half_of_the_clock(seconds):
    """It had taken a sixth."""
    quiet, move, *_ = PACES["quiet"]
    moves = quiet.split()
    left = 1000.0 * seconds
    for number in range(27):  # from the sixth move on
        shuffled = " ".join(moves + "g1f3 g8f6 f3g1 f6g8".split() * (number // 2))
        left -= 1000 * pace(shuffled, move, Limits(white_time_ms=int(left)))
    assert 0.35 < left / (1000 * seconds) < 0.65


@pytest.mark.parametrize("left_ms", [0, 1, 40, 1000, 9000])
def test_little_time_is_never_used_up(left_ms):
    little = Limits(white_time_ms=left_ms, white_increment_ms=60_000)
    assert pace(ITALIAN, "h5f7", little) <= left_ms / 4000


def test_a_time_for_the_move_beside_a_clock_is_kept():
    assert pace(ITALIAN, "h5f7", replace(BLITZ, movetime_ms=1000)) < 1.0


HASTY = {
    "full strength": (BLITZ, replace(PACED, limit_strength=False)),
    "the option is off": (BLITZ, replace(PACED, human_pace=False)),
    "no clock": (Limits(nodes=9), PACED),
    "a time for the move": (Limits(movetime_ms=9000), PACED),
    "analysis": (replace(BLITZ, infinite=True), PACED),
    "UCI_AnalyseMode": (BLITZ, replace(PACED, analyse_mode=True)),
}


@pytest.mark.parametrize("case", HASTY)
def test_there_is_no_pause_with(case):
    assert pace(ITALIAN, "h5f7", *HASTY[case]) == 0.0


def test_a_pause_ends_at_stop(monkeypatch):
    monkeypatch.setattr("engine.player.pace_s", lambda order, result: 3600.0)
    with Engine(PACED, MaterialEvaluator()) as player:
        player.set_position(board_after(ITALIAN))
        job = player.start(BLITZ)
        with pytest.raises(TimeoutError):
            job.result(0.3)
        job.stop()
        assert job.result(60).best_move


def test_the_pause_of_a_ponder_search_begins_when_its_clock_does():
    with Engine(PACED, MaterialEvaluator()) as player:
        player.set_position(board_after(ITALIAN))
        job = player.start(replace(BLITZ, white_time_ms=60_000, white_increment_ms=0, ponder=True))
        time.sleep(1.0)
        begun = time.perf_counter()
        job.ponderhit()
        assert job.result(60).best_move
        assert time.perf_counter() - begun > 0.2
