"""The evaluator that runs the net on a GPU."""

from __future__ import annotations

import numpy as np

from engine.evaluation.protocol import LeafBatch
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.tower.gpu import PART, DeviceTower

FLIGHTS = 2  # parts under way: one is computed while the next is copied


class DeviceEvaluator:
    """Evaluator `network` with its tower on a device; evaluates parts of fixed size, two at a time."""

    name = "network"
    round_size = FLIGHTS * PART
    needs_planes = True
    architecture = "on a device"  # whose kernels are not ours

    def __init__(self, tower: DeviceTower) -> None:
        self.tower = tower
        self._flights = [tower.new_flight() for _ in range(FLIGHTS)]

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill logits, wdl and moves_left of the first `count` leaves."""
        parts = [(first, min(count, first + PART)) for first in range(0, count, PART)]
        for number, (first, last) in enumerate(parts):
            if number >= FLIGHTS:
                self._land(number - FLIGHTS, leaves, *parts[number - FLIGHTS])
            flight = self._flights[number % FLIGHTS]
            self.tower.launch(flight, leaves.masks[first:last], leaves.policy_index[first:last])
        for number in range(max(0, len(parts) - FLIGHTS), len(parts)):
            self._land(number, leaves, *parts[number])

    def close(self) -> None:
        """Do nothing: the device's memory is freed with the object."""

    def _land(self, number: int, leaves: LeafBatch, first: int, last: int) -> None:
        flight, n = self._flights[number % FLIGHTS], last - first
        flight.lane.wait()
        leaves.logits[first:last] = flight.logits[:n]
        leaves.wdl[first:last] = flight.value[:n]
        leaves.moves_left[first:last] = np.maximum(flight.moves_left[:n] * MOVES_LEFT_SCALE, 0)
