"""What several test folders share: outside data and programs, each of which a test may lack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.machine import find_stockfish


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The data folder named by AINO_TEST_DATA; tests that want it are skipped without."""
    folder = os.environ.get("AINO_TEST_DATA")
    if not folder:
        pytest.skip("AINO_TEST_DATA is not set")
    path = Path(folder)
    assert path.is_dir(), f"AINO_TEST_DATA names no folder: {folder}"
    return path


@pytest.fixture(scope="session")
def stockfish() -> str:
    """The Stockfish program."""
    program = find_stockfish()
    if program is None:
        pytest.skip("Stockfish is not installed")
    return program
