"""One search from its first round to its result: rounds until a limit, lines on the way, the move at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import chess
import numpy as np

from engine.board.convert import decode_move, encode_move
from engine.evaluation.protocol import Evaluator, LeafBatch
from engine.search.clock import Clock
from engine.search.control import SearchControl
from engine.search.limits import Limits
from engine.search.results import RootMove, SearchInfo, SearchResult, centipawns, mate_moves, per_mille
from engine.search.session import Search
from engine.search.tree import OPEN, WIN

OnInfo = Callable[[Sequence[SearchInfo]], None]

SMALLEST_ROUND = 4  # leaves
VISITS_PER_LEAF = 16  # a round grows to this fraction of the visits so far, up to the evaluator's round size
CHECK_INTERVAL_MS = 4.0  # between looks at the clock's finer questions
INFO_INTERVAL_MS = 1000.0
PROMISING_SHARE = 0.1  # a move with this share of the best one's visits can unsettle the search by its value


class SearchDriver:
    """Runs one search of ``board`` on a prepared tree (`Search.set_position` was called)."""

    def __init__(
        self,
        search: Search,
        evaluator: Evaluator,
        leaves: LeafBatch,
        board: chess.Board,
        limits: Limits,
        overhead_ms: float,
        multi_pv: int,
        on_info: OnInfo | None,
        control: SearchControl,
    ) -> None:
        self.search = search
        self.evaluator = evaluator
        self.leaves = leaves
        self.board = board
        self.limits = limits
        self.overhead_ms = overhead_ms
        self.multi_pv = multi_pv
        self.on_info = on_info
        self.control = control
        self.begun = time.monotonic()
        self.clock = Clock.start(limits, board.turn == chess.WHITE, overhead_ms)
        self.first_visits = search.visits  # visits kept from earlier searches
        self._pondering = limits.ponder
        self._next_info_ms = INFO_INTERVAL_MS
        self._next_check_ms = 0.0

    # ---- rounds ----

    def run(self, only: Sequence[chess.Move] = ()) -> SearchResult:
        """Search until a limit or stop; hold the result back while infinite or pondering. ``only`` restricts the root.
        """
        if not self.search.is_expanded:
            self._round(1)
        if only:
            self.search.restrict_root(np.array([encode_move(self.board, move) for move in only], np.uint16))
        while not self._is_over():
            self._round(self._round_limit())
            self._report_now_and_then()
        if self.limits.infinite:
            self.control.wait_stop()
        elif self._pondering:
            self.control.wait_ponderhit()
        return self._result()

    def _round(self, limit: int) -> None:
        count = self.search.gather(self.leaves, 0, limit)
        if count:
            self.evaluator.evaluate(self.leaves, count)
            self.search.apply(self.leaves, 0, count)

    def _round_limit(self) -> int:
        """Visits of the next round: few while the tree is small, never by the number of threads."""
        limit = min(self.evaluator.round_size, max(SMALLEST_ROUND, self.search.visits // VISITS_PER_LEAF))
        if self.limits.nodes is not None:
            limit = min(limit, self.limits.nodes - self.search.visits)
        return limit

    # ---- when to stop ----

    def _is_over(self) -> bool:
        if self.control.stopped or self.search.is_proven:
            return True
        if self._reached_fixed_limit():
            return True
        if self._pondering:
            if self.control.pondering:
                return False
            self._pondering = False
            self.clock = Clock.start(self.limits, self.board.turn == chess.WHITE, self.overhead_ms)
        return self._is_out_of_time()

    def _reached_fixed_limit(self) -> bool:
        limits = self.limits
        if limits.nodes is not None and self.search.visits >= limits.nodes:
            return True
        if limits.depth is not None and round(self.search.mean_depth) >= limits.depth:
            return True
        if limits.mate is not None:
            best = self.search.best_order()[0]
            winning = self.search.root_proven()[best] == WIN
            return bool(winning and mate_moves(int(self.search.root_mate_plies()[best]) + 1, True) <= limits.mate)
        return False

    def _is_out_of_time(self) -> bool:
        if self.clock.planned_ms is None or self.limits.infinite:
            return False
        elapsed = self.clock.elapsed_ms()
        if elapsed < self._next_check_ms:
            return self.clock.is_over(settled=False)
        self._next_check_ms = elapsed + CHECK_INTERVAL_MS
        visits = self.search.root_visits()
        if self.limits.movetime_ms is None and self._is_decided(visits, elapsed):
            return True
        return self.clock.is_over(self._is_settled(visits))

    def _is_settled(self, visits: np.ndarray) -> bool:
        """Whether the most visited move is also the best valued among those looked at seriously."""
        most = int(visits.argmax())
        q = np.where(visits >= PROMISING_SHARE * visits[most], self.search.root_q(), -2.0)
        return int(q.argmax()) == most

    def _is_decided(self, visits: np.ndarray, elapsed: float) -> bool:
        """Whether no move can overtake the most visited one in the time left at the speed so far (smart pruning)."""
        if len(visits) == 1:
            return True
        done = self.search.visits - self.first_visits
        if done < SMALLEST_ROUND * VISITS_PER_LEAF:
            return False
        second, most = np.partition(visits, -2)[-2:]
        possible = done / max(elapsed, 1.0) * self.clock.rest_ms(self._is_settled(visits))
        return bool(most - second > possible)

    # ---- what is said ----

    def _report_now_and_then(self) -> None:
        elapsed = (time.monotonic() - self.begun) * 1000.0
        if self.on_info is not None and elapsed >= self._next_info_ms:
            self._next_info_ms = elapsed + INFO_INTERVAL_MS
            self.on_info(self._infos())

    def _infos(self) -> list[SearchInfo]:
        order = self.search.best_order()[: self.multi_pv]
        return [self._info(int(index), rank) for rank, index in enumerate(order, 1)]

    def _info(self, index: int, rank: int) -> SearchInfo:
        search = self.search
        elapsed_ms = max(1, round((time.monotonic() - self.begun) * 1000.0))
        done = search.visits - self.first_visits
        child = self._root_move(index)
        q = child.q if child.visits else -search.root_wdl()[2] + search.root_wdl()[0]
        line = search.principal_variation(index)
        return SearchInfo(
            depth=max(1, round(search.mean_depth)),
            seldepth=max(1, search.deepest, len(line)),
            time_ms=elapsed_ms,
            nodes=done,
            nps=round(done * 1000 / elapsed_ms),
            hashfull=round(1000 * search.fullness),
            multipv=rank,
            score_cp=centipawns(q),
            score_mate=child.mate,
            wdl=per_mille(q, child.draw),
            pv=[decode_move(row, move, self.board.chess960) for row, move in line],
        )

    def _root_move(self, index: int) -> RootMove:
        search = self.search
        row = search.root_row()
        proven = int(search.root_proven()[index])
        plies = int(search.root_mate_plies()[index]) + 1
        return RootMove(
            move=decode_move(row, int(search.root_moves()[index]), self.board.chess960),
            visits=int(search.root_visits()[index]),
            prior=float(search.root_priors()[index]),
            q=float(search.root_q()[index]),
            draw=float(search.root_draws()[index]),
            mate=None if proven == OPEN else mate_moves(plies, proven == WIN),
        )

    def _result(self) -> SearchResult:
        infos = self._infos()
        if self.on_info is not None:
            self.on_info(infos)
        children = [self._root_move(int(index)) for index in self.search.best_order()]
        pv = infos[0].pv
        return SearchResult(
            best_move=children[0].move,
            ponder_move=pv[1] if len(pv) > 1 else None,
            infos=infos,
            children=children,
            nodes=self.search.visits - self.first_visits,
            time_ms=infos[0].time_ms,
        )
