"""Self-play games: legal, reproducible, independent of their company, and stored safely."""

from contextlib import closing
from dataclasses import replace

import chess
import numpy as np
import pytest
from numpy.random import default_rng

from engine import Engine, EngineOptions
from engine.board.convert import board_from_row, decode_move, row_from_board
from engine.board.layout import SIDE
from engine.errors import DataError
from engine.evaluation import make_evaluator
from engine.search.move_choice import choose_move
from engine.search.tree.params import SearchParams
from selfplay.games.game_settings import GameSettings
from selfplay.games.pool import play_games
from selfplay.games.seats import Seating, Seats
from selfplay.games.selfplay_game import LEAST_VISITS, SelfPlayGame
from selfplay.matches import opening_book
from selfplay.matches.opening_book import opening_board, random_openings
from selfplay.records.collect import collect
from selfplay.records.endings import Ending, game_ending
from selfplay.records.game import decode_record, encode_record, training_game
from selfplay.records.positions import UNKNOWN_SCORE
from selfplay.records.replay import read_segment
from selfplay.records.targets import score_from_value, wdl_from_result, wdl_from_score
from selfplay.run.folder import RunFolder
from tests.selfplay.conftest import assert_same
from tests.selfplay.run.crews import TINY
from tests.stand_ins import StandIn

SMALL = GameSettings(visits=8, fast_visits=4, full_share=0.5, longest=30, temperature_plies=10)
START = row_from_board(chess.Board())


class KeyEvaluator(StandIn):
    """Values and logits that are a function of the position alone, as cheap as can be."""

    round_size = 8
    needs_planes = True
    name = "network"

    def evaluate(self, leaves, count):
        for i in range(count):
            rng = default_rng(int(leaves.rows[i, 13]))
            leaves.logits[i, : leaves.n_moves[i]] = rng.normal(size=leaves.n_moves[i])
            leaves.wdl[i] = rng.dirichlet([2.0, 2.0, 2.0])
            leaves.moves_left[i] = 50.0


class HopelessEvaluator(KeyEvaluator):
    """Whoever is to move is lost, say these values."""

    def evaluate(self, leaves, count):
        super().evaluate(leaves, count)
        leaves.wdl[:count] = [0.0, 0.0, 1.0] if leaves.rows[0, 10] == 0 else [1.0, 0.0, 0.0]


def seats(games, settings, evaluator=None):
    visits = max(settings.visits, settings.fast_visits)
    return Seats(
        evaluator or KeyEvaluator(), Seating(games, SearchParams(), visits, settings.longest)
    )


def play(numbers, settings, concurrent, evaluator=None, rooms=1):
    games = (SelfPlayGame(START, settings, 5, 1, number) for number in numbers)
    records = []
    play_games(
        games,
        [[seats(concurrent, settings, evaluator)] for _ in range(rooms)],
        records.append,
        lambda: False,
    )
    return {record.number: record for record in records}


@pytest.fixture(scope="module")
def records():
    """Five small games played together."""
    return play([0, 1, 2, 3, 4], SMALL, concurrent=3)


def test_games_of_two_rooms_are_those_of_one(records):
    in_halves = play([0, 1, 2, 3, 4], SMALL, concurrent=2, rooms=2)
    assert sorted(in_halves) == sorted(records)
    for number, record in records.items():
        assert_same(vars(in_halves[number]), vars(record))


# ---- games ---------------------------------------------------------------------------------------


def test_games_end_as_they_say(records):
    assert sorted(records) == [0, 1, 2, 3, 4]
    for record in records.values():
        board = board_from_row(record.start)
        for code in record.moves.tolist():
            move = decode_move(row_from_board(board), code)
            assert move in board.legal_moves
            board.push(move)
        outcome = {
            Ending.CHECKMATE: board.is_checkmate(),
            Ending.LENGTH: len(record.moves) == SMALL.longest,
        }
        assert outcome.get(record.ending, record.white_points == 0)


def test_moves_with_visits_have_scores():
    record = play([0], replace(SMALL, visits=120, fast_visits=120, longest=20), concurrent=1)[0]
    scores = record.target_scores
    visits = record.target_visits.astype(np.float64)
    assert scores is not None
    scored, forced = scores != UNKNOWN_SCORE, np.abs(scores) == score_from_value(np.ones(1))
    assert np.array_equal(scored | forced, (visits >= LEAST_VISITS) | forced)
    wdl = wdl_from_score(scores)
    owner = np.repeat(np.arange(len(record.moves)), record.target_counts)
    means = np.bincount(owner[scored], (visits * (wdl[:, 0] - wdl[:, 2]))[scored]) / np.bincount(
        owner[scored], visits[scored]
    )
    roots = record.root_wdl.astype(np.float64)
    assert means == pytest.approx(roots[:, 0] - roots[:, 2], abs=0.1)
    positions, _ = collect([training_game(record, 0.5)])
    assert np.array_equal(positions.target_scores, scores)


