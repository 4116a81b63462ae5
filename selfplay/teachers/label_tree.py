"""Selects tree positions for labelling: the search asks the network about positions that games seldom reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import chess
import numpy as np

from engine.board.convert import board_from_row, row_from_board
from engine.board.layout import KEY
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from engine.search.result import Branch
from selfplay.data.teacher import UNKNOWN_RESULT
from selfplay.teachers.label_tasks import LabelTask

WIDEST = 60  # most moves followed per node; more are hardly ever visited


@dataclass(frozen=True)
class TreeSampling:
    """Which tree positions to label.

    Attributes:
        per_tree: approximate number per tree, drawn evenly from its nodes.
        nodes: base size of each search; it varies from half to twice this, so that trees have several ages.
        seed: random seed of the draws.
    """

    per_tree: int
    nodes: int = 600
    seed: int = 1


def positions_of_trees(tasks: Iterable[LabelTask], sampling: TreeSampling) -> Iterator[LabelTask]:
    """Replace each position of the tasks by some positions of the tree that the default evaluator grows from it.

    Each becomes a separate task without the moves before it. The draws depend only on the tasks, net and seed.
    """
    seen: set[int] = set()
    rng = np.random.default_rng(sampling.seed)
    with Engine(EngineOptions(threads=1, seed=max(1, sampling.seed))) as engine:
        for task in tasks:
            for ply in task.plies:
                board = board_from_row(task.stack[ply], task.chess960)
                nodes = max(1, sampling.nodes * int(rng.choice([1, 2, 4])) // 2)
                engine.new_game()
                engine.set_position(board)
                engine.search(Limits(nodes=nodes))
                for row in _drawn(board, engine.tree(1, WIDEST), sampling.per_tree / nodes, rng):
                    if int(row[KEY]) not in seen:
                        seen.add(int(row[KEY]))
                        yield LabelTask(row[None], np.zeros(0, np.uint16), UNKNOWN_RESULT, (0,), task.chess960)


def _drawn(
    board: chess.Board, branches: tuple[Branch, ...], share: float, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Rows of a random `share` of the tree's positions; leaves the board unchanged."""
    for branch in branches:
        board.push(branch.move)
        if rng.random() < share and any(board.generate_legal_moves()):
            yield row_from_board(board)
        yield from _drawn(board, branch.replies, share, rng)
        board.pop()
