"""One chunk of positions on several threads at once, for evaluations too small to give every thread its own positions.

A layer of a lone position takes a thread some 10 microseconds with 64 channels and 100 with 128, so threads meet by
looking at each other's words (`native.team`), and no Python runs between two layers.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Final

import numpy as np

from engine.native.lanes import LANES
from engine.native.pool import ThreadPool
from engine.native.team import PATIENCE, dismiss, new_words
from engine.network.outputs import CHUNK
from engine.network.planes import PLANES
from engine.network.tower.fused_steps import CALLER, take_part
from engine.network.tower.inference import FusedTower

FEWEST_LANES: Final = 2  # Sixteens of channels for each thread: with less, meetings take most of the time.
LONGEST_BREAK: Final = 64  # Chunks without help after one that was given up, which may have cost four times a chunk.
GOOD_RUN: Final = 16  # Chunks computed together after which one that was given up counts as an accident.


class TowerTeam:
    """Evaluates a chunk of a tower's positions on all threads of a pool while these have nothing else to do.

    A team has no more threads than there are processors, `cpus`, for a thread that waits at a meeting keeps its own.
    Nobody waits for a busy thread: a chunk for which no helper stands by is left to the caller, and so are some chunks
    after one that was given up, twice as many each time.
    """

    def __init__(self, tower: FusedTower, pool: ThreadPool, cpus: int, patience: int = PATIENCE) -> None:
        self._tower, self._pool = tower, pool
        threads = max(1, min(pool.threads, cpus, int(tower.weights.heads.channels) // LANES // FEWEST_LANES))
        self._words = new_words(threads, patience)
        self._helpers: list[Future[None] | None] = [None] * (threads - 1)
        self._space = tower.new_space(threads) if self._helpers else None
        self._masks = np.zeros((CHUNK, PLANES), np.uint64)
        self._answers = np.zeros((CHUNK, 3), np.float32), np.zeros(CHUNK, np.float32)
        self._is_used = threading.Lock()
        self._alone = 0  # Chunks that the caller computes alone from here on.
        self._break, self._good = 1, 0

    def evaluate(
        self,
        masks: np.ndarray,
        policy_index: np.ndarray,
        n_moves: np.ndarray,
        count: int,
        logits: np.ndarray,
        wdl: np.ndarray,
        moves_left: np.ndarray,
    ) -> bool:
        """Evaluate up to eight positions, the first rows of arrays as in `FusedTower.evaluate_chunk`.

        Returns False, and answers nothing, if the helpers sleep, are busy or were too slow. Raises what a helper met.
        """
        if self._space is None or not self._is_used.acquire(blocking=False):
            return False
        try:
            if self._alone > 0:
                self._alone -= 1
                return False
            self._masks[:count] = masks[:count]
            self._wake()
            if not self._take_part(CALLER, count, wdl, moves_left):
                self._have_a_break()
                return False
            self._good += 1
            self._tower.write_logits(self._space, policy_index, n_moves, 0, count, logits)
            return True
        finally:
            self._is_used.release()

    def rest(self) -> None:
        """Let the helpers sleep, so that the pool's threads are free at once."""
        dismiss(self._words)

    def _take_part(self, thread: int, count: int, wdl: np.ndarray, moves_left: np.ndarray) -> bool:
        weights, smooth = self._tower.weights, self._tower.smooth
        return take_part(self._masks, 0, count, weights, smooth, self._space, wdl, moves_left, self._words, thread)

    def _wake(self) -> None:
        """Have the helpers stand by, as soon as the pool has threads for them."""
        for number, helper in enumerate(self._helpers):
            if helper is not None and helper.done():
                helper.result()
            if helper is None or helper.done():
                self._helpers[number] = self._pool.start(self._help, number + 1)

    def _help(self, thread: int) -> None:
        self._take_part(thread, 0, *self._answers)

    def _have_a_break(self) -> None:
        if self._good >= GOOD_RUN:
            self._break = 1
        self._good = 0
        self._alone = self._break
        self._break = min(2 * self._break, LONGEST_BREAK)
