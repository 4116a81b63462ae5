"""Training examples: arrays in memory, or a loader that reads batches of them from anywhere and
augments them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import Generator

from engine.backend import xp_of
from engine.errors import ConfigError, ShapeError
from engine.native.pool import ThreadPool
from engine.nn.array_checks import form_of, leaves, rows_of

RowNumbers = np.ndarray | slice


@dataclass(frozen=True, eq=False)
class Data:
    """Training examples: `inputs` and `targets` have one row per example. Both are an array, or a
    tuple or dict of arrays. `weights` [B], or of each place of the targets, multiply what an
    example costs, and every mean divides by their sum. `x, y = data` gives inputs and targets.
    """

    inputs: Any
    targets: Any
    weights: Any = None

    def __iter__(self) -> Iterator[Any]:
        return iter((self.inputs, self.targets))


Prepare = Callable[[Data], Data]
Augment = Callable[[Data, Generator], Data]


class Loader:
    """Reads batches on demand, for examples that do not fit into memory or that should differ from
    epoch to epoch.

    `inputs` and `targets` have one row per example and may be whatever answers `len`, `.shape` and
    an index of row numbers or a slice: arrays, memory-mapped files (`np.load(path,
    mmap_mode="r")`), several of these as one (`JoinedRows`), or a class of one's own. A batch goes
    through two functions before it reaches the model:

        prepare(batch) -> batch         always, such as uint8 pixels to float32 in [0, 1]
        augment(batch, rng) -> batch    in training only, such as `random_shift`

    Both may change the batch, which is a copy of the rows. `weights` are as in `Data`.

    `rng` depends on the run's seed and the step alone, so a run is repeatable and resumable with
    augmentation, too. With `read_ahead` a thread makes the next batch while the model trains on
    this one; results stay the same. Raises ShapeError when there is no example or the numbers of
    inputs and targets differ.
    """

    def __init__(
        self,
        inputs: Any,
        targets: Any,
        prepare: Prepare | None = None,
        augment: Augment | None = None,
        read_ahead: bool = False,
        *,
        weights: Any = None,
    ) -> None:
        self.inputs = inputs
        self.targets = targets
        self.weights = weights
        self.prepare = prepare
        self.augment = augment
        self.read_ahead = read_ahead
        rows = [*map(_rows_in, self.arrays)]
        if len(set(rows)) != 1 or rows[0] == 0 or isinstance(rows[0], str):
            expected = "arrays with as many inputs as targets, at least one"
            raise ShapeError(f"data: expected {expected}, found {' and '.join(map(str, rows))}")

    @property
    def arrays(self) -> list[Any]:
        """All arrays of inputs, targets and weights."""
        arrays = leaves((self.inputs, self.targets))
        if self.weights is not None:
            arrays += leaves(self.weights)
        return arrays

    def __len__(self) -> int:
        return row_count(self.inputs)

    def batch(self, rows: RowNumbers, rng: Generator | None = None) -> Data:
        """Return the examples of these row numbers, as arrays of their own; with `rng`, augmented."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        batch = Data(*rows_of((self.inputs, self.targets, self.weights), rows))
        if self.prepare is not None:
            batch = _checked("prepare", self.prepare(batch), batch)
        if self.augment is not None and rng is not None:
            batch = _checked("augment", self.augment(batch, rng), batch)
        return batch

    def whole(self) -> Data:
        """Return all examples as one batch, without `prepare`."""
        return Data(self.inputs, self.targets, self.weights)

    def batches(self, jobs: Sequence[tuple[np.ndarray, Generator | None]]) -> Iterator[Data]:
        """Yield `batch(rows, rng)` of every job in order, one ahead in a thread with `read_ahead`."""
        if not self.read_ahead or len(jobs) < 2:
            yield from (self.batch(*job) for job in jobs)
            return
        with ThreadPool(2, "loader") as pool:
            following = pool.start(self.batch, *jobs[0])
            for job in jobs[1:]:
                batch = following.result()
                following = pool.start(self.batch, *job)
                yield batch
            yield following.result()


