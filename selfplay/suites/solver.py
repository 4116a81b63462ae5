"""Who solves: Aino in this process, or any UCI engine; and what was its first choice at which node count."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import chess
import chess.engine

from engine.errors import ConfigError
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from selfplay.matches.contestant import Contestant, ask, close_engine, open_engine
from selfplay.matches.control import TimeControl

__all__ = ["Answer", "EngineSolver", "Solver", "Step", "UciSolver", "found_at"]

STAGE = 2**0.5  # growth of the node counts at which Aino in this process is asked for its first choice
FIRST_STAGE = 8
PATIENCE_S = 60.0  # a UCI engine may need beyond its time, and at fixed nodes


class Step(NamedTuple):
    """A first choice in the course of a search."""

    nodes: int
    time_ms: int
    move: chess.Move
    mate: int | None  # announced: full moves, negative when being mated


@dataclass(frozen=True)
class Answer:
    """What an engine played, and the first choices on the way to it, the move played last."""

    steps: tuple[Step, ...]

    @property
    def last(self) -> Step:
        """The move played, with all nodes and time spent on it."""
        return self.steps[-1]


class Solver(Protocol):
    """Searches one position after another; each is new to it."""

    def solve(self, board: chess.Board, fresh: bool) -> Answer:
        """Search a position with legal moves, its history on the stack; `fresh` where it begins another problem."""
        ...

    def close(self) -> None:
        """End it."""
        ...


def found_at(answer: Answer, accepts: Callable[[Step], bool]) -> Step | None:
    """The step since which the first choice was right without a break, None where the move played is wrong."""
    found = None
    for step in reversed(answer.steps):
        if not accepts(step):
            break
        found = step
    return found


class EngineSolver:
    """Aino in this process. At fixed nodes it searches in stages that keep the tree, to be seen changing its mind.

    The stages lie at powers of the square root of 2. They cut evaluators' rounds short, so the move may differ from
    that of one search with as many nodes. A time limit is one search, whose solution counts at its end.
    """

    def __init__(self, options: EngineOptions, limit: TimeControl) -> None:
        self._limit = limit
        self._engine = Engine(options)
        self._engine.warm_up()

    def solve(self, board: chess.Board, fresh: bool) -> Answer:
        """As in Solver."""
        engine, limit = self._engine, self._limit
        if fresh:
            engine.new_game()
        engine.set_position(board)
        begin = time.perf_counter()
        steps: list[Step] = []
        kept = 0
        for nodes in _stages(limit.nodes) if limit.nodes and not limit.movetime_s else [limit.nodes or None]:
            movetime_ms = round(1000 * limit.movetime_s) or None
            result = engine.search(Limits(nodes=nodes, movetime_ms=movetime_ms))
            kept += result.nodes
            assert result.best_move is not None
            elapsed_ms = round(1000 * (time.perf_counter() - begin))
            mate = result.infos[0].score_mate if result.infos else None  # a book move comes without lines
            steps.append(Step(kept, elapsed_ms, result.best_move, mate))
        return Answer(tuple(steps))

    def close(self) -> None:
        """End the engine's threads."""
        self._engine.close()


def _stages(nodes: int) -> list[int]:
    """Node counts up to `nodes`, the last of them."""
    stages = [nodes]
    while stages[0] / STAGE >= FIRST_STAGE:
        stages.insert(0, round(stages[0] / STAGE))
    return stages


class UciSolver:
    """A UCI engine in a process of its own. Raises ConfigError when it fails: a suite is no match."""

    def __init__(self, contestant: Contestant, limit: TimeControl) -> None:
        self._name = contestant.name
        self._limit = limit
        self._engine = open_engine(contestant)

    def solve(self, board: chess.Board, fresh: bool) -> Answer:
        """As in Solver."""
        if fresh:
            self._engine.protocol.send_line("ucinewgame")
        try:
            return ask(self._engine, self._search(board), self._limit.movetime_s + PATIENCE_S)
        except (chess.engine.EngineError, TimeoutError) as error:
            raise ConfigError(f"{self._name} failed in {board.fen()}: {error!r}") from error

    async def _search(self, board: chess.Board) -> Answer:
        limit = chess.engine.Limit(time=self._limit.movetime_s or None, nodes=self._limit.nodes or None)
        begin = time.perf_counter()
        steps = []
        nodes, mate = 0, None
        with await self._engine.protocol.analysis(board, limit, game=self) as analysis:
            async for info in analysis:
                if info.get("multipv", 1) != 1:
                    continue
                nodes = max(nodes, info.get("nodes", 0))
                if info.get("pv"):
                    score = info.get("score")
                    mate = None if score is None else score.pov(board.turn).mate()
                    steps.append(Step(nodes, round(1000 * info.get("time", 0.0)), info["pv"][0], mate))
            best = await analysis.wait()
        if best.move is None:
            raise chess.engine.EngineError("no move in a position with legal moves")
        if not steps or steps[-1].move != best.move:
            mate = None
        steps.append(Step(nodes, round(1000 * (time.perf_counter() - begin)), best.move, mate))
        return Answer(tuple(steps))

    def close(self) -> None:
        """End the process."""
        close_engine(self._engine)
