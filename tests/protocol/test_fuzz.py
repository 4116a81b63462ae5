"""Nonsense, and sense in any order, by the thousand: see fuzz.py, which does it by the million."""

import pytest

from tests.protocol import fuzz


@pytest.mark.parametrize("lines", [300, pytest.param(600, marks=pytest.mark.slow)])
def test_engine_survives_anything_at_any_moment(lines):
    fuzz.converse(lines, seed=lines)
