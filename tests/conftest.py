"""What several test folders share: outside data and programs, each of which a test may lack."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from engine.cli.machine import find_stockfish

# An example that takes long shows that the machine is busy, or that something compiles, and no fault.
settings.register_profile("aino", deadline=None)
settings.load_profile("aino")


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
