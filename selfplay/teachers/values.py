"""Values of many positions by the teacher, at any depth, and which positions are calm."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from engine.board.attacks import in_check
from engine.native.jit import kernel
from engine.native.pool import ThreadPool
from engine.tactics.classical import evaluate
from engine.tactics.quiescence import new_space, quiet_value
from selfplay.records.calibration import STATIC
from selfplay.teachers.alpha_beta import deep_value
from selfplay.teachers.net_file import StockfishNet
from selfplay.teachers.quiet_search import CHECK_PLIES, MATE, begin_quiescence, new_teacher, teacher_quiescence, to_cp
from selfplay.teachers.static_value import static_value

CAPTURES = -2  # the depth that means quiescence without quiet checks; others as in `groups`, or plies of alpha-beta
CALM_CP = 40
HANGING_CP = 100  # a larger change by captures, in the classical evaluation, means not calm
ROWS_AT_ONCE = 256  # rows per unit of a thread's work


def teacher_cp(net: StockfishNet, rows: np.ndarray, depth: int, threads: int = 1) -> np.ndarray:
    """Return the teacher's centipawns int64[N] of rows. depth: STATIC, CAPTURES, 0 for quiescence, or plies of
    alpha-beta.
    """
    score_cp = np.zeros(len(rows), np.int64)

    def work(first: int, last: int) -> None:
        label_rows(new_teacher(net), rows[first:last], np.int64(depth), score_cp[first:last])

    bounds = [*range(0, len(rows), ROWS_AT_ONCE), len(rows)]
    with ThreadPool(threads, "label") as pool:
        pool.map(work, *zip(*pairwise(bounds), strict=True)) if len(rows) else None
    return score_cp


@kernel()
def label_rows(teacher, rows, depth, score_cp):
    """Write the teacher's centipawns of every row to `score_cp`."""
    for i in range(len(rows)):
        begin_quiescence(teacher, rows[i])
        if depth == STATIC:
            value = static_value(teacher.net, teacher.acc, np.int64(0), rows[i])
        elif depth == CAPTURES:
            value = teacher_quiescence(teacher, np.int64(0), np.int64(-CHECK_PLIES), np.int64(-MATE), np.int64(MATE))
        else:
            value = deep_value(teacher, rows[i], depth)
        score_cp[i] = to_cp(value)


def q_of(wdl: np.ndarray) -> np.ndarray:
    """Win minus loss."""
    return wdl[:, 0].astype(np.float64) - wdl[:, 2]


def calm_mask(net: StockfishNet, rows: np.ndarray) -> np.ndarray:
    """bool[N]: not in check, and neither the teacher's nor the classical quiescence changes the value much."""
    space = new_space()
    settled = np.array([quiet_value(row, space, np.int64(1), np.int64(0)) - evaluate(row) for row in rows])
    checked = np.array([in_check(row) for row in rows])
    return settled_mask(net, rows) & (np.abs(settled) <= HANGING_CP) & ~checked


def settled_mask(net: StockfishNet, rows: np.ndarray, threads: int = 1) -> np.ndarray:
    """bool[N]: captures change the static value little."""
    return np.abs(teacher_cp(net, rows, CAPTURES, threads) - teacher_cp(net, rows, STATIC, threads)) < CALM_CP
