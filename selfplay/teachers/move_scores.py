"""Scores of all moves of a position by the teacher's quiescence."""

from __future__ import annotations

import numpy as np

from engine.board.attacks import in_check
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.native.jit import kernel
from engine.tactics.alphabeta import has_pieces
from engine.tactics.quiescence import immediate_gain
from engine.tactics.see import see
from selfplay.records.targets import POLICY_SCALE_CP, POLICY_SCALE_SLOPE
from selfplay.teachers.accumulators import advance
from selfplay.teachers.quiet_search import MATE, teacher_quiescence
from selfplay.teachers.static_value import UNITS_PER_CP, static_value


@kernel()
def score_teacher_moves(teacher, ply, moves, count, scores, exact, reach):
    """Order moves[:count] of rows[ply], best first, by quiescence of the position after each.

    The accumulators of rows[ply] must be set. Scores are units for the mover; mates count from ply 0.

    The first `exact` scores are exact down to `reach` temperatures of the policy targets below the best one. The others
    are upper bounds, because their search stops once they rank lower.
    """
    row, child, statics = teacher.rows[ply], teacher.rows[ply + 1], teacher.scores[ply]
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
        least = scores[exact - 1] if i >= exact else np.int64(-MATE)
        if i > 0:
            least = max(least, _faint(scores[0], reach))
        _insert(moves, scores, i, _settled_move(teacher, ply, moves[i], statics[i], least))


@kernel()
def _faint(best, reach):
    """Units of a move that is `reach` temperatures of the policy targets worse than the best one."""
    temperature = POLICY_SCALE_CP * UNITS_PER_CP + POLICY_SCALE_SLOPE * abs(best)
    return np.int64(max(np.float64(-MATE), best - reach * temperature))


@kernel()
def _settled_move(teacher, ply, move, after, least):
    """Units for the mover of rows[ply] after `move`, exact above `least`; `after`: the other side's static value."""
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
