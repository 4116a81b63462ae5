"""Runs with a GPU: where games are played and candidates trained, and what is said when the device
fails.
"""

import argparse
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from engine.backend import get_backend
from engine.errors import ConfigError
from selfplay.games.seats import Seats
from selfplay.records.game import SelfPlayRecord
from selfplay.run import phases
from selfplay.run.config import add_config_flags, configured, flag_values
from selfplay.run.phase_games import play_numbers, shared_task
from selfplay.run.sharing import play_share, source_hash
from selfplay.run.workers import WorkerPool
from tests.selfplay.run.crews import TINY_FLAGS, never, tiny_task
from tests.strict_cupy import CUDARuntimeError

pytestmark = pytest.mark.usefixtures("small_parts")
LOST = CUDARuntimeError("cudaErrorLaunchFailure: unspecified launch failure")
LINE = "a stand-in failed while positions were evaluated (CUDARuntimeError: cudaErrorLaunchFailure: unspecified "
LINE += "launch failure); the same network plays on with Backend numpy"


def with_settings(task, **changes):
    return replace(task, settings=replace(task.settings, **changes))


@pytest.fixture
def task(tmp_path, device):
    """Games of ten plies on the device."""
    there = with_settings(tiny_task(tmp_path, longest=10), backend="cupy")
    return replace(there, net="16x1")


def played(task, count, **told):
    records = []
    play_numbers(task, range(count), records.append, never, **told)
    return records


def test_ten_moves_of_two_halves_on_a_device_are_the_processors(task, device):
    there = {game.number: game for game in played(task, 6)}
    assert device.counts["product"] > 0
    here = played(with_settings(task, backend="numpy"), 6)
    assert [len(there[game.number].moves) for game in here] == [10] * 6
    same = [np.array_equal(there[game.number].moves, game.moves) for game in here]
    assert sum(same) >= 4  # half precision may decide a close move otherwise


def test_a_device_that_fails_in_self_play_costs_one_line(task, device):
    get_backend("cupy")
    lines = []
    device.fail("product", LOST, after=400)
    games = played(task, 6, tell=lines.append)
    assert lines == [LINE]
    assert [len(game.moves) for game in games] == [10] * 6


def test_a_worker_passes_on_that_its_device_failed(task, device):
    get_backend("cupy")
    device.fail("launch", LOST, after=60)
    task = with_settings(task, backend="auto")
    sent = []
    play_share(task, iter(range(6)), sent.append, source_hash())
    lines = [message for message in sent if isinstance(message, str)]
    assert lines[-1].endswith("; the same network plays on with Backend numpy")
    assert sum(isinstance(message, SelfPlayRecord) for message in sent) == 6


def test_numbers_that_are_drawn_one_by_one_fill_all_seats(task, monkeypatch):
    seats = []

    def noted(evaluator, seating):
        seats.append(seating.games)
        return Seats(evaluator, seating)

    monkeypatch.setattr("selfplay.run.phase_games.Seats", noted)
    for backend, expected in (("cupy", [3, 3]), ("numpy", [6])):
        there = with_settings(task, backend=backend, concurrent=6, longest=2)
        records = []
        play_numbers(there, iter(range(3)), records.append, never)
        assert seats == expected
        assert len(records) == 3
        seats.clear()


def test_a_device_plays_many_games_at_once(task):
    task = with_settings(task, concurrent=0)
    here = with_settings(task, backend="numpy")
    assert shared_task(task, 10_000, 1).settings.concurrent == 512
    assert shared_task(here, 10_000, 4).settings.concurrent == 32
    assert shared_task(here, 10, 2).settings.concurrent == 5
    assert shared_task(replace(task, net="sparse-128"), 10_000, 1).settings.concurrent == 32


@pytest.mark.parametrize(("backend", "expected"), [("cupy", []), ("numpy", [3])])
def test_a_device_is_used_by_this_process_alone(task, monkeypatch, backend, expected):
    task = with_settings(task, backend=backend)
    processes = []
    monkeypatch.setattr(
        "selfplay.run.workers._Processes", lambda task, numbers, count: processes.append(count)
    )
    monkeypatch.setattr("selfplay.run.workers.usable_cpus", lambda: 3)
    games = []
    with nullcontext() if backend == "cupy" else pytest.raises(AttributeError):
        WorkerPool(0)(task, range(6), games.append, never)
    assert len(games) == (0 if expected else 6)
    assert processes == expected


@pytest.mark.parametrize("section", ["fit", "games"])
@pytest.mark.parametrize("net", ["small_net:Small", "sparse-128"])
def test_a_device_for_a_network_that_cannot_use_it_is_refused(net, section):
    only = "towers and transformers run on a GPU; expected numpy"
    with pytest.raises(ConfigError, match=f"{section}.backend cupy: .*{only} for {net}$"):
        configured({"net": net, section: {"backend": "cupy"}})
    configured({"net": net, section: {"backend": "auto"}})


def test_three_phases_of_a_loop_on_a_device(aino_train, tmp_path, device, monkeypatch):
    uses = {}

    def counted(work, name, *rest):
        before = device.counts["product"]
        result = work(*rest)
        uses[name] = device.counts["product"] - before
        return result

    for name in ("generate_games", "fit", "gate"):
        monkeypatch.setattr(phases, name, partial(counted, getattr(phases, name), name))
    run = tmp_path / "run"
    small = "--games.count 2 --games.longest 10 --gate.pairs 1 --gate.longest 10 --fit.positions 64"
    line = f"loop {run} --net 16x1 --generations 1 --backend cupy"
    aino_train(line, *TINY_FLAGS, small)
    assert all(count > 0 for count in uses.values()), uses
    assert (run / "config.toml").read_text().count('backend = "cupy"') == 2


def test_a_sections_own_flag_decides_over_the_backend_of_the_run():
    parser = argparse.ArgumentParser()
    add_config_flags(parser)
    values = flag_values(
        parser.parse_args(["--games.backend", "numpy", "--backend", "cupy", "--fit.window", "3"])
    )
    assert values == {"fit": {"backend": "cupy", "window": 3}, "games": {"backend": "numpy"}}
