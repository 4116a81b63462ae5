"""The teacher inside the process, for chosen positions: all moves scored by alpha-beta over a value net."""

from __future__ import annotations

import numpy as np

from engine.board.layout import MAX_MOVES
from engine.board.movegen import generate
from engine.errors import ConfigError
from engine.native.jit import kernel
from selfplay.records.calibration import GAME_SCORES, LONE_SCORES
from selfplay.records.uci_text import text_of_move
from selfplay.teachers.alpha_beta import score_moves_deeply
from selfplay.teachers.label_tasks import LabelTask
from selfplay.teachers.net_file import StockfishNet
from selfplay.teachers.quiet_search import new_teacher, to_cp


class NetTeacher:
    """Scores the best moves of positions by a search of `depth` plies. One thread may use it.

    Scores are centipawns on the scale of long searches (`calibration`), as those of a UCI engine with many nodes, so
    that labels of both kinds can be trained on together. Raises ConfigError for a depth that has no calibration.
    """

    def __init__(self, net: StockfishNet, depth: int, multipv: int) -> None:
        if depth not in GAME_SCORES:
            raise ConfigError(f"depth: expected one of {', '.join(map(str, GAME_SCORES))}, got {depth}")
        self._depth, self._multipv = depth, multipv
        self._teacher = new_teacher(net)
        self._moves, self._scores = np.zeros(MAX_MOVES, np.uint16), np.zeros(MAX_MOVES, np.int64)

    def begin(self, task: LabelTask) -> None:
        """Positions of this task follow."""
        self._task = task
        self._calibration = (GAME_SCORES if len(task.moves) > 1 else LONE_SCORES)[self._depth]

    def labels(self, ply: int) -> list[tuple[str, int]]:
        """(move, centipawns of the side to move), best first; empty without a legal move."""
        row = self._task.stack[ply]
        exact, depth = np.int64(self._multipv), np.int64(self._depth)
        count = min(self._multipv, int(score_position(self._teacher, row, self._moves, self._scores, exact, depth)))
        scores = self._calibration.long_search_cp(self._scores[:count])
        return [
            (text_of_move(row, int(move), self._task.chess960), int(score))
            for move, score in zip(self._moves[:count], scores, strict=True)
        ]

    def close(self) -> None:
        """Do nothing: there is no process to end."""


@kernel()
def score_position(teacher, row, moves, scores, exact, depth):
    """Write all legal moves, best first, and the teacher's centipawns, of which the first `exact` are exact.

    Returns the number of moves.
    """
    count = np.int64(generate(row, moves))
    score_moves_deeply(teacher, row, moves, count, scores, exact, depth)
    for i in range(count):
        scores[i] = to_cp(scores[i])
    return count
