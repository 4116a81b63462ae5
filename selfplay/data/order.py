"""The order in which positions of a set are drawn: epochs without replacement, fixed by seed and draws."""

from __future__ import annotations

import numpy as np

from selfplay.records.positions import PositionSet, offsets


class EpochOrder:
    """Draws usable positions without replacement, epoch after epoch, `group` positions of a game at a time.

    Uses eight bytes of memory per position with `group` 1, and little over four with larger groups.

    The positions of a group lie far apart in their game and keep its order, so that one replay of the game serves all
    of them. With `group` 1 every position is drawn separately.
    """

    def __init__(self, positions: PositionSet, seed: int, group: int = 1) -> None:
        self._members, self._first = _grouped(positions, group)
        self._seed = seed
        self._epoch = -1
        self._order = self._ends = self._first[:0]
        self._single = group == 1  # a group's number is then its member's place, so offsets are not needed

    def __len__(self) -> int:
        """Number of positions in an epoch."""
        return len(self._members)

    def draw(self, first: int, count: int) -> np.ndarray:
        """The draws numbered first..first+count-1: positions int64[count]."""
        drawn = np.empty(count, np.int64)
        filled = 0
        while filled < count:
            epoch, offset = divmod(first + filled, len(self))
            if epoch != self._epoch:
                self._shuffle(epoch)
            piece = self._piece(offset, min(offset + count - filled, len(self)))
            drawn[filled : filled + len(piece)] = piece
            filled += len(piece)
        return drawn

    def _shuffle(self, epoch: int) -> None:
        groups = len(self) if self._single else len(self._first) - 1
        numbers = np.arange(groups, dtype=_index_type(groups))
        self._order = np.random.default_rng([self._seed, epoch]).permutation(numbers)
        if not self._single:
            self._ends = np.cumsum(np.diff(self._first)[self._order])
        self._epoch = epoch

    def _piece(self, first: int, last: int) -> np.ndarray:
        """Positions first..last-1 of the epoch."""
        if self._single:
            return self._members[self._order[first:last]]
        low = int(np.searchsorted(self._ends, first, side="right"))
        high = int(np.searchsorted(self._ends, last, side="left")) + 1
        groups = self._order[low:high]
        sizes = self._first[groups + 1] - self._first[groups]
        places = np.repeat(self._first[groups] - offsets(sizes)[:-1], sizes) + np.arange(sizes.sum())
        skipped = first - (int(self._ends[low]) - int(sizes[0]))
        return self._members[places[skipped : skipped + last - first]]


def _grouped(positions: PositionSet, group: int) -> tuple[np.ndarray, np.ndarray]:
    """(usable positions int64[n] ordered by group, first of each group int64[groups + 1]).

    A game with m usable positions makes k = ceil(m / group) groups. Group j takes every k-th position from the j-th.
    """
    members = np.flatnonzero(positions.usable).astype(_index_type(positions.n_positions))
    if group == 1:
        return members, np.zeros(0, np.int64)
    counts = np.diff(np.searchsorted(members, positions.game_first))
    groups = -(-counts // group)
    game = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(members)) - offsets(counts)[:-1][game]
    number, place = rank % groups[game], rank // groups[game]
    small, extra = counts[game] // groups[game], counts[game] % groups[game]
    ordered = np.empty_like(members)
    ordered[offsets(counts)[:-1][game] + number * small + np.minimum(number, extra) + place] = members
    of_game = np.repeat(np.arange(len(counts)), groups)
    index = np.arange(len(of_game)) - offsets(groups)[:-1][of_game]
    return ordered, offsets(counts[of_game] // groups[of_game] + (index < counts[of_game] % groups[of_game]))


def _index_type(n: int) -> type[np.unsignedinteger]:
    """Smallest type for numbers below n. A mapped set keeps only the epoch's order in memory."""
    return np.uint32 if n < 2**32 else np.uint64
