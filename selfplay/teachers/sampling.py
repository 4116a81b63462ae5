"""Samples positions and labels the calm ones, in kernels that create no Python objects per
position.

A walk starts at a position (ply 0 of the teacher's stack). It evaluates the positions after many of
its moves by updating the accumulators, offers them as labels, and samples one of them by value to
continue with. So it labels whole sets of siblings, as a search sees them.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import in_check
from engine.board.ending import FIFTY_MOVE_PLIES, insufficient_material
from engine.board.layout import HALFMOVE, KEY
from engine.board.makemove import copy_row, make
from engine.board.movegen import generate
from engine.native.aligned_arrays import buffers
from engine.native.elementary import log
from engine.native.jit import kernel
from engine.tactics.quiescence import forcing_moves, immediate_gain
from engine.tactics.see import see
from selfplay.records.packed import CALM, SCORED_WORDS, TOP_MOVES, VALUE_WORDS, pack_row
from selfplay.teachers.accumulators import BUCKETS, TEACHER_WIDTH, advance, start
from selfplay.teachers.net_file import StockfishNet
from selfplay.teachers.quiet_search import (
    CHECK_PLIES,
    MATE,
    MAX_QUIET_PLY,
    Teacher,
    begin_quiescence,
    new_teacher,
    score_teacher_moves,
    teacher_quiescence,
    to_cp,
)
from selfplay.teachers.static_value import UNITS_PER_CP, static_value

DECIDED_CP, LOST_CP = 400, 1000  # positions beyond these keep DECIDED_SHARE and LOST_SHARE
DECIDED_SHARE, LOST_SHARE = 0.4, 0.1
# Moves with a smaller static loss are offered by GOOD_SHARE, others by POOR_SHARE.
GOOD_MOVE_CP = 150
GOOD_SHARE, POOR_SHARE = 0.8, 0.15
LOOK_SHARE = 0.6  # share of a position's moves that a walk evaluates
LOOK_ALL = 6  # up to this many moves, a walk evaluates all
# Temperatures below the best move; what scores less has at most 0.0025 of its probability.
REACH = 6.0
# Least chance that an offered position gets scored moves, while there are too few of these.
SCORED_CHANCE = 0.2
END_OF_WALK_CP = 1500


# Words of a space's `counts`.
VALUES = 0  # values so far
NOTED = 1  # positions so far whose moves are to be scored
WANTED = 2  # values at which to stop


class SampleSpace(NamedTuple):
    """All buffers of one thread: N rows of values, M rows with scored moves."""

    teacher: Teacher
    rng: Annotated[np.ndarray, "uint64 [1]"]  # state of SplitMix64
    # Calm limit in centipawns, share of positions not calm, share scored.
    limits: Annotated[np.ndarray, "float64 [3]"]
    moves: Annotated[np.ndarray, "uint16 [218]"]
    scores: Annotated[np.ndarray, "int64 [218]"]
    values: Annotated[np.ndarray, "uint64 [N, VALUE_WORDS]"]  # packed
    keys: Annotated[np.ndarray, "uint64 [N]"]
    noted: Annotated[np.ndarray, "uint64 [M, 16]"]  # positions whose moves are to be scored
    noted_labels: Annotated[np.ndarray, "int64 [M, 3]"]  # root, plies left, kind
    scored: Annotated[np.ndarray, "uint64 [M, SCORED_WORDS]"]  # packed
    counts: Annotated[np.ndarray, "int64 [3]"]  # VALUES, NOTED and WANTED


def new_sample_space(
    net: StockfishNet, seed: int, size: int, limits: tuple[float, float, float]
) -> SampleSpace:
    """Buffers for `size` values."""
    arrays = {
        "teacher": new_teacher(net),
        "rng": np.array([seed], np.uint64),
        "limits": np.array(limits),
        "counts": np.array([0, 0, size]),
    }
    return buffers(SampleSpace, arrays, N=size, M=int(size * limits[2]) + 1)


# ---- chance --------------------------------------------------------------------------------------


@kernel()
def random_bits(rng):
    """64 random bits: SplitMix64, Steele, Lea & Flood 2014."""
    rng[0] += np.uint64(0x9E3779B97F4A7C15)
    z = rng[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel()
def uniform(rng):
    """Return a number in [0, 1)."""
    return np.float64(random_bits(rng) >> np.uint64(11)) * 2.0**-53


@kernel()
def below(rng, n):
    """Return an integer from 0 to n - 1."""
    return np.int64(random_bits(rng) % np.uint64(n))


# ---- offering a position -------------------------------------------------------------------------


@kernel()
def offer(space, ply, value, source, root, plies_left):
    """Label rows[ply] if it is wanted.

    `value` is its static value; its accumulators are set and stay so.
    """
    teacher = space.teacher
    row = space.teacher.rows[ply]
    if row[HALFMOVE] >= FIFTY_MOVE_PLIES or insufficient_material(row):
        return
    if _thinned(space.rng, value) or space.counts[VALUES] >= space.counts[WANTED]:
        return
    calm = not in_check(row) and is_settled(
        teacher, ply, value, np.int64(space.limits[0] * UNITS_PER_CP)
    )
    kind = source
    if calm:
        if generate(row, teacher.moves[ply]) == 0:
            return  # stalemate
        kind |= CALM
    _note(space, row, kind, root, plies_left)
    if not calm and uniform(space.rng) >= space.limits[1]:
        return
    if not calm:
        teacher.nodes[0] = 0
        value = _from_ply(
            teacher_quiescence(teacher, ply, ply, np.int64(-MATE), np.int64(MATE)), ply
        )
    at = space.counts[VALUES]
    pack_row(row, to_cp(value), root, plies_left, kind, space.values[at])
    space.keys[at] = row[KEY]
    space.counts[VALUES] += 1


@kernel()
def is_settled(teacher, ply, value, limit):
    """Whether no capture wins material and quiescence stays within `limit` units of the static
    `value`.
    """
    row = teacher.rows[ply]
    moves, gains = teacher.moves[ply], teacher.scores[ply]
    count = forcing_moves(row, moves, gains, False, False)
    for i in range(count):
        if see(row, moves[i]) > 0:
            return False
    teacher.nodes[0] = 0
    without_checks = ply - CHECK_PLIES
    return (
        teacher_quiescence(teacher, ply, without_checks, value + limit, value + limit + 1)
        <= value + limit
    )


@kernel()
def _from_ply(value, ply):
    """Convert a mate's distance from ply 0 to that from rows[ply]."""
    if abs(value) <= MATE - 2 * MAX_QUIET_PLY:
        return value
    if value > 0:
        return value + ply
    return value - ply


