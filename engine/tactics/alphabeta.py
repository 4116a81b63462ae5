"""Alpha-beta over material: finds, within a few thousand positions, what wins or loses a piece some
plies ahead.

Fail-soft principal variation search with a transposition table, null moves, futility, late move
reductions, killer and history ordering; quiescence and the static evaluation at its leaves. Its
only knowledge of positions is `classical`, and it never chooses the move to play:
`tactical_priors` asks it what the tree may have overlooked.

https://www.chessprogramming.org/Principal_Variation_Search and the pages it links to. Scores are
centipawns for the side to move; a mate scores about MATE_CP, and its distance is not exact.
Repetitions count only among positions below the one asked about.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import ZERO, in_check, piece_at
from engine.board.ending import FIFTY_MOVE_PLIES
from engine.board.layout import HALFMOVE, KEY, KING, NO_MOVE, PAWN, SIDE, WHITE
from engine.board.makemove import copy_row, make, make_null
from engine.board.movegen import generate
from engine.native.aligned_arrays import buffers
from engine.native.jit import kernel
from engine.native.prefetch import prefetch
from engine.tactics.quiescence import (
    MATE_CP,
    QuiescenceSpace,
    immediate_gain,
    known_evaluation,
    quiescence,
    take_best,
)
from engine.tactics.see import wins_at_least

MAX_PLY = 64
MAX_ITERATION = 32  # plies of the deepest iteration
MATE_FROM_CP = MATE_CP - 2 * MAX_PLY  # centipawns; higher scores are mates
KNOWN_VALUES = 2**13  # static evaluations that are remembered, a power of two
LEAF_CHECKS = 1  # plies of quiescence in which quiet checks are tried

FUTILITY_CP = 120  # centipawns per ply by which the static evaluation must exceed beta for a cutoff
FUTILITY_DEPTH = 3
NULL_DEPTH = 2  # smallest depth, in plies, at which a null move is tried
NULL_REDUCTION = 3
REDUCED_DEPTH = 3  # smallest depth, in plies, at which late moves are reduced
REDUCED_FROM = 3  # index of the first move that is reduced
TWICE_REDUCED_FROM = 10

HISTORY_FADES = 8  # history scores are divided by this between searches

# Bounds of a score in the transposition table.
EXACT = 0
AT_MOST = 1
AT_LEAST = 2

# Words of a transposition table entry.
SCORE = 0
HELPER_DEPTH = 1
BOUND = 2
MOVE = 3
ENTRY_BYTES = 8 + 2 * 4

# Move order: the table's move, captures that do not lose material, killers, the rest by history,
# losing captures.
FIRST = 1 << 40
GOOD_CAPTURE = 1 << 30
KILLER = 1 << 29
BAD_CAPTURE = -(1 << 29)
# Weight of the victim's value: most valuable victim first, then least valuable attacker.
CAPTURED_FIRST = 16

# Whether the side to move may pass, as numbers: the literals True and False would compile two
# versions of `alpha_beta` that call each other, and Numba's cache restores such a pair broken.
PASSING, NOT_PASSING = np.int64(1), np.int64(0)


class AlphaBeta(NamedTuple):
    """The search stack, and the tables that persist from search to search."""

    rows: Annotated[np.ndarray, "uint64 [MAX_PLY + 1, 16]"]
    moves: Annotated[np.ndarray, "uint16 [MAX_PLY + 1, 218]"]
    scores: Annotated[np.ndarray, "int64 [MAX_PLY + 1, 218]"]  # order of the moves, highest first
    killers: Annotated[np.ndarray, "uint16 [MAX_PLY + 1, 2]"]
    # How often a side's move caused a cutoff, by from- and to-square.
    history: Annotated[np.ndarray, "int64 [2, 4096]"]
    keys: Annotated[np.ndarray, "uint64 [T]"]  # transposition table, T a power of two
    table: Annotated[np.ndarray, "int16 [T, 4]"]  # SCORE ... MOVE
    # Remaining nodes of this search, which is abandoned below 0.
    nodes_left: Annotated[np.ndarray, "int64 [1]"]
    quiet: QuiescenceSpace


def new_alpha_beta(table_entries: int) -> AlphaBeta:
    """Return an empty search state; `table_entries` is a power of two, and each entry takes
    ENTRY_BYTES.
    """
    return buffers(AlphaBeta, T=table_entries, STATIC_VALUES=KNOWN_VALUES)


@kernel()
def find_better(space, row, moves, count, margin, nodes):
    """Return a move of `row` better by `margin` centipawns than the first of its `count` `moves`,
    or NO_MOVE.

    Deepens iteratively until `nodes` positions have been visited. A null window decides nearly
    every other move, because only being better matters. The move found goes to index 1 of `moves`.
    """
    space.nodes_left[0] = nodes
    history = space.history
    space.killers[:] = NO_MOVE
    for side in range(history.shape[0]):
        for squares in range(history.shape[1]):
            history[side, squares] //= HISTORY_FADES
    copy_row(row, space.rows[0])
    better_move = NO_MOVE
    for depth in range(MAX_ITERATION):
        make(row, moves[0], space.rows[1])
        best = margin - alpha_beta(
            space, np.int64(1), depth, np.int64(-MATE_CP), np.int64(MATE_CP), PASSING
        )
        if best >= MATE_CP:
            return better_move  # a mate: nothing is better
        better = NO_MOVE
        for i in range(1, count):
            make(row, moves[i], space.rows[1])
            score = -alpha_beta(space, np.int64(1), depth, -best - 1, -best, PASSING)
            if score > best:
                score = -alpha_beta(space, np.int64(1), depth, np.int64(-MATE_CP), -best, PASSING)
            if space.nodes_left[0] < 0:
                return better if better != NO_MOVE else better_move
            if i == 1 and score <= best:
                better_move = NO_MOVE  # any find of an earlier iteration is refuted
            if score > best:
                best = score
                better = moves[i]
                for k in range(i, 1, -1):
                    moves[k] = moves[k - 1]
                moves[1] = better
        better_move = better
    return better_move


@kernel()
def alpha_beta(space, ply, depth, alpha, beta, may_pass):
    """Centipawns of space.rows[ply], exact within (alpha, beta); meaningless once `nodes_left` is
    below 0.
    """
    row = space.rows[ply]
    space.nodes_left[0] -= 1
    prefetch(space.keys, _slot(space, row))
    if space.nodes_left[0] < 0 or row[HALFMOVE] >= FIFTY_MOVE_PLIES or _repeats(space, ply):
        return np.int64(0)
    checked = in_check(row)
    depth += checked
    if depth <= 0 or ply >= MAX_PLY:
        copy_row(row, space.quiet.rows[0])
        space.quiet.nodes[0] = 0
        return quiescence(space.quiet, np.int64(0), np.int64(LEAF_CHECKS), np.int64(0), alpha, beta)

    settled, score, first = _look_up(space, row, depth, alpha, beta)
    if settled:
        return score

    if not checked and beta - alpha == 1 and abs(beta) < MATE_FROM_CP:
        static = known_evaluation(row, space.quiet)
        if depth <= FUTILITY_DEPTH and static - FUTILITY_CP * depth >= beta:
            return static
        if may_pass == PASSING and depth >= NULL_DEPTH and static >= beta and has_pieces(row):
            make_null(row, space.rows[ply + 1])
            left = depth - NULL_REDUCTION - depth // 4
            score = -alpha_beta(space, ply + 1, left, -beta, -beta + 1, NOT_PASSING)
            if space.nodes_left[0] >= 0 and score >= beta:
                if score >= MATE_FROM_CP:  # a mate after a pass is not proven
                    return beta
                return score

    count = generate(row, space.moves[ply])
    if count == 0 and checked:
        return np.int64(ply - MATE_CP)
    if count == 0:
        return np.int64(0)
    _score_moves(space, ply, count, first)
    best = np.int64(-MATE_CP)
    best_move = NO_MOVE
    bound = AT_MOST
    for i in range(count):
        move = take_best(space.moves[ply], space.scores[ply], i, count)
        make(row, move, space.rows[ply + 1])
        left = depth - 1
        high = beta
        if i > 0:
            left, high = depth - 1 - _reduction(space, ply, i, depth, checked), alpha + 1
        # One call for all tries, because each would be a recursion whose types are inferred anew.
        while True:
            score = -alpha_beta(space, ply + 1, left, -high, -alpha, PASSING)
            if score > alpha and left < depth - 1:
                left = depth - 1
            elif alpha < score < beta and high < beta:
                high = beta
            else:
                break
        if space.nodes_left[0] < 0:
            return np.int64(0)
        if score > best:
            best, best_move = score, move
            if score > alpha:
                alpha, bound = score, EXACT
            if alpha >= beta:
                bound = AT_LEAST
                if immediate_gain(row, move) == 0:
                    _remember_quiet(space, ply, move, depth)
                break
    _store(space, row, best, depth, bound, best_move)
    return best


@kernel()
def _reduction(space, ply, i, depth, checked):
    """Plies by which to reduce a late move that has been made; 0 if it gives or evades check."""
    late = i >= REDUCED_FROM and space.scores[ply, i] < KILLER
    if not late or depth < REDUCED_DEPTH or checked or in_check(space.rows[ply + 1]):
        return 0
    if i >= TWICE_REDUCED_FROM and depth > REDUCED_DEPTH + 1:
        return 2
    return 1


@kernel()
def _look_up(space, row, depth, alpha, beta):
    """Look up the table: (whether its score causes a cutoff, that score, its move or NO_MOVE)."""
    slot = _slot(space, row)
    if space.keys[slot] != row[KEY]:
        return False, 0, NO_MOVE
    entry = space.table[slot]
    score = np.int64(entry[SCORE])
    bound = entry[BOUND]
    settles = (
        bound == EXACT
        or (bound == AT_MOST and score <= alpha)
        or (bound == AT_LEAST and score >= beta)
    )
    return settles and entry[HELPER_DEPTH] >= depth, score, np.uint16(entry[MOVE])


@kernel()
def _slot(space, row):
    """Index of a position's table entry."""
    return np.int64(row[KEY] & np.uint64(space.keys.size - 1))


