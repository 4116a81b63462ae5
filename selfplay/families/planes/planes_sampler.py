"""Training batches from position sets: planes, legal moves and targets are rebuilt while sampling.

A position's history is its game replayed from the start, so repetitions and the eight boards of the
input are exact.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import flip_files
from engine.board.layout import CASTLING, MAX_MOVES, ROW_WORDS
from engine.board.makemove import push
from engine.board.movegen import generate
from engine.native.aligned_arrays import buffers
from engine.native.jit import kernel
from engine.network.input_formats import FLIP, turned_moves
from engine.network.planes import (
    ALL_ONES,
    BLACK_TO_MOVE_PLANE,
    FIFTY_MOVE_PLANE,
    RATING_PLANE,
    encode,
)
from engine.network.policy_map import policy_index
from selfplay.records.positions import PROBABILITY_ONE, PositionSet
from selfplay.records.targets import moves_left_target

PROBABILITY_UNIT = np.float32(1.0 / PROBABILITY_ONE)

# Bits of a position's augmentation. Both leave the game of chess unchanged, so the targets stay
# exact.
MIRROR = 1  # left and right exchanged; only if neither side may still castle
# The same position with colours exchanged: planes are the mover's, so only plane 108 changes.
SWAP_COLOURS = 2


class TrainingBatch(NamedTuple):
    """B positions with targets; legal move j of position b for j < n_moves[b], everything from the
    mover's side.
    """

    # Input planes as bit masks; word 109 is the fifty-move counter, word 110 the rating.
    masks: Annotated[np.ndarray, "uint64 [B, 112]"]
    # The legal moves' policy moves; 0 from n_moves on.
    policy_index: Annotated[np.ndarray, "int16 [B, 218]"]
    n_moves: Annotated[np.ndarray, "int32 [B]"]
    # Targets of the legal moves; 0 from n_moves on.
    policy: Annotated[np.ndarray, "float32 [B, 218]"]
    wdl: Annotated[np.ndarray, "float32 [B, 3]"]  # zeros if unknown, as in `policy`
    moves_left: Annotated[np.ndarray, "float32 [B]"]  # plies, at most 250; below 0 if unknown


def new_training_batch(size: int) -> TrainingBatch:
    return buffers(TrainingBatch, B=size)


class SourceGames(NamedTuple):
    """The arrays of a PositionSet that a replay reads, and where the replay is."""

    starts: np.ndarray
    game_first: np.ndarray
    moves: np.ndarray
    target_first: np.ndarray
    target_moves: np.ndarray
    target_probs: np.ndarray
    place: np.ndarray  # int64 [2]: the game on the stack, and its last ply there


class GameSampler:
    """Replays positions of one set of games. One instance per thread: it owns the replay's
    stack.
    """

    def __init__(self, positions: PositionSet) -> None:
        self.positions = positions
        arrays = {name: getattr(positions, name) for name in SourceGames._fields[:-1]}
        self.source = SourceGames(**arrays, place=np.zeros(2, np.int64))
        self.plies = int(np.diff(positions.game_first).max(initial=0)) + 2  # of the stack

    def games(self, numbers: np.ndarray) -> np.ndarray:
        """Return the game of each position, int64 [n]."""
        return np.searchsorted(self.positions.game_first, numbers, side="right") - 1


class PositionSampler(GameSampler):
    """Fills training batches from one set of games, for networks that know ratings or do not."""

    def __init__(self, positions: PositionSet, rated: bool = False) -> None:
        super().__init__(positions)
        self._rated = rated
        self._stack = np.zeros((self.plies, ROW_WORDS), np.uint64)
        self._legal = np.zeros(MAX_MOVES, np.uint16)

    def fill(self, numbers: np.ndarray, augment: np.ndarray, batch: TrainingBatch) -> None:
        """Write the positions numbers int64[n] with augmentations uint8[n] (MIRROR, SWAP_COLOURS)
        into batch[:n].
        """
        space = self._stack, self._legal, turned_moves()[FLIP]
        fill_batch(self.source, numbers, self.games(numbers), augment, *space, batch)
        count = len(numbers)
        if self._rated:
            batch.masks[:count, RATING_PLANE] = self.positions.rating[numbers]
        batch.wdl[:count] = self.positions.wdl[numbers]
        batch.moves_left[:count] = moves_left_target(self.positions.moves_left[numbers])


# ---- kernels -------------------------------------------------------------------------------------


@kernel()
def fill_batch(source, numbers, games, augment, stack, legal, mirror_index, batch):
    """Rebuild position numbers[b] of games[b] with augment[b] into slot b of the batch, for every
    b.
    """
    for slot in range(len(numbers)):
        number = numbers[slot]
        ply = replay_to(source, games[slot], number, stack)
        encode(stack, ply, batch.masks[slot])
        mirror = augment[slot] & MIRROR != 0 and stack[ply, CASTLING] == 0
        write_policy(source, number, stack[ply], mirror, mirror_index, legal, batch, slot)
        if mirror:
            mirror_planes(batch.masks[slot])
        if augment[slot] & SWAP_COLOURS:
            batch.masks[slot, BLACK_TO_MOVE_PLANE] ^= ALL_ONES


@kernel()
def replay_to(source, game, number, stack):
    """Fill the stack with `game` up to position `number`, from what it already has of the game;
    positions before stay there. Returns the position's ply.
    """
    place = source.place
    first = source.game_first[game]
    if place[0] != game:
        place[0] = game
        place[1] = 0
    if place[1] == 0:
        stack[0] = source.starts[game]
    for position in range(first + place[1], number):
        push(stack, position - first, np.int64(source.moves[position]))
    place[1] = number - first
    return place[1]


@kernel()
def write_policy(source, number, row, mirror, mirror_index, legal, batch, slot):
    """Write the legal moves of `row`, and their target probabilities from position `number`."""
    count = generate(row, legal)
    batch.n_moves[slot] = count
    batch.policy_index[slot, count:] = 0
    batch.policy[slot, :] = 0.0
    for i in range(count):
        move = np.int64(legal[i])
        index = np.int64(policy_index(row, move))
        batch.policy_index[slot, i] = index
        if mirror:
            batch.policy_index[slot, i] = mirror_index[index]
        for target in range(source.target_first[number], source.target_first[number + 1]):
            if np.int64(source.target_moves[target]) == move:
                batch.policy[slot, i] = source.target_probs[target] * PROBABILITY_UNIT


@kernel()
def mirror_planes(masks):
    """Exchange the a- and h-files of masks uint64[112], except in the counter."""
    for plane in range(len(masks)):
        if plane != FIFTY_MOVE_PLANE:
            masks[plane] = flip_files(masks[plane])
