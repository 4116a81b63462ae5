"""Chooses the positions of training batch k from seed and k alone, so a resumed run samples the
same ones.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from engine.errors import ConfigError
from engine.native.pool import PerThread
from engine.options.settings import check_weights
from selfplay.data.label_rows import LabelRows
from selfplay.records.order import Groups
from selfplay.records.positions import PositionSet

Kind = TypeVar("Kind")
FILLED = 256  # positions that a thread fills at a time

TrainingSet = PositionSet | LabelRows  # positions to train on
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]


class Batches(ABC):
    """Batches from several sets by mixture weights; each set by epochs, without replacement.

    A batch depends only on the seed and its step. Raises ConfigError if a weight is negative, none
    is positive, a set is not of `kind`, or has a weight and no usable position.
    """

    kind: type = object
    refusal = ""  # what to say of sets of another kind
    groups = Groups()  # positions that are taken together

    def __init__(
        self,
        sets: Sequence[TrainingSet],
        shares: Sequence[float],
        batch_size: int,
        seed: int,
        variations: float = 0.0,
    ) -> None:
        """`variations`: as of `SparseMixture`; the other families' positions have none."""
        check_weights("shares of the training data", shares)
        sets = sets_of(self.kind, sets, self.refusal)
        self.batch_size, self.variations = batch_size, variations
        self._seed = seed
        self._sets = list[TrainingSet]()
        self._orders = []
        used_shares = []
        for training_set, share in zip(sets, shares, strict=True):
            if share > 0:
                self._orders.append(training_set.order(seed + len(self._sets), self.groups))
                self._sets.append(training_set)
                used_shares.append(share / sum(shares))
        if not all(map(len, self._orders)):
            raise ConfigError(
                "a training set with a positive share has no usable positions: give more or longer games"
            )
        self.n_positions = sum(training_set.n_usable for training_set in self._sets)
        shares_left = np.cumsum(used_shares[::-1])[::-1]
        self._parts = (used_shares / shares_left).tolist()
        self._batch = self.new_batch(batch_size)
        self._samplers = PerThread()

    def batch(self, step: int, run: Map = map) -> Any:
        """Return the batch of a step; its arrays are overwritten by the next call. `run` may map on
        several threads.
        """
        rng = np.random.default_rng([self._seed, step])
        tasks = []
        begin = 0
        for i, numbers in self.samples(step):
            changes = self.changes(rng, self._sets[i], numbers)
            for first, last in pairwise([*range(0, len(numbers), FILLED), len(numbers)]):
                slots = part_of(self._batch, begin + first, begin + last)
                tasks.append((i, numbers[first:last], changes[first:last], slots))
            begin += len(numbers)
        for _ in run(self._fill, tasks):
            pass
        return self._batch

    def samples(self, step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the batch of a step as (number of the set, positions int64)."""
        for i, order in enumerate(self._orders):
            first, last = self._sampled(i, step), self._sampled(i, step + 1)
            yield i, order.sample(first, last - first)

    def _sampled(self, source: int, step: int) -> int:
        """Return how many positions of a source the batches before `step` hold.

        Each source takes its part, rounded down, of what the sources before it leave. The part of
        the last one is 1.
        """
        left = step * self.batch_size
        for part in self._parts[:source]:
            left -= int(left * part)
        return int(left * self._parts[source])

    def _fill(self, task: tuple[int, np.ndarray, np.ndarray, Any]) -> None:
        i, *arguments = task
        samplers = self._samplers.own(lambda: list(map(self.sampler, self._sets)))
        samplers[i].fill(*arguments)

    @staticmethod
    @abstractmethod
    def new_batch(size: int) -> Any:
        """Return the arrays of a batch."""

    @abstractmethod
    def sampler(self, training_set: TrainingSet) -> Any:
        """Return what fills batches from a set, for one thread: `fill(numbers, changes, slots)`."""

    @abstractmethod
    def changes(
        self, rng: np.random.Generator, training_set: TrainingSet, numbers: np.ndarray
    ) -> np.ndarray:
        """How each of the positions int64[n] is varied, as the sampler reads it."""


def part_of(batch: Any, first: int, last: int) -> Any:
    """Return a batch of any kind with views of the positions first..last-1."""
    return batch._make(array[first:last] for array in batch)


def sets_of(kind: type[Kind], sets: Sequence[object], refusal: str) -> list[Kind]:
    """Return the sets, which must all be of this kind. Raises ConfigError with the text `refusal`
    for others.
    """
    fitting = [training_set for training_set in sets if isinstance(training_set, kind)]
    if len(fitting) < len(sets):
        raise ConfigError(refusal)
    return fitting
