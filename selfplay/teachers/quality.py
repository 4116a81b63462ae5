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

from engine.board.attacks import in_check
from engine.board.convert import row_from_board
from engine.board.fen import parse_fen
from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.errors import DataError, FenError
from engine.evaluation.leaves import fill_leaf
from engine.evaluation.protocol import Evaluator, new_leaf_batch
from engine.native.jit import kernel
from engine.tactics.classical import evaluate
from engine.tactics.quiescence import new_space, quiet_value
from selfplay.data.teacher import UNKNOWN_RESULT, labelled_boards
from selfplay.data.text_files import numbered_lines
from selfplay.records.calibration import DEPTH_2_SCORES
from selfplay.records.targets import WHITE_POINTS, Calibration, wdl_from_score
from selfplay.teachers.alpha_beta import deep_value
from selfplay.teachers.net_file import StockfishNet
from selfplay.teachers.quiet_search import CHECK_PLIES, MATE, begin, new_teacher, quiescence, to_cp
from selfplay.teachers.static_value import static_value

STATIC, CAPTURES = -1, -2  # depths that mean the static value, and quiescence without quiet checks
BALANCED_CP = 150
CALM_CP = 40
HANGING_CP = 100  # a larger change by captures, in the classical evaluation, means not calm
SIBLING_PARENTS = 150
NEAR_BEST = 0.3  # Q: siblings this close to the best matter for the choice
BATCH = 256


class Truth(NamedTuple):
    """N positions and their long-search scores in centipawns, for the side to move."""

    rows: np.ndarray  # uint64 [N, 16]
    score_cp: np.ndarray  # int64 [N]


class Siblings(NamedTuple):
    """The positions after all moves of some balanced positions."""

    rows: np.ndarray  # uint64 [S, 16]
    parent: np.ndarray  # int64 [S]
    label: np.ndarray  # float64 [S] Q of the parent's mover, by the teacher at depth 2
    quiet: np.ndarray  # bool [S] calm and close to the best sibling


@dataclass(frozen=True)
class Measures:
    """Results of an evaluator; errors are mean squared errors of Q."""

    error: float  # on all positions
    calm_error: float
    balanced_error: float  # on calm positions within 150 cp
    siblings: float  # correlation with the labels of quiet siblings, centred within their parent
    siblings_error: float  # standard error of `siblings`, by leaving out parents


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


def teacher_cp(net: StockfishNet, rows: np.ndarray, depth: int) -> np.ndarray:
    """The teacher's centipawns int64[N] of rows. depth: STATIC, CAPTURES, 0 for quiescence, or plies of alpha-beta."""
    score_cp = np.zeros(len(rows), np.int64)
    label_rows(new_teacher(net), rows, np.int64(depth), score_cp)
    return score_cp


@kernel()
def label_rows(teacher, rows, depth, score_cp):
    """Write the teacher's centipawns of every row to `score_cp`."""
    for i in range(len(rows)):
        begin(teacher, rows[i])
        if depth == STATIC:
            value = static_value(teacher.net, teacher.acc, np.int64(0), rows[i])
        elif depth == CAPTURES:
            value = quiescence(teacher, np.int64(0), np.int64(-CHECK_PLIES), np.int64(-MATE), np.int64(MATE))
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
    return _is_settled(net, rows) & (np.abs(settled) <= HANGING_CP) & ~checked


def _is_settled(net: StockfishNet, rows: np.ndarray) -> np.ndarray:
    """bool[N]: captures change the static value little."""
    return np.abs(teacher_cp(net, rows, CAPTURES) - teacher_cp(net, rows, STATIC)) < CALM_CP


def siblings_of(net: StockfishNet, truth: Truth) -> Siblings:
    """The children of the first balanced positions, labelled by the teacher."""
    parents = truth.rows[np.abs(truth.score_cp) < BALANCED_CP][:SIBLING_PARENTS]
    found, parent = [], []
    for number, row in enumerate(parents):
        moves, replies = np.zeros(MAX_MOVES, np.uint16), np.zeros(MAX_MOVES, np.uint16)
        for move in moves[: generate(row, moves)]:
            child = np.zeros(ROW_WORDS, np.uint64)
            make(row, move, child)
            if generate(child, replies):
                found.append(child)
                parent.append(number)
    if not found:
        raise DataError("no balanced position with a move among the truth's positions")
    rows, owner = np.stack(found), np.array(parent)
    label = -q_of(DEPTH_2_SCORES.wdl(teacher_cp(net, rows, 2)))
    best = np.full(len(parents), -np.inf)
    np.maximum.at(best, owner, label)
    return Siblings(rows, owner, label, _is_settled(net, rows) & (label > best[owner] - NEAR_BEST))


def measure(judge: Judge, truth: Truth, calm: np.ndarray, siblings: Siblings) -> Measures:
    """All measures of one judge; `calm` bool[N] of the truth's positions."""
    square = (judge(truth.rows) - q_of(wdl_from_score(truth.score_cp))) ** 2
    near = calm & (np.abs(truth.score_cp) < BALANCED_CP)
    quiet = siblings.quiet
    judged, label, owner = -judge(siblings.rows)[quiet], siblings.label[quiet], siblings.parent[quiet]
    correlation, error = _centred_correlation(judged, label, owner)
    return Measures(float(square.mean()), float(square[calm].mean()), float(square[near].mean()), correlation, error)


def _centred_correlation(a: np.ndarray, b: np.ndarray, owner: np.ndarray) -> tuple[float, float]:
    """(correlation within owners, its standard error by leaving out one owner at a time)."""
    counts = np.maximum(np.bincount(owner), 1)
    a = a - (np.bincount(owner, a) / counts)[owner]
    b = b - (np.bincount(owner, b) / counts)[owner]
    products = np.stack([np.bincount(owner, x) for x in (a * b, a * a, b * b)])
    total = products.sum(axis=1, keepdims=True)
    left = _correlation(total - products[:, np.bincount(owner) > 0])
    error = np.sqrt((len(left) - 1) * np.mean((left - left.mean()) ** 2))
    return float(_correlation(total)[0]), float(error)


def _correlation(products: np.ndarray) -> np.ndarray:
    """Correlation from sums of ab, aa and bb [3, n]; 0 if a or b never varies."""
    scale = np.sqrt(np.maximum(products[1] * products[2], 0.0))
    return np.divide(products[0], scale, out=np.zeros_like(scale), where=scale > 1e-12)


def evaluator_judge(evaluator: Evaluator) -> Judge:
    """Judge by an engine evaluator, on positions without history."""
    leaves = new_leaf_batch(BATCH)

    def judge(rows: np.ndarray) -> np.ndarray:
        q = np.zeros(len(rows))
        for first in range(0, len(rows), BATCH):
            part = rows[first : first + BATCH]
            for leaf, row in enumerate(part):
                fill_leaf(leaves, leaf, row[None])
            evaluator.evaluate(leaves, len(part))
            q[first : first + len(part)] = q_of(leaves.wdl[: len(part)])
        return q

    return judge


def teacher_judge(net: StockfishNet, depth: int, calibration: Calibration) -> Judge:
    """Judge by the teacher itself at `depth`."""
    return lambda rows: q_of(calibration.wdl(teacher_cp(net, rows, depth)))
