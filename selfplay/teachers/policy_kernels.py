"""Games in which networks are asked for their policies: kernels that move many games at once to
the positions to label, and take the answers.

Every slot has one game. Between two rounds all positions of one network form a batch.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.ending import ONGOING, game_end
from engine.board.layout import SIDE
from engine.board.makemove import copy_row, push
from engine.board.movegen import generate
from engine.native.elementary import exp
from engine.native.jit import kernel
from engine.network.input_formats import encode_as
from engine.network.policy_map import policy_index
from selfplay.records.positions import PROBABILITY_ONE
from selfplay.teachers.sampling import uniform

LEAST_STORED = 1e-4  # of a move's probability to be stored
OWN_GAME = -1  # number of a game that the networks play themselves


class GameSlots(NamedTuple):
    """D games of at most L positions; whatever concerns a side is [White, Black]."""

    stack: Annotated[np.ndarray, "uint64 [D, L, 16]"]
    ply: Annotated[np.ndarray, "int64 [D]"]  # of the position on top of the stack
    is_over: Annotated[np.ndarray, "bool [D]"]
    is_due: Annotated[np.ndarray, "bool [D]"]  # whether the position on top is to be labelled
    source: Annotated[np.ndarray, "int64 [D]"]  # the number of a given game, or OWN_GAME
    seats: Annotated[np.ndarray, "int64 [D, 2]"]  # which network answers for each side
    moves: Annotated[np.ndarray, "uint16 [D, L]"]  # those played so far
    first: Annotated[np.ndarray, "int64 [D, L]"]  # where the targets of each position begin
    n_targets: Annotated[np.ndarray, "int64 [D, L]"]  # how many there are; 0 without a label
    wdl: Annotated[np.ndarray, "float32 [D, L, 3]"]
    rng: Annotated[np.ndarray, "uint64 [D, 1]"]  # each game has its own chance


class PolicyTargets(NamedTuple):
    """T policy targets in the order in which they came."""

    moves: Annotated[np.ndarray, "uint16 [T]"]
    probs: Annotated[np.ndarray, "uint16 [T]"]  # in units of 1 / PROBABILITY_ONE
    used: Annotated[np.ndarray, "int64 [1]"]


@kernel()
def begin_slots(slots, games):
    """Put the start of every given game in its slot. Own games are labelled from the start."""
    for slot in range(len(slots.ply)):
        slots.is_due[slot] = slots.source[slot] == OWN_GAME
        if not slots.is_due[slot]:
            copy_row(games.starts[slots.source[slot]], slots.stack[slot, 0])


@kernel()
def advance_given(slots, games, label_share):
    """Play every given game on to the next position that is to be labelled, or to its end."""
    for slot in range(len(slots.ply)):
        game = slots.source[slot]
        if slots.is_due[slot] or slots.is_over[slot]:
            continue
        played = games.first[game + 1] - games.first[game]
        last = min(played, np.int64(slots.moves.shape[1] - 1))
        while slots.ply[slot] < last:
            if uniform(slots.rng[slot]) < label_share:
                slots.is_due[slot] = True
                break
            play_in_slot(slots, slot, np.int64(games.moves[games.first[game] + slots.ply[slot]]))
        slots.is_over[slot] = not slots.is_due[slot]


@kernel()
def play_in_slot(slots, slot, move):
    """Play a move in a slot."""
    ply = slots.ply[slot]
    slots.moves[slot, ply] = move
    push(slots.stack[slot], ply, move)
    slots.ply[slot] = ply + 1


@kernel()
def gather_positions(slots, seat, input_format, leaves, slot_of):
    """Write the positions that the network `seat` is to answer to the leaves, and their slots;
    returns how many there are. A position without moves, or by which the game is drawn, ends it.
    """
    count = np.int64(0)
    for slot in range(len(slots.ply)):
        ply = slots.ply[slot]
        row = slots.stack[slot, ply]
        if not slots.is_due[slot] or slots.seats[slot, np.int64(row[SIDE])] != seat:
            continue
        n_moves = np.int64(generate(row, leaves.moves[count]))
        if n_moves == 0 or _is_finished(slots, slot, row, n_moves):
            slots.is_due[slot] = False
            slots.is_over[slot] = True
            continue
        copy_row(row, leaves.rows[count])
        encode_as(input_format, slots.stack[slot], ply, leaves.masks[count])
        leaves.n_moves[count] = n_moves
        for i in range(n_moves):
            leaves.policy_index[count, i] = policy_index(row, leaves.moves[count, i])
        slot_of[count] = slot
        count += 1
    return count


@kernel()
def _is_finished(slots, slot, row, n_moves):
    """Whether an own game is over; given games end where their players ended them."""
    if slots.source[slot] != OWN_GAME:
        return False
    return game_end(row, n_moves) != ONGOING or slots.ply[slot] >= slots.moves.shape[1] - 1


@kernel()
def take_policies(slots, games, leaves, slot_of, count, targets):
    """Store the policies of leaves[:count], and play on: a given game's move, or one drawn from the
    policy. `targets` has room for all legal moves.
    """
    for leaf in range(count):
        slot = slot_of[leaf]
        n_moves = np.int64(leaves.n_moves[leaf])
        ply, logits = slots.ply[slot], leaves.logits[leaf]
        to_probabilities(logits, n_moves)
        slots.first[slot, ply] = targets.used[0]
        _store(leaves.moves[leaf], logits, n_moves, targets)
        slots.n_targets[slot, ply] = targets.used[0] - slots.first[slot, ply]
        for k in range(3):
            slots.wdl[slot, ply, k] = leaves.wdl[leaf, k]
        game = slots.source[slot]
        if game == OWN_GAME:
            play_in_slot(
                slots, slot, np.int64(leaves.moves[leaf, draw(logits, n_moves, slots.rng[slot])])
            )
        else:
            play_in_slot(slots, slot, np.int64(games.moves[games.first[game] + ply]))
            slots.is_due[slot] = False


@kernel()
def to_probabilities(logits, n_moves):
    """Replace logits[:n_moves] by their softmax."""
    largest = np.float32(-np.inf)
    for i in range(n_moves):
        largest = max(largest, logits[i])
    total = 0.0
    for i in range(n_moves):
        logits[i] = np.float32(exp(np.float64(logits[i] - largest)))
        total += np.float64(logits[i])
    for i in range(n_moves):
        logits[i] = np.float32(np.float64(logits[i]) / total)


@kernel()
def _store(moves, probabilities, n_moves, targets):
    """Append the moves whose probability is at least LEAST_STORED, in proportion to it."""
    total = 0.0
    for i in range(n_moves):
        if probabilities[i] >= LEAST_STORED:
            total += np.float64(probabilities[i])
    at = targets.used[0]
    for i in range(n_moves):
        if probabilities[i] >= LEAST_STORED:
            share = np.float64(probabilities[i]) / total
            targets.moves[at] = moves[i]
            targets.probs[at] = np.uint16(share * PROBABILITY_ONE + 0.5)
            at += 1
    targets.used[0] = at


@kernel()
def draw(probabilities, n_moves, rng):
    """Return the number of a move, drawn by probability."""
    left = uniform(rng)
    for i in range(n_moves - 1):
        left -= np.float64(probabilities[i])
        if left < 0.0:
            return np.int64(i)
    return n_moves - 1
