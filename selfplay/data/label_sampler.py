"""Sparse training batches from a label folder: positions mapped from disk, in an order that needs no memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.board.movegen import generate
from engine.errors import DataError
from engine.native.jit import kernel
from engine.network.sparse.features import Sight, new_sight
from engine.network.sparse.inference import MOVES_LEFT_SCALE
from selfplay.data.sparse_sampler import SparseBatch, write_features
from selfplay.records.calibration import CALM_VALUE, MOVE_SCORES, QUIESCENCE_VALUE
from selfplay.records.label_folder import fields_of
from selfplay.records.packed import CALM, SCORED_WORDS, TOP_MOVES, VALUE_WORDS, unpack_row
from selfplay.records.targets import MOVES_LEFT_LIMIT, policy_from_scores

__all__ = ["HELD_OUT_EVERY", "LabelOrder", "LabelRows", "LabelSampler", "held_out", "wdl_of_labels"]

HELD_OUT_EVERY = 64  # one root in this many is never trained on
ROUNDS = 4  # rounds of the Feistel network


@dataclass(frozen=True)
class LabelRows:
    """Packed rows [N, 4], or [N, 8] with scored moves, as a set to train on."""

    name: str
    rows: np.ndarray

    @property
    def n_games(self) -> int:
        """Every row is a game of its own."""
        return len(self.rows)

    @property
    def n_positions(self) -> int:
        """Number of rows."""
        return len(self.rows)


def held_out(rows: np.ndarray) -> np.ndarray:
    """bool[n]: rows whose root is held out, so that no game is in both parts."""
    return fields_of(rows)["root"] % HELD_OUT_EVERY == 0


class LabelOrder:
    """Draws groups of consecutive rows without replacement, epoch after epoch, by a computed permutation of the groups.

    It is a four-round Feistel network over the next even number of bits. Numbers beyond the groups go through it again
    (cycle walking, Black & Rogaway 2002). Rows after the last whole group are left out.
    """

    def __init__(self, n_rows: int, seed: int, group: int = 1) -> None:
        self._group = min(group, max(n_rows, 1))
        self._n_groups = n_rows // self._group
        self._half = np.uint64(max(1, (max(2, self._n_groups) - 1).bit_length() + 1 >> 1))
        self._seed = seed

    def __len__(self) -> int:
        """Rows of an epoch."""
        return self._n_groups * self._group

    def draw(self, first: int, count: int) -> np.ndarray:
        """The draws numbered first..first+count-1: rows int64[count]."""
        start, stop = first // self._group, -(-(first + count) // self._group)
        numbers = np.arange(start, stop, dtype=np.uint64)
        epochs, places = numbers // np.uint64(self._n_groups), numbers % np.uint64(self._n_groups)
        drawn = self._permuted(places, epochs)
        while len(beyond := np.flatnonzero(drawn >= self._n_groups)):
            drawn[beyond] = self._permuted(drawn[beyond], epochs[beyond])
        rows = drawn.astype(np.int64)[:, None] * self._group + np.arange(self._group)
        return rows.reshape(-1)[first - start * self._group :][:count]

    def _permuted(self, places: np.ndarray, epochs: np.ndarray) -> np.ndarray:
        mask = (np.uint64(1) << self._half) - np.uint64(1)
        left, right = places >> self._half, places & mask
        for number in range(ROUNDS):
            mixed = right + (epochs << np.uint64(32)) + np.uint64((self._seed * ROUNDS + number) * 0x9E3779B1)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            left, right = right, left ^ ((mixed ^ (mixed >> np.uint64(31))) & mask)
        return left << self._half | right


class Buffers(NamedTuple):
    """Buffers of one thread."""

    row: np.ndarray  # uint64 [16]
    legal: np.ndarray  # uint16 [218]
    sight: Sight


class LabelSampler:
    """Fills sparse batches from label rows, with the methods of `SparseSampler`. One instance per thread.

    Rows without scored moves take no part in the policy loss. Rows off a game's path take no part in the moves-left
    loss. Rows of held-out roots take no part in any loss.
    """

    def __init__(self, labels: LabelRows) -> None:
        self._labels = labels
        self._buffers = Buffers(np.zeros(ROW_WORDS, np.uint64), np.zeros(MAX_MOVES, np.uint16), new_sight())

    def fill(self, numbers: np.ndarray, variations: np.ndarray, batch: SparseBatch) -> None:
        """Write the rows numbers int64[n] into batch[:n]. Raises DataError for a row that is no position."""
        count = len(numbers)
        if not count:
            return
        rows = np.ascontiguousarray(self._labels.rows[numbers])
        moves, probabilities = _policy(rows)
        bad = fill_labels(rows, moves, probabilities, self._buffers, batch)
        if bad >= 0:
            raise DataError(f"{self._labels.name}: row {numbers[bad]:,} is not a position")
        fields = fields_of(rows)
        batch.wdl[:count] = wdl_of_labels(rows)
        plies = np.minimum(fields["plies_left"], MOVES_LEFT_LIMIT).astype(np.float32)
        batch.moves_left[:count] = np.where(plies > 0, plies / MOVES_LEFT_SCALE, np.float32(-1))
        left_out = np.flatnonzero(held_out(rows))
        batch.wdl[left_out], batch.n_moves[left_out], batch.moves_left[left_out] = 0.0, 0, -1.0


def wdl_of_labels(rows: np.ndarray) -> np.ndarray:
    """Win, draw, loss float32 [n, 3] of packed rows, each kind on its own calibrated scale."""
    fields = fields_of(rows)
    if rows.shape[1] == SCORED_WORDS:
        return MOVE_SCORES.wdl(fields["score"])
    calm = (fields["kind"] & CALM > 0)[:, None]
    return np.where(calm, CALM_VALUE.wdl(fields["score"]), QUIESCENCE_VALUE.wdl(fields["score"]))


def _policy(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(moves uint16 [n, 8], their probabilities float32 [n, 8]) of scored rows; without columns for other rows."""
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
def fill_labels(rows, moves, probabilities, buffers, batch):
    """Write features of rows [n, words] to the batch, with targets of the legal moves if moves are scored.

    Returns the number of the first row that is not a position, or -1.
    """
    for slot in range(len(rows)):
        if not unpack_row(rows[slot], buffers.row):
            return slot
        count = np.int64(generate(buffers.row, buffers.legal)) if moves.shape[1] else np.int64(0)
        batch.n_moves[slot] = count
        write_features(buffers.row, count, buffers, batch, slot)
        for i in range(count):
            batch.rows[slot, i] = buffers.sight.rows[i]
            batch.sorts[slot, i] = buffers.sight.sorts[i]
            batch.policy[slot, i] = 0.0
            for target in range(moves.shape[1]):
                if moves[slot, target] == buffers.legal[i]:
                    batch.policy[slot, i] = probabilities[slot, target]
    return -1
