"""Towers evaluated by several threads at once: the same bits, and an answer whatever becomes of the helpers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.inference import positions
from engine.evaluation import tower as tower_module
from engine.evaluation.protocol import LeafBatch
from engine.evaluation.tower import NetworkEvaluator
from engine.native.ordering import SPACING
from engine.native.pool import ThreadPool
from engine.native.team import ASLEEP, READY, new_words
from engine.network.outputs import CHUNK
from engine.network.tower.fused_steps import CALLER, take_part
from engine.network.tower.inference import FusedTower
from engine.network.tower.model import TowerConfig, build_tower
from engine.network.tower.teamwork import LONGEST_BREAK, TowerTeam
from tests.unit.network.lc0_nets import random_masks
from tests.unit.network.test_fused import CONFIGS, random_model

WIDE = replace(CONFIGS["small"], filters=64)
EVER = 1 << 60
SECONDS = 60.0  # The longest that a busy machine keeps helpers from standing by.


def new_tower(config: TowerConfig = WIDE) -> FusedTower:
    return FusedTower.from_model(random_model(config, np.random.default_rng(3)), config)


def until(happens: Callable[[], bool]) -> None:
    """Try again and again."""
    end = time.monotonic() + SECONDS
    while not happens():
        assert time.monotonic() < end


def outputs(leaves: LeafBatch, count: int) -> list[np.ndarray]:
    return [leaves.logits[:count].copy(), leaves.wdl[:count].copy(), leaves.moves_left[:count].copy()]


def helped(team: TowerTeam, leaves: LeafBatch, count: int) -> bool:
    inputs = leaves.masks, leaves.policy_index, leaves.n_moves
    return team.evaluate(*inputs, count, leaves.logits, leaves.wdl, leaves.moves_left)


class Threads:
    """The threads of a team without a pool; helpers stand by until `close`."""

    def __init__(self, tower: FusedTower, masks: np.ndarray, threads: int) -> None:
        self.tower, self.masks, self.threads = tower, masks, threads
        self.words, self.space = new_words(threads, EVER), tower.new_space(threads)
        self.wdl, self.moves_left = np.zeros((CHUNK, 3), np.float32), np.zeros(CHUNK, np.float32)
        self.pool, self.is_over = ThreadPoolExecutor(threads - 1), threading.Event()
        self.helpers = [self.pool.submit(self._help, thread) for thread in range(1, threads)]

    def compute_together(self, count: int) -> bool:
        """Whether all threads took part in a chunk."""
        is_computed = self._take_part(CALLER, count)
        return is_computed and self.words[(2 * self.threads + 1) * SPACING] == self.threads

    def close(self) -> None:
        self.is_over.set()
        for helper in self.helpers:
            helper.result(SECONDS)
        self.pool.shutdown()

    def _help(self, thread: int) -> None:
        while not self.is_over.is_set():
            self._take_part(thread, 0)

    def _take_part(self, thread: int, count: int) -> bool:
        tower, answers = self.tower, (self.wdl, self.moves_left)
        return take_part(self.masks, 0, count, tower.weights, tower.smooth, self.space, *answers, self.words, thread)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("config", [*CONFIGS.values(), WIDE], ids=[*CONFIGS, "wide"])
def test_shares_have_the_bits_of_the_whole(config: TowerConfig, threads: int) -> None:
    tower, masks = new_tower(config), random_masks(CHUNK, np.random.default_rng(4))
    wdl, moves_left = np.zeros((CHUNK, 3), np.float32), np.zeros(CHUNK, np.float32)
    logits, found = np.zeros((2, CHUNK, 30), np.float32)
    policy_index, n_moves = np.tile(np.arange(0, 1800, 60, dtype=np.int16), (CHUNK, 1)), np.full(CHUNK, 30, np.int32)
    tower.evaluate_chunk(masks, policy_index, n_moves, 0, CHUNK, logits, wdl, moves_left)
    team = Threads(tower, masks, threads)
    try:
        for count in (1, 3, 8):
            until(partial(team.compute_together, count))
            tower.write_logits(team.space, policy_index, n_moves, 0, count, found)
            np.testing.assert_array_equal(team.wdl[:count], wdl[:count])
            np.testing.assert_array_equal(team.moves_left[:count], moves_left[:count])
            np.testing.assert_array_equal(found[:count], logits[:count])
    finally:
        team.close()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_evaluators_answers_have_the_same_bits_with_any_number_of_threads(threads: int) -> None:
    tower, leaves = new_tower(), positions(20)
    NetworkEvaluator(tower).evaluate(leaves, 20)
    expected = outputs(leaves, 20)
    evaluator = NetworkEvaluator(tower, threads)
    for count in (1, 2, 20, 7, 8, 9) * 20:
        leaves.logits[...], leaves.wdl[...], leaves.moves_left[...] = 0, 0, 0
        evaluator.evaluate(leaves, count)
        for found, wanted in zip(outputs(leaves, count), expected, strict=True):
            np.testing.assert_array_equal(found, wanted[:count])
    evaluator.close()


def test_helpers_stand_by_and_fall_asleep() -> None:
    leaves = positions(8)
    with ThreadPool(2, "test") as pool:
        team = TowerTeam(new_tower(), pool, 2)
        until(lambda: helped(team, leaves, 1))
        until(lambda: team._words[SPACING] == ASLEEP)
        assert team._helpers[0] is not None
        team._helpers[0].result(SECONDS)


def test_a_busy_pool_leaves_positions_to_the_caller() -> None:
    tower, leaves, is_over = new_tower(), positions(8), threading.Event()
    with ThreadPool(2, "test") as pool:
        team = TowerTeam(tower, pool, 2)
        other = pool.start(is_over.wait, SECONDS)
        tries = [helped(team, leaves, 1) for _ in range(40)]
        assert not any(tries)
        assert 0 < team._alone <= LONGEST_BREAK  # It asks less and less often.
        is_over.set()
        assert other.result()
        until(lambda: helped(team, leaves, 1))


def test_a_helper_that_stops_in_the_middle_is_not_waited_for() -> None:
    tower, leaves = new_tower(), positions(8)
    with ThreadPool(2, "test") as pool:
        team = TowerTeam(tower, pool, 2, patience=1000)
        team._help = lambda thread: None  # type: ignore[method-assign]
        team._words[SPACING] = READY  # Somebody stands by who will not come to a meeting.
        assert not helped(team, leaves, 1)
        assert team._words[SPACING] == 1
        until(lambda: team._alone == 0 or helped(team, leaves, 1))
        assert not helped(team, leaves, 1)  # The helper may still write to the team's buffers.
        assert team._words[SPACING] == 1
        del team._help
        team._words[SPACING] = ASLEEP
        until(lambda: helped(team, leaves, 1))


def test_a_failing_helper_is_reported() -> None:
    leaves = positions(8)

    def fail(thread: int) -> None:
        raise MemoryError("no room for a helper")

    with ThreadPool(2, "test") as pool:
        team = TowerTeam(new_tower(), pool, 2)
        team._help = fail  # type: ignore[method-assign]
        with pytest.raises(MemoryError, match="no room for a helper"):
            until(lambda: helped(team, leaves, 1))


def test_two_callers_at_once_both_get_answers() -> None:
    tower = new_tower()
    evaluator, batches = NetworkEvaluator(tower, 2), [positions(8) for _ in range(2)]
    NetworkEvaluator(tower).evaluate(batches[0], 8)
    expected = outputs(batches[0], 8)

    def evaluate(leaves: LeafBatch) -> None:
        for _ in range(200):
            leaves.wdl[...] = 0
            evaluator.evaluate(leaves, 8)
            np.testing.assert_array_equal(leaves.wdl[:8], expected[1])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(evaluate, batches))
    evaluator.close()


def test_a_team_has_no_more_threads_than_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tower_module, "usable_cpus", lambda: 1)
    evaluator, leaves = NetworkEvaluator(new_tower(), 2), positions(8)
    for _ in range(50):
        evaluator.evaluate(leaves, 1)
        assert evaluator._team is not None
        assert not evaluator._team._helpers
    assert leaves.wdl[0].sum() == pytest.approx(1.0)
    evaluator.close()


def test_a_closed_evaluator_still_answers_alone() -> None:
    evaluator, leaves = NetworkEvaluator(new_tower(), 2), positions(8)
    evaluator.evaluate(leaves, 3)
    expected = outputs(leaves, 3)
    evaluator.close()
    leaves.wdl[...] = 0
    evaluator.evaluate(leaves, 3)
    np.testing.assert_array_equal(outputs(leaves, 3)[1], expected[1])


def test_narrow_towers_are_not_shared() -> None:
    leaves = positions(8)
    with ThreadPool(2, "test") as pool:
        team = TowerTeam(
            FusedTower.from_model(build_tower(CONFIGS["small"], np.random.default_rng(0)), CONFIGS["small"]), pool, 2
        )
        assert not any(helped(team, leaves, 1) for _ in range(100))
