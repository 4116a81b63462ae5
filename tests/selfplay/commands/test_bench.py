"""`aino-train bench` measures what it says."""

import json
from collections.abc import Callable

import numpy as np
import pytest


@pytest.mark.parametrize(("net", "threads"), [("8x1", 1), ("sparse-128", 2)])
def test_every_part_is_measured(aino_train: Callable[..., str], net: str, threads: int) -> None:
    flags = ["--net", net, "--threads", threads, "--batch", 32, "--visits", 4, "--concurrency", 4, "--seconds", 0.06]
    results = json.loads(aino_train("bench", *flags, "--json"))
    assert results["settings"]["net"] == net
    assert results["machine"]["numpy"] == np.__version__
    assert set(results["sampling"]) == {"positions/s, 1 thread"}
    assert set(results["training"]) == {"positions/s"}
    assert set(results["self-play"]) == {"positions/s"}
    assert all(value > 0 for part in ("sampling", "training", "self-play") for value in results[part].values())


def test_results_are_shown_by_name(aino_train: Callable[..., str]) -> None:
    flags = ["--net", "8x1", "--threads", 1, "--batch", 32, "--visits", 4, "--concurrency", 4, "--seconds", 0.06]
    shown = aino_train("bench", *flags)
    assert "training: positions/s" in shown
    assert "self-play: positions/s" in shown


def test_length_must_be_positive(aino_train: Callable[..., str]) -> None:
    assert "--seconds" in aino_train("bench", "--seconds", 0, status=1)
