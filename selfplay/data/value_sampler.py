"""Training batches of the value trunk from label folders: rows of both views, and targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.board.attacks import ATTACK_WORDS, write_attacks
from engine.board.layout import ROW_WORDS
from engine.errors import ConfigError, DataError
from engine.native.jit import kernel
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.sparse.value_features import MAX_VIEW, king_buckets, men_bucket, write_views
from engine.network.sparse.value_parameters import ValueConfig
from selfplay.data.label_sampler import LabelRows, held_out, wdl_of_labels
from selfplay.records.label_folder import fields_of
from selfplay.records.packed import unpack_row
from selfplay.records.targets import MOVES_LEFT_LIMIT

__all__ = ["ValueBatch", "ValueSampler", "new_value_batch"]


class ValueBatch(NamedTuple):
    """B positions with targets, from the side to move."""

    features: np.ndarray  # int16 [B, 144] rows of the mover's view, from 72 on of the other's; undefined from n_rows on
    n_rows: np.ndarray  # int32 [B] of each view
    version: np.ndarray  # int32 [B] which small layers serve it
    wdl: np.ndarray  # float32 [B, 3]; zeros if unknown
    moves_left: np.ndarray  # float32 [B] hundreds of plies, at most 2.5; below 0 if unknown

    def part(self, first: int, last: int) -> ValueBatch:
        """Views of the positions first..last-1."""
        return ValueBatch(*(array[first:last] for array in self))


def new_value_batch(size: int) -> ValueBatch:
    """Zeroed arrays for `size` positions."""
    return ValueBatch(
        features=np.zeros((size, 2 * MAX_VIEW), np.int16),
        n_rows=np.zeros(size, np.int32),
        version=np.zeros(size, np.int32),
        wdl=np.zeros((size, 3), np.float32),
        moves_left=np.zeros(size, np.float32),
    )


class ValueSampler:
    """Fills value batches from label rows; rows of held-out roots have no targets unless `everything`.

    One instance per thread.
    """

    def __init__(self, labels: LabelRows, config: ValueConfig, everything: bool = False) -> None:
        self._labels = labels
        self._everything = everything
        self._row = np.zeros(ROW_WORDS, np.uint64)
        self._attacks = np.zeros((2, ATTACK_WORDS), np.uint64)
        self._buckets = king_buckets(config.king_buckets)

    def fill(self, numbers: np.ndarray, batch: ValueBatch) -> None:
        """Write the rows numbers int64[n] into batch[:n]. Raises DataError for a row that is no position."""
        count = len(numbers)
        rows = np.ascontiguousarray(self._labels.rows[numbers])
        bad = fill_views(rows, self._row, self._attacks, self._buckets, batch)
        if bad >= 0:
            raise DataError(f"{self._labels.name}: row {numbers[bad]:,} is not a position")
        fields = fields_of(rows)
        batch.wdl[:count] = wdl_of_labels(rows)
        plies = np.minimum(fields["plies_left"], MOVES_LEFT_LIMIT).astype(np.float32)
        batch.moves_left[:count] = np.where(plies > 0, plies / MOVES_LEFT_SCALE, np.float32(-1))
        if not self._everything:
            left_out = np.flatnonzero(held_out(rows))
            batch.wdl[left_out], batch.moves_left[left_out] = 0.0, -1.0


@kernel()
def fill_views(rows, row, attacks, buckets, batch):
    """Write both views of packed rows; returns the number of the first that is not a position, or -1."""
    for slot in range(len(rows)):
        if not unpack_row(rows[slot], row):
            return slot
        write_attacks(row, np.int64(0), attacks[0])
        write_attacks(row, np.int64(1), attacks[1])
        batch.n_rows[slot] = write_views(row, attacks, buckets, batch.features[slot])
        batch.version[slot] = men_bucket(row)
    return -1


def label_rows_only(sets: Sequence[object]) -> list[LabelRows]:
    """The sets, which must all be label rows. Raises ConfigError for others."""
    found = [one for one in sets if isinstance(one, LabelRows)]
    if len(found) < len(sets):
        raise ConfigError("a value trunk is trained on label folders alone (--labels)")
    return found
