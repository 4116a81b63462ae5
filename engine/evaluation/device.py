"""The evaluator that runs the net on a GPU, and on the processor where the GPU fails or is slower."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from engine.errors import AinoError
from engine.evaluation.answer_checks import check_answers
from engine.evaluation.protocol import LeafBatch, new_leaf_batch
from engine.evaluation.tower import NetworkEvaluator
from engine.network.device_network import PART, PART_SIZES, DeviceNetwork, Flight
from engine.network.input_formats import turned_batch
from engine.network.outputs import MOVES_LEFT_SCALE

FLIGHTS = 2  # parts under way: one is computed while the next is copied


class DeviceEvaluator:
    """Evaluator `network` with its network on a device; evaluates parts, two at a time.

    `spare` evaluates the same on the processor. It takes over for good when the device fails, and
    with `chooses` also when it is faster: the first evaluation is a trial of both, with the batches
    that a search of 4,096 visits makes. `take_news` says which of them plays.

    Raises DeviceError, or ConfigError for weights too large for half precision; with `chooses` that
    is news.
    """

    name = "network"
    needs_planes = True

    def __init__(
        self, spare: NetworkEvaluator, make_tower: Callable[[], DeviceNetwork], chooses: bool
    ) -> None:
        self.kernels = f"{spare.kernels} beside a device"  # the spare one may have to play
        self.input_format = spare.input_format
        self._spare = spare
        self._chooses = chooses
        self._is_tried = False
        self._turn = threading.Lock()
        self._news = list[str]()
        self._tower: DeviceNetwork | None = None
        self._flights: list[Flight] = []
        try:
            self._tower = make_tower()
            self._flights = [self._tower.new_flight() for _ in range(FLIGHTS)]
            # Compiles every kernel, and finds out whether the memory suffices.
            for size in PART_SIZES:
                self._fly(new_leaf_batch(size), size)
        except AinoError as error:
            self._give_up(str(error))
            if not chooses:
                spare.close()
                raise

    @property
    def round_size(self) -> int:
        """Leaves of a full batch."""
        if self._tower is None:
            return self._spare.round_size
        return FLIGHTS * PART

    @property
    def in_parts(self) -> bool:
        """Whether a search may split batches among its threads: only the processor's."""
        return self._tower is None

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill logits, wdl and moves_left of the first `count` leaves. Several threads take turns."""
        with self._turn:
            if not self._is_tried and count:
                self._is_tried = True
                self._try(leaves)
            if self._tower is not None:
                try:
                    self._fly(leaves, count)
                    check_answers(self.name, leaves, 0, count)
                    return
                except AinoError as error:
                    self._give_up(str(error))
            self._spare.evaluate(leaves, count)

    def evaluate_part(self, leaves: LeafBatch, first: int, last: int) -> None:
        """`evaluate` for leaves[first:last] on the calling thread; only where `in_parts`."""
        self._spare.evaluate_part(leaves, first, last)

    def take_news(self) -> list[str]:
        """Return what happened since the last call, one sentence each."""
        news = self._news
        self._news = []
        return news

    def close(self) -> None:
        """Stop the processor's threads; the device's memory is freed with the object."""
        self._spare.close()

    # ---- the device ------------------------------------------------------------------------------

    def _fly(self, leaves: LeafBatch, count: int) -> None:
        tower = self._tower
        assert tower is not None
        parts = [(first, min(count, first + PART)) for first in range(0, count, PART)]
        for number, (first, last) in enumerate(parts):
            if number >= FLIGHTS:
                self._land(number - FLIGHTS, leaves, *parts[number - FLIGHTS])
            turned = turned_batch(
                self.input_format, leaves.masks[first:last], leaves.policy_index[first:last]
            )
            tower.launch(self._flights[number % FLIGHTS], *turned)
        for number in range(max(0, len(parts) - FLIGHTS), len(parts)):
            self._land(number, leaves, *parts[number])

    def _land(self, number: int, leaves: LeafBatch, first: int, last: int) -> None:
        assert self._tower is not None
        flight = self._flights[number % FLIGHTS]
        n = last - first
        with self._tower.backend.guard("positions were evaluated"):
            flight.lane.wait()
        leaves.logits[first:last] = flight.logits[:n]
        leaves.wdl[first:last] = _chances(flight.value[:n])
        leaves.moves_left[first:last] = np.maximum(flight.moves_left[:n] * MOVES_LEFT_SCALE, 0)

    def _give_up(self, reason: str) -> None:
        """Let the processor evaluate from now on."""
        self._news.append(f"{reason}; the same network plays on with Backend numpy")
        for flight in self._flights:
            with suppress(Exception):  # A device that is lost answers every call with an error.
                flight.lane.wait()
        self._tower = None
        self._flights = []

    # ---- which plays -----------------------------------------------------------------------------

    def _try(self, leaves: LeafBatch) -> None:
        """Compile or load what the processor needs, and with `chooses` keep the faster of both."""
        trial = new_leaf_batch(PART)
        for name in ("masks", "moves", "n_moves", "policy_index", "rows"):
            getattr(trial, name)[:] = getattr(leaves, name)[0]
        self._spare.evaluate(trial, 1)
        if self._tower is None or not self._chooses:
            return
        device = self._tower.backend.device
        try:
            there = min(self._seconds(self._fly, trial) for _ in range(2))
        except AinoError as error:
            self._give_up(str(error))
            return
        here = self._seconds(self._spare.evaluate, trial, there)
        total = sum(PART_SIZES)
        if here < there:
            self._give_up(
                f"{device} takes {1000 * there:.0f} ms for {total} positions, the processor {1000 * here:.0f}"
            )
        else:
            times = (
                f"{total} positions in {1000 * there:.1f} ms, the processor takes {1000 * here:.0f}"
            )
            self._news.append(f"{device} plays (Backend cupy): {times}")

    def _seconds(
        self, evaluate: Callable[[LeafBatch, int], None], trial: LeafBatch, enough: float = 1e9
    ) -> float:
        """Time for one batch of each size, because a search's batches grow with its tree; stops
        after `enough`.
        """
        begun = time.perf_counter()
        for size in PART_SIZES:
            evaluate(trial, size)
            if time.perf_counter() - begun > enough:
                break
        return time.perf_counter() - begun


def _chances(value: np.ndarray) -> np.ndarray:
    """Chances of win, draw, loss [n, 3] from their logits, or from the expected result [n, 1],
    which has no draws.
    """
    if value.shape[1] == 1:
        return np.concatenate([0.5 + value / 2, 0 * value, 0.5 - value / 2], axis=1)
    odds = np.exp(value - value.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
