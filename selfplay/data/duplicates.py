"""Finds duplicates: keys of positions and whole games, and sets without games that other sets have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from engine.board.layout import KEY, ROW_WORDS
from engine.board.makemove import make
from engine.native.jit import kernel
from selfplay.records.positions import PositionSet

# Odd constant of a multiplicative hash: Steele, Lea & Flood 2014 (SplitMix64).
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def position_keys(positions: PositionSet) -> np.ndarray:
    """The Zobrist key of every position, uint64[P]: clocks and history do not count."""
    keys = np.zeros(positions.n_positions, np.uint64)
    fill_position_keys(
        positions.starts, positions.game_first, positions.moves, np.zeros((2, ROW_WORDS), np.uint64), keys
    )
    return keys


def game_keys(positions: PositionSet) -> np.ndarray:
    """A hash of every game's start and moves, uint64[G]; results and targets do not count.

    With 64 bits, two of a million different games collide in one of some 40 million collections.
    """
    keys = np.zeros(positions.n_games, np.uint64)
    fill_game_keys(positions.starts, positions.game_first, positions.moves, keys)
    return keys


def without_known_games(positions: PositionSet, known: set[int]) -> tuple[PositionSet, int]:
    """Mark every game unusable that equals an earlier one or has its key in `known`; add all keys to `known`.

    Returns the set and the number of such games. Copies only `usable`, as the rest may be mapped from disk.
    """
    repeated = np.zeros(positions.n_games, np.bool_)
    for game, key in enumerate(game_keys(positions).tolist()):
        repeated[game] = key in known
        known.add(key)
    usable = positions.usable & ~np.repeat(repeated, np.diff(positions.game_first))
    return replace(positions, usable=usable), int(np.count_nonzero(repeated))


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
def fill_game_keys(starts, game_first, moves, keys):
    """Fold the start's key and the moves together, one multiplication a move."""
    for game in range(len(starts)):
        key = starts[game, KEY]
        for position in range(game_first[game], game_first[game + 1]):
            key = (key ^ (key >> np.uint64(29)) ^ np.uint64(moves[position])) * GOLDEN
        keys[game] = key ^ (key >> np.uint64(32))