@kernel()
def _thinned(rng, value):
    """Whether to skip a position at random because one side has nearly won."""
    if abs(value) <= DECIDED_CP * UNITS_PER_CP:
        return False
    share = LOST_SHARE
    if abs(value) <= LOST_CP * UNITS_PER_CP:
        share = DECIDED_SHARE
    return uniform(rng) >= share


@kernel()
def _note(space, row, kind, root, plies_left):
    """Store some positions, calm or not, so that their moves are scored later."""
    at = space.counts[NOTED]
    if at >= min(np.int64(len(space.noted)), np.int64(space.limits[2] * space.counts[VALUES]) + 1):
        return
    if uniform(space.rng) < max(SCORED_CHANCE, space.limits[2]):
        copy_row(row, space.noted[at])
        labels = space.noted_labels[at]
        labels[0] = root
        labels[1] = plies_left
        labels[2] = kind
        space.counts[NOTED] += 1


@kernel()
def score_noted(space):
    """Score all moves of the noted positions that have any and pack the best. Returns the number of
    rows.
    """
    teacher = space.teacher
    n_scored = np.int64(0)
    for i in range(space.counts[NOTED]):
        row, labels = space.noted[i], space.noted_labels[i]
        count = np.int64(generate(row, space.moves))
        if count == 0:
            continue
        begin_quiescence(teacher, row)
        score_teacher_moves(
            teacher, np.int64(0), space.moves, count, space.scores, np.int64(TOP_MOVES), REACH
        )
        pack_row(
            row, to_cp(space.scores[0]), labels[0], labels[1], labels[2], space.scored[n_scored]
        )
        pack_best_moves(space.moves, space.scores, count, space.scored[n_scored])
        space.noted[n_scored, KEY] = row[KEY]
        n_scored += 1
    return n_scored


