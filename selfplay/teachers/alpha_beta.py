"""Shallow alpha-beta over the teacher's quiescence, and scores of all moves of a position."""

from __future__ import annotations

import numpy as np

from engine.board.attacks import in_check
from engine.board.layout import KEY, KING, NO_MOVE, PAWN, SIDE, WHITE
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.native.jit import kernel
from engine.tactics.quiescence import immediate_gain, take_best
from engine.tactics.see import see
from selfplay.records.targets import POLICY_SCALE_CP, POLICY_SCALE_SLOPE
from selfplay.teachers.accumulators import advance
from selfplay.teachers.quiet_search import MATE, MAX_QUIET_PLY, begin, quiescence, settled_value
from selfplay.teachers.static_value import UNITS_PER_CP, static_value

EXACT, AT_MOST, AT_LEAST = 0, 1, 2  # bound type of a table's score
EXTENSION_PLIES = 6  # plies from the root up to which a check at the horizon extends the search
# Move order: table move, captures that do not lose material, killers, quiet moves, losing captures.
TABLE_MOVE, GOOD_CAPTURE, KILLER = np.int64(1 << 20), np.int64(100_000), np.int64(50_000)


@kernel()
def deep_value(teacher, row, depth):
    """Units for the side to move by alpha-beta of `depth` plies; 0 is quiescence."""
    if depth <= 0:
        return settled_value(teacher, row)
    begin(teacher, row)
    _forget_killers(teacher)
    best = np.int64(0)
    for d in range(1, depth + 1):
        best = _search(teacher, np.int64(0), np.int64(d), np.int64(-MATE), np.int64(MATE))
    return best


@kernel()
def score_moves(teacher, row, moves, count, scores, exact, reach):
    """Order moves[:count], best first, by quiescence of the position after each; scores in units for the mover.

    The first `exact` scores are exact down to `reach` temperatures of the policy targets below the best one. The others
    are upper bounds, because their search stops once they rank lower.
    """
    begin(teacher, row)
    child, statics = teacher.rows[1], teacher.scores[0]
    for i in range(count):
        move = moves[i]
        make(row, move, child)
        advance(teacher.net, teacher.acc, np.int64(0), row, child)
        after = static_value(teacher.net, teacher.acc, np.int64(1), child)
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
        _insert(moves, scores, i, _settled_move(teacher, row, moves[i], statics[i], least))


@kernel()
def _faint(best, reach):
    """Units of a move that is `reach` temperatures of the policy targets worse than the best one."""
    temperature = POLICY_SCALE_CP * UNITS_PER_CP + POLICY_SCALE_SLOPE * abs(best)
    return np.int64(max(np.float64(-MATE), best - reach * temperature))


@kernel()
def _settled_move(teacher, row, move, after, least):
    """Units for the mover after `move`, exact above `least`; `after` is the static value for the other side."""
    child = teacher.rows[1]
    make(row, move, child)
    checked = in_check(child)
    if not checked and _only_pawns(child) and not generate(child, teacher.moves[1]):
        return np.int64(0)  # stalemate; quiescence does not see it
    if not checked and after >= -least:
        return -after  # the other side need not move
    advance(teacher.net, teacher.acc, np.int64(0), row, child)
    teacher.nodes[0] = 0
    return -quiescence(teacher, np.int64(1), np.int64(1), np.int64(-MATE), -least)


@kernel()
def _insert(moves, scores, place, score):
    """Insert moves[place] and its score into the sorted moves before it."""
    move = moves[place]
    while place > 0 and scores[place - 1] < score:
        moves[place], scores[place] = moves[place - 1], scores[place - 1]
        place -= 1
    moves[place], scores[place] = move, score


@kernel()
def _only_pawns(row):
    """Whether the side to move has only king and pawns, and so may be stalemated."""
    return (row[WHITE + np.int64(row[SIDE])] & ~(row[PAWN] | row[KING])) == np.uint64(0)


