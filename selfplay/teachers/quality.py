"""Measures how a judge orders quiet siblings, which ranks evaluators as games do; errors of values do not.

The teacher labels siblings at depth 2. Q = W - L of the side to move throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.evaluation.leaves import fill_leaf
from engine.evaluation.protocol import Evaluator, input_format_of, new_leaf_batch
from selfplay.records.label_folder import LabelFolder, fields_of, rows_of
from selfplay.records.targets import Calibration
from selfplay.teachers.net_file import StockfishNet
from selfplay.teachers.siblings import SORTS, Order, Siblings, order
from selfplay.teachers.values import q_of, teacher_cp

BALANCED_CP = 150
LEAST_MEN = 17  # of parents whose siblings are compared: the middlegame, where most points are lost
JUDGED_AT_ONCE = 256


Judge = Callable[[np.ndarray], np.ndarray]  # rows [N, 16] -> Q [N]


def parents_of_folder(folder: Path, most: int) -> np.ndarray:
    """Balanced positions of the middlegame from a label folder, spread over it: rows uint64[P, 16] with P <= `most`.

    Raises DataError for a damaged folder.
    """
    packed = LabelFolder(folder).values
    balanced = np.abs(fields_of(packed)["score"].astype(np.int32)) < BALANCED_CP
    numbers = np.flatnonzero(balanced & (np.bitwise_count(packed[:, 0]) >= LEAST_MEN))
    spread = numbers[np.linspace(0, len(numbers), min(most, len(numbers)), endpoint=False).astype(np.int64)]
    return rows_of(packed[spread], folder)


def orders(judge: Judge, siblings: Siblings) -> list[Order]:
    """How one judge orders the quiet siblings: all of them, then those after each sort of move."""
    judged = -judge(siblings.rows)
    return [order(judged, siblings, sort) for sort in (None, *range(len(SORTS)))]


def evaluator_judge(evaluator: Evaluator) -> Judge:
    """Judge by an engine evaluator, on positions without history."""
    leaves = new_leaf_batch(JUDGED_AT_ONCE)

    def judge(rows: np.ndarray) -> np.ndarray:
        q = np.zeros(len(rows))
        for first in range(0, len(rows), JUDGED_AT_ONCE):
            part = rows[first : first + JUDGED_AT_ONCE]
            for leaf, row in enumerate(part):
                fill_leaf(leaves, leaf, row[None], input_format_of(evaluator))
            evaluator.evaluate(leaves, len(part))
            q[first : first + len(part)] = q_of(leaves.wdl[: len(part)])
        return q

    return judge


def teacher_judge(net: StockfishNet, depth: int, calibration: Calibration, threads: int = 1) -> Judge:
    """Judge by the teacher itself at `depth`."""
    return lambda rows: q_of(calibration.wdl(teacher_cp(net, rows, depth, threads)))
