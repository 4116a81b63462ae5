"""One search from its request to its result: when it is over, and its move.

`SearchDriver` joins the parts: visits until a limit (`visit_loop`), lines on the way (`report`),
the move at the end (`move_choice`). Where several lines are wanted and one is a win, whose proof
ends a search, it searches on beside that one; the move is chosen before (`tree.excluded_wins`).
"""

from dataclasses import replace
from math import inf, isinf

import numpy as np

from engine.board.convert import encode_move
from engine.board.layout import NO_MOVE
from engine.search.clock import Clock
from engine.search.levels import choose_weaker
from engine.search.like_people import PeoplePlan, choose_like_people
from engine.search.move_choice import SearchRequest, choose_move
from engine.search.report import Reporter
from engine.search.result import SearchResult, mate_moves
from engine.search.search_tree_state import Search, restrict_root, take_priors
from engine.search.time_use import doubt
from engine.search.tree import params
from engine.search.tree.arrays import MAX_VISITS, ROOT, UNKNOWN_DISTANCE, WIN
from engine.search.tree.excluded_wins import bring_back_wins, put_wins_aside
from engine.search.tree.root import read_position
from engine.search.visit_loop import Runner

# New visits for each of those between two looks at whether a depth or a mate is reached: as many as
# a batch has. Set by hand.
VISITS_PER_LOOK = 16