@kernel()
def _search(teacher, ply, depth, alpha, beta):
    """Units for the side to move of rows[ply], whose accumulators are set; null windows after the first move."""
    row, child = teacher.rows[ply], teacher.rows[ply + 1]
    checked = in_check(row)
    if depth <= 0 and not (checked and ply <= EXTENSION_PLIES):
        teacher.nodes[0] = 0
        return quiescence(teacher, ply, ply, alpha, beta)
    slot, table_move = _look_up(teacher, row)
    if table_move >= 0 and ply > 0 and _table_decides(teacher.table[slot], depth, alpha, beta):
        return np.int64(teacher.table[slot, 0])
    count = np.int64(generate(row, teacher.moves[ply]))
    if count == 0:
        return np.int64(ply - MATE) if checked else np.int64(0)
    _order(teacher, ply, row, count, table_move)
    best, best_move, bound = np.int64(-MATE), NO_MOVE, AT_MOST
    for i in range(count):
        move = take_best(teacher.moves[ply], teacher.scores[ply], i, count)
        make(row, move, child)
        advance(teacher.net, teacher.acc, ply, row, child)
        score = np.int64(0)
        if i > 0:
            score = -_search(teacher, ply + 1, depth - 1, -alpha - 1, -alpha)
        if i == 0 or alpha < score < beta:
            score = -_search(teacher, ply + 1, depth - 1, -beta, -alpha)
        if score > best:
            best, best_move = score, move
            if score > alpha:
                alpha, bound = score, EXACT
            if alpha >= beta:
                bound = AT_LEAST
                _note_killer(teacher, ply, row, move)
                break
    _store(teacher, slot, row, best, depth, bound, best_move)
    return best


@kernel()
def _look_up(teacher, row):
    """(table slot, its move or -1)."""
    key = _table_key(teacher, row)
    slot = np.int64(key & np.uint64(len(teacher.keys) - 1))
    known = teacher.keys[slot] == key and teacher.table[slot, 3] != 0
    return slot, np.int64(teacher.table[slot, 3]) if known else np.int64(-1)


@kernel()
def _table_key(teacher, row):
    """Table key of a position. It includes the root's key, so that no label depends on earlier searches."""
    return row[KEY] ^ teacher.rows[0, KEY] * np.uint64(0x9E3779B97F4A7C15)


@kernel()
def _table_decides(entry, depth, alpha, beta):
    score, bound = np.int64(entry[0]), entry[2]
    if entry[1] < depth:
        return False
    return bound == EXACT or (bound == AT_MOST and score <= alpha) or (bound == AT_LEAST and score >= beta)


@kernel()
def _store(teacher, slot, row, score, depth, bound, move):
    if abs(score) < MATE - 2 * MAX_QUIET_PLY:  # not for mates: their distance counts from the root, not from here
        teacher.keys[slot] = _table_key(teacher, row)
        entry = teacher.table[slot]
        entry[0], entry[1], entry[2], entry[3] = score, depth, bound, move


@kernel()
def _order(teacher, ply, row, count, table_move):
    for i in range(count):
        move = teacher.moves[ply, i]
        gain = immediate_gain(row, move)
        score = np.int64(0)
        if np.int64(move) == table_move:
            score = TABLE_MOVE
        elif gain > 0:
            score = 4 * gain + (GOOD_CAPTURE if see(row, move) >= 0 else -GOOD_CAPTURE)
        elif move == teacher.killers[ply, 0] or move == teacher.killers[ply, 1]:
            score = KILLER
        teacher.scores[ply, i] = score


@kernel()
def _forget_killers(teacher):
    """They order the moves, and with that decide what the table holds; so labels would depend on earlier ones."""
    teacher.killers[:] = NO_MOVE


@kernel()
def _note_killer(teacher, ply, row, move):
    if immediate_gain(row, move) == 0 and teacher.killers[ply, 0] != move:
        teacher.killers[ply, 1] = teacher.killers[ply, 0]
        teacher.killers[ply, 0] = move
