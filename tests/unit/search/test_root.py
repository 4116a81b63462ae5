"""The statistics of the root, and the choice among its moves."""

import numpy as np
import pytest

from engine.evaluation.material import MaterialEvaluator
from engine.search.move_choice import choose_move
from engine.search.time_use import doubt
from engine.search.tree.arrays import DRAW, LOSS, WIN
from engine.search.tree.params import (
    DOUBT_CEILING,
    DOUBT_FLOOR,
    DOUBT_SLOPE,
    FALL_CEILING,
    FALL_SLOPE,
)
from tests.unit.search.trees import alone, engine, search_nodes


def search_with(player, statistics, other_visits=0):
    """A search whose first edges have these visits and values, and other edges so many visits."""
    search_nodes(player, 200)
    search = player._search
    edges = search.tree.edges[search.edges()]
    edges["passes"] = other_visits
    for edge, record in enumerate(statistics):
        edges["passes"][edge], edges["q"][edge] = record
    return search


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ((5000, 0.10), (2000, 0.20), 1),  # found late, and better
        ((5000, 0.10), (2000, 0.12), 0),  # not better by more than the visits tell
        ((20000, 0.10), (1900, 0.90), 0),  # hardly looked at
        ((1200, 0.10), (900, 0.90), 0),  # small trees go by visits
    ],
)
@pytest.mark.parametrize("by_value", [True, False])
def test_a_move_found_late_is_played_for_its_value(first, second, chosen, by_value):
    with alone(evaluator=MaterialEvaluator(), tactical_nodes=0.0) as player:
        search = search_with(player, (first, second), other_visits=1)
        search.params = search.params._replace(choose_by_value=by_value)
        root = search.root()
        assert root.order()[0] == (chosen if by_value else 0)
        assert choose_move(root, 0.0, np.random.default_rng(1)) == root.best()


@pytest.mark.parametrize("proven", [DRAW, WIN, LOSS])
def test_the_best_move_is_the_first_of_the_order(proven):
    """It is asked for at each move of self-play, where sorting all moves took ten microseconds."""
    with alone(evaluator=MaterialEvaluator(), tactical_nodes=0.0) as player:
        search_nodes(player, 200)
        root = player._search.root()
    for move in range(len(root.moves)):
        root.proven[:] = DRAW
        root.proven[move] = proven
        assert root.best() == root.order()[0]


@pytest.mark.parametrize(
    ("statistics", "expected"),
    [
        (
            ((500, 0.2), (100, 0.1), (25, 0.9)),
            0.2 * DOUBT_SLOPE,
        ),  # the best value has too few visits to count
        (((500, 0.2), (100, 0.3), (40, 0.0)), np.inf),
        (((100, 0.2), (500, 0.1), (40, 0.0)), np.inf),
        (((300, 0.1), (500, 0.2)), 0.375 * DOUBT_SLOPE),
        (((990, -0.3), (10, -0.4)), DOUBT_FLOOR),
        (((100, 0.3), (99, 0.2), (98, 0.1)), DOUBT_CEILING),
        (((0, 0.0), (0, 0.0)), np.inf),  # nothing is known yet
    ],
)
def test_a_choice_deserves_time_by_the_share_of_its_visits(statistics, expected):
    with engine() as player:
        assert doubt(search_with(player, statistics)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("fall", "multiple"),
    [(-0.5, 1.0), (0.0, 1.0), (0.1, 1.0 + 0.1 * FALL_SLOPE), (0.9, FALL_CEILING)],
)
def test_a_value_below_that_of_the_move_before_deserves_more_time(fall, multiple):
    with engine() as player:
        search = search_with(player, ((300, 0.0), (500, 0.1)))
        assert doubt(search, 0.1 + fall) == pytest.approx(multiple * 0.375 * DOUBT_SLOPE, rel=1e-4)