@kernel()
def pack_best_moves(moves, scores, count, words):
    """Write the first of moves[:count] and their scores (units) to words [8], after the
    position.
    """
    for word in range(VALUE_WORDS, SCORED_WORDS):
        words[word] = np.uint64(0)
    for place in range(min(count, np.int64(TOP_MOVES))):
        pair = np.uint64(np.int64(moves[place]) | (to_cp(scores[place]) & 0xFFFF) << 16)
        words[VALUE_WORDS + (place >> 1)] |= pair << np.uint64(32 * (place & 1))


# ---- walks ---------------------------------------------------------------------------------------


@kernel()
def begin_walk(space, row, random_plies):
    """Put `row`, after `random_plies` random moves, on ply 0; returns whether the result has a
    legal move.
    """
    teacher = space.teacher
    copy_row(row, teacher.rows[0])
    for _ in range(random_plies):
        count = np.int64(generate(teacher.rows[0], space.moves))
        if count == 0:
            return False
        make(teacher.rows[0], space.moves[below(space.rng, count)], teacher.rows[1])
        copy_row(teacher.rows[1], teacher.rows[0])
    if generate(teacher.rows[0], space.moves) == 0:
        return False
    start(teacher.net, teacher.acc, np.int64(0), teacher.rows[0])
    return True


@kernel()
def walk(space, plies, temperature, source, root):
    """From ply 0, offer the positions after many moves; sample one at `temperature` units to
    continue with.
    """
    teacher = space.teacher
    value = static_value(teacher.net, teacher.acc, np.int64(0), teacher.rows[0])
    for _ in range(plies):
        row = teacher.rows[0]
        if row[HALFMOVE] >= FIFTY_MOVE_PLIES or abs(value) > END_OF_WALK_CP * UNITS_PER_CP:
            return
        count = np.int64(generate(row, space.moves))
        if count == 0 or space.counts[VALUES] >= space.counts[WANTED]:
            return
        chosen, value = _offer_children(space, count, value, temperature, source, root)
        make(row, space.moves[chosen], teacher.rows[1])
        advance(teacher.net, teacher.acc, np.int64(0), row, teacher.rows[1])
        step_down(teacher)


@kernel()
def _offer_children(space, count, value, temperature, source, root):
    """Return (number of the move to continue with, static value after it); `value` is the static
    value of ply 0.
    """
    teacher = space.teacher
    row, child = teacher.rows[0], teacher.rows[1]
    least = value - GOOD_MOVE_CP * UNITS_PER_CP
    chosen = np.int64(0)
    chosen_value = np.int64(0)
    highest = -np.inf
    for i in range(count):
        if i > 0 and count > LOOK_ALL and uniform(space.rng) >= LOOK_SHARE:
            continue
        move = space.moves[i]
        make(row, move, child)
        advance(teacher.net, teacher.acc, np.int64(0), row, child)
        after = static_value(teacher.net, teacher.acc, np.int64(1), child)
        # The static value ignores recaptures on the target square.
        worth = -after + np.int64((see(row, move) - immediate_gain(row, move)) * UNITS_PER_CP)
        # Gumbel's trick: a softmax.
        sampled = worth / temperature - log(-log(max(uniform(space.rng), 1e-300)))
        if sampled > highest:
            chosen = np.int64(i)
            chosen_value = after
            highest = sampled
        share = POOR_SHARE
        if worth >= least:
            share = GOOD_SHARE
        if uniform(space.rng) < share:
            offer(space, np.int64(1), after, source, root, np.int64(0))
    return chosen, chosen_value


@kernel()
def step_down(teacher):
    """Move ply 1 to ply 0."""
    copy_row(teacher.rows[1], teacher.rows[0])
    values, psqt = teacher.acc.values, teacher.acc.psqt
    for k in range(2 * TEACHER_WIDTH):
        values[k] = values[2 * TEACHER_WIDTH + k]
    for k in range(2 * BUCKETS):
        psqt[k] = psqt[2 * BUCKETS + k]
