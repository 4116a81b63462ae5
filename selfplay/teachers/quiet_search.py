"""Quiescence over the teacher's net: captures, queen promotions and some quiet checks, until
nothing hangs.

By it, all moves of a position are scored, too.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import in_check
from engine.board.makemove import copy_row, make
from engine.board.movegen import generate
from engine.native.aligned_arrays import buffers
from engine.native.jit import kernel
from engine.tactics.alphabeta import has_pieces
from engine.tactics.quiescence import forcing_moves, immediate_gain, take_best
from engine.tactics.see import see
from selfplay.records.targets import MATE_SCORE_CP, POLICY_SCALE_CP, POLICY_SCALE_SLOPE
from selfplay.teachers.accumulators import Accumulators, advance, new_accumulators, start
from selfplay.teachers.net_file import StockfishNet
from selfplay.teachers.static_value import UNITS_PER_CP, static_value

MATE = 30_000  # units; a mate in n plies scores this minus n
MAX_QUIET_PLY = 40
EVASION_PLIES = 6  # below the leaf, these plies try every evasion of a check
CHECK_PLIES = 1  # below the leaf, these plies try quiet moves that give direct check
DELTA_MARGIN = 700  # units that a capture may win besides the piece itself
TEACHER_NODE_LIMIT = 3000  # positions per quiescence; beyond it all nodes stand pat


class Teacher(NamedTuple):
    """The net, and everything that one thread needs to search with it. The net's arrays are
    shared.
    """

    net: StockfishNet
    acc: Accumulators
    rows: Annotated[np.ndarray, "uint64 [MAX_QUIET_PLY + 2, 16]"]
    moves: Annotated[np.ndarray, "uint16 [MAX_QUIET_PLY + 2, 218]"]
    # Order of the moves, highest first.
    scores: Annotated[np.ndarray, "int64 [MAX_QUIET_PLY + 2, 218]"]
    nodes: Annotated[np.ndarray, "int64 [1]"]  # positions of this quiescence


def new_teacher(net: StockfishNet) -> Teacher:
    return buffers(Teacher, {"net": net, "acc": new_accumulators(MAX_QUIET_PLY + 2)})


@kernel()
def begin_quiescence(teacher, row):
    """Set up a search of `row` at ply 0."""
    copy_row(row, teacher.rows[0])
    teacher.nodes[0] = 0
    start(teacher.net, teacher.acc, np.int64(0), row)


@kernel()
def teacher_quiescence(teacher, ply, leaf_ply, alpha, beta):
    """Units for the side to move of rows[ply] once captures are settled, exact within (alpha,
    beta).

    The row and its accumulators must be set; `leaf_ply` is where quiescence began.
    """
    row = teacher.rows[ply]
    moves = teacher.moves[ply]
    scores = teacher.scores[ply]
    teacher.nodes[0] += 1
    if ply >= MAX_QUIET_PLY or teacher.nodes[0] > TEACHER_NODE_LIMIT:
        return static_value(teacher.net, teacher.acc, ply, row)
    evading = ply < leaf_ply + EVASION_PLIES and in_check(row)
    best = np.int64(ply - MATE)
    if not evading:
        best = static_value(teacher.net, teacher.acc, ply, row)
        if best >= beta:
            return best
        alpha = max(alpha, best)
    stand_pat = best
    count = forcing_moves(row, moves, scores, ply < leaf_ply + CHECK_PLIES, evading)
    for i in range(count):
        move = take_best(moves, scores, i, count)
        if not evading:
            if (
                scores[i] > 0
                and np.int64(scores[i] * UNITS_PER_CP) + stand_pat + DELTA_MARGIN <= alpha
            ):
                continue
            if see(row, move) < 0:
                continue
        make(row, move, teacher.rows[ply + 1])
        advance(teacher.net, teacher.acc, ply, row, teacher.rows[ply + 1])
        score = -teacher_quiescence(teacher, ply + 1, leaf_ply, -beta, -alpha)
        if score > best:
            best = score
            alpha = max(alpha, score)
            if alpha >= beta:
                break
    return best


@kernel()
def to_cp(units):
    """Units as centipawns; a mate in n plies is +-(32000 - n)."""
    if units > MATE - 2 * MAX_QUIET_PLY:
        return np.int64(MATE_SCORE_CP - (MATE - units))
    if units < 2 * MAX_QUIET_PLY - MATE:
        return np.int64(-MATE_SCORE_CP + (MATE + units))
    return np.int64(np.rint(units / UNITS_PER_CP))


@kernel()
def score_teacher_moves(teacher, ply, moves, count, scores, exact, reach):
    """Order moves[:count] of rows[ply], best first, by quiescence of the position after each.

    The accumulators of rows[ply] must be set. Scores are units for the mover; mates count from ply
    0.

    The first `exact` scores are exact down to `reach` temperatures of the policy targets below the
    best one. The others are upper bounds, because their search stops once they rank lower.
    """
    row = teacher.rows[ply]
    child = teacher.rows[ply + 1]
    statics = teacher.scores[ply]
    for i in range(count):
        move = moves[i]
        make(row, move, child)
        advance(teacher.net, teacher.acc, ply, row, child)
        after = static_value(teacher.net, teacher.acc, ply + 1, child)
        likely = -after + np.int64((see(row, move) - immediate_gain(row, move)) * UNITS_PER_CP)
        _insert(moves, scores, i, likely)
        place = i
        while moves[place] != move:
            statics[place] = statics[place - 1]
            place -= 1
        statics[place] = after
    for i in range(count):
        least = np.int64(-MATE)
        if i >= exact:
            least = scores[exact - 1]
        if i > 0:
            least = max(least, _faint(scores[0], reach))
        _insert(moves, scores, i, _settled_move(teacher, ply, moves[i], statics[i], least))


@kernel()
def _faint(best, reach):
    """Units of a move that is `reach` temperatures of the policy targets worse than the best
    one.
    """
    temperature = POLICY_SCALE_CP * UNITS_PER_CP + POLICY_SCALE_SLOPE * abs(best)
    return np.int64(max(np.float64(-MATE), best - reach * temperature))


@kernel()
def _settled_move(teacher, ply, move, after, least):
    """Units for the mover of rows[ply] after `move`, exact above `least`; `after`: the other side's
    static value.
    """
    row, child = teacher.rows[ply], teacher.rows[ply + 1]
    make(row, move, child)
    checked = in_check(child)
    if not checked and not has_pieces(child) and not generate(child, teacher.moves[ply + 1]):
        return np.int64(0)  # stalemate; quiescence does not see it
    if not checked and after >= -least:
        return -after  # the other side need not move
    advance(teacher.net, teacher.acc, ply, row, child)
    teacher.nodes[0] = 0
    return -teacher_quiescence(teacher, ply + 1, ply + 1, np.int64(-MATE), -least)


@kernel()
def _insert(moves, scores, place, score):
    """Insert moves[place] and its score into the sorted moves before it."""
    move = moves[place]
    while place > 0 and scores[place - 1] < score:
        moves[place], scores[place] = moves[place - 1], scores[place - 1]
        place -= 1
    moves[place], scores[place] = move, score
