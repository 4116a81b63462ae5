"""Training batches of the value trunk from label folders: rows of both views, and targets.

Consecutive rows of a folder are often siblings, which share most rows of their views. Batches
therefore consist of groups of consecutive rows, and list what changes from one position to the next
beside what is there.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.layout import KEY, ROW_WORDS, SIDE
from engine.errors import DataError
from engine.native.aligned_arrays import buffers
from engine.native.jit import kernel
from engine.network.accumulator.piece_count import piece_bucket
from engine.network.value.value_features import MAX_VIEW, write_view_of
from engine.network.value.value_parameters import VALUE_ROWS
from selfplay.data.label_rows import LabelRows, is_held_out, targets, write_target
from selfplay.data.split import Split
from selfplay.records.packed import unpack_row


class ValueBatch(NamedTuple):
    """B positions with targets for the side to move; rows from n_rows on are undefined.

    A view is listed as changes of the same side's view in the previous position, or anew where that
    is no more work.
    """

    # Rows of White's view, from 32 on of Black's.
    features: Annotated[np.ndarray, "int16 [B, 2 * MAX_VIEW]"]
    n_rows: Annotated[np.ndarray, "int32 [B]"]  # of each view
    # Rows that come, then those that go, White's and Black's.
    changes: Annotated[np.ndarray, "int16 [B, 2 * MAX_VIEW]"]
    n_coming: Annotated[np.ndarray, "int32 [B, 2]"]  # of each view; -1 if it is listed anew
    n_going: Annotated[np.ndarray, "int32 [B, 2]"]
    side: Annotated[np.ndarray, "int32 [B]"]  # to move: 0 White, 1 Black
    version: Annotated[np.ndarray, "int32 [B]"]  # which small layers serve it
    wdl: Annotated[np.ndarray, "float32 [B, 3]"]  # zeros if unknown
    # Hundreds of plies, at most 2.5; below 0 if unknown.
    moves_left: Annotated[np.ndarray, "float32 [B]"]


def new_value_batch(size: int) -> ValueBatch:
    return buffers(ValueBatch, B=size)


class ValueSampler:
    """Fills value batches from label rows; rows that are held out have no targets unless
    `everything`.

    One instance per thread.
    """

    def __init__(self, labels: LabelRows, everything: bool = False) -> None:
        split = Split(limit=0) if everything else labels.split
        self._labels = labels
        self._held = np.int64(split.limit), split.keys
        self._row = np.zeros(ROW_WORDS, np.uint64)
        self._marks = np.zeros(VALUE_ROWS, np.bool_)

    def fill(self, numbers: np.ndarray, variations: np.ndarray, batch: ValueBatch) -> None:
        """Write the rows numbers int64[n] into batch[:n]. Raises DataError for a row that is no
        position.

        variations: unused; rows are not varied.
        """
        rows = np.ascontiguousarray(self._labels.rows[numbers])
        bad = fill_views(rows, self._row, self._marks, targets(), self._held, batch)
        if bad >= 0:
            raise DataError(f"{self._labels.name}: row {numbers[bad]:,} is not a position")


@kernel()
def fill_views(rows, row, marks, targets, held, batch):
    """Write both views of packed rows [n, words], and their targets.

    Returns the number of the first that is not a position, or -1. The first position is listed
    anew. marks: bool by row, all False. held: limit and keys of the `Split`.
    """
    for slot in range(len(rows)):
        if not unpack_row(rows[slot], row):
            return slot
        batch.side[slot] = row[SIDE]
        batch.version[slot] = piece_bucket(row)
        trained = not is_held_out(rows[slot], row[KEY], *held)
        write_target(rows[slot], targets, trained, slot, batch)
        for side in range(2):
            view = batch.features[slot, side * MAX_VIEW : (side + 1) * MAX_VIEW]
            batch.n_rows[slot] = write_view_of(row, side, view)
            batch.n_coming[slot, side] = -1
            if slot > 0:
                _list_changes(batch, slot, side * MAX_VIEW, side, marks)
    return -1


@kernel()
def _list_changes(batch, slot, first, side, marks):
    """List how a side's view changes from the previous slot, unless so much changes that it is
    better listed anew.
    """
    before = batch.features[slot - 1]
    after = batch.features[slot]
    changes = batch.changes[slot]
    n_before, n_after = batch.n_rows[slot - 1], batch.n_rows[slot]
    shared = np.int64(0)
    for i in range(first, first + n_before):
        marks[before[i]] = True
    for i in range(first, first + n_after):
        shared += marks[after[i]]
    going = n_before - shared
    coming = n_after - shared
    if coming + going < n_after:
        at = first
        for i in range(first, first + n_after):
            if marks[after[i]]:
                marks[after[i]] = False
            else:
                changes[at] = after[i]
                at += 1
        for i in range(first, first + n_before):
            if marks[before[i]]:
                changes[at] = before[i]
                at += 1
        batch.n_coming[slot, side] = coming
        batch.n_going[slot, side] = going
    for i in range(first, first + n_before):
        marks[before[i]] = False