class Stopper:
    """Says between the rounds of one search whether it is over."""

    def __init__(self, search: Search, request: SearchRequest) -> None:
        self._search = search
        self._request = request
        self._limits = request.limits
        self.most_visits = MAX_VISITS
        if request.limits.nodes is not None:
            self.most_visits = min(MAX_VISITS, request.limits.nodes)
        if request.strength is not None:
            self.most_visits = min(self.most_visits, request.strength.nodes)
        self.pondering = request.limits.ponder
        self._next_check_ms = 0.0
        self._has_goal = request.limits.depth is not None or request.limits.mate is not None
        # Visits at which to look whether it is reached: how long calls of kernels are, and so the
        # machine, must not decide where a search ends.
        self._next_goal_look = 0
        self._begin_clock(request.begun)
        self.due_ms: float | None = None  # When time was up, if that ended the search.

    def _begin_clock(self, begun: float | None) -> None:
        self.clock: Clock = self._request.clock(begun, lambda: self._search.new_visits)
        is_limited = not (self._limits.infinite or isinf(self.clock.plan.hard_ms))
        self.is_timed = is_limited and not self.pondering
        if self.is_timed:
            self._value_before = self._request.last.value_before(self._request.board)

    def left_s(self) -> float:
        """Real seconds left at most."""
        if not self.is_timed:
            return inf
        return self.clock.left_s()

    def until(self) -> int:
        """Visits of the root at which to ask again at the latest."""
        most = self.most_visits
        if self._has_goal:
            most = min(most, self._next_goal_look)
        if not self.is_timed:
            return most
        soon = self.clock.visits_until(min(self._next_check_ms, self.clock.plan.hard_ms))
        return int(min(most, self._search.visits + soon))

    def is_over(self) -> bool:
        """Whether to stop now."""
        if self._request.job.stopped:
            return True
        if self._search.is_proven or self._reached_fixed_limit():
            return True
        if self.pondering:
            if self._request.job.pondering:
                return False
            self.pondering = False
            self._begin_clock(self._request.job.hit)
        return self.is_timed and self._is_out_of_time()

    def _reached_fixed_limit(self) -> bool:
        search = self._search
        if search.visits >= self.most_visits:
            return True
        if not self._has_goal or search.visits < self._next_goal_look:
            return False
        self._next_goal_look = search.visits + max(1, search.new_visits // VISITS_PER_LOOK)
        return self._reached_goal()

    def _reached_goal(self) -> bool:
        """Whether the depth or the mate is there, or out of reach: where nothing else ends the
        search, it gives up after as many visits as the tree has room for.
        """
        limits, search = self._limits, self._search
        if limits.depth is not None and round(search.mean_depth) >= limits.depth:
            return True
        if limits.mate is not None and self._found_mate(limits.mate):
            return True
        if limits.nodes is not None or limits.infinite or limits.is_timed:
            return False
        return search.new_visits >= len(search.tree.nodes)

    def _found_mate(self, most: int) -> bool:
        """Whether a mate in `most` moves is known. A proof that decides the root ends the search
        before anybody asks; to read the whole root takes longer than some visits.
        """
        search = self._search
        if most <= 0:
            return True
        is_forced = search.forced_move != NO_MOVE and search.forced_moves <= most
        if search.params.decide_root and not is_forced:
            return False
        root = search.root()
        best = root.best()
        if root.proven[best] == WIN and root.mate_plies[best] != UNKNOWN_DISTANCE:
            return mate_moves(int(root.mate_plies[best]) + 1) <= most
        return is_forced and best == root.forced_index()

    def _is_out_of_time(self) -> bool:
        plan = self.clock.plan
        elapsed = self.clock.elapsed_ms()
        share = inf
        look_ms = self._next_check_ms
        if elapsed >= look_ms:
            self._next_check_ms = elapsed + params.CHECK_INTERVAL_MS + params.CHECK_SHARE * elapsed
            if self._search.tree.n_edges[ROOT] == 1 and self._limits.movetime_ms is None:
                return True
            share = doubt(self._search, self._value_before)
        if not self.clock.is_over(share):
            return False
        # A choice may need less time than it has had; nobody could know before this look.
        self.due_ms = min(plan.hard_ms, max(look_ms, plan.due_ms(share)))
        return True

    def late_ms(self) -> float:
        """By how much the search is late; 0 where not its time ended it."""
        if self.due_ms is None:
            return 0.0
        return self.clock.elapsed_ms() - self.due_ms

    def clock_after_ms(self) -> float | None:
        """Return what the player's clock shows after a move that is sent now; None = there is none."""
        turn = self._request.board.turn
        left = self._limits.clock_ms(turn)
        if left is None:
            return None
        return left - self.clock.elapsed_ms() + self._limits.increment_ms(turn)


class SearchDriver:
    """Runs one search on a prepared tree (`Search.set_position` was called)."""

    def __init__(
        self, search: Search, runner: Runner, reporter: Reporter, request: SearchRequest
    ) -> None:
        self._search = search
        self._runner = runner
        self._reporter = reporter
        self._request = request
        self._stopper = Stopper(search, request)
        self._next_info_ms = params.FIRST_INFOS_MS[0]
        self._next_look_ms = params.LEAST_INFO_GAP_MS
        self._told_best: int | None = None  # The best root move in the last set of lines.
        self._best: int | None = None  # The move that is played, once it is chosen.

    def run(self) -> SearchResult:
        """Search until a limit or stop."""
        search = self._search
        request = self._request
        while not search.is_expanded:
            self._runner.advance(search.visits + 1)
        if request.only:
            restrict_root(
                search,
                np.array([encode_move(request.board, move) for move in request.only], np.uint16),
            )
        if request.is_like_people and request.people is not None:
            take_priors(search, *request.people.predict(search.game, request.options.elo))
        self._runner.begin()
        if self._stopper.is_timed and request.refills:
            self._visit_a_little()
        self._visit()
        best = self._choose()
        while not request.job.stopped and self._put_wins_aside():
            self._best = best
            self._visit()
        if request.lines > 1:
            bring_back_wins(search.tree)
        result = self._result(best)
        request.lateness.note(self._stopper.late_ms() - request.options.move_overhead_ms)
        return result

    def _put_wins_aside(self) -> bool:
        """Set aside what wins, where more lines are wanted; returns whether there is more to
        search.
        """
        search = self._search
        most = self._request.lines - 1
        if most < 1 or not search.is_proven:
            return False
        return bool(put_wins_aside(search.tree, most, *search.own_value))

    def _visit_a_little(self) -> None:
        """Visit the tree before anybody looks at the clock."""
        least = min(params.UNWATCHED_VISITS, self._stopper.most_visits)
        while self._search.visits < least and not self._search.is_proven:
            self._runner.advance(least)

    def _visit(self) -> None:
        """Visit the tree until a limit, a proof, or stop."""
        while not self._stopper.is_over():
            self._runner.advance(self._stopper.until(), self._stopper.left_s())
            self._report_now_and_then()
        self._runner.finish(in_haste=self._request.job.stopped)

    def _report_now_and_then(self) -> None:
        elapsed = self._reporter.elapsed_ms
        if self._request.on_info is None or elapsed < self._next_look_ms:
            return
        self._next_look_ms = elapsed + params.LOOK_INTERVAL_MS
        best = self._best
        if best is None:
            root = self._search.root()
            best = int(root.moves[root.best()])
        if elapsed >= self._next_info_ms or best != self._told_best:
            self._runner.pause()
            infos, _ = self._reporter.read(self._best, every=False)
            self._told_best = best
            self._next_look_ms = infos[0].time_ms + params.LEAST_INFO_GAP_MS
            soon = (moment for moment in params.FIRST_INFOS_MS if moment > elapsed)
            self._next_info_ms = next(soon, elapsed + params.INFO_INTERVAL_MS)
            self._request.on_info(infos)

    def _choose(self) -> int:
        """Return the move that is played, by its code."""
        request = self._request
        root = self._search.root()
        reporter = self._reporter
        order = reporter.order(root)
        if request.strength is not None:
            # A weaker player does not see the mates that the rules alone find.
            children = reporter.root_moves(replace(root, forced_move=NO_MOVE), order)
            if isinstance(request.strength, PeoplePlan):
                chosen = choose_like_people(request.board, children, request.strength, request.rng)
            else:
                chosen = choose_weaker(children, request.strength, request.rng)
            index = order[children.index(chosen)]
        elif request.ranks and not request.plays:  # in analysis, which searches all moves
            index = order[0]
        else:
            index = choose_move(root, request.temperature, request.rng)
        request.last.note(request.board, float(root.q[index]), self._stopper.clock_after_ms())
        return int(root.moves[index])

    def _result(self, best: int) -> SearchResult:
        infos, children = self._reporter.read(best)
        if self._request.on_info is not None:
            self._request.on_info(infos)
        line = infos[0].pv
        return SearchResult(
            best_move=line[0],
            ponder_move=line[1] if len(line) > 1 else None,
            infos=infos,
            children=children,
            nodes=infos[0].nodes,
            time_ms=infos[0].time_ms,
            root=read_position(self._search.tree, self._search.own_value[0]),
            board=self._request.board,
        )
