"""Nonsense, and sense in any order, by the thousand: see fuzz.py, which does it by the million."""

import pytest

from tests.protocol import fuzz


@pytest.mark.parametrize("lines", [1_000, pytest.param(4_000, marks=pytest.mark.slow)])
def test_engine_survives_nonsense_and_keeps_its_position(lines: int) -> None:
    fuzz.talk_nonsense(lines, seed=lines)


@pytest.mark.parametrize("searches", [10, pytest.param(80, marks=pytest.mark.slow)])
def test_a_full_tree_is_searched_below_any_moves(searches: int) -> None:
    fuzz.search_full_trees(searches, seed=searches)


@pytest.mark.parametrize("lines", [240, pytest.param(800, marks=pytest.mark.slow)])
def test_options_may_be_set_at_any_moment(lines: int) -> None:
    fuzz.set_options(lines, seed=lines)
