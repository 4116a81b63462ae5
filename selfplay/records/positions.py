"""`PositionSet`: whole games with training targets, as a few flat arrays.

Planes are never stored: a position is its game's start and the moves up to it, 51 bytes with five
policy targets. Shape letters: G games, P positions (one for each played move), T policy
targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated

import numpy as np

from engine.native.aligned_arrays import buffers
from selfplay.records.order import GameOrder, Groups

PROBABILITY_ONE = 65_535  # the stored value of probability 1: finer near 1 than float16
UNKNOWN_SCORE = -32_768  # of a target's move
# Known values are at least 1, except after a position of 1 where a side resigned.
UNKNOWN_MOVES_LEFT = 0
UNKNOWN_RATING = 0


@dataclass(frozen=True)
class PositionSet:
    """Games as start position and moves, with a policy, value and length target for every position.

    Position p is the one *before* `moves[p]`; values are from the side to move of that position.

    A position without policy targets, value or length takes no part in that loss.
    """

    starts: Annotated[np.ndarray, "uint64 [G, 16]"]  # the start position of each game
    # First position of each game; the last entry is P.
    game_first: Annotated[np.ndarray, "int64 [G + 1]"]
    # The move played in each position (encoding of engine/board)
    moves: Annotated[np.ndarray, "uint16 [P]"]
    # First policy target of each position; the last entry is T.
    target_first: Annotated[np.ndarray, "int64 [P + 1]"]
    target_moves: Annotated[np.ndarray, "uint16 [T]"]  # moves that have a target probability
    # In units of 1/65535, summing to about 1 over a position.
    target_probs: Annotated[np.ndarray, "uint16 [T]"]
    # Their scores in centipawns from the side to move (mate +-(32000 - n)) or UNKNOWN_SCORE.
    target_scores: Annotated[np.ndarray, "int16 [T]"]
    # Chances of win, draw, loss for the side to move; zeros if unknown.
    wdl: Annotated[np.ndarray, "float16 [P, 3]"]
    # Plies to the end of the game; UNKNOWN_MOVES_LEFT if unknown.
    moves_left: Annotated[np.ndarray, "uint16 [P]"]
    # Whether the position may be sampled (False: no good target)
    usable: Annotated[np.ndarray, "bool [P]"]
    # Elo of the player whose move the policy targets predict; UNKNOWN_RATING if not known.
    rating: Annotated[np.ndarray, "uint16 [P]"]

    @property
    def n_games(self) -> int:
        return len(self.starts)

    @property
    def n_positions(self) -> int:
        return len(self.moves)

    @property
    def n_usable(self) -> int:
        """How many positions may be sampled."""
        return int(np.count_nonzero(self.usable))

    def order(self, seed: int, groups: Groups) -> GameOrder:
        """Return the order in which training takes the usable positions."""
        return GameOrder(self.usable, self.game_first, seed, groups.games)

    def select(self, keep: np.ndarray) -> PositionSet:
        """Return the games whose keep bool[G] is True, in order."""
        keep_position = np.repeat(keep, np.diff(self.game_first))
        counts = np.diff(self.target_first)
        keep_target = np.repeat(keep_position, counts)
        arrays = {
            name: getattr(self, name)[keep_position]
            for name in ("moves", "wdl", "moves_left", "usable", "rating")
        }
        arrays |= {
            name: getattr(self, name)[keep_target]
            for name in ("target_moves", "target_probs", "target_scores")
        }
        return PositionSet(
            starts=self.starts[keep],
            game_first=offsets(np.diff(self.game_first)[keep]),
            target_first=offsets(counts[keep_position]),
            **arrays,
        )


def offsets(counts: np.ndarray) -> np.ndarray:
    """First index of each of n consecutive groups of the given sizes: int64[n + 1], the last entry
    their sum.
    """
    first = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=first[1:])
    return first


def empty_set() -> PositionSet:
    """Return a set without games."""
    return buffers(PositionSet, G=0, P=0, T=0)


def concatenate(sets: Sequence[PositionSet]) -> PositionSet:
    """All games of the sets, in order."""
    sets = [games for games in sets if games.n_games]
    if not sets:
        return empty_set()
    joined = {}
    for field in fields(PositionSet):
        arrays = [getattr(games, field.name) for games in sets]
        if field.name in ("game_first", "target_first"):
            joined[field.name] = offsets(np.concatenate([np.diff(array) for array in arrays]))
        else:
            joined[field.name] = np.concatenate(arrays)
    return PositionSet(**joined)
