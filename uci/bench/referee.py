"""A stronger UCI engine that judges positions, its answers remembered in a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import chess
import chess.engine

__all__ = ["MATE_CP", "Answer", "Referee"]

MATE_CP = 3000  # centipawns; the score that stands for a mate
START_S = 120.0  # seconds; an engine on a busy machine may take a while to answer


class Answer(NamedTuple):
    """The engine's best move and its score in centipawns for the side to move, at most MATE_CP."""

    score_cp: int
    move: chess.Move


class Referee:
    """A UCI engine that searches to a fixed limit. JSON lines in `memory` keep what it has answered."""

    def __init__(self, command: str, limit: chess.engine.Limit, memory: Path) -> None:
        self._engine = chess.engine.SimpleEngine.popen_uci(command, timeout=START_S)
        self._name = str(self._engine.id.get("name", command))
        self._limit = limit
        self._memory = memory
        lines = memory.read_text(encoding="utf-8").splitlines() if memory.exists() else []
        self._known: dict[str, list[object]] = dict(map(json.loads, lines))

    def look(
        self, board: chess.Board, moves: Sequence[chess.Move] = (), limit: chess.engine.Limit | None = None
    ) -> Answer:
        """The best of some moves (default: of all); `limit` replaces the usual one. The game must not be over."""
        key = self._key(board, moves, limit or self._limit)
        if key not in self._known:
            info = self._engine.analyse(board, limit or self._limit, root_moves=moves or None)
            answer = [info["score"].relative.score(mate_score=MATE_CP), info["pv"][0].uci()]
            self._known[key] = answer
            with self._memory.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, answer]) + "\n")
        score_cp, move = self._known[key]
        assert isinstance(score_cp, int)
        return Answer(max(-MATE_CP, min(MATE_CP, score_cp)), chess.Move.from_uci(str(move)))

    def _key(self, board: chess.Board, moves: Sequence[chess.Move], limit: chess.engine.Limit) -> str:
        bounds = " ".join(f"{name}={value}" for name, value in vars(limit).items() if value is not None)
        return f"{self._name} {bounds} {board.fen()} {' '.join(sorted(map(str, moves)))}".rstrip()

    def close(self) -> None:
        """Ends the engine."""
        self._engine.quit()
