"""When a search is over: its limits, its clock, and whether going on could still change the most visited move."""

from __future__ import annotations

import chess
import numpy as np

from engine.search.clock import Clock
from engine.search.control import SearchControl
from engine.search.limits import Limits
from engine.search.results import mate_moves
from engine.search.root import PROMISING_SHARE
from engine.search.session import Search
from engine.search.strength import StrengthPlan
from engine.search.tree import MAX_VISITS, UNKNOWN_DISTANCE, WIN

CHECK_INTERVAL_MS = 4.0  # between looks at the clock's finer questions
LEAST_VISITS = 64  # of this search, before its speed counts


class Stopper:
    """Asked between the rounds of one search. ``smart_pruning_factor``: see `_is_decided`; 0 turns it off. ``plan``
    limits the visits of a weakened engine; the clock runs since ``begun`` (time.monotonic seconds), or from now on.
    """

    def __init__(
        self,
        search: Search,
        board: chess.Board,
        limits: Limits,
        control: SearchControl,
        overhead_ms: float,
        saved_ms: float,
        smart_pruning_factor: float,
        plan: StrengthPlan | None = None,
        begun: float | None = None,
    ) -> None:
        self._search = search
        self._white = board.turn == chess.WHITE
        self._limits = limits
        self._control = control
        self._overhead_ms = overhead_ms
        self._saved_ms = saved_ms
        self._smart_pruning_factor = smart_pruning_factor
        self._most_visits = min(
            MAX_VISITS if limits.nodes is None else limits.nodes, MAX_VISITS if plan is None else plan.nodes
        )
        self._first_visits = search.visits  # kept from earlier searches
        self.pondering = limits.ponder
        self._next_check_ms = 0.0
        self.clock = self._start_clock(begun)

    def _start_clock(self, begun: float | None = None) -> Clock:
        return Clock.start(self._limits, self._white, self._overhead_ms, self._saved_ms, begun)

    def visits_left(self) -> int:
        """Visits until the node limit, or the end of the counter."""
        return max(0, self._most_visits - self._search.visits)

    def is_over(self) -> bool:
        """Whether to stop now."""
        if self._control.stopped or self._search.is_proven or self._reached_fixed_limit():
            return True
        if self.pondering:
            if self._control.pondering:
                return False
            self.pondering = False
            self.clock = self._start_clock()
        return self._is_out_of_time()

    def _reached_fixed_limit(self) -> bool:
        limits, search = self._limits, self._search
        if self.visits_left() == 0:
            return True
        if limits.depth is not None and round(search.mean_depth) >= limits.depth:
            return True
        if limits.mate is not None:
            best = search.best_order()[0]
            plies = int(search.root_mate_plies()[best])
            winning = search.root_proven()[best] == WIN and plies != UNKNOWN_DISTANCE
            if winning and mate_moves(plies + 1, True) <= limits.mate:
                return True
        return (limits.depth is not None or limits.mate is not None) and search.fullness >= 1.0

    def _is_out_of_time(self) -> bool:
        if self.clock.planned_ms is None or self._limits.infinite:
            return False
        elapsed = self.clock.elapsed_ms()
        if elapsed < self._next_check_ms:
            return self.clock.is_over(settled=False)
        self._next_check_ms = elapsed + CHECK_INTERVAL_MS
        visits = self._search.root_visits()
        if self._limits.movetime_ms is None and self._is_decided(visits, elapsed):
            return True
        return self.clock.is_over(self._is_settled(visits))

    def _is_settled(self, visits: np.ndarray) -> bool:
        """Whether the most visited move is also the best valued among those looked at seriously."""
        most = int(visits.argmax())
        q = np.where(visits >= PROMISING_SHARE * visits[most], self._search.root_q(), -2.0)
        return int(q.argmax()) == most

    def _is_decided(self, visits: np.ndarray, elapsed: float) -> bool:
        """Whether no move can overtake the most visited one any more (smart pruning).

        Counted are the visits possible in the time left at the speed so far, divided by the factor: above 1 it stops
        a little too early, for not all visits will go to one move.
        """
        if len(visits) == 1:
            return True
        done = self._search.visits - self._first_visits
        if done < LEAST_VISITS or self._smart_pruning_factor == 0.0:
            return False
        second, most = np.partition(visits, -2)[-2:]
        possible = done / max(elapsed, 1.0) * self.clock.rest_ms(self._is_settled(visits))
        return bool(most - second > possible / self._smart_pruning_factor)
