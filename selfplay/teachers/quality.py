"""Measures how well an evaluator judges what search cannot find itself: calm positions and quiet siblings.

Both measures rank evaluators as games do; the error over all positions does not. The truth is a set of positions with
values from a long search. The teacher labels siblings at depth 2. Q = W - L of the side to move throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.board.convert import row_from_board
from engine.board.fen import parse_fen
from engine.board.layout import BLACK, WHITE
from engine.errors import DataError, FenError
from engine.evaluation.leaves import fill_leaf
from engine.evaluation.protocol import Evaluator, input_format_of, new_leaf_batch
from selfplay.data.teacher import UNKNOWN_RESULT, labelled_boards
from selfplay.data.text_files import numbered_lines
from selfplay.records.label_folder import LabelFolder, fields_of, rows_of
from selfplay.records.targets import WHITE_POINTS, Calibration, wdl_from_score
from selfplay.teachers.net_file import StockfishNet
from selfplay.teachers.siblings import SORTS, Order, Siblings, order
from selfplay.teachers.values import q_of, teacher_cp

BALANCED_CP = 150
LEAST_MEN = 17  # of parents whose siblings are compared: the middlegame, where most points are lost
JUDGED_AT_ONCE = 256


class Truth(NamedTuple):
    """N positions and their long-search scores in centipawns, for the side to move."""

    rows: np.ndarray  # uint64 [N, 16]
    score_cp: np.ndarray  # int64 [N]


@dataclass(frozen=True)
class Measures:
    """Results of an evaluator; errors are mean squared errors of Q."""

    error: float  # on all positions
    calm_error: float
    balanced_error: float  # on calm positions within 150 cp


Judge = Callable[[np.ndarray], np.ndarray]  # rows [N, 16] -> Q [N]


def read_truth(path: Path) -> Truth:
    """Positions with scores: lines of teacher labels (`selfplay/data/teacher.py`), or `FEN|cp at few nodes|cp at many`.

    Of a labelled game every position with labels counts, with its best score. Raises DataError naming a malformed line.
    """
    found: list[tuple[np.ndarray, int]] = []
    for number, line in numbered_lines(path):
        try:
            fen, middle, last = line.split("|")[:3]
            if middle in WHITE_POINTS or middle == UNKNOWN_RESULT:
                boards = labelled_boards(line, chess960=True)
                found += [(row_from_board(board), labels[0][1]) for board, labels in boards if labels]
            else:
                found.append((row_from_board(parse_fen(fen, chess960=True)), int(last)))
        except (KeyError, ValueError, FenError) as error:
            raise DataError(f"{path}:{number}: not a position with scores: {error}") from error
    if not found:
        raise DataError(f"{path}: no positions in it")
    rows, scores = zip(*found, strict=True)
    return Truth(np.stack(rows), np.array(scores, np.int64))


def parents_of(truth: Truth, most: int) -> np.ndarray:
    """Return the first balanced positions of the middlegame, at most `most`: rows uint64[P, 16]."""
    men = np.bitwise_count(truth.rows[:, WHITE] | truth.rows[:, BLACK])
    return truth.rows[(np.abs(truth.score_cp) < BALANCED_CP) & (men >= LEAST_MEN)][:most]


def parents_of_folder(folder: Path, most: int) -> np.ndarray:
    """Balanced positions of the middlegame from a label folder, spread over it: rows uint64[P, 16] with P <= `most`.

    Raises DataError for a damaged folder.
    """
    packed = LabelFolder(folder).values
    balanced = np.abs(fields_of(packed)["score"].astype(np.int32)) < BALANCED_CP
    numbers = np.flatnonzero(balanced & (np.bitwise_count(packed[:, 0]) >= LEAST_MEN))
    spread = numbers[np.linspace(0, len(numbers), min(most, len(numbers)), endpoint=False).astype(np.int64)]
    return rows_of(packed[spread], folder)


def measure(judge: Judge, truth: Truth, calm: np.ndarray) -> Measures:
    """Return the errors of one judge; `calm` bool[N] of the truth's positions."""
    square = (judge(truth.rows) - q_of(wdl_from_score(truth.score_cp))) ** 2
    near = calm & (np.abs(truth.score_cp) < BALANCED_CP)
    return Measures(*(float(square[some].mean()) if some.any() else 0.0 for some in (square == square, calm, near)))


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
