"""Limited strength: plans, and the choice among root moves."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import chess
import numpy as np
import pytest

from engine.options import find_option
from engine.search.levels import MEASURED, StrengthPlan, choose_weaker, plan_for
from engine.search.result import RootMove

EVERY_LEVEL = range(500, 2601, 100)
EAGER = StrengthPlan(nodes=100, temperature=1.0, value_margin=2.0, least_share=0.0)


def root_move(text, visits=0, prior=0.1, q=0.0, mate=None):
    return RootMove(chess.Move.from_uci(text), visits, prior, q, draw=0.3, mate=mate)


def chosen(children, plan):
    rng = np.random.default_rng(1)
    return Counter(choose_weaker(children, plan, rng).move.uci() for _ in range(400))


def test_the_option_offers_what_lies_between_measured_ratings():
    option = find_option("UCI_Elo")
    assert MEASURED[0][0] <= option.bounds["least"] < option.bounds["most"] <= MEASURED[-1][0]


def test_a_stronger_level_leaves_less_to_chance():
    plans = [plan_for(elo) for elo in EVERY_LEVEL]
    for weaker, stronger in pairwise(plans):
        assert stronger.nodes >= weaker.nodes  # few in the smallest trees
        assert stronger.temperature < weaker.temperature
        assert stronger.value_margin < weaker.value_margin
        assert stronger.least_share > weaker.least_share
    assert plans[0].nodes >= 1
    assert plans[-1].temperature > 0


@pytest.mark.filterwarnings("error")
def test_a_move_is_chosen_where_all_prior_is_on_moves_that_lose():
    """The weights of the others were 0 / 0, and no move could be drawn."""
    children = [
        root_move("e2e4", 0, 0.0),
        root_move("g2g4", 99, 1.0, -1.0, mate=-1),
        root_move("d2d4", 0, 0.0),
    ]
    assert set(chosen(children, EAGER)) == {"e2e4", "d2d4"}


# The root moves, and those that may be chosen.
FORESEEN = {
    "a mate in one is given": (
        [root_move("a1a8", 1, 0.01, 1.0, mate=1), root_move("e2e4", 90, 0.9, 0.6)],
        {"a1a8"},
    ),
    "a move that is seen to get mated": (
        [root_move("e2e4", 1, 0.001, -0.9), root_move("g2g4", 99, 0.999, -1.0, mate=-1)],
        {"e2e4"},
    ),
    "all moves lose: the longest defence": (
        [root_move("e2e4", 10, 0.1, -1.0, mate=-3), root_move("g2g4", 99, 0.9, -1.0, mate=-1)],
        {"e2e4"},
    ),
    "policy and visits both reject": (
        [
            root_move("e2e4", 60, 0.5, 0.1),
            root_move("d2d4", 39, 0.49, 0.1),
            root_move("f2f3", 0, 0.01, -1.0),
        ],
        {"e2e4", "d2d4"},
    ),
    "the tree sees the queen lost": (
        [root_move("e2e4", 50, 0.4, 0.1), root_move("d1h5", 49, 0.6, -0.7)],
        {"e2e4"},
    ),
}


@pytest.mark.parametrize("elo", EVERY_LEVEL)
@pytest.mark.parametrize("case", FORESEEN)
def test_no_level_blunders_what_it_sees(elo, case):
    children, allowed = FORESEEN[case]
    assert chosen(children, plan_for(elo)).keys() <= allowed


def test_an_unvisited_move_can_be_chosen_by_its_prior():
    children = [root_move("e2e4", 1, 0.5, 0.1), root_move("d2d4", 0, 0.4, -1.0)]
    assert set(chosen(children, plan_for(500))) == {"e2e4", "d2d4"}
    unsearched = [root_move("e2e4", 0, 0.5, -1.0), root_move("d2d4", 0, 0.5, -1.0)]
    assert set(chosen(unsearched, plan_for(500))) == {"e2e4", "d2d4"}


@pytest.mark.parametrize("visits", [0, 10])
def test_what_a_pawn_becomes_is_no_choice_between_moves(visits):
    """Levels of 500 made a rook, a bishop or a knight of every second pawn."""
    children = [root_move(f"a7a8{piece}", visits, 0.1) for piece in "qrbn"]
    children.append(root_move("e2e4", 4 * visits, 0.4))
    drawn = chosen(children, EAGER)
    assert drawn.keys() == {"a7a8q", "e2e4"}
    assert 160 < drawn["e2e4"] < 240
    children = [root_move("a7a8n", 9, 0.1, 0.9), root_move("a7a8q", 1, 0.4)]
    assert chosen(children, EAGER).keys() == {"a7a8n"}, "the search found the better piece"


def test_moves_are_drawn_by_what_speaks_for_them():
    children = [root_move("e2e4", 74, 0.25), root_move("d2d4", 22, 0.75)]  # 75 against 25
    assert 270 < chosen(children, EAGER)["e2e4"] < 330
    flatter = chosen(children, replace(EAGER, temperature=10.0))
    assert flatter["e2e4"] < 240
    assert chosen(children, replace(EAGER, temperature=0.01)) == {"e2e4": 400}
