"""The order in which training takes rows and positions: epochs without replacement, computed from
the seed.
"""

from typing import NamedTuple

import numpy as np

from engine.board.attacks import ONE
from engine.native.jit import kernel

ORDER_VERSION = 2  # raise it when a seed gives another order: interrupted fits then begin again
ROUNDS = 4  # rounds of the Feistel network
ROUND_KEY = np.uint64(0x9E3779B1)


class Groups(NamedTuple):
    """How many positions a batch takes together, which share work."""

    games: int = 1  # of one game
    rows: int = 1  # consecutive rows of labels


class RowOrder:
    """Samples groups of consecutive rows without replacement, epoch after epoch, by a permutation
    of the groups.

    It is a four-round Feistel network over the next even number of bits. Numbers beyond the groups
    go through it again (cycle walking, Black & Rogaway 2002). It skips rows after the last whole
    group.
    """

    def __init__(self, n_rows: int, seed: int, group: int = 1) -> None:
        self._group = min(group, max(n_rows, 1))
        self._n_groups = n_rows // self._group
        self._half = np.uint64(max(1, (max(2, self._n_groups) - 1).bit_length() + 1 >> 1))
        self._seed = seed

    def __len__(self) -> int:
        return self._n_groups * self._group

    def sample(self, first: int, count: int) -> np.ndarray:
        """Return the samples numbered first..first+count-1: rows int64[count]."""
        start, stop = first // self._group, -(-(first + count) // self._group)
        groups = np.empty(stop - start, np.int64)
        permute(
            np.uint64(start), np.uint64(self._n_groups), self._half, np.uint64(self._seed), groups
        )
        rows = groups[:, None] * self._group + np.arange(self._group)
        return rows.reshape(-1)[first - start * self._group :][:count]


@kernel()
def permute(first, n_groups, half, seed, sampled):
    """Write the groups of the samples from number `first` on; `half` is half the number of bits of
    the network.
    """
    mask = (ONE << half) - ONE
    for i in range(len(sampled)):
        number = first + np.uint64(i)
        epoch, place = number // n_groups, number % n_groups
        while True:
            left, right = place >> half, place & mask
            for k in range(ROUNDS):
                mixed = (
                    right
                    + (epoch << np.uint64(32))
                    + (seed * np.uint64(ROUNDS) + np.uint64(k)) * ROUND_KEY
                )
                mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                left, right = right, left ^ ((mixed ^ (mixed >> np.uint64(31))) & mask)
            place = left << half | right
            if place < n_groups:
                break
        sampled[i] = np.int64(place)


class GameOrder:
    """Samples usable positions of games as `RowOrder` samples rows. Takes four bytes of memory per
    position.

    The positions of a group lie far apart in their game, and in its order, so that one replay of
    the game serves all of them. Skips up to group - 1 usable positions at the end of the set.
    """

    def __init__(
        self, usable: np.ndarray, game_first: np.ndarray, seed: int, group: int = 1
    ) -> None:
        """usable, game_first: as in `PositionSet`."""
        self._members = _spread(usable, game_first, group)
        self._order = RowOrder(len(self._members), seed, group)

    def __len__(self) -> int:
        return len(self._order)

    def sample(self, first: int, count: int) -> np.ndarray:
        """Return the samples numbered first..first+count-1: positions int64[count]."""
        return self._members[self._order.sample(first, count)].astype(np.int64)


def _spread(usable: np.ndarray, game_first: np.ndarray, group: int) -> np.ndarray:
    """Usable positions in an order whose every `group` ones in a row lie far apart in their game,
    or in two of them.

    Of a game with m usable positions every k-th from the first comes first, with k = ceil(m /
    group), then every k-th from the second, and so on.
    """
    members = np.flatnonzero(usable)
    if len(usable) < 2**32:
        members = members.astype(np.uint32)
    if group == 1:
        return members
    counts = np.diff(np.searchsorted(members, game_first))
    game = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(members)) - (np.cumsum(counts) - counts)[game]
    spread = members[np.lexsort((rank, rank % -(-counts // group)[game], game))]
    spread[: len(spread) // group * group].reshape(-1, group).sort(axis=1)
    return spread
