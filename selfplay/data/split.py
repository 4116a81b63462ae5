"""Which games are the same, and which are held out of training: the same ones for every source and
command.

Two games are the same if they have the same start and played moves (`game_keys`), wherever they are
stored. A game's root is sixteen bits of its hash; labels sampled around a game carry it. Roots
below a limit are held out, so the share held out by one command contains that of another with a
smaller share; none trains on games below HELD_OUT_SHARE. A position of a held-out game that also
occurs in a training game is not unseen, and is not scored. Where labels contain a position that is
scored, they teach nothing.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from engine.board.layout import KEY, ROW_WORDS
from engine.board.makemove import make
from engine.native.jit import kernel
from selfplay.records.positions import UNKNOWN_MOVES_LEFT, PositionSet

ROOTS = 1 << 16
SAMPLED = 1 << 16  # entries of an array that are looked at to tell sets apart
# Of the games, at least; commands that look for unseen positions rely on it.
HELD_OUT_SHARE = 1 / 64
# Odd constant of a multiplicative hash: SplitMix64, Steele, Lea & Flood 2014.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def root_limit(share: float) -> int:
    """Return the limit below which roots are held out: this share of them, and HELD_OUT_SHARE at
    least.
    """
    return round(max(share, HELD_OUT_SHARE) * ROOTS)


def roots_of(keys: np.ndarray) -> np.ndarray:
    """Return the roots int64[n] of games with these hashes uint64[n]."""
    return (keys >> np.uint64(48)).astype(np.int64)


@dataclass(frozen=True)
class Split:
    """What label rows leave out."""

    limit: int = root_limit(HELD_OUT_SHARE)  # rows with a root below this
    # Sorted keys uint64[n] of those scored.
    keys: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))


def limit_for(sets: Iterable[PositionSet], share: float) -> int:
    """Return the limit that holds out `share` of all games, at least one of these sets; 0 if they
    have no two games.
    """
    roots = np.unique(
        np.concatenate([np.zeros(0, np.int64), *(roots_of(game_keys(games)) for games in sets)])
    )
    if len(roots) < 2:
        return 0
    return max(root_limit(share), int(roots[0]) + 1)


def without_held_out(positions: PositionSet, limit: int) -> PositionSet:
    """Return the set with the positions of held-out games marked as unusable; copies nothing
    else.
    """
    trained = roots_of(game_keys(positions)) >= limit
    return replace(
        positions, usable=positions.usable & np.repeat(trained, np.diff(positions.game_first))
    )


def held_out_games(positions: PositionSet, limit: int) -> PositionSet:
    return positions.select(roots_of(game_keys(positions)) < limit)


def unseen(
    heldout: PositionSet, training: Iterable[PositionSet], limit: int
) -> tuple[PositionSet, Split]:
    """(held-out games whose usable positions occur in no usable position of `training`, what labels
    leave out).
    """
    keys = position_keys(heldout)
    held_keys = np.unique(keys)
    seen = np.zeros(len(held_keys), np.bool_)
    for games in training:
        trained_keys = position_keys(games)[games.usable]
        places = np.minimum(np.searchsorted(held_keys, trained_keys), max(0, len(held_keys) - 1))
        if len(held_keys):
            seen[places[held_keys[places] == trained_keys]] = True
    usable = heldout.usable & ~np.isin(keys, held_keys[seen])
    return replace(heldout, usable=usable), Split(limit, np.unique(keys[usable]))


# ---- what is the same ----------------------------------------------------------------------------


def position_keys(positions: PositionSet) -> np.ndarray:
    """Return the Zobrist key of every position, uint64[P]: clocks and history do not count."""
    keys = np.zeros(positions.n_positions, np.uint64)
    fill_position_keys(
        positions.starts,
        positions.game_first,
        positions.moves,
        np.zeros((2, ROW_WORDS), np.uint64),
        keys,
    )
    return keys


def game_keys(positions: PositionSet) -> np.ndarray:
    """Return a hash of every game's start and played moves, uint64[G]; clocks, results and targets
    do not count.

    With 64 bits, two of a million different games collide in one of some 40 million collections.
    """
    keys = np.zeros(positions.n_games, np.uint64)
    last = np.array(positions.game_first[1:])
    left = positions.moves_left
    longer = np.flatnonzero(np.diff(positions.game_first) > 1)
    ends = last[longer]
    # After a move that was chosen, but not played, no ply is left; before it, one was.
    last[longer] -= (left[ends - 1] == UNKNOWN_MOVES_LEFT) & (left[ends - 2] == 1)
    fill_game_keys(positions.starts, positions.game_first[:-1], last, positions.moves, keys)
    return keys


def fingerprint(positions: PositionSet) -> str:
    """Return a name for the games and targets of a set: all start positions and moves, some entries
    of large arrays.
    """
    digest = hashlib.sha256(game_keys(positions).tobytes())
    for name, array in vars(positions).items():
        sample = array[:: max(1, len(array) // SAMPLED)]
        digest.update(f"{name} {array.shape}".encode() + np.ascontiguousarray(sample).tobytes())
    return digest.hexdigest()[:16]


def without_known_games(
    positions: PositionSet, usable_of: dict[int, int]
) -> tuple[PositionSet, int]:
    """Mark every position unusable that is usable in an equal game before, here or in `usable_of`;
    add all to that.

    usable_of: for each game's key, its usable positions as bits from the lowest one on; -1 for all.
    Equal games may have labels for different positions. Returns the set and the number of equal
    games that nothing is left of. Copies only `usable`, as the rest may be mapped from disk.
    """
    usable = positions.usable.copy()
    repeated = 0
    bounds = zip(positions.game_first[:-1].tolist(), positions.game_first[1:].tolist(), strict=True)
    for key, (first, last) in zip(game_keys(positions).tolist(), bounds, strict=True):
        own = usable[first:last]
        bits = -1
        if not own.all():
            bits = int.from_bytes(np.packbits(own, bitorder="little").tobytes(), "little")
        if (seen := usable_of.get(key)) is not None:
            left = (bits & ~seen).to_bytes(last - first + 1, "little", signed=True)
            own[:] = np.unpackbits(
                np.frombuffer(left, np.uint8), count=last - first, bitorder="little"
            )
            bits |= seen
            repeated += not own.any()
        usable_of[key] = bits
    return replace(positions, usable=usable), repeated


@kernel()
def fill_position_keys(starts, game_first, moves, rows, keys):
    """Replay every game; rows uint64[2, 16] is scratch space."""
    for game in range(len(starts)):
        rows[0] = starts[game]
        for position in range(game_first[game], game_first[game + 1]):
            keys[position] = rows[0, KEY]
            make(rows[0], moves[position], rows[1])
            rows[0] = rows[1]


@kernel()
def fill_game_keys(starts, first, last, moves, keys):
    """Fold the start's key and the moves first..last-1 together, one multiplication a move."""
    for game in range(len(starts)):
        key = starts[game, KEY]
        for position in range(first[game], last[game]):
            key = (key ^ (key >> np.uint64(29)) ^ np.uint64(moves[position])) * GOLDEN
        keys[game] = key ^ (key >> np.uint64(32))
