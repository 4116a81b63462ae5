"""Nonsense, and sense in any order, by the thousand: see fuzz.py, which does it by the million."""

import pytest

from tests.protocol import fuzz


@pytest.mark.parametrize("searches", [10, pytest.param(30, marks=pytest.mark.slow)])
def test_a_full_tree_is_searched_below_any_moves(searches):
    fuzz.search_full_trees(searches, seed=searches)


@pytest.mark.parametrize("lines", [300, pytest.param(600, marks=pytest.mark.slow)])
def test_engine_survives_nonsense_and_options_at_any_moment(lines):
    fuzz.converse(lines, seed=lines)
