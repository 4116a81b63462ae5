"""What grows with the visits follows them however many there are: no search of days stands still."""

import chess
import numpy as np
import pytest

from engine.search.tree import arrays
from engine.search.tree.arrays import CLOCK, MAX_VISITS, ROOT
from tests.unit.search.trees import IN_KERNEL, search_on, searched

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
    search_on(search, before + 20_000)
    assert search.visits == before + 20_000 == 1 + search.root().visits.sum()
    assert search.tree.used_at[ROOT] == search.tree.counters[CLOCK] > DAYS


@pytest.mark.plain
def test_every_field_holds_more_visits_than_any_search_makes():
    """In float32 the mean plies and squares stood still from some 10^8 visits on."""
    fields = arrays.NODE_FIELDS | arrays.EDGE_FIELDS
    for name in ("visits", "used_at", "asked_at", "seen_in", "passes"):
        assert np.iinfo(fields[name].dtype).max > MAX_VISITS, name
    for name in ("value_sum", "draw_sum", "square_sum", "plies_sum"):
        assert fields[name].dtype == np.float64, name


def test_priors_follow_the_history_in_a_very_large_tree():
    search, _ = aged_search()
    search.params = IN_KERNEL._replace(butterfly=1.0)
    search_on(search, search.visits + 2000)
    assert search.tree.prior[search.edges()].sum() == pytest.approx(1.0, abs=1e-4)
