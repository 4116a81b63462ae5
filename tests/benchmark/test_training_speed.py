"""Speeds of what training consists of, recorded and never judged: `pytest -m slow -s tests/benchmark`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import chess
import numpy as np
import pytest

from engine.board.convert import row_from_board
from engine.evaluation import make_evaluator
from engine.measuring import random_games
from engine.network.tower.model import TowerConfig, build_tower
from engine.nn import dit
from engine.search.params import SearchParams
from selfplay.data.game_files import record_of_result
from selfplay.data.sampler import PositionSampler, new_training_batch
from selfplay.games.game_settings import GameSettings
from selfplay.games.pool import play_games
from selfplay.games.seats import Seating, Seats
from selfplay.games.selfplay_game import SelfPlayGame
from selfplay.records.collect import collect
from selfplay.records.positions import PositionSet
from selfplay.training.families import family_of_model
from selfplay.training.learner import Learner
from selfplay.training.mixture import Mixture
from selfplay.training.recipe import LearnerSettings

pytestmark = pytest.mark.slow
NET = "64x6"
BATCH = 256


@pytest.fixture(scope="module")
def positions() -> PositionSet:
    """Two hundred random games of a hundred plies."""
    rng = np.random.default_rng(1)
    start = row_from_board(chess.Board())
    packed, illegal = collect(record_of_result(start, moves, 0) for moves in random_games(rng, start, 200))
    assert illegal == 0
    return packed


def rate(work: Callable[[], int], seconds: float = 5.0) -> float:
    """Units a second of repeated work, after one call to warm up."""
    work()
    begin, units = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        units += work()
    return units / (time.perf_counter() - begin)


def record(record_property: Callable[[str, object], None], name: str, value: float) -> None:
    record_property(name, round(value, 1))
    print(f"\n{name}: {value:,.0f}")


def test_sampling(positions: PositionSet, record_property: Callable[[str, object], None]) -> None:
    sampler, batch = PositionSampler(positions), new_training_batch(BATCH)
    rng = np.random.default_rng(2)

    def work() -> int:
        sampler.fill(rng.integers(positions.n_positions, size=BATCH), np.zeros(BATCH, np.uint8), batch)
        return BATCH

    record(record_property, "sampled positions/s, one thread", rate(work))
    assert np.allclose(batch.policy.sum(axis=1), 1.0, atol=1e-3)


@pytest.mark.parametrize("threads", [1, 2])
def test_training(threads: int, positions: PositionSet, record_property: Callable[[str, object], None]) -> None:
    model = build_tower(TowerConfig.parse(NET), np.random.default_rng(1))
    settings = LearnerSettings(BATCH, weight_decay=0.01, threads=threads)
    learner = Learner(family_of_model(model), model, Mixture([positions], [1.0], BATCH, 1), settings)

    def work() -> int:
        learner.step(1e-3)
        return BATCH

    record(record_property, f"trained positions/s, {NET}, {threads} threads", rate(work, 10.0))
    learner.close()
    assert learner.steps_done > 1


def test_self_play(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    dit.save(tmp_path / "net.dit", build_tower(TowerConfig.parse(NET), np.random.default_rng(1)))
    evaluator = make_evaluator("network", tmp_path / "net.dit", threads=1)
    settings = GameSettings(visits=64, longest=30)
    start = row_from_board(chess.Board())
    games = (SelfPlayGame(start, settings, 1, 1, number) for number in range(64))
    moves: list[int] = []
    begin = time.perf_counter()
    table = Seats(evaluator, Seating(32, SearchParams(), settings.visits, settings.longest))
    play_games(games, [table], lambda game: moves.append(len(game.record().moves)), lambda: False)
    evaluator.close()
    record(
        record_property, f"visits/s in self-play, {NET}, one thread", 64 * sum(moves) / (time.perf_counter() - begin)
    )
    assert len(moves) == 64
