"""Quiescence search: captures, queen promotions, a few checks and their evasions until the position
is quiet.

Fail-soft alpha-beta over the static evaluation. It skips captures that win too little by static
exchange, and those that cannot reach alpha (delta pruning). The first plies also try quiet checks,
which find short mates that captures miss. A side in check may not stand pat: its evasions are
searched, up to EVASION_DEPTH.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import bit, check_squares, in_check
from engine.board.layout import BLACK, KEY, PAWN, QUEEN, RANK_1, RANK_8, SIDE
from engine.board.makemove import copy_row, make
from engine.board.movegen import Targets, generate, generate_some
from engine.native.aligned_arrays import buffers
from engine.native.jit import kernel
from engine.tactics.classical import evaluate
from engine.tactics.see import PIECE_VALUES, captured_value, wins_at_least

MATE_CP = 30000  # centipawns of a mate, before the plies to it are subtracted
MAX_QUIESCENCE_PLIES = 24  # plies; a line that is not quiet by then gets the static evaluation
EVASION_DEPTH = 6  # plies in which every evasion of a check is searched
QUIESCENCE_NODE_LIMIT = 400  # positions a search may visit before it stands pat everywhere
STATIC_VALUES = 2**6  # evaluations that are remembered, a power of two, where little repeats
DELTA_MARGIN_CP = 180  # centipawns that a capture may win beyond the captured piece


class QuiescenceSpace(NamedTuple):
    """One thread's stack."""

    rows: Annotated[np.ndarray, "uint64 [MAX_QUIESCENCE_PLIES + 1, 16]"]
    moves: Annotated[np.ndarray, "uint16 [MAX_QUIESCENCE_PLIES + 1, 218]"]
    # Move-ordering scores, highest first.
    scores: Annotated[np.ndarray, "int64 [MAX_QUIESCENCE_PLIES + 1, 218]"]
    nodes: Annotated[np.ndarray, "int64 [1]"]  # positions visited
    # Of positions whose static evaluation is known.
    keys: Annotated[np.ndarray, "uint64 [STATIC_VALUES]"]
    values: Annotated[np.ndarray, "int64 [STATIC_VALUES]"]  # their evaluations


def new_space() -> QuiescenceSpace:
    """Return a fresh stack."""
    return buffers(QuiescenceSpace)


@kernel()
def quiet_value(row, space, check_depth, least):
    """Quiescence value of `row` in centipawns for the side to move; arguments as of `quiescence`."""
    copy_row(row, space.rows[0])
    space.nodes[0] = 0
    return quiescence(space, np.int64(0), check_depth, least, np.int64(-MATE_CP), np.int64(MATE_CP))


@kernel()
def settled_value(row, space):
    """Centipawns for the side to move once winning captures are over: a network's input beside the
    board.

    Skips even exchanges and quiet checks, which would take three times as long and change the level
    of one position in twelve.
    """
    return quiet_value(row, space, np.int64(0), np.int64(1))


@kernel()
def wins_nothing(row, space):
    """Whether `settled_value` is the static evaluation: no capture wins, and the side to move is
    not in check.
    """
    if in_check(row):
        return False
    moves = space.moves[0]
    for i in range(forcing_moves(row, moves, space.scores[0], False, False)):
        if wins_at_least(row, moves[i], np.int64(1)):
            return False
    return True


@kernel()
def known_evaluation(row, space):
    """Return the static evaluation, which is remembered: searches meet many positions more than
    once.
    """
    slot = np.int64(row[KEY] & np.uint64(space.keys.size - 1))
    if space.keys[slot] != row[KEY]:
        space.keys[slot] = row[KEY]
        space.values[slot] = evaluate(row)
    return space.values[slot]


@kernel()
def quiescence(space, depth, check_depth, least, alpha, beta):
    """Quiescence value of space.rows[depth] in centipawns for the side to move, exact within
    (alpha, beta).

    Tries captures that win at least `least` centipawns by static exchange, and in the first
    `check_depth` plies quiet checks that do. To start, put the position in rows[0], set nodes[0] =
    0 and call with depth 0.
    """
    row = space.rows[depth]
    space.nodes[0] += 1
    if depth >= MAX_QUIESCENCE_PLIES or space.nodes[0] > QUIESCENCE_NODE_LIMIT:
        return known_evaluation(row, space)
    evading = depth < EVASION_DEPTH and in_check(row)
    best = np.int64(depth - MATE_CP)
    if not evading:
        best = known_evaluation(row, space)
        if best >= beta:
            return best
        alpha = max(alpha, best)
    stand_pat = best
    count = forcing_moves(
        row, space.moves[depth], space.scores[depth], depth < check_depth, evading
    )
    for i in range(count):
        move = take_best(space.moves[depth], space.scores[depth], i, count)
        if not evading:
            gain = space.scores[depth, i]
            if gain > 0 and gain + stand_pat + DELTA_MARGIN_CP <= alpha:
                continue
            if not wins_at_least(row, move, least):
                continue
        make(row, move, space.rows[depth + 1])
        score = -quiescence(space, depth + 1, check_depth, least, -beta, -alpha)
        if score > best:
            best = score
            alpha = max(alpha, score)
            if alpha >= beta:
                break
    return best


@kernel()
def forcing_moves(row, moves, scores, with_checks, evading):
    """Generate the moves to search, each with its immediate gain in centipawns; every move when
    evading a check.
    """
    theirs = row[BLACK - np.int64(row[SIDE])]
    if evading:
        count = generate(row, moves)
    else:
        count = generate_some(row, forcing_targets(row, theirs, with_checks), moves)
    forcing = 0
    for i in range(count):
        gain = np.int64(0)
        if bit(np.int64(moves[i]) >> 6 & 63) & theirs or bit(np.int64(moves[i]) & 63) & row[PAWN]:
            gain = immediate_gain(row, moves[i])
        # Excludes promotions to less than a queen.
        if gain > 0 or evading or (with_checks and moves[i] >> 12 == 0):
            moves[forcing] = moves[i]
            scores[forcing] = gain
            forcing += 1
    return forcing


@kernel()
def forcing_targets(row, theirs, with_checks):
    """Target squares of captures, promotions and direct checks; discovered checks are ignored."""
    promotions = theirs | RANK_1 | RANK_8
    if not with_checks:
        return Targets(promotions, theirs, theirs, theirs, theirs)
    pawns, knights, diagonal, straight = check_squares(row)
    return Targets(
        promotions | pawns, theirs | knights, theirs | diagonal, theirs | straight, theirs
    )


@kernel()
def immediate_gain(row, move):
    """Centipawns of the captured piece and of a promotion to a queen; 0 for quiet moves and other
    promotions.
    """
    move = np.int64(move)
    promotion = move >> 12
    if promotion and promotion != QUEEN:
        return 0
    gain = captured_value(row, move & 63, move >> 6 & 63)
    if promotion:
        gain += PIECE_VALUES[QUEEN] - PIECE_VALUES[PAWN]
    return gain


@kernel()
def take_best(moves, scores, i, count):
    """One step of selection sort: swap the best-scored move of moves[i:count] to index i and return
    it.

    Among equal scores the earlier move comes first.
    """
    best = i
    for j in range(i + 1, count):
        if scores[j] > scores[best]:
            best = j
    moves[i], moves[best] = moves[best], moves[i]
    scores[i], scores[best] = scores[best], scores[i]
    return moves[i]
