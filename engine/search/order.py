"""One search's inputs, and what follows from its board, limits and options before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import chess
import numpy as np

from engine.evaluation.tablebase import Rank, good_moves, has_repeated
from engine.options import EngineOptions
from engine.search.choice import (
    FINISHING_PLIES,
    FINISHING_SLACK,
    StrengthPlan,
    decayed_temperature,
    finishes,
    finishing_plan,
    plan_for,
    without_repetition,
)
from engine.search.job import SearchJob
from engine.search.limits import Clock, Limits
from engine.search.result import OnInfo, SearchResult, win_minus_loss
from engine.search.tree.params import LC0
from engine.tactics.solved_endings import LONG

SOLVING_SHARE = 0.5  # Share of a move's planned time to wait for the solution of an ending. Set by hand.


@dataclass(frozen=True)
class SearchOrder:
    """One search, as it was asked for."""

    board: chess.Board
    limits: Limits
    options: EngineOptions
    rng: np.random.Generator
    begun: float  # When the clock began to run, in seconds of time.perf_counter.
    on_info: OnInfo | None = None  # Hears all lines early, once a second, when the best move changes, and at the end.
    job: SearchJob[SearchResult] = field(default_factory=SearchJob)
    only: tuple[chess.Move, ...] = ()  # The root moves that are searched; all where it is empty.
    by_tables: bool = False  # Play the move that comes first in endgame tables, which know every root move.

    @property
    def is_analysis(self) -> bool:
        """Whether the search is no part of a game."""
        return self.options.analyse_mode or self.limits.infinite

    @property
    def has_clock(self) -> bool:
        """Whether the side to move has a clock."""
        return self.limits.clock_ms(self.board.turn) is not None

    @cached_property
    def strength(self) -> StrengthPlan | None:
        """The plan for playing weaker; None if it was not asked for or no game is being played."""
        if not self.options.limit_strength or self.is_analysis:
            return None
        plan = plan_for(self.options.elo)
        return finishing_plan(plan) if finishes(self.board, self.options.elo) else plan

    @property
    def temperature(self) -> float:
        """The move is drawn by visits ** (1 / temperature). 0 = play the best one."""
        options = self.options
        return decayed_temperature(options.temperature, options.temperature_moves, self.board.fullmove_number)

    @property
    def lines(self) -> int:
        """Number of lines to search on beside moves that are proven to win."""
        fills = not self.has_clock and self.limits.mate is None and not self.limits.ponder
        return self.options.multi_pv if fills else 1

    @property
    def may_use_book(self) -> bool:
        """Whether a game is being played by the clock, and is not too old for the book."""
        limits, options = self.limits, self.options
        playing = limits.is_timed and not (limits.infinite or limits.ponder or limits.searchmoves)
        return playing and not options.analyse_mode and self.board.ply() < options.book_depth

    @property
    def patience_s(self) -> float:
        """Seconds to wait for the solution of an ending."""
        clock = self.clock()
        usual_ms = clock.planned_ms or clock.hard_ms
        return SOLVING_SHARE * usual_ms / 1000.0 if usual_ms is not None else LONG

    def clock(self, begun: float | None = None) -> Clock:
        """Return the move's clock. None = it begins now."""
        return Clock.start(self.limits, self.board.turn, self.options.move_overhead_ms, begun)

    def draw_score(self, cp_scale: float) -> float:
        """Value of a draw for the side to move, in [-1, 1]: `DrawScore`, minus `Contempt` when playing a game."""
        if self.options.preset == "lc0":
            return LC0.draw_score
        contempt = 0 if self.is_analysis else self.options.contempt
        return max(-1.0, min(1.0, self.options.draw_score / 100 - win_minus_loss(contempt, cp_scale)))

    def chosen_moves(self, ranks: Mapping[chess.Move, Rank]) -> tuple[chess.Move, ...]:
        """Return the root moves to search; all where it is empty. `ranks` is what endgame tables know of every move.

        In a game only moves that hold the tables' result. A limited level does not know the shortest way.
        """
        board, plan = self.board, self.strength
        asked = tuple(move for move in self.limits.searchmoves if board.is_legal(move))
        if not ranks or self.is_analysis:
            return without_repetition(board, asked) if plan is not None and plan.finishes else asked
        known = {move: ranks[move] for move in asked or ranks}
        if plan is None or board.halfmove_clock >= FINISHING_PLIES or has_repeated(board):
            return tuple(good_moves(known))
        return without_repetition(board, good_moves(known, FINISHING_SLACK))

    def is_over(self) -> bool:
        """Whether nobody waits any more for what the search may still find."""
        waits = self.limits.infinite or (self.limits.ponder and self.job.pondering)
        return self.job.stopped or (not waits and self.clock(self.begun).is_over())
