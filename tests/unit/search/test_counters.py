"""What grows with the visits follows them however many there are: no search of days stands still."""

import chess
import numpy as np
import pytest

from engine.search.tree import arrays
from engine.search.tree.arrays import CLOCK, MAX_VISITS, ROOT
from engine.search.tree.backup import Counted, News, pass_by
from tests.unit.search.trees import IN_KERNEL, PARAMS, search_on, searched, small_tree, visit

DAYS = 3 * 10**9  # Visits of some days, more than 32 bits hold.


def aged_search():
    """A search whose root and most visited edge have DAYS visits more, worth what they were."""
    search = searched(chess.STARTING_FEN, 300)
    tree = search.tree
    edge = search.edges().start + int(search.root().visits.argmax())
    child = int(tree.child[edge])
    for node in (ROOT, child):
        scale = (tree.visits[node] + DAYS) / tree.visits[node]
        tree.visits[node] += DAYS
        for name in ("value_sum", "draw_sum", "square_sum", "plies_sum"):
            getattr(tree, name)[node] *= scale
    tree.passes[edge] += DAYS
    tree.value_sum[ROOT] = -tree.passes[edge] * tree.q[edge]
    tree.counters[CLOCK] += DAYS
    return search, edge


def test_a_search_goes_on_past_two_billion_visits():
    """It stood still at 2,000,000,000 without a word, and `go nodes 3000000000` was cut."""
    search, _ = aged_search()
    before = search.visits
    search_on(search, before + 5000)
    assert search.visits == before + 5000
    assert search.tree.used_at[ROOT] == search.tree.counters[CLOCK] > DAYS


def test_an_edge_has_as_many_visits_as_its_node():
    search, _ = aged_search()
    search_on(search, search.visits + 20_000)
    assert search.root().visits.sum() + 1 == search.tree.visits[ROOT]


@pytest.mark.plain
@pytest.mark.parametrize("visits", [10**8, 10**10])
def test_means_follow_new_visits_after_very_many(visits):
    """In float32 the mean plies and squares stood still from some 10^8 visits on."""
    tree = small_tree([1.0])
    visit(tree, ROOT, 0, 0.0)
    tree.visits[ROOT] = tree.passes[0] = visits
    tree.plies_sum[ROOT] = 60.0 * visits
    tree.square_sum[ROOT] = 0.0
    tree.draw_sum[ROOT] = 0.0
    brought = News(0.0, 0.0, 1.0, 1.0, 79.0, False)
    for _ in range(1000):
        pass_by.py_func(tree, PARAMS, ROOT, 0, Counted(1, 0, 1), brought)
    assert tree.plies_sum[ROOT] - 60.0 * visits == pytest.approx(80_000, rel=1e-6)
    assert tree.square_sum[ROOT] == tree.draw_sum[ROOT] == 1000.0


@pytest.mark.plain
@pytest.mark.parametrize("result", [arrays.WIN, arrays.DRAW, arrays.LOSS])
def test_visits_of_a_decided_node_count_as_its_result(result):
    tree = small_tree([1.0])
    visit(tree, ROOT, 0, 0.0)
    tree.lower[ROOT] = tree.upper[ROOT] = result
    names = ("value_sum", "draw_sum", "square_sum")
    before = [float(getattr(tree, name)[ROOT]) for name in names]
    brought = News(0.4, 1.2, 0.9, 0.5, 30.0, False)
    told = pass_by.py_func(tree, PARAMS, ROOT, 0, Counted(3, 0, 1), brought)
    gained = [float(getattr(tree, name)[ROOT]) for name in names]
    changes = [now - then for now, then in zip(gained, before, strict=True)]
    assert changes == pytest.approx([3.0 * result, 3.0 * (result == 0), 3.0 * abs(result)])
    assert told[1:4] == pytest.approx(changes)


@pytest.mark.plain
def test_every_counter_of_visits_holds_more_than_any_search_makes():
    fields = arrays.NODE_FIELDS | arrays.EDGE_FIELDS
    for name in ("visits", "used_at", "asked_at", "seen_in", "passes"):
        assert np.iinfo(fields[name].dtype).max > MAX_VISITS, name


def test_priors_follow_the_history_in_a_very_large_tree():
    search, _ = aged_search()
    search.params = IN_KERNEL._replace(butterfly=1.0)
    search_on(search, search.visits + 2000)
    assert search.tree.prior[search.edges()].sum() == pytest.approx(1.0, abs=1e-4)
