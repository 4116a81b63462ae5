"""`aino-train bench` measures what it says."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np

from selfplay.commands.bench import random_positions


def test_every_part_is_measured(aino_train: Callable[..., str]) -> None:
    flags = ["--net", "8x1", "--threads", 1, "--batch", 32, "--visits", 4, "--games", 4, "--seconds", 0.05]
    results = json.loads(aino_train("bench", *flags, "--json"))
    assert results["settings"]["net"] == "8x1"
    assert results["machine"]["numpy"] == np.__version__
    speeds = {name: value for part in ("sampling", "training", "self-play") for name, value in results[part].items()}
    assert set(speeds) == {
        "positions/s, 1 thread",
        "positions/s",
        "evaluations/s",
        "games of 100 plies/s",
    }
    assert all(value > 0 for value in speeds.values())
    assert results["self-play"]["evaluations/s"] > results["self-play"]["positions/s"]
    assert "training: positions/s" in aino_train("bench", *flags)


def test_length_must_be_positive(aino_train: Callable[..., str]) -> None:
    assert "--seconds" in aino_train("bench", "--seconds", 0, status=1)


def test_random_games_are_reproducible() -> None:
    first, again = (random_positions(np.random.default_rng(3), games=2, plies=10) for _ in range(2))
    assert first.n_positions == 20
    assert np.array_equal(first.moves, again.moves)
