"""Sparse training batches from a label folder, whose positions are mapped from disk."""

from __future__ import annotations

import numpy as np

from engine.board.layout import KEY
from engine.board.movegen import generate
from engine.errors import DataError
from engine.native.jit import kernel
from selfplay.data.label_rows import LabelRows, is_held_out, targets, write_target
from selfplay.families.policy.sparse_sampler import SparseBatch, new_replay, write_features, write_moves
from selfplay.records.packed import TOP_MOVES, VALUE_WORDS, unpack_row
from selfplay.records.targets import policy_from_scores


class LabelSampler:
    """Fills sparse batches from label rows, with the methods of `SparseSampler`. One instance per thread.

    Rows without scored moves take no part in the policy loss. Rows off a game's path take no part in the moves-left
    loss. Rows that are held out (`Split`) take no part in any loss.
    """

    def __init__(self, labels: LabelRows) -> None:
        self._labels = labels
        self._replay = new_replay(0)

    def fill(self, numbers: np.ndarray, variations: np.ndarray, batch: SparseBatch) -> None:
        """Write the rows numbers int64[n] into batch[:n]. Raises DataError for a row that is no position."""
        if not len(numbers):
            return
        rows = np.ascontiguousarray(self._labels.rows[numbers])
        split = self._labels.split
        held = np.int64(split.limit), split.keys
        bad = fill_labels(rows, *_policy(rows), targets(), held, self._replay, batch)
        if bad >= 0:
            raise DataError(f"{self._labels.name}: row {numbers[bad]:,} is not a position")


def _policy(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (moves uint16 [n, 8], their probabilities float32 [n, 8]) of scored rows; no columns for other rows."""
    if rows.shape[1] == VALUE_WORDS:
        return np.zeros((len(rows), 0), np.uint16), np.zeros((len(rows), 0), np.float32)
    pairs = rows[:, VALUE_WORDS:].view(np.uint16).reshape(len(rows), TOP_MOVES, 2)
    moves, scores = pairs[:, :, 0], pairs[:, :, 1].view(np.int16).astype(np.float32)
    scores = np.where(moves > 0, scores, -np.inf)
    scores[:, 0] = pairs[:, 0, 1].view(np.int16)  # every scored position has at least one move
    with np.errstate(over="ignore"):
        probabilities = policy_from_scores(scores.reshape(-1), np.arange(0, len(rows) * TOP_MOVES + 1, TOP_MOVES))
    return np.ascontiguousarray(moves), probabilities.reshape(len(rows), TOP_MOVES)


@kernel()
def fill_labels(rows, moves, probabilities, targets, held, replay, batch):
    """Write features and targets of rows [n, words] to the batch; targets of legal moves too if moves are scored.

    Returns the number of the first row that is not a position, or -1.
    """
    for slot in range(len(rows)):
        row = replay.child
        if not unpack_row(rows[slot], row):
            return slot
        trained = not is_held_out(rows[slot], row[KEY], *held)
        write_target(rows[slot], targets, trained, slot, batch)
        count = np.int64(generate(row, replay.legal)) if trained and moves.shape[1] else np.int64(0)
        batch.n_moves[slot] = count
        write_features(row, count, replay, batch, slot)
        write_moves(count, moves[slot], probabilities[slot], np.float32(1.0), replay, batch, slot)
    return -1