@kernel()
def _store(space, row, score, depth, bound, move):
    """Store a result, always replacing the entry."""
    slot = _slot(space, row)
    space.keys[slot] = row[KEY]
    entry = space.table[slot]
    entry[SCORE] = score
    entry[HELPER_DEPTH] = depth
    entry[BOUND] = bound
    entry[MOVE] = np.int16(move)


@kernel()
def has_pieces(row):
    """Whether the side to move has more than pawns; with pawns alone, passing may be best
    (zugzwang).
    """
    return row[WHITE + np.int64(row[SIDE])] & ~(row[PAWN] | row[KING]) != ZERO


@kernel()
def _repeats(space, ply):
    """Whether the position occurred earlier on the stack."""
    reversible = np.int64(space.rows[ply, HALFMOVE])
    back = np.int64(4)
    while back <= min(reversible, ply):
        if space.rows[ply - back, KEY] == space.rows[ply, KEY]:
            return True
        back += 2
    return False


@kernel()
def _score_moves(space, ply, count, first):
    """Write move-ordering scores to space.scores[ply]."""
    row = space.rows[ply]
    side = np.int64(row[SIDE])
    for i in range(count):
        move = space.moves[ply, i]
        gain = immediate_gain(row, move)
        if move == first:
            score = np.int64(FIRST)
        elif gain > 0:
            score = np.int64(BAD_CAPTURE)
            if wins_at_least(row, move, np.int64(0)):
                score = np.int64(GOOD_CAPTURE)
            score += CAPTURED_FIRST * gain - piece_at(row, np.int64(move) & 63)
        elif move == space.killers[ply, 0]:
            score = np.int64(KILLER + 1)
        elif move == space.killers[ply, 1]:
            score = np.int64(KILLER)
        else:
            score = space.history[side, np.int64(move) & 4095]
        space.scores[ply, i] = score


@kernel()
def _remember_quiet(space, ply, move, depth):
    """Credit a quiet move that caused a cutoff, so that it is tried early elsewhere."""
    if space.killers[ply, 0] != move:
        space.killers[ply, 1] = space.killers[ply, 0]
        space.killers[ply, 0] = move
    space.history[np.int64(space.rows[ply, SIDE]), np.int64(move) & 4095] += depth * depth


@kernel()
def best_reply(space, row):
    """Return the table's move in `row`; NO_MOVE if it has none, or has only an upper bound."""
    slot = _slot(space, row)
    if space.keys[slot] != row[KEY] or space.table[slot, BOUND] == AT_MOST:
        return NO_MOVE
    return np.uint16(space.table[slot, MOVE])
