"""Chooses the positions of training batch k from seed and k alone, so a resumed run draws the same ones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from engine.errors import ConfigError
from engine.native.pool import PerThread
from engine.options.settings import check_weights
from selfplay.data.label_sampler import LabelRows, LabelSampler
from selfplay.data.order import GameOrder, GroupOrder, RowOrder
from selfplay.data.sampler import MIRROR, SWAP_COLOURS, PositionSampler, new_training_batch, part_of
from selfplay.data.sparse_sampler import SparseSampler, new_sparse_batch
from selfplay.records.label_folder import leads_of
from selfplay.records.positions import UNKNOWN_SCORE, PositionSet

FILLED = 256  # positions that a thread fills at a time

AnySet = PositionSet | LabelRows
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


def _order_of(
    one: AnySet, seed: int, group: int, group_of_rows: int, whole_groups: bool
) -> GameOrder | GroupOrder | RowOrder:
    if isinstance(one, LabelRows) and one.grouped and whole_groups:
        return GroupOrder(leads_of(one.rows), one.n_positions, seed)
    if isinstance(one, LabelRows):
        return RowOrder(one.n_positions, seed, group_of_rows)
    return GameOrder(one, seed, group)


class Batches(ABC):
    """Batches from several sets by mixture weights; each set by epochs, without replacement.

    A batch depends only on the seed and its step. Games give `group` positions at a time, label folders `group_of_rows`
    consecutive rows, or, where they hold groups and `whole_groups` is set, whole groups (`GroupOrder`).
    Raises ConfigError if a weight is negative, none is positive, or a set with a weight has no usable position.
    """

    group = group_of_rows = 1
    whole_groups = False

    def __init__(self, sets: Sequence[AnySet], shares: Sequence[float], batch_size: int, seed: int, batch: Any) -> None:
        """`batch` has the arrays for one batch."""
        check_weights("shares of the training data", shares)
        self.batch_size = batch_size
        self._seed = seed
        pairs = [(one, share / sum(shares)) for one, share in zip(sets, shares, strict=True) if share > 0]
        self._sets = [one for one, _ in pairs]
        kinds = self.group, self.group_of_rows, self.whole_groups
        self._orders = [_order_of(one, seed + i, *kinds) for i, one in enumerate(self._sets)]
        if not all(len(order) for order in self._orders):
            raise ConfigError("a training set with a positive share has no usable positions")
        counts = (one.n_positions if isinstance(one, LabelRows) else np.count_nonzero(one.usable) for one in self._sets)
        self.n_positions = int(sum(counts))
        shares_left = np.cumsum([share for _, share in reversed(pairs)])[::-1]
        self._parts = [float(share / left) for (_, share), left in zip(pairs, shares_left, strict=True)]
        self._batch = batch
        self._samplers = PerThread()

    def batch(self, step: int, run: Map = map) -> Any:
        """Return the batch of a step; its arrays are overwritten by the next call. `run` may map on several threads."""
        rng = np.random.default_rng([self._seed, step])
        tasks, begin = [], 0
        for i, numbers in self.draws(step):
            changes = self.changes(rng, self._sets[i], numbers)
            for first, last in pairwise([*range(0, len(numbers), FILLED), len(numbers)]):
                slots = part_of(self._batch, begin + first, begin + last)
                tasks.append((i, numbers[first:last], changes[first:last], slots))
            begin += len(numbers)
        for _ in run(self._fill, tasks):
            pass
        return self._batch

    def draws(self, step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the batch of a step as (number of the set, positions int64)."""
        for i, order in enumerate(self._orders):
            first, last = self._drawn(i, step), self._drawn(i, step + 1)
            yield i, order.draw(first, last - first)

    def _drawn(self, source: int, step: int) -> int:
        """Positions of a source used before `step`: each takes its part, rounded down, of what those before it leave.

        Such running totals never fall, and the last source's part is 1.
        """
        left = step * self.batch_size
        for part in self._parts[:source]:
            left -= int(left * part)
        return int(left * self._parts[source])

    def _fill(self, task: tuple[int, np.ndarray, np.ndarray, Any]) -> None:
        i, *others = task
        self._samplers.own(lambda: [self.sampler(one) for one in self._sets])[i].fill(*others)

    @abstractmethod
    def sampler(self, one: AnySet) -> Any:
        """Return what fills batches from a set, for one thread: `fill(numbers, changes, slots)`."""

    @abstractmethod
    def changes(self, rng: np.random.Generator, one: AnySet, numbers: np.ndarray) -> np.ndarray:
        """How each of the positions int64[n] is varied, as the sampler reads it."""


class Mixture(Batches):
    """Batches of planes for towers; arguments and errors as `Batches`. Rejects single positions: no history."""

    def __init__(self, sets: Sequence[AnySet], shares: Sequence[float], batch_size: int, seed: int) -> None:
        if not all(isinstance(one, PositionSet) for one in sets):
            raise ConfigError("towers are trained on whole games: a label folder teaches sparse networks")
        super().__init__(sets, shares, batch_size, seed, new_training_batch(batch_size))

    def sampler(self, one: AnySet) -> PositionSampler:
        assert isinstance(one, PositionSet)
        return PositionSampler(one)

    def changes(self, rng: np.random.Generator, one: AnySet, numbers: np.ndarray) -> np.ndarray:
        return rng.choice(np.array([0, MIRROR, SWAP_COLOURS, MIRROR | SWAP_COLOURS], np.uint8), len(numbers))


class SparseMixture(Batches):
    """Batches of active features for sparse networks; arguments and errors as `Batches`.

    `variations` is the share of positions with scored moves that are replaced by the position after one of these moves.
    The move's score is then the value target. A search sees such positions besides those of games.
    """

    group = 8  # positions that a batch takes from one game; they share its replay, the largest cost

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
        super().__init__(sets, shares, batch_size, seed, new_sparse_batch(batch_size))
        self._variations = variations

    def sampler(self, one: AnySet) -> SparseSampler | LabelSampler:
        return LabelSampler(one) if isinstance(one, LabelRows) else SparseSampler(one)

    def changes(self, rng: np.random.Generator, one: AnySet, numbers: np.ndarray) -> np.ndarray:
        """For each position: -1, or the number of the policy target that replaces it by the position after it."""
        replaced, place = rng.random(len(numbers)) < self._variations, rng.random(len(numbers))
        if isinstance(one, LabelRows) or not len(one.target_scores):
            return np.full(len(numbers), -1)
        first, last = one.target_first[numbers], one.target_first[numbers + 1]
        chosen = np.where(replaced & (last > first), first + (place * (last - first)).astype(np.int64), -1)
        return np.where(one.target_scores[chosen] == UNKNOWN_SCORE, -1, chosen)
