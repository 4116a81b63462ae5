"""Games in which networks are asked for their policies: kernels that move many games at once to
the positions to label, and take the answers.

Every desk has one game. Between two rounds all positions of one network form a batch.
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
def begin_desks(desks, games):
    """Put the start of every given game on its desk. Own games are labelled from the start."""
    for desk in range(len(desks.ply)):
        desks.is_due[desk] = desks.source[desk] == OWN_GAME
        if not desks.is_due[desk]:
            copy_row(games.starts[desks.source[desk]], desks.stack[desk, 0])


@kernel()
def advance_given(desks, games, label_share):
    """Play every given game on to the next position that is to be labelled, or to its end."""
    for desk in range(len(desks.ply)):
        game = desks.source[desk]
        if desks.is_due[desk] or desks.is_over[desk]:
            continue
        played = games.first[game + 1] - games.first[game]
        last = min(played, np.int64(desks.moves.shape[1] - 1))
        while desks.ply[desk] < last:
            if uniform(desks.rng[desk]) < label_share:
                desks.is_due[desk] = True
                break
            play_on_desk(desks, desk, np.int64(games.moves[games.first[game] + desks.ply[desk]]))
        desks.is_over[desk] = not desks.is_due[desk]


@kernel()
def play_on_desk(desks, desk, move):
    """Play a move on a desk."""
    ply = desks.ply[desk]
    desks.moves[desk, ply] = move
    push(desks.stack[desk], ply, move)
    desks.ply[desk] = ply + 1


@kernel()
def gather_positions(desks, seat, input_format, leaves, desk_of):
    """Write the positions that the network `seat` is to answer to the leaves, and their desks;
    returns how many there are. A position without moves, or by which the game is drawn, ends it.
    """
    count = np.int64(0)
    for desk in range(len(desks.ply)):
        ply = desks.ply[desk]
        row = desks.stack[desk, ply]
        if not desks.is_due[desk] or desks.seats[desk, np.int64(row[SIDE])] != seat:
            continue
        n_moves = np.int64(generate(row, leaves.moves[count]))
        if n_moves == 0 or _is_finished(desks, desk, row, n_moves):
            desks.is_due[desk] = False
            desks.is_over[desk] = True
            continue
        copy_row(row, leaves.rows[count])
        encode_as(input_format, desks.stack[desk], ply, 0, leaves.masks[count])
        leaves.n_moves[count] = n_moves
        for i in range(n_moves):
            leaves.policy_index[count, i] = policy_index(row, leaves.moves[count, i])
        desk_of[count] = desk
        count += 1
    return count


@kernel()
def _is_finished(desks, desk, row, n_moves):
    """Whether an own game is over; given games end where their players ended them."""
    if desks.source[desk] != OWN_GAME:
        return False
    return game_end(row, n_moves) != ONGOING or desks.ply[desk] >= desks.moves.shape[1] - 1


@kernel()
def take_policies(desks, games, leaves, desk_of, count, targets):
    """Store the policies of leaves[:count], and play on: a given game's move, or one drawn from the
    policy. `targets` has room for all legal moves.
    """
    for leaf in range(count):
        desk = desk_of[leaf]
        n_moves = np.int64(leaves.n_moves[leaf])
        ply, logits = desks.ply[desk], leaves.logits[leaf]
        to_probabilities(logits, n_moves)
        desks.first[desk, ply] = targets.used[0]
        _store(leaves.moves[leaf], logits, n_moves, targets)
        desks.n_targets[desk, ply] = targets.used[0] - desks.first[desk, ply]
        for k in range(3):
            desks.wdl[desk, ply, k] = leaves.wdl[leaf, k]
        game = desks.source[desk]
        if game == OWN_GAME:
            play_on_desk(
                desks, desk, np.int64(leaves.moves[leaf, draw(logits, n_moves, desks.rng[desk])])
            )
        else:
            play_on_desk(desks, desk, np.int64(games.moves[games.first[game] + ply]))
            desks.is_due[desk] = False


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
    kept = 0.0
    for i in range(n_moves):
        if probabilities[i] >= LEAST_STORED:
            kept += np.float64(probabilities[i])
    at = targets.used[0]
    for i in range(n_moves):
        if probabilities[i] >= LEAST_STORED:
            share = np.float64(probabilities[i]) / kept
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
