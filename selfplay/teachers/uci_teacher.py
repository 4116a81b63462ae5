"""The teacher that is another program: a UCI engine with MultiPV, restarted when it dies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from engine.board.layout import MAX_MOVES
from engine.board.movegen import generate
from selfplay.records.uci_text import MOVE_OF_TEXT, king_takes_rook
from selfplay.teachers.label_tasks import LabelTask
from selfplay.teachers.uci_engine import EngineDied, UciEngine

MOST_DEATHS = 3  # give up after this many engine deaths in a row


class UciTeacher:
    """Asks a UCI engine, restarts it when it dies, and skips the position that it died on. One thread may use it.

    Raises ConfigError if the engine does not start.
    """

    def __init__(self, new_engine: Callable[[], UciEngine], tell: Callable[[str], None]) -> None:
        self._new_engine = new_engine
        self._tell = tell
        self._engine = new_engine()
        self._deaths = 0  # engine deaths in a row

    def begin(self, task: LabelTask) -> None:
        """Positions of this task follow."""
        self._task, self._told = task, False

    def labels(self, ply: int) -> list[tuple[str, int]]:
        """Legal moves with scores, best first. Raises EngineDied the third time in a row, ConfigError."""
        task = self._task
        try:
            if not self._told:
                self._engine.new_game(task.chess960)
                self._told = True
            answer = self._engine.labels(task.fen, task.uci_moves(ply))
            self._deaths = 0
            return _legal(task, ply, answer)
        except EngineDied as error:
            self._engine.close()
            self._deaths += 1
            self._tell(f"engine: {error}; the position after {ply} moves from {task.fen} is skipped")
            if self._deaths == MOST_DEATHS:
                raise
            self._engine, self._told = self._new_engine(), False
            return []

    def close(self) -> None:
        """End the engine."""
        self._engine.close()


def _legal(task: LabelTask, ply: int, answer: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """The answer without illegal moves, which a faulty engine may give."""
    row, legal = task.stack[ply], np.zeros(MAX_MOVES, np.uint16)
    allowed = set(legal[: generate(row, legal)].tolist())
    return [(text, score) for text, score in answer if king_takes_rook(row, MOVE_OF_TEXT.get(text, 0)) in allowed]
