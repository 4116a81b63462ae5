"""Training batches of the sparse family: active features, policy rows of the legal moves, targets;
no planes.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.layout import KEY
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.errors import DataError
from engine.native.aligned_arrays import buffers
from engine.native.jit import kernel
from engine.network.accumulator.piece_count import piece_bucket
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.sparse.moves import look
from engine.network.sparse.policy_features import MAX_ACTIVE, Sight
from selfplay.data.label_rows import LabelRows, is_held_out, targets, write_target
from selfplay.families.planes.planes_sampler import PROBABILITY_UNIT, GameSampler, replay_to
from selfplay.records.packed import TOP_MOVES, VALUE_WORDS, unpack_row
from selfplay.records.positions import PositionSet
from selfplay.records.targets import moves_left_target, policy_from_scores, wdl_from_score


class SparseBatch(NamedTuple):
    """B positions with targets; legal move j of position b for j < n_moves[b], everything from the
    mover's side.

    A position after a variation has no legal moves here, because only its value is known.
    """

    # Active features; undefined from n_features on.
    features: Annotated[np.ndarray, "int16 [B, A]"]
    n_features: Annotated[np.ndarray, "int32 [B]"]
    version: Annotated[np.ndarray, "int32 [B]"]  # which small layers serve it
    # Policy rows of the legal moves; undefined from n_moves on.
    rows: Annotated[np.ndarray, "int16 [B, 218]"]
    # What sorts of move each is; undefined from n_moves on.
    sorts: Annotated[np.ndarray, "int16 [B, 218, 4]"]
    n_moves: Annotated[np.ndarray, "int32 [B]"]
    # Targets of the legal moves; undefined from n_moves on.
    policy: Annotated[np.ndarray, "float32 [B, 218]"]
    wdl: Annotated[np.ndarray, "float32 [B, 3]"]  # zeros if unknown, as in `policy`
    # Hundreds of plies, at most 2.5; below 0 if unknown.
    moves_left: Annotated[np.ndarray, "float32 [B]"]


def new_sparse_batch(size: int) -> SparseBatch:
    return buffers(SparseBatch, B=size, A=MAX_ACTIVE)


class Replay(NamedTuple):
    """Buffers of one thread."""

    stack: Annotated[np.ndarray, "uint64 [plies, 16]"]
    child: Annotated[np.ndarray, "uint64 [16]"]
    legal: Annotated[np.ndarray, "uint16 [218]"]
    sight: Sight


class SparseSampler(GameSampler):
    """Fills sparse batches from one set of games."""

    def __init__(self, positions: PositionSet) -> None:
        super().__init__(positions)
        self._replay = buffers(Replay, plies=self.plies)

    def fill(self, numbers: np.ndarray, variations: np.ndarray, batch: SparseBatch) -> None:
        """Write the positions numbers int64[n] into batch[:n].

        variations int64[n]: -1 for the position itself, else the number of one of its policy
        targets. The sample is then the position after that move, which has a known score.
        """
        count = len(numbers)
        positions = self.positions
        games = self.games(numbers)
        fill_sparse(self.source, numbers, games, variations, self._replay, batch)
        batch.wdl[:count] = positions.wdl[numbers]
        batch.moves_left[:count] = (
            moves_left_target(positions.moves_left[numbers]) / MOVES_LEFT_SCALE
        )
        after = np.flatnonzero(variations >= 0)
        if len(after):
            batch.wdl[after] = wdl_from_score(
                -positions.target_scores[variations[after]].astype(np.float32)
            )
            batch.moves_left[after] = -1.0


@kernel()
def fill_sparse(source, numbers, games, variations, replay, batch):
    """Rebuild position numbers[b] of games[b] into slot b, for every b; neighbours of one game
    share a replay.
    """
    for slot in range(len(numbers)):
        number = numbers[slot]
        ply = replay_to(source, games[slot], number, replay.stack)
        target = variations[slot]
        if target < 0:
            _write_position(source, number, replay.stack[ply], replay, batch, slot)
        else:
            make(replay.stack[ply], np.int64(source.target_moves[target]), replay.child)
            batch.n_moves[slot] = 0
            write_features(replay.child, np.int64(0), replay, batch, slot)


@kernel()
def _write_position(source, number, row, replay, batch, slot):
    """Write features, legal moves, and their target probabilities from position `number`."""
    count = np.int64(generate(row, replay.legal))
    write_features(row, count, replay, batch, slot)
    write_targets(source, number, count, replay, batch, slot)


@kernel()
def write_targets(source, number, count, replay, batch, slot):
    """Write the `count` legal moves, and their target probabilities from position `number`."""
    batch.n_moves[slot] = count
    targets = slice(source.target_first[number], source.target_first[number + 1])
    moves, probabilities = source.target_moves[targets], source.target_probs[targets]
    write_moves(count, moves, probabilities, PROBABILITY_UNIT, replay, batch, slot)


@kernel()
def write_moves(count, moves, probabilities, unit, replay, batch, slot):
    """Write policy rows and sorts of the `count` legal moves, and the probabilities, in units, of
    those in `moves`.
    """
    for i in range(count):
        batch.rows[slot, i] = replay.sight.rows[i]
        batch.sorts[slot, i] = replay.sight.sorts[i]
        batch.policy[slot, i] = 0.0
        for target in range(len(moves)):
            if moves[target] == replay.legal[i]:
                batch.policy[slot, i] = probabilities[target] * unit


@kernel()
def write_features(row, n_moves, replay, batch, slot):
    """Write a position's active features, and the policy rows of its first `n_moves` legal moves to
    the sight.
    """
    keep_sampled(row, look(row, replay.legal, n_moves, replay.sight), replay, batch, slot)


@kernel()
def keep_sampled(row, count, replay, batch, slot):
    """Write the `count` active features that a sight has of a position."""
    batch.n_features[slot] = count
    batch.version[slot] = piece_bucket(row)
    for i in range(count):
        batch.features[slot, i] = replay.sight.features[i]


class LabelSampler:
    """Fills sparse batches from label rows, with the methods of `SparseSampler`. One instance per
    thread.

    Rows without scored moves take no part in the policy loss. Rows off a game's path take no part
    in the moves-left loss. Rows that are held out (`Split`) take no part in any loss.
    """

    def __init__(self, labels: LabelRows) -> None:
        self._labels = labels
        self._replay = buffers(Replay, plies=0)

    def fill(self, numbers: np.ndarray, variations: np.ndarray, batch: SparseBatch) -> None:
        """Write the rows numbers int64[n] into batch[:n]. Raises DataError for a row that is no
        position.
        """
        if not len(numbers):
            return
        rows = np.ascontiguousarray(self._labels.rows[numbers])
        split = self._labels.split
        held = np.int64(split.limit), split.keys
        bad = fill_labels(rows, *_policy(rows), targets(), held, self._replay, batch)
        if bad >= 0:
            raise DataError(f"{self._labels.name}: row {numbers[bad]:,} is not a position")


def _policy(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (moves uint16 [n, 8], their probabilities float32 [n, 8]) of scored rows; no columns
    for other rows.
    """
    if rows.shape[1] == VALUE_WORDS:
        return np.zeros((len(rows), 0), np.uint16), np.zeros((len(rows), 0), np.float32)
    pairs = rows[:, VALUE_WORDS:].view(np.uint16).reshape(len(rows), TOP_MOVES, 2)
    moves = pairs[:, :, 0]
    scores = pairs[:, :, 1].view(np.int16).astype(np.float32)
    scores = np.where(moves > 0, scores, -np.inf)
    scores[:, 0] = pairs[:, 0, 1].view(np.int16)  # every scored position has at least one move
    with np.errstate(over="ignore"):
        probabilities = policy_from_scores(
            scores.reshape(-1), np.arange(0, len(rows) * TOP_MOVES + 1, TOP_MOVES)
        )
    return np.ascontiguousarray(moves), probabilities.reshape(len(rows), TOP_MOVES)


@kernel()
def fill_labels(rows, moves, probabilities, targets, held, replay, batch):
    """Write features and targets of rows [n, words] to the batch; targets of legal moves too if
    moves are scored.

    Returns the number of the first row that is not a position, or -1.
    """
    for slot in range(len(rows)):
        row = replay.child
        if not unpack_row(rows[slot], row):
            return slot
        trained = not is_held_out(rows[slot], row[KEY], *held)
        write_target(rows[slot], targets, trained, slot, batch)
        count = np.int64(0)
        if trained and moves.shape[1]:
            count = np.int64(generate(row, replay.legal))
        batch.n_moves[slot] = count
        write_features(row, count, replay, batch, slot)
        write_moves(count, moves[slot], probabilities[slot], np.float32(1.0), replay, batch, slot)
    return -1