@pytest.mark.parametrize("name", ["material", "sparse"])
def test_self_play_explores_as_the_engine_does_with_the_evaluator(name):
    with (
        Engine(EngineOptions(evaluator=name, threads=1, hash_mib=16)) as engine,
        closing(make_evaluator(name)) as own,
    ):
        (player,) = seats(1, SMALL, own).players
        names = ("cpuct_deviation", "tempo", "fpu_linear", "fpu_reduction", "late_policy")
        assert [getattr(player.search.params, x) for x in names] == [
            getattr(engine._params(), x) for x in names
        ]


def test_lost_side_resigns_unless_the_game_is_played_through():
    settings = GameSettings(
        visits=4, fast_visits=4, longest=40, resign_below=-0.9, resign_moves=2, play_through=0.0
    )
    record = play([0], settings, 1, HopelessEvaluator())[0]
    assert record.ending is Ending.RESIGNATION
    assert record.white_points == -1
    assert len(record.moves) == 3
    through = GameSettings(**{**settings.__dict__, "play_through": 1.0})
    assert play([0], through, 1, HopelessEvaluator())[0].ending is not Ending.RESIGNATION


@pytest.mark.parametrize(
    ("fen", "ending"),
    [
        ("7k/5KQ1/8/8/8/8/8/8 b - - 0 1", (Ending.CHECKMATE, 1)),
        ("8/8/8/8/8/5k2/6q1/7K w - - 0 1", (Ending.CHECKMATE, -1)),
        ("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", (Ending.STALEMATE, 0)),
        ("7k/8/6K1/8/8/8/8/R7 b - - 100 90", (Ending.FIFTY_MOVES, 0)),
        ("7k/8/6K1/8/8/8/8/N7 b - - 0 1", (Ending.MATERIAL, 0)),
        (chess.STARTING_FEN, None),
    ],
)
def test_rules_end_games(fen, ending):
    assert game_ending(row_from_board(chess.Board(fen)), 10, 100) == ending
    if ending is None:
        assert game_ending(row_from_board(chess.Board(fen)), 100, 100) == (Ending.LENGTH, 0)


# ---- choice of moves -----------------------------------------------------------------------------


def searched(fen, visits):
    table = Seats(KeyEvaluator(), Seating(1, SearchParams(), visits, plies=10))
    player = table.players[0]
    player.begin(row_from_board(chess.Board(fen))[None], visits)
    while True:
        if not table.gather([0]):
            table.evaluate()
        elif not player.resume():
            return player.search


def test_temperature_spreads_the_choice():
    root = searched(chess.STARTING_FEN, 60).root()
    rng = default_rng(1)
    best = root.order()[0]
    assert {choose_move(root, 0.0, rng) for _ in range(5)} == {best}
    new = replace(root, visits=0 * root.visits)  # With one node, the best one was always chosen.
    for stage, shares in ((new, root.priors), (root, root.visits / root.visits.sum())):
        hot = np.bincount([choose_move(stage, 1.0, rng) for _ in range(4000)], minlength=20) / 4000
        assert np.allclose(hot, shares, atol=0.04)
    cold = np.bincount([choose_move(root, 0.05, rng) for _ in range(200)], minlength=20) / 200
    assert cold[best] >= hot[best]


def test_mate_is_played_at_any_temperature():
    root = searched("6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - 0 1", 60).root()
    assert root.moves[choose_move(root, 1.0, default_rng(1))] == chess.A1 | chess.A8 << 6


# ---- replay --------------------------------------------------------------------------------------


def test_what_is_no_record_is_refused(records, tmp_path):
    with pytest.raises(DataError, match="self-play record"):
        decode_record(encode_record(records[0])[:-1])
    (tmp_path / "gen-00001.replay").write_bytes(b"something else")
    with pytest.raises(DataError, match="not a replay segment"):
        read_segment(tmp_path / "gen-00001.replay")


# ---- targets -------------------------------------------------------------------------------------


def test_a_game_teaches_its_result(records):
    record = replace(records[0], white_points=1)
    black_to_move = (np.arange(len(record.moves)) + int(record.start[SIDE])) % 2 == 1
    assert np.array_equal(training_game(record, 0.0).wdl, wdl_from_result(1, black_to_move))


# ---- openings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("plies", "count"), [(1, 20), (2, 400)])
def test_random_openings_lead_to_each_position_once(plies, count):
    assert len(random_openings(plies)) == count


def test_random_games_that_end_early_are_no_openings(monkeypatch):
    """The twenty-sixth of these is one."""
    monkeypatch.setattr(opening_book, "RANDOM_OPENINGS", 50)
    openings = random_openings.__wrapped__(30)
    assert [opening_board(opening).ply() for opening in openings] == [30] * 49


def test_random_openings_need_nothing_but_the_rules(tmp_path):
    boards = [opening_board(opening) for opening in random_openings(7)]
    assert 4_900 < len(boards) == len({board.epd() for board in boards})
    assert all(board.is_valid() and any(board.legal_moves) for board in boards)
    assert {len(board.move_stack) for board in boards} == {7}, "the history is there"
    run = RunFolder(tmp_path / "run", {**TINY, "openings": "random:7"})
    assert np.array_equal(run.opening_rows(), [row_from_board(board) for board in boards])
    with pytest.raises(DataError, match="random:500: expected 1 to 40"):
        RunFolder(tmp_path / "other", {**TINY, "openings": "random:500"}).opening_rows()
