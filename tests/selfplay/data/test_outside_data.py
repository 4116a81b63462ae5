"""Readers on the real collection, its first games; skipped where the data is not there."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from selfplay.data.sampled_positions import sample_openings
from selfplay.data.teacher import read_teacher
from selfplay.data.text_files import numbered_lines
from selfplay.families.planes.planes_sampler import PositionSampler, new_training_batch
from selfplay.matches.opening_book import load_openings
from selfplay.records.collect import collect


def existing(path: Path) -> Path:
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the data folder")
    return path


def test_first_games_are_legal_and_can_be_sampled(test_data: Path, tmp_path: Path) -> None:
    lines = numbered_lines(existing(test_data / "teacher" / "part1.txt.xz"))
    (tmp_path / "games").write_text("".join(f"{line}\n" for _, line in islice(lines, 100)))
    positions, illegal = collect(read_teacher(tmp_path / "games"))
    assert (positions.n_games, illegal) == (100, 0)
    numbers = np.flatnonzero(positions.usable)[::7]
    batch = new_training_batch(len(numbers))
    PositionSampler(positions).fill(numbers, np.zeros(len(numbers), np.uint8), batch)
    assert np.allclose(batch.policy.sum(axis=1), 1.0, atol=1e-3)
    assert np.allclose(batch.wdl.sum(axis=1), 1.0, atol=2e-3)


@pytest.mark.slow
def test_default_openings_are_drawn_from_the_teacher(test_data: Path) -> None:
    parts = [existing(test_data / "teacher" / f"part{number}.txt.xz") for number in (1, 2, 3, 4)]
    assert [board.epd() for board, _ in sample_openings(parts, 5000, seed=1)] == [
        board.epd() for board in load_openings()
    ]
