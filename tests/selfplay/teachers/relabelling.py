"""Labels a sample of a label folder again from scratch."""

import numpy as np

from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.board.movegen import generate
from engine.native.jit import kernel
from selfplay.records import packed
from selfplay.records.packed import unpack_row
from selfplay.teachers.quiet_search import (
    MATE,
    begin_quiescence,
    new_teacher,
    score_teacher_moves,
    teacher_quiescence,
    to_cp,
)
from selfplay.teachers.sampling import REACH, pack_best_moves
from selfplay.teachers.static_value import static_value


@kernel()
def teacher_quiet_value(teacher, row):
    """Units for the side to move once captures are settled."""
    begin_quiescence(teacher, row)
    return teacher_quiescence(teacher, np.int64(0), np.int64(0), np.int64(-MATE), np.int64(MATE))


def count_wrong_labels(labels, net, sample):
    """Label `sample` rows of both files again; returns how many differ or are not positions."""
    rng = np.random.default_rng(1)
    wrong = 0
    for rows in (labels.values, labels.scored):
        numbers = np.sort(rng.integers(0, len(rows), min(sample, len(rows))))
        wrong += count_wrong(new_teacher(net), np.ascontiguousarray(rows[numbers]))
    return wrong


@kernel()
def count_wrong(teacher, rows):
    """Count packed rows [N, 4 or 8] without the teacher's value, or without its best moves and
    their scores.

    A value is static if calm, else that of quiescence; with scored moves it is that of the best
    one.
    """
    row = np.zeros(ROW_WORDS, np.uint64)
    words = np.zeros(packed.SCORED_WORDS, np.uint64)
    wrong = 0
    moves, scores = np.zeros(MAX_MOVES, np.uint16), np.zeros(MAX_MOVES, np.int64)
    for i in range(len(rows)):
        if not unpack_row(rows[i], row):
            wrong += 1
            continue
        if rows.shape[1] == packed.SCORED_WORDS:
            count = np.int64(generate(row, moves))
            begin_quiescence(teacher, row)
            score_teacher_moves(
                teacher, np.int64(0), moves, count, scores, np.int64(packed.TOP_MOVES), REACH
            )
            pack_best_moves(moves, scores, count, words)
            value = scores[0]
        elif rows[i, 3] >> np.uint64(56) & np.uint64(packed.CALM):
            begin_quiescence(teacher, row)
            value = static_value(teacher.net, teacher.acc, np.int64(0), row)
        else:
            value = teacher_quiet_value(teacher, row)
        same = to_cp(value) & 0xFFFF == np.int64(rows[i, 3]) & 0xFFFF
        for word in range(packed.VALUE_WORDS, rows.shape[1]):
            same = same and words[word] == rows[i, word]
        wrong += not same
    return wrong
