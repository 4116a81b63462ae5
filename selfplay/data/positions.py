"""`PositionSet`: whole games with training targets, as a few flat arrays.

Planes are never stored: a position is its game's start and the moves up to it, about 40 bytes with five policy targets.
Shape letters: G games, P positions (one for each played move), T policy targets.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from engine.board.layout import ROW_WORDS
from engine.errors import DataError
from engine.nn.atomic import atomic_write

__all__ = ["PROBABILITY_ONE", "PositionSet", "concatenate", "empty_set", "offsets"]

FORMAT_VERSION = 1
PROBABILITY_ONE = 65_535  # the stored value of probability 1; Numba has no float16 on CPUs


@dataclass(frozen=True)
class PositionSet:
    """Games as start position and moves, with a policy, value and length target for every position.

    Position p is the one *before* `moves[p]`; values are from the side to move of that position.

    Attributes:
        starts: uint64[G, 16], the start position of each game.
        game_first: int64[G + 1], first position of each game; the last entry is P.
        moves: uint16[P], the move played in each position (encoding of engine/board).
        target_first: int64[P + 1], first policy target of each position; the last entry is T.
        target_moves: uint16[T], moves with target probability.
        target_probs: uint16[T], their probabilities in units of 1/65535, summing to about 1 over a position.
        wdl: float16[P, 3], win, draw and loss probability for the side to move.
        moves_left: uint16[P], plies to the end of the game.
        usable: bool[P], whether the position may be sampled (False: no good target).
    """

    starts: np.ndarray
    game_first: np.ndarray
    moves: np.ndarray
    target_first: np.ndarray
    target_moves: np.ndarray
    target_probs: np.ndarray
    wdl: np.ndarray
    moves_left: np.ndarray
    usable: np.ndarray

    @property
    def n_games(self) -> int:
        """Number of games, G."""
        return len(self.starts)

    @property
    def n_positions(self) -> int:
        """Number of positions, P."""
        return len(self.moves)

    def games(self, first: int, last: int) -> PositionSet:
        """The games first..last-1 as a set of their own (copies nothing but the offsets)."""
        position, end = int(self.game_first[first]), int(self.game_first[last])
        target, target_end = int(self.target_first[position]), int(self.target_first[end])
        return PositionSet(
            starts=self.starts[first:last],
            game_first=self.game_first[first : last + 1] - position,
            moves=self.moves[position:end],
            target_first=self.target_first[position : end + 1] - target,
            target_moves=self.target_moves[target:target_end],
            target_probs=self.target_probs[target:target_end],
            wdl=self.wdl[position:end],
            moves_left=self.moves_left[position:end],
            usable=self.usable[position:end],
        )

    def select(self, keep: np.ndarray) -> PositionSet:
        """The games with keep bool[G] True, in their order."""
        keep_position = np.repeat(keep, np.diff(self.game_first))
        counts = np.diff(self.target_first)
        keep_target = np.repeat(keep_position, counts)
        return PositionSet(
            starts=self.starts[keep],
            game_first=offsets(np.diff(self.game_first)[keep]),
            moves=self.moves[keep_position],
            target_first=offsets(counts[keep_position]),
            target_moves=self.target_moves[keep_target],
            target_probs=self.target_probs[keep_target],
            wdl=self.wdl[keep_position],
            moves_left=self.moves_left[keep_position],
            usable=self.usable[keep_position],
        )

    def save(self, path: Path) -> None:
        """Write the set as an uncompressed .npz, through a temporary file and a rename."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        # Offsets are eight bytes a position, the counts behind them mostly one.
        arrays["target_first"] = np.diff(self.target_first).astype(np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as stream:
            np.savez(stream, version=np.int64(FORMAT_VERSION), **arrays)

    @classmethod
    def load(cls, path: Path) -> PositionSet:
        """Read a set written by `save`. Raises DataError when the file is damaged or of another version."""
        try:
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
                if int(archive["version"]) != FORMAT_VERSION:
                    raise DataError(f"{path}: position set of version {archive['version']}, expected {FORMAT_VERSION}")
                arrays = {field.name: archive[field.name] for field in fields(cls)}
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: not a position set ({error})") from error
        arrays["target_first"] = offsets(arrays["target_first"])
        return cls(**arrays)


def offsets(counts: np.ndarray) -> np.ndarray:
    """First index of each of n consecutive groups of the given sizes: int64[n + 1], the last entry their sum."""
    first = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=first[1:])
    return first


def empty_set() -> PositionSet:
    """A set without games."""
    return PositionSet(
        starts=np.zeros((0, ROW_WORDS), np.uint64),
        game_first=np.zeros(1, np.int64),
        moves=np.zeros(0, np.uint16),
        target_first=np.zeros(1, np.int64),
        target_moves=np.zeros(0, np.uint16),
        target_probs=np.zeros(0, np.uint16),
        wdl=np.zeros((0, 3), np.float16),
        moves_left=np.zeros(0, np.uint16),
        usable=np.zeros(0, np.bool_),
    )


def concatenate(sets: Sequence[PositionSet]) -> PositionSet:
    """All games of the sets, in order."""
    if not sets:
        return empty_set()
    joined = {}
    for field in fields(PositionSet):
        arrays = [getattr(one, field.name) for one in sets]
        if field.name in ("game_first", "target_first"):
            joined[field.name] = offsets(np.concatenate([np.diff(array) for array in arrays]))
        else:
            joined[field.name] = np.concatenate(arrays)
    return PositionSet(**joined)
