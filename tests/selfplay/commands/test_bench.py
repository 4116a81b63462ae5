"""`aino-train bench` measures what it says."""

import json
from collections.abc import Callable

import numpy as np
import pytest

FLAGS = ["--batch", 32, "--visits", 4, "--concurrency", 4, "--seconds", 0.06]


@pytest.mark.slow
def test_every_part_is_measured(aino_train: Callable[..., str]) -> None:
    results = json.loads(aino_train("bench", "--net", "sparse-128", "--threads", 2, *FLAGS, "--json"))
    assert results["settings"]["net"] == "sparse-128"
    assert results["machine"]["numpy"] == np.__version__
    assert set(results["sampling"]) == {"positions/s, 1 thread"}
    assert set(results["training"]) == {"positions/s"}
    assert set(results["self-play"]) == {"positions/s"}
    assert all(value > 0 for part in ("sampling", "training", "self-play") for value in results[part].values())


def test_length_must_be_positive(aino_train: Callable[..., str]) -> None:
    assert "--seconds" in aino_train("bench", "--seconds", 0, status=1)
