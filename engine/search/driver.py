"""One search from its order to its result: what it is told, when it is over, and its move.

`SearchDriver` joins the parts: visits until a limit (`run`), lines on the way (`report`), the move at the end
(`choice`). Where several lines are wanted and one is a win, whose proof ends a search, it searches on beside that one;
the move is chosen before (`beside_wins`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import chess
import numpy as np

from engine.board.convert import encode_move
from engine.board.layout import NO_MOVE
from engine.search.beside_wins import WinsAside
from engine.search.choice import StrengthPlan, choose_move, choose_weaker
from engine.search.job import SearchJob
from engine.search.limits import Clock, Limits
from engine.search.params import (
    CHECK_INTERVAL_MS,
    CHECK_SHARE,
    FIRST_INFOS_MS,
    INFO_INTERVAL_MS,
    LEAST_INFO_GAP_MS,
    LOOK_INTERVAL_MS,
)
from engine.search.report import Reporter
from engine.search.result import OnInfo, SearchResult, mate_moves
from engine.search.run import Runner
from engine.search.session import Search
from engine.search.tree import MAX_VISITS, UNKNOWN_DISTANCE, WIN


@dataclass(frozen=True)
class SearchOrder:
    """What one search is told."""

    board: chess.Board
    limits: Limits
    rng: np.random.Generator
    begun: float  # When the clock began to run, in seconds of time.perf_counter.
    temperature: float = 0.0  # The move is drawn by visits ** (1 / temperature). 0 = play the best one.
    noise_epsilon: float = 0.0  # Share of Dirichlet noise in the root's priors. 0 = none.
    noise_alpha: float = 0.3  # Concentration of the Dirichlet noise.
    strength: StrengthPlan | None = None  # Plays weaker by this plan.
    only: tuple[chess.Move, ...] = ()  # The root moves that are searched; all where it is empty.
    by_tables: bool = False  # Play the move that comes first in endgame tables, which know every root move.
    lines: int = 1  # Search on beside moves that are proven to win until so many lines are searched.
    overhead_ms: float = 0.0  # Lost on the way to the GUI at every move.
    on_info: OnInfo | None = None  # Hears all lines early, once a second, when the best move changes, and at the end.
    job: SearchJob[SearchResult] = field(default_factory=SearchJob)


class Stopper:
    """Says between the rounds of one search whether it is over."""

    def __init__(self, search: Search, order: SearchOrder) -> None:
        self._search = search
        self._order = order
        self._limits = order.limits
        nodes, plan = order.limits.nodes, order.strength
        self.most_visits = min(MAX_VISITS if nodes is None else nodes, MAX_VISITS if plan is None else plan.nodes)
        self.pondering = order.limits.ponder
        self._next_check_ms = 0.0
        self.clock = self._new_clock(order.begun)

    def _new_clock(self, begun: float | None = None) -> Clock:
        order = self._order
        return Clock.start(order.limits, order.board.turn == chess.WHITE, order.overhead_ms, begun)

    def is_over(self) -> bool:
        """Whether to stop now."""
        if self._order.job.stopped:
            return True
        # A new root still counts draws by repetition of the old path until the rest of its tree is forgotten.
        if not self._search.is_making_room and (self._search.is_proven or self._reached_fixed_limit()):
            return True
        if self.pondering:
            if self._order.job.pondering:
                return False
            self.pondering, self.clock = False, self._new_clock()  # The opponent has played the expected move.
        return self._is_out_of_time()

    def _reached_fixed_limit(self) -> bool:
        limits, search = self._limits, self._search
        if search.visits >= self.most_visits:
            return True
        if limits.depth is None and limits.mate is None:
            return False
        if limits.depth is not None and round(search.mean_depth) >= limits.depth:
            return True
        if limits.mate is not None:
            root = search.root()
            best = root.order()[0]
            plies = int(root.mate_plies[best])
            winning = root.proven[best] == WIN and plies != UNKNOWN_DISTANCE
            if limits.mate <= 0 or (winning and mate_moves(plies + 1, True) <= limits.mate):
                return True
        # Neither may ever be reached: give up after as many visits as the tree has room for.
        return search.was_full and search.new_visits >= len(search.tree.nodes)

    def _is_out_of_time(self) -> bool:
        if self.clock.hard_ms is None or self._limits.infinite:
            return False
        elapsed = self.clock.elapsed_ms()
        if elapsed < self._next_check_ms:
            return self.clock.is_over()
        self._next_check_ms = elapsed + CHECK_INTERVAL_MS + CHECK_SHARE * elapsed
        if self._search.has_one_move and self._limits.movetime_ms is None:
            return True
        return self.clock.is_over(self._search.doubt())


class SearchDriver:
    """Runs one search on a prepared tree (`Search.set_position` was called)."""

    def __init__(self, search: Search, runner: Runner, reporter: Reporter, order: SearchOrder) -> None:
        self._search = search
        self._runner = runner
        self._reporter = reporter
        self._order = order
        self._stopper = Stopper(search, order)
        self._aside = WinsAside(search)
        self._next_info_ms = FIRST_INFOS_MS[0]
        self._next_look_ms = LEAST_INFO_GAP_MS
        self._told_best: int | None = None  # The best root move in the last set of lines.
        self._best: int | None = None  # The move that is played, once it is chosen.

    def run(self) -> SearchResult:
        """Search until a limit or stop."""
        search, order = self._search, self._order
        while not search.is_expanded:
            self._runner.advance(search.visits + 1)
        if order.only:
            search.restrict_root(np.array([encode_move(order.board, move) for move in order.only], np.uint16))
        if order.noise_epsilon > 0.0:
            search.add_root_noise(order.rng, order.noise_epsilon, order.noise_alpha)
        self._visit()
        best = self._choose()
        while not order.job.stopped and self._aside.add(order.lines - 1):
            self._best = best
            self._visit()
        self._aside.bring_back()
        return self._result(best)

    def _visit(self) -> None:
        """Visit the tree until a limit, a proof, or stop."""
        while not self._stopper.is_over():
            self._runner.advance(self._stopper.most_visits)
            self._report_now_and_then()
        self._runner.finish(in_haste=self._order.job.stopped)

    def _report_now_and_then(self) -> None:
        elapsed = self._reporter.elapsed_ms
        if self._order.on_info is None or elapsed < self._next_look_ms:
            return
        self._next_look_ms = elapsed + LOOK_INTERVAL_MS
        root = self._search.root()
        best = self._best if self._best is not None else int(root.moves[root.order()[0]])
        if elapsed >= self._next_info_ms or best != self._told_best:
            self._runner.pause()
            with self._aside.shown():
                infos = self._reporter.infos_now(self._best)
            self._told_best = best
            self._next_look_ms = infos[0].time_ms + LEAST_INFO_GAP_MS
            soon = [moment for moment in FIRST_INFOS_MS if moment > elapsed]
            self._next_info_ms = soon[0] if soon else elapsed + INFO_INTERVAL_MS
            self._order.on_info(infos)

    def _choose(self) -> int:
        """The move that is played, by its code."""
        told, root, reporter = self._order, self._search.root(), self._reporter
        order = reporter.order(root)
        if told.strength is not None:
            # A weaker player does not see the mates that the rules alone find.
            children = reporter.root_moves(replace(root, forced_move=NO_MOVE), order)
            index = order[children.index(choose_weaker(children, told.strength, told.rng))]
        elif told.by_tables:
            index = order[0]
        else:
            index = choose_move(root, told.temperature, told.rng)
        return int(root.moves[index])

    def _result(self, best: int) -> SearchResult:
        told, root, reporter = self._order, self._search.root(), self._reporter
        order = reporter.order(root)
        children = reporter.root_moves(root, order)
        infos = reporter.infos(root, order, children, best)
        if told.on_info is not None:
            told.on_info(infos)
        line = infos[0].pv
        return SearchResult(
            best_move=line[0],
            ponder_move=line[1] if len(line) > 1 else None,
            infos=infos,
            children=children,
            nodes=self._search.new_visits,
            time_ms=infos[0].time_ms,
            root=root.position,
            board=told.board,
        )
