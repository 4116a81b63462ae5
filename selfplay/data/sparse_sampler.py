"""Training batches of the sparse family: active features, policy rows of the legal moves, targets; no planes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.native.jit import kernel
from engine.network.outputs import MOVES_LEFT_SCALE
from engine.network.policy.features import MAX_ACTIVE, SORTS, Sight, new_sight
from engine.network.policy.moves import look
from selfplay.data.sampler import PROBABILITY_UNIT, games_of, replay_from
from selfplay.records.positions import PositionSet
from selfplay.records.targets import moves_left_target, wdl_from_score


class SparseBatch(NamedTuple):
    """B positions with targets; legal move j of position b for j < n_moves[b], everything from the mover's side.

    A position after a variation has no legal moves here, because only its value is known.
    """

    features: np.ndarray  # int16 [B, 56] active features; undefined from n_features on
    n_features: np.ndarray  # int32 [B]
    rows: np.ndarray  # int16 [B, 218] policy rows of the legal moves; undefined from n_moves on
    sorts: np.ndarray  # int16 [B, 218, 4] what sorts of move each is; undefined from n_moves on
    n_moves: np.ndarray  # int32 [B]
    policy: np.ndarray  # float32 [B, 218] target probabilities of the legal moves; undefined from n_moves on
    wdl: np.ndarray  # float32 [B, 3]; zeros if unknown, as in `policy`
    moves_left: np.ndarray  # float32 [B] hundreds of plies, at most 2.5; below 0 if unknown


def new_sparse_batch(size: int) -> SparseBatch:
    return SparseBatch(
        features=np.zeros((size, MAX_ACTIVE), np.int16),
        n_features=np.zeros(size, np.int32),
        rows=np.zeros((size, MAX_MOVES), np.int16),
        sorts=np.zeros((size, MAX_MOVES, len(SORTS)), np.int16),
        n_moves=np.zeros(size, np.int32),
        policy=np.zeros((size, MAX_MOVES), np.float32),
        wdl=np.zeros((size, 3), np.float32),
        moves_left=np.zeros(size, np.float32),
    )


class Replay(NamedTuple):
    """Buffers of one thread."""

    stack: np.ndarray  # uint64 [plies, 16]
    child: np.ndarray  # uint64 [16]
    legal: np.ndarray  # uint16 [218]
    sight: Sight


def new_replay(plies: int) -> Replay:
    """Buffers for games of up to `plies` positions."""
    stack, child = np.zeros((plies, ROW_WORDS), np.uint64), np.zeros(ROW_WORDS, np.uint64)
    return Replay(stack, child, np.zeros(MAX_MOVES, np.uint16), new_sight())


class SparseSampler:
    """Fills sparse batches from one set of games. One instance per thread: it owns the replay's stack."""

    def __init__(self, positions: PositionSet) -> None:
        self.positions = positions
        self._games = games_of(positions)
        self._replay = new_replay(int(np.diff(positions.game_first).max(initial=0)) + 2)

    def fill(self, numbers: np.ndarray, variations: np.ndarray, batch: SparseBatch) -> None:
        """Write the positions numbers int64[n] into batch[:n].

        variations int64[n]: -1 for the position itself, else the number of one of its policy targets. The sample is
        then the position after that move, which has a known score.
        """
        count, positions = len(numbers), self.positions
        games = np.searchsorted(positions.game_first, numbers, side="right") - 1
        fill_sparse(self._games, numbers, games, variations, self._replay, batch)
        batch.wdl[:count] = positions.wdl[numbers]
        batch.moves_left[:count] = moves_left_target(positions.moves_left[numbers]) / MOVES_LEFT_SCALE
        after = np.flatnonzero(variations >= 0)
        if len(after):
            batch.wdl[after] = wdl_from_score(-positions.target_scores[variations[after]].astype(np.float32))
            batch.moves_left[after] = -1.0


@kernel()
def fill_sparse(source, numbers, games, variations, replay, batch):
    """Rebuild position numbers[b] of games[b] into slot b, for every b; neighbours of one game share a replay."""
    game, ply = np.int64(-1), np.int64(0)
    for slot in range(len(numbers)):
        number = numbers[slot]
        if games[slot] != game or number - source.game_first[game] < ply:
            game, ply = games[slot], np.int64(0)
        ply = replay_from(source, game, ply, number, replay.stack)
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
    batch.n_moves[slot] = count
    write_features(row, count, replay, batch, slot)
    first, last = source.target_first[number], source.target_first[number + 1]
    write_moves(
        count, source.target_moves[first:last], source.target_probs[first:last], PROBABILITY_UNIT, replay, batch, slot
    )


@kernel()
def write_moves(count, moves, probabilities, unit, replay, batch, slot):
    """Write policy rows and sorts of the `count` legal moves, and the probabilities, in units, of those in `moves`."""
    for i in range(count):
        batch.rows[slot, i] = replay.sight.rows[i]
        batch.sorts[slot, i] = replay.sight.sorts[i]
        batch.policy[slot, i] = 0.0
        for target in range(len(moves)):
            if moves[target] == replay.legal[i]:
                batch.policy[slot, i] = probabilities[target] * unit


@kernel()
def write_features(row, n_moves, replay, batch, slot):
    """Write a position's active features, and the policy rows of its first `n_moves` legal moves to the sight."""
    count = look(row, replay.legal, n_moves, replay.sight)
    batch.n_features[slot] = count
    for i in range(count):
        batch.features[slot, i] = replay.sight.features[i]
