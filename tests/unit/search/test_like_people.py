"""`PlayLike people`: whose priors the root has, and which move is drawn."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import chess
import pytest
from numpy.random import default_rng

from engine.network.people.people_policy import PeoplePolicy
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.like_people import (
    PEOPLE,
    PEOPLE_RANGE,
    PeoplePlan,
    choose_like_people,
    drawing_chances,
    people_plan,
)
from engine.search.limits import Limits
from tests.boards import board_after, moves_in
from tests.unit.search.test_move_choice import root_move

OPTIONS = EngineOptions(hash_mib=8, threads=1, play_like="people", elo=1500, seed=1)
CLOCK = Limits(white_time_ms=60_000, black_time_ms=60_000)
LEGAL_TRAP = "e2e4 e7e5 f1c4 b8c6 d1h5 g8f6"  # Qxf7 mates


@pytest.fixture(scope="module")
def player():
    with Engine(OPTIONS) as player:
        yield player


@pytest.fixture(scope="module")
def people():
    return PeoplePolicy.load()


def searched(player, board, limits=CLOCK, **options):
    player.set_options(replace(OPTIONS, **options))
    player.set_position(board)
    return player.search(limits)


def test_an_engine_that_is_ready_has_asked_people(monkeypatch):
    """The first move of a game compiled their kernels on its clock: for 32 seconds."""
    questions = []
    predict = PeoplePolicy.predict
    monkeypatch.setattr(
        PeoplePolicy,
        "predict",
        lambda *arguments: questions.append(arguments) or predict(*arguments),
    )
    with Engine(replace(OPTIONS, elo=EngineOptions().elo)) as engine:
        engine.warm_up()
    assert questions


def test_a_higher_rating_sees_more():
    plans = [people_plan(elo) for elo in range(PEOPLE_RANGE[0], PEOPLE_RANGE[1] + 1, 50)]
    assert plans[0] == PEOPLE[0][1]
    for weaker, stronger in pairwise(plans):
        assert stronger.foresight > weaker.foresight
        assert stronger.mate_factor > weaker.mate_factor


def test_without_foresight_moves_are_drawn_as_people_play_them():
    children = [
        root_move("e2e4", 1, 0.6, -0.9),
        root_move("d2d4", 1, 0.3, 0.9),
        root_move("a2a3", 1, 0.1),
    ]
    plan = PeoplePlan(nodes=1, temperature=1.0, foresight=0.0, mate_factor=1.0)
    assert drawing_chances(children, plan) == pytest.approx([0.6, 0.3, 0.1])
    rng = default_rng(1)
    drawn = [choose_like_people(chess.Board(), children, plan, rng) for _ in range(1000)]
    assert drawn.count(children[0]) / 1000 == pytest.approx(0.6, abs=0.06)


@pytest.mark.parametrize(("other_q", "repeats"), [(0.5, False), (-0.5, True)])
def test_a_side_that_stays_better_repeats_no_position(other_q, repeats):
    """A fifth of the games at 1900 ended by repetition, with a piece more at times."""
    board = board_after("g1f3 g8f6 f3g1 f6g8 g1f3 g8f6")
    children = [root_move("f3g1", 1, 0.9, 0.5), root_move("e2e4", 1, 0.1, other_q)]
    plan = PeoplePlan(1, 1.0, 0.0, 1.0)
    rng = default_rng(1)
    drawn = {choose_like_people(board, children, plan, rng).move.uci() for _ in range(50)}
    assert ("f3g1" in drawn) == repeats


def test_foresight_avoids_a_move_that_loses():
    children = [root_move("e2e4", 1, 0.6, -0.9), root_move("d2d4", 1, 0.3, 0.1)]
    plans = [PeoplePlan(1, 1.0, foresight, 1.0) for foresight in (0.0, 1.0, 9.0)]
    shares = [drawing_chances(children, plan)[0] for plan in plans]
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] < 0.01


def test_a_mate_in_one_is_given_as_often_as_people_see_it():
    """A level of 600 gave every one."""
    children = [root_move("h5f7", 1, 0.7, 1.0, mate=1), root_move("e2e4", 1, 0.3, -0.9)]
    for plan in (PeoplePlan(1, 1.0, 0.0, 1.0), PeoplePlan(1, 0.5, 30.0, 1.0)):
        assert drawing_chances(children, plan) == pytest.approx([0.7, 0.3])


def test_a_mate_in_one_of_a_game_is_missed_at_times(player):
    player.set_options(replace(OPTIONS, elo=1100))
    player.set_position(board_after(LEGAL_TRAP))
    moves = Counter(player.search(CLOCK).best_move.uci() for _ in range(40))
    assert 0 < moves["h5f7"] < 40


CHESS960 = chess.Board(
    "bqnb1rkr/pp3ppp/3ppn2/2p5/5P2/P2P4/NPP1P1PP/BQ1BNRKR w HFhf - 2 9", chess960=True
)


@pytest.mark.parametrize(
    "board", [chess.Board(), board_after(LEGAL_TRAP), board_after("e4 d5 exd5 Nf6"), CHESS960]
)
def test_the_priors_at_the_root_are_those_of_people_after_this_game(player, people, board):
    priors = {child.move: child.prior for child in searched(player, board).children}
    assert priors == pytest.approx(people.probabilities(board, 1500), abs=1e-5)


def test_analysis_is_at_full_strength_with_the_engines_priors(player):
    board = board_after("e2e4 e7e5 f1c4 b8c6 d1h5")
    analysed = searched(player, board, Limits(nodes=500), analyse_mode=True)
    assert analysed.nodes >= 499
    plain = searched(player, board, Limits(nodes=500), play_like="engine")
    assert analysed.best_move == plain.best_move


def test_only_the_moves_that_were_asked_for_are_drawn(player):
    few = tuple(moves_in("a2a3 h2h4"))
    moves = {
        searched(player, chess.Board(), replace(CLOCK, searchmoves=few)).best_move
        for _ in range(20)
    }
    assert moves == set(few)


def test_every_line_is_shown_with_the_move_that_is_played_first(player):
    result = searched(player, chess.Board(), Limits(nodes=400), multi_pv=3)
    assert [info.multipv for info in result.infos] == [1, 2, 3]
    assert result.infos[0].pv[0] == result.best_move


def test_a_game_of_people_follows_the_seed():
    board = board_after("e2e4 c7c5")
    games = []
    for _ in range(2):
        with Engine(OPTIONS) as player:
            games.append([searched(player, board).best_move for _ in range(6)])
    assert games[0] == games[1]
    assert len(set(games[0])) > 1


def test_limit_strength_need_not_be_on(player):
    assert searched(player, chess.Board(), CLOCK, limit_strength=False).nodes < 1000
