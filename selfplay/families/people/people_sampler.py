"""Training batches of networks of people: features with the moves before and the player's rating,
policy rows of the legal moves, targets.
"""

import numpy as np

from engine.board.layout import MAX_MOVES
from engine.board.movegen import generate
from engine.native.aligned_arrays import aligned_zeros, buffers
from engine.native.jit import kernel
from engine.network.people.people_features import MOST_FEATURES, WAYS_OF_SORTING, PeopleSight, look
from engine.network.people.people_parameters import PeopleConfig
from selfplay.families.planes.planes_sampler import GameSampler, replay_to
from selfplay.families.policy.sparse_sampler import (
    Replay,
    SparseBatch,
    keep_sampled,
    write_targets,
)
from selfplay.records.positions import PositionSet


def new_people_batch(size: int) -> SparseBatch:
    sorts = aligned_zeros(size, MAX_MOVES, WAYS_OF_SORTING, dtype=np.int32)
    return buffers(SparseBatch, {"sorts": sorts}, B=size, A=MOST_FEATURES)


class PeopleSampler(GameSampler):
    """Fills batches from one set of games, for networks of these sizes."""

    def __init__(self, positions: PositionSet, config: PeopleConfig) -> None:
        super().__init__(positions)
        self._config = config
        self._replay = buffers(Replay, {"sight": buffers(PeopleSight)}, plies=self.plies)

    def fill(self, numbers: np.ndarray, variations: np.ndarray, batch: SparseBatch) -> None:
        """Write the positions numbers int64[n] into batch[:n]; nothing is varied."""
        count = len(numbers)
        positions = self.positions
        bands = self._config.bands(positions.rating[numbers])
        n_bands = np.int64(self._config.n_bands)
        games = self.games(numbers)
        fill_people(self.source, numbers, games, bands, n_bands, self._replay, batch)
        batch.wdl[:count] = positions.wdl[numbers]
        batch.moves_left[:count] = -1.0


@kernel()
def fill_people(source, numbers, games, bands, n_bands, replay, batch):
    """Rebuild position numbers[b] of games[b], for a player of bands[b], into slot b, for every b;
    neighbours of one game share a replay.
    """
    stack, legal = replay.stack, replay.legal
    for slot in range(len(numbers)):
        ply = replay_to(source, games[slot], numbers[slot], stack)
        n_moves = np.int64(generate(stack[ply], legal))
        count = look(stack, ply, bands[slot], n_bands, legal, n_moves, replay.sight)
        keep_sampled(stack[ply], count, replay, batch, slot)
        write_targets(source, numbers[slot], n_moves, replay, batch, slot)