class JoinedRows:
    """The rows of several arrays, one after the other, as one array; nothing is copied until rows
    are asked for.

    JoinedRows([np.load(path, mmap_mode="r") for path in paths]) -> rows[numbers], rows[first:last],
    len, shape, dtype Raises ShapeError unless there is an array and all have rows of the same shape
    and dtype.
    """

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        forms = {(array.shape[1:], array.dtype) for array in arrays}
        if len(forms) != 1:
            row_forms = sorted(map(str, forms))
            raise ShapeError(
                f"JoinedRows: expected arrays with rows of one shape and dtype, found {row_forms}"
            )
        self.arrays = list(arrays)
        self._starts = [0, *accumulate(map(len, arrays))]
        self.dtype = arrays[0].dtype
        self.shape = (self._starts[-1], *arrays[0].shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: RowNumbers) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        numbers = np.asarray(rows)
        if numbers.dtype == bool and numbers.shape == (len(self),):
            numbers = np.flatnonzero(numbers)
        if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iu"):
            expected = f"row numbers, or a bool for each of {len(self)} rows"
            raise ConfigError(f"JoinedRows: expected {expected}, found {form_of(numbers)}")
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < len(self)):
            raise ConfigError(
                f"JoinedRows: row numbers {numbers.min()} to {numbers.max()} of {len(self)} rows"
            )
        chosen = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        for array, (first, last) in zip(self.arrays, pairwise(self._starts), strict=True):
            inside = (numbers >= first) & (numbers < last)
            if inside.any():
                chosen[inside] = array[numbers[inside] - first]
        return chosen


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise ConfigError unless `value` is a whole number of at least `least`."""
    if not isinstance(value, Integral) or int(value) < least:
        raise ConfigError(f"{name}: expected a whole number of at least {least}, got {value!r}")


def random_shift(most: int) -> Augment:
    """Return an augmentation that moves every image by up to `most` squares along both axes; zeros
    fill the border.

    Raises ConfigError unless most is a whole number >= 1, ShapeError (in the call) for inputs other
    than [B, C, H, W].
    """
    check_whole("random_shift", most, 1)
    return partial(_shifted, most)


def _shifted(most: int, batch: Data, rng: Generator) -> Data:
    images, targets = batch
    if getattr(images, "ndim", 0) != 4:
        raise ShapeError(f"random_shift: expected images [B, C, H, W], found {form_of(images)}")
    xp, (count, _, height, width) = xp_of(images), images.shape
    padded = xp.pad(images, ((0, 0), (0, 0), (most, most), (most, most)))
    moved = xp.empty_like(images)
    for number, (down, right) in enumerate(rng.integers(0, 2 * most + 1, (count, 2)).tolist()):
        moved[number] = padded[number, :, down : down + height, right : right + width]
    return Data(moved, targets)


def parts_of(count: int, size: int) -> list[slice]:
    """Split range(count) into parts of `size`; the last two share what is left over for them.

    A part of one example has no variance, and a small one moves the weights as far as a large one.
    Where a size of 2 leaves one over, the last part has three.
    """
    starts = [*range(0, count, size)]
    if len(starts) > 1 and count % size:
        starts[-1] = count - (count - starts[-2]) // 2
        if size == 2:
            starts.pop()
    return [slice(*ends) for ends in pairwise([*starts, count])]


def as_loader(data: Any) -> Loader:
    """Return a loader for `data`: itself, or one over Data or a pair (inputs, targets). Raises
    ShapeError for other data.
    """
    if isinstance(data, Loader):
        return data
    if isinstance(data, Data):
        return Loader(data.inputs, data.targets, weights=data.weights)
    if isinstance(data, tuple | list) and len(data) == 2:
        return Loader(*data)
    raise ShapeError(
        f"data: expected Data(inputs, targets) or a Loader, found {type(data).__name__}"
    )


def row_count(part: Any) -> int:
    """Return the number of rows of an array, or of those in a tuple or dict."""
    return len(leaves(part)[0])


def _rows_in(part: Any) -> int | str:
    """Return the number of rows; of what an index of row numbers does not read by rows, its type."""
    # A table of pandas, a sparse matrix of SciPy.
    is_other = hasattr(part, "iloc") or hasattr(part, "toarray")
    shape = getattr(part, "shape", None)
    if is_other or not isinstance(shape, tuple) or not shape:
        return type(part).__name__
    return len(part)


def _checked(function: str, changed: Any, batch: Data) -> Data:
    """Return what a function made of a batch, with the weights of the batch if it gives none."""
    if isinstance(changed, tuple) and len(changed) == 2:
        changed = Data(*changed)
    if not isinstance(changed, Data):
        raise ShapeError(
            f"Loader: {function} must return Data(inputs, targets), not {type(changed).__name__}"
        )
    if changed.weights is None:
        return replace(changed, weights=batch.weights)
    return changed
