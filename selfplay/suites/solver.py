"""Solvers: Aino in this process, or any UCI engine. Each reports its best move at several node counts."""

from collections.abc import Sequence
from typing import NamedTuple

import chess
import chess.engine

from engine.errors import ConfigError
from engine.native.awake import awake_s
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from selfplay.matches.contestant import Contestant, ask_engine, close_engine, open_engine
from selfplay.matches.control import TimeControl

STAGE = 2**0.5  # ratio between the node counts at which EngineSolver asks Aino for its best move
FIRST_STAGE = 8
ENGINE_PATIENCE_S = 60.0  # allow a UCI engine this much beyond its time; with a node limit, this much in all


class BestMove(NamedTuple):
    """The best move at one moment of a search."""

    nodes: int
    time_ms: int
    move: chess.Move
    mate: int | None  # full moves to the mate it announces; negative when it is being mated


BestMoves = Sequence[BestMove]
"""The best moves during a search, in order. The last one is the move played, with all nodes and time spent on it."""


class EngineSolver:
    """Aino in this process. With a node limit it searches in stages that keep the tree, to see when its move changes.

    The stages end at powers of the square root of 2. A stage may cut an evaluator's batch short, so the move may differ
    from that of one search with as many nodes. A time limit means one search, and its solution counts at its end.
    """

    def __init__(self, options: EngineOptions, limit: TimeControl) -> None:
        self._limit = limit
        self._engine = Engine(options)
        self._engine.warm_up()

    def solve(self, board: chess.Board, fresh: bool) -> BestMoves:
        """Search a position that has legal moves and its history on the stack. fresh: it begins a new problem."""
        engine, limit = self._engine, self._limit
        if fresh:
            engine.new_game()
        engine.set_position(board)
        begin = awake_s()
        steps: list[BestMove] = []
        kept = 0
        for nodes in _stages(limit.nodes) if limit.nodes and not limit.movetime_s else [limit.nodes or None]:
            movetime_ms = round(1000 * limit.movetime_s) or None
            result = engine.search(Limits(nodes=nodes, movetime_ms=movetime_ms))
            kept += result.nodes
            assert result.best_move is not None
            elapsed_ms = round(1000 * (awake_s() - begin))
            mate = result.infos[0].score_mate if result.infos else None  # a book move has no lines
            steps.append(BestMove(kept, elapsed_ms, result.best_move, mate))
        return steps

    def close(self) -> None:
        self._engine.close()


def _stages(nodes: int) -> list[int]:
    """Increasing node counts; the last is `nodes`."""
    stages = [nodes]
    while stages[0] / STAGE >= FIRST_STAGE:
        stages.insert(0, round(stages[0] / STAGE))
    return stages


class UciSolver:
    """A UCI engine in its own process. Raises ConfigError when the engine fails, because a suite counts no faults."""

    def __init__(self, contestant: Contestant, limit: TimeControl) -> None:
        self._name = contestant.name
        self._limit = limit
        self._engine = open_engine(contestant)

    def solve(self, board: chess.Board, fresh: bool) -> BestMoves:
        if fresh:
            self._engine.protocol.send_line("ucinewgame")
        try:
            return ask_engine(self._engine, self._search(board), self._limit.movetime_s + ENGINE_PATIENCE_S)
        except (chess.engine.EngineError, TimeoutError) as error:
            raise ConfigError(f"{self._name} failed in {board.fen()}: {error!r}") from error

    async def _search(self, board: chess.Board) -> BestMoves:
        limit = chess.engine.Limit(time=self._limit.movetime_s or None, nodes=self._limit.nodes or None)
        begin = awake_s()
        steps: list[BestMove] = []
        nodes, mate = 0, None
        with await self._engine.protocol.analysis(board, limit, game=self) as analysis:
            async for info in analysis:
                if info.get("multipv", 1) != 1:
                    continue
                nodes = max(nodes, info.get("nodes", 0))
                if info.get("pv") and info["pv"][0]:
                    if "score" in info and not info.keys() & {"lowerbound", "upperbound"}:
                        mate = info["score"].pov(board.turn).mate()
                    elif not steps or steps[-1].move != info["pv"][0]:
                        mate = None  # a bound tells of a move, but not in how many moves it mates
                    steps.append(BestMove(nodes, round(1000 * info.get("time", 0.0)), info["pv"][0], mate))
            best = await analysis.wait()
        if not best.move:  # None for `(none)`, a null move for `0000`
            raise chess.engine.EngineError("no move in a position with legal moves")
        if not steps or steps[-1].move != best.move:
            mate = None
        steps.append(BestMove(nodes, round(1000 * (awake_s() - begin)), best.move, mate))
        return steps

    def close(self) -> None:
        close_engine(self._engine)


Solver = EngineSolver | UciSolver
