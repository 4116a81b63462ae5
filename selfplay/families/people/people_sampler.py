"""Training batches of networks of people: features with the moves before and the player's rating,
policy rows of the legal moves, targets.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.movegen import generate
from engine.native.jit import kernel
from engine.native.memory import buffers
from engine.network.people.people_features import MOST_FEATURES, WAYS_OF_SORTING, PeopleSight, look
from engine.network.people.people_parameters import PeopleConfig
from engine.network.rows.piece_count import piece_bucket
from selfplay.families.planes.planes_sampler import PROBABILITY_UNIT, games_of, replay_from
from selfplay.families.policy.sparse_sampler import write_moves
from selfplay.records.positions import PositionSet


class PeopleBatch(NamedTuple):
    """As `policy.sparse_sampler.SparseBatch`, with more features and sorts."""

    features: Annotated[np.ndarray, "int16 [B, A]"]  # active features
    n_features: Annotated[np.ndarray, "int32 [B]"]
    version: Annotated[np.ndarray, "int32 [B]"]  # which small layers serve it
    rows: Annotated[np.ndarray, "int16 [B, 218]"]  # policy rows of the legal moves
    sorts: Annotated[np.ndarray, "int32 [B, 218, Q]"]  # what sorts of move each is
    n_moves: Annotated[np.ndarray, "int32 [B]"]
    policy: Annotated[np.ndarray, "float32 [B, 218]"]  # targets of the legal moves
    wdl: Annotated[np.ndarray, "float32 [B, 3]"]  # zeros if unknown, as in `policy`
    moves_left: Annotated[np.ndarray, "float32 [B]"]  # below 0: it is not learned


def new_people_batch(size: int) -> PeopleBatch:
    return buffers(PeopleBatch, B=size, A=MOST_FEATURES, Q=WAYS_OF_SORTING)


class PeopleReplay(NamedTuple):
    """Buffers of one thread."""

    stack: Annotated[np.ndarray, "uint64 [plies, 16]"]
    legal: Annotated[np.ndarray, "uint16 [218]"]
    sight: PeopleSight


class PeopleSampler:
    """Fills batches from one set of games, for networks of these sizes. One instance per thread."""

    def __init__(self, positions: PositionSet, config: PeopleConfig) -> None:
        self.positions, self._config = positions, config
        self._games = games_of(positions)
        plies = int(np.diff(positions.game_first).max(initial=0)) + 2
        self._replay = buffers(PeopleReplay, plies=plies)

    def fill(self, numbers: np.ndarray, changes: np.ndarray, batch: PeopleBatch) -> None:
        """Write the positions numbers int64[n] into batch[:n]; there are no changes."""
        count = len(numbers)
        positions = self.positions
        games = np.searchsorted(positions.game_first, numbers, side="right") - 1
        bands = self._config.bands(positions.rating[numbers])
        n_bands = np.int64(self._config.n_bands)
        fill_people(self._games, numbers, games, bands, n_bands, self._replay, batch)
        batch.wdl[:count] = positions.wdl[numbers]
        batch.moves_left[:count] = -1.0


@kernel()
def fill_people(source, numbers, games, bands, n_bands, replay, batch):
    """Rebuild position numbers[b] of games[b], for a player of bands[b], into slot b, for every b;
    neighbours of one game share a replay.
    """
    game, ply = np.int64(-1), np.int64(0)
    for slot in range(len(numbers)):
        number = numbers[slot]
        if games[slot] != game or number - source.game_first[game] < ply:
            game = games[slot]
            ply = np.int64(0)
        ply = replay_from(source, game, ply, number, replay.stack)
        row = replay.stack[ply]
        sight = replay.sight
        n_moves = np.int64(generate(row, replay.legal))
        count = look(replay.stack, ply, bands[slot], n_bands, replay.legal, n_moves, sight)
        batch.n_moves[slot], batch.n_features[slot] = n_moves, count
        batch.version[slot] = piece_bucket(row)
        for i in range(count):
            batch.features[slot, i] = sight.features[i]
        first, last = source.target_first[number], source.target_first[number + 1]
        moves, probabilities = source.target_moves[first:last], source.target_probs[first:last]
        write_moves(n_moves, moves, probabilities, PROBABILITY_UNIT, replay, batch, slot)
