"""Labels calm positions: alone, or in groups of all calm siblings, whose differences a training can ask for.

A label is the static value, that of quiescence, or that of the best move by quiescence after each (one ply deep).
"""

from __future__ import annotations

import numpy as np

from engine.board.attacks import in_check
from engine.board.ending import insufficient_material
from engine.board.layout import KEY
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.native.jit import kernel
from engine.tactics.quiescence import forcing_moves
from engine.tactics.see import see
from selfplay.records.calibration import QUIESCENCE, STATIC
from selfplay.records.packed import CALM, FOLLOWS, pack_row
from selfplay.teachers.accumulators import advance
from selfplay.teachers.move_scores import score_teacher_moves
from selfplay.teachers.quiet_search import CHECK_PLIES, MATE, MAX_QUIET_PLY, teacher_quiescence, to_cp
from selfplay.teachers.static_value import static_value


@kernel()
def is_settled(teacher, ply, value, limit):
    """Whether no capture wins material and quiescence stays within `limit` units of the static `value`."""
    row = teacher.rows[ply]
    moves, gains = teacher.moves[ply], teacher.scores[ply]
    count = forcing_moves(row, moves, gains, False, False)
    for i in range(count):
        if see(row, moves[i]) > 0:
            return False
    teacher.nodes[0] = 0
    without_checks = ply - CHECK_PLIES
    return teacher_quiescence(teacher, ply, without_checks, value + limit, value + limit + 1) <= value + limit


@kernel()
def label_of(teacher, ply, value, depth, scores):
    """Units of a calm position rows[ply] at a depth; `value` is its static value, scores int64 [218] scratch.

    Its accumulators are set and it has a legal move. Mates count from ply 0.
    """
    if depth == STATIC:
        return value
    teacher.nodes[0] = 0
    if depth == QUIESCENCE:
        return teacher_quiescence(teacher, ply, ply, np.int64(-MATE), np.int64(MATE))
    moves = teacher.moves[ply]
    count = np.int64(generate(teacher.rows[ply], moves))
    score_teacher_moves(teacher, ply, moves, count, scores, np.int64(1), 0.0)
    return scores[0]


@kernel()
def from_ply(value, ply):
    """Convert a mate's distance from ply 0 to that from rows[ply]."""
    if abs(value) <= MATE - 2 * MAX_QUIET_PLY:
        return value
    return value + ply if value > 0 else value - ply


@kernel()
def pack_group(space, ply, source, root):
    """Label all calm positions after the moves of rows[ply], whose accumulators are set, if there are enough of them.

    The rows follow each other, and all but the first are marked `FOLLOWS`. All have the first one's key. A group may
    go beyond the number of values at which to stop.
    """
    teacher, first = space.teacher, space.counts[0]
    row, child = teacher.rows[ply], teacher.rows[ply + 1]
    least, depth, limit = space.groups[0], space.groups[1], space.groups[2]
    moves = teacher.moves[ply]
    for i in range(np.int64(generate(row, moves))):
        make(row, moves[i], child)
        if in_check(child) or insufficient_material(child) or generate(child, teacher.moves[ply + 1]) == 0:
            continue
        advance(teacher.net, teacher.acc, ply, row, child)
        value = static_value(teacher.net, teacher.acc, ply + 1, child)
        if not is_settled(teacher, ply + 1, value, limit):
            continue
        label = from_ply(label_of(teacher, ply + 1, value, depth, space.scores), ply + 1)
        at = space.counts[0]
        kind = source | CALM | (FOLLOWS if at > first else 0)
        pack_row(child, to_cp(label), root, np.int64(0), kind, space.values[at])
        space.keys[at] = child[KEY] if at == first else space.keys[first]
        space.counts[0] += 1
    if space.counts[0] - first < least:
        space.counts[0] = first
