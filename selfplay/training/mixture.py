"""Chooses the positions of training batch k from seed and k alone, so a resumed run draws the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.options.settings import check_weights
from selfplay.data.label_sampler import LabelOrder, LabelRows, LabelSampler
from selfplay.data.order import EpochOrder
from selfplay.data.sampler import MIRROR, SWAP_COLOURS, PositionSampler, TrainingBatch, new_training_batch
from selfplay.data.sparse_sampler import SparseBatch, SparseSampler, new_sparse_batch
from selfplay.records.positions import UNKNOWN_SCORE, PositionSet

GROUP = 8  # positions that a sparse batch takes from one game; they share its replay, the largest cost
CHUNKS = 32  # parts of a sparse batch that threads fill independently

AnySet = PositionSet | LabelRows
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


class Draws:
    """Draws positions from several sets by mixture weights; each set by epochs, without replacement.

    Games give `group` positions at a time, label folders `group_of_rows` consecutive rows.

    Raises ConfigError if a weight is negative, none is positive, or a set with a weight has no usable position.
    """

    def __init__(
        self,
        sets: Sequence[AnySet],
        shares: Sequence[float],
        batch_size: int,
        seed: int,
        group: int = 1,
        group_of_rows: int = 1,
    ) -> None:
        check_weights("shares of the training data", shares)
        self.batch_size = batch_size
        self.seed = seed
        pairs = [(one, share / sum(shares)) for one, share in zip(sets, shares, strict=True) if share > 0]
        self.sets = [one for one, _ in pairs]
        self._orders = [_order_of(one, seed + i, group, group_of_rows) for i, one in enumerate(self.sets)]
        if not all(len(order) for order in self._orders):
            raise ConfigError("a training set with a positive share has no usable positions")
        self.n_positions = sum(len(order) for order in self._orders)
        shares_left = np.cumsum([share for _, share in reversed(pairs)])[::-1]
        self._parts = [float(share / left) for (_, share), left in zip(pairs, shares_left, strict=True)]

    def parts(self, step: int) -> Iterator[tuple[int, slice, np.ndarray]]:
        """The batch of a step as (number of the set, slots, positions int64)."""
        filled = 0
        for i, order in enumerate(self._orders):
            first, last = self._drawn(i, step), self._drawn(i, step + 1)
            yield i, slice(filled, filled + last - first), order.draw(first, last - first)
            filled += last - first

    def _drawn(self, source: int, step: int) -> int:
        """Positions of a source used before `step`: each takes its part, rounded down, of what those before it leave.

        Such running totals never fall, and the last source's part is 1.
        """
        left = step * self.batch_size
        for part in self._parts[:source]:
            left -= int(left * part)
        return int(left * self._parts[source])


def _order_of(one: AnySet, seed: int, group: int, group_of_rows: int) -> EpochOrder | LabelOrder:
    if isinstance(one, LabelRows):
        return LabelOrder(one.n_positions, seed, group_of_rows)
    return EpochOrder(one, seed, group)


class Mixture:
    """Batches of planes for towers; arguments and errors as `Draws`. Rejects single positions: no history."""

    def __init__(self, sets: Sequence[AnySet], shares: Sequence[float], batch_size: int, seed: int) -> None:
        games = [one for one in sets if isinstance(one, PositionSet)]
        if len(games) < len(sets):
            raise ConfigError("towers are trained on whole games: a label folder (--labels) teaches sparse networks")
        self._draws = Draws(sets, shares, batch_size, seed)
        self.batch_size = batch_size
        self.n_positions = self._draws.n_positions
        self._samplers = [PositionSampler(one) for one in self._draws.sets if isinstance(one, PositionSet)]
        self._batch = new_training_batch(batch_size)

    def batch(self, step: int, run: Map = map) -> TrainingBatch:
        """The batch of a step; its arrays are overwritten by the next call. `run` may map on several threads."""
        rng = np.random.default_rng([self._draws.seed, step])
        augment = rng.choice(np.array([0, MIRROR, SWAP_COLOURS, MIRROR | SWAP_COLOURS], np.uint8), self.batch_size)
        tasks = [
            (self._samplers[i], numbers, augment[part], self._batch.part(part.start, part.stop))
            for i, part, numbers in self._draws.parts(step)
        ]
        for _ in run(lambda task: task[0].fill(*task[1:]), tasks):
            pass
        return self._batch


def _sampler_of(one: AnySet) -> SparseSampler | LabelSampler:
    return LabelSampler(one) if isinstance(one, LabelRows) else SparseSampler(one)


class SparseMixture:
    """Batches of active features for sparse networks; arguments and errors as `Draws`.

    `variations` is the share of positions with scored moves that are replaced by the position after one of these moves.
    The move's score is then the value target. A search sees such positions besides those of games.
    """

    def __init__(
        self,
        sets: Sequence[AnySet],
        shares: Sequence[float],
        batch_size: int,
        seed: int,
        variations: float = 0.0,
    ) -> None:
        if not 0.0 <= variations <= 1.0:
            raise ConfigError(f"variations: expected a share from 0 to 1, got {variations}")
        self._draws = Draws(sets, shares, batch_size, seed, GROUP)
        self.batch_size = batch_size
        self.n_positions = self._draws.n_positions
        self._variations = variations
        self._samplers = [[_sampler_of(one) for _ in range(CHUNKS)] for one in self._draws.sets]
        self._batch = new_sparse_batch(batch_size)

    def batch(self, step: int, run: Map = map) -> SparseBatch:
        """The batch of a step; its arrays are overwritten by the next call. `run` may map on several threads."""
        rng = np.random.default_rng([self._draws.seed, step])
        tasks: list[tuple[SparseSampler | LabelSampler, np.ndarray, np.ndarray, SparseBatch]] = []
        for i, part, numbers in self._draws.parts(step):
            chosen = self._choose(rng, self._draws.sets[i], numbers)
            bounds = np.linspace(0, len(numbers), CHUNKS + 1).astype(np.int64)
            for sampler, first, last in zip(self._samplers[i], bounds, bounds[1:], strict=False):
                slots = self._batch.part(part.start + first, part.start + last)
                tasks.append((sampler, numbers[first:last], chosen[first:last], slots))
        for _ in run(lambda task: task[0].fill(*task[1:]), tasks):
            pass
        return self._batch

    def _choose(self, rng: np.random.Generator, positions: AnySet, numbers: np.ndarray) -> np.ndarray:
        """For each position: -1, or the number of the policy target that replaces it by the position after it."""
        replaced, place = rng.random(len(numbers)) < self._variations, rng.random(len(numbers))
        if isinstance(positions, LabelRows) or not len(positions.target_scores):
            return np.full(len(numbers), -1)
        first, last = positions.target_first[numbers], positions.target_first[numbers + 1]
        chosen = np.where(replaced & (last > first), first + (place * (last - first)).astype(np.int64), -1)
        return np.where(positions.target_scores[chosen] == UNKNOWN_SCORE, -1, chosen)
