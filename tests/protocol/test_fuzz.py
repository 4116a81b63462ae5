"""Nonsense by the thousand: see fuzz.py, which does it by the million."""

from __future__ import annotations

import pytest

from tests.protocol import fuzz


@pytest.mark.parametrize("lines", [1_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_engine_survives_nonsense_and_keeps_its_position(lines: int) -> None:
    fuzz.run(lines, seed=lines)
