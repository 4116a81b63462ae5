"""Which positions make up training batch k: a function of seed and k alone, so a resumed run draws the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.errors import ConfigError
from selfplay.data.positions import PositionSet
from selfplay.data.sampler import MIRROR, SWAP_COLOURS, EpochOrder, PositionSampler, TrainingBatch, new_training_batch

__all__ = ["Mixture"]


class Mixture:
    """Batches of fixed size from several position sets with fixed shares, each set without replacement by epochs.

    Raises ConfigError when a share is negative, none is positive, or a set with a share has no usable position.
    """

    def __init__(self, sets: Sequence[PositionSet], shares: Sequence[float], batch_size: int, seed: int) -> None:
        if min(shares) < 0 or sum(shares) <= 0:
            raise ConfigError(
                f"shares of the training data: expected non-negative with a positive sum, got {list(shares)}"
            )
        self.batch_size = batch_size
        self._seed = seed
        pairs = [(one, share / sum(shares)) for one, share in zip(sets, shares, strict=True) if share > 0]
        members = [np.flatnonzero(one.usable) for one, _ in pairs]
        if not all(len(numbers) for numbers in members):
            raise ConfigError("a training set with a positive share has no usable positions")
        self.n_positions = sum(len(numbers) for numbers in members)
        self._samplers = [PositionSampler(one) for one, _ in pairs]
        self._orders = [EpochOrder(numbers, seed + i) for i, numbers in enumerate(members)]
        # Cumulative shares, so that the parts of every batch add up to the batch.
        self._bounds = np.concatenate([[0.0], np.cumsum([share for _, share in pairs])])
        self._bounds[-1] = 1.0
        self._batch = new_training_batch(batch_size)

    def batch(self, step: int) -> TrainingBatch:
        """The batch of a step; its arrays are overwritten by the next call."""
        rng = np.random.default_rng([self._seed, step])
        augment = rng.choice(np.array([0, MIRROR, SWAP_COLOURS, MIRROR | SWAP_COLOURS], np.uint8), self.batch_size)
        filled = 0
        for i, (sampler, order) in enumerate(zip(self._samplers, self._orders, strict=True)):
            first, last = self._drawn(i, step), self._drawn(i, step + 1)
            part = slice(filled, filled + last - first)
            sampler.fill(order.draw(first, last - first), augment[part], self._batch.part(part.start, part.stop))
            filled = part.stop
        return self._batch

    def _drawn(self, source: int, step: int) -> int:
        """How many positions of a source the batches before `step` used: differences of rounded running totals."""
        total = step * self.batch_size
        return int(np.floor(total * self._bounds[source + 1])) - int(np.floor(total * self._bounds[source]))
