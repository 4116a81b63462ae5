"""The evaluator that runs the net on a GPU."""

from __future__ import annotations

import numpy as np

from engine.evaluation.protocol import LeafBatch
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.tower.gpu import PART, DeviceTower


class DeviceEvaluator:
    """Evaluator `network` with its tower on a device; evaluates parts of fixed size."""

    name = "network"
    round_size = 2 * PART  # Set by hand.
    needs_planes = True
    architecture = "on a device"  # whose kernels are not ours

    def __init__(self, tower: DeviceTower) -> None:
        self.tower = tower

    def evaluate(self, leaves: LeafBatch, count: int) -> None:
        """Fill logits, wdl and moves_left of the first `count` leaves."""
        for first in range(0, count, PART):
            part = slice(first, min(count, first + PART))
            logits, leaves.wdl[part], left = self.tower.evaluate(leaves.masks[part], leaves.policy_index[part])
            leaves.logits[part], leaves.moves_left[part] = logits, np.maximum(left * MOVES_LEFT_SCALE, 0)

    def close(self) -> None:
        """Do nothing: the device's memory is freed with the object."""
