"""Quiescence over the teacher's net: captures, queen promotions and some quiet checks, until nothing hangs."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import in_check
from engine.board.makemove import copy_row, make
from engine.native.jit import kernel
from engine.native.memory import buffers
from engine.tactics.quiescence import forcing_moves, take_best
from engine.tactics.see import see
from selfplay.records.targets import MATE_SCORE_CP
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
    """The net, and everything that one thread needs to search with it. The net's arrays are shared."""

    net: StockfishNet
    acc: Accumulators
    rows: Annotated[np.ndarray, "uint64 [MAX_QUIET_PLY + 2, 16]"]
    moves: Annotated[np.ndarray, "uint16 [MAX_QUIET_PLY + 2, 218]"]
    scores: Annotated[np.ndarray, "int64 [MAX_QUIET_PLY + 2, 218]"]  # order of the moves, highest first
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
def teacher_quiet_value(teacher, row):
    """Units for the side to move once captures are settled."""
    begin_quiescence(teacher, row)
    return teacher_quiescence(teacher, np.int64(0), np.int64(0), np.int64(-MATE), np.int64(MATE))


@kernel()
def teacher_quiescence(teacher, ply, leaf_ply, alpha, beta):
    """Units for the side to move of rows[ply] once captures are settled, exact within (alpha, beta).

    The row and its accumulators must be set; `leaf_ply` is where quiescence began.
    """
    row, moves, scores = teacher.rows[ply], teacher.moves[ply], teacher.scores[ply]
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
            if scores[i] > 0 and np.int64(scores[i] * UNITS_PER_CP) + stand_pat + DELTA_MARGIN <= alpha:
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
