"""Solves problems with a UCI engine, which tells its best move at several node counts."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import chess
import chess.engine

from engine.native.uptime import uptime_s
from selfplay.matches.contestant import Contestant
from selfplay.matches.control import TimeControl
from selfplay.matches.engine_process import close_engine, open_engine
from selfplay.matches.match_game import EngineFault, is_legal, mate_of, read_info, think

# Allow an engine this much beyond its time; with a node limit, this much in all.
ENGINE_PATIENCE_S = 60.0


class BestMove(NamedTuple):
    """The best move at one moment of a search."""

    nodes: int
    time_ms: int
    move: chess.Move
    mate: int | None  # full moves to the mate it announces; negative when it is being mated


class Solver:
    """A UCI engine in its own process, which begins anew after an EngineFault."""

    def __init__(self, contestant: Contestant, limit: TimeControl) -> None:
        self._contestant, self._limit = contestant, limit
        self._engine = open_engine(contestant)

    def solve(self, board: chess.Board, fresh: bool) -> Sequence[BestMove]:
        """Search a position that has legal moves and its history on the stack. Returns the best
        moves in order; the last one is played, with all nodes and time spent on it.

        fresh: it begins a new problem.
        """
        lines = deque[str]()
        limit = self._limit
        if fresh:
            self._engine.protocol.send_line("ucinewgame")
        search_limit = chess.engine.Limit(time=limit.movetime_s or None, nodes=limit.nodes or None)
        begin = uptime_s()
        try:
            best = think(
                self._engine, board, search_limit, limit.movetime_s + ENGINE_PATIENCE_S, lines
            ).move
        except EngineFault:
            close_engine(self._engine, force=True)
            self._engine = open_engine(self._contestant)
            raise
        time_ms = round(1000 * (uptime_s() - begin))
        assert best is not None
        steps, nodes = _told_moves(lines, board)
        mate = steps[-1].mate if steps and steps[-1].move == best else None
        return [*steps, BestMove(nodes, time_ms, best, mate)]

    def close(self) -> None:
        close_engine(self._engine)


def _told_moves(lines: Iterable[str], board: chess.Board) -> tuple[list[BestMove], int]:
    """Return (best moves, nodes) that an engine's lines tell of a search."""
    steps = list[BestMove]()
    nodes = 0
    mate = None
    for info in map(read_info, lines):
        if info is None or info.rank != 1:
            continue
        nodes = max(nodes, info.nodes or 0)
        if is_legal(info.move, board):
            move = board.parse_uci(info.move)
            if info.score_cp is not None:
                mate = mate_of(info.score_cp)
            elif not steps or steps[-1].move != move:
                mate = None  # a bound tells of a move, but not in how many moves it mates
            steps.append(BestMove(nodes, info.time_ms or 0, move, mate))
    return steps, nodes
