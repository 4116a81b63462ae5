"""One search from its first visit to its result: visits until a limit, lines on the way, the move at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import chess
import numpy as np

from engine.board.convert import encode_move
from engine.search import strength
from engine.search.choice import choose_move
from engine.search.control import SearchControl
from engine.search.limits import Limits
from engine.search.report import Reporter
from engine.search.results import SearchInfo, SearchResult
from engine.search.run import Runner
from engine.search.session import Search
from engine.search.stopping import Stopper
from engine.search.strength import StrengthPlan

OnInfo = Callable[[Sequence[SearchInfo]], None]

INFO_INTERVAL_MS = 1000.0


@dataclass(frozen=True)
class MoveChoice:
    """How the root is varied and the move chosen; the default is without chance."""

    rng: np.random.Generator
    temperature: float = 0.0
    noise_epsilon: float = 0.0
    noise_alpha: float = 0.3
    strength: StrengthPlan | None = None


class SearchDriver:
    """Runs one search of a board on a prepared tree (`Search.set_position` was called)."""

    def __init__(
        self,
        search: Search,
        runner: Runner,
        limits: Limits,
        stopper: Stopper,
        reporter: Reporter,
        choice: MoveChoice,
        on_info: OnInfo | None,
        control: SearchControl,
    ) -> None:
        self._search = search
        self._runner = runner
        self._limits = limits
        self._stopper = stopper
        self._reporter = reporter
        self._choice = choice
        self._on_info = on_info
        self._control = control
        self._next_info_ms = INFO_INTERVAL_MS

    def run(self, board: chess.Board, only: Sequence[chess.Move] = ()) -> SearchResult:
        """Search until a limit or stop; hold it back while infinite or pondering. ``only`` restricts the root."""
        search = self._search
        while not search.is_expanded:
            self._runner.advance(1)
        if only:
            search.restrict_root(np.array([encode_move(board, move) for move in only], np.uint16))
        if self._choice.noise_epsilon > 0.0:
            search.add_root_noise(self._choice.rng, self._choice.noise_epsilon, self._choice.noise_alpha)
        while not self._stopper.is_over():
            self._runner.advance(self._stopper.visits_left())
            self._report_now_and_then()
        self._runner.finish()
        if self._limits.infinite:
            self._control.wait_stop()
        elif self._stopper.pondering:
            self._control.wait_ponderhit()
        return self._result()

    def _report_now_and_then(self) -> None:
        if self._on_info is not None and self._reporter.elapsed_ms >= self._next_info_ms:
            self._next_info_ms = self._reporter.elapsed_ms + INFO_INTERVAL_MS
            self._on_info(self._reporter.infos())

    def _result(self) -> SearchResult:
        children = self._reporter.root_moves()
        if self._choice.strength is not None:
            best = strength.choose(children, self._choice.strength, self._choice.rng)
        else:
            index = choose_move(self._search, self._choice.temperature, self._choice.rng)
            best = next(child for child in children if child.move == self._reporter.move(index))
        infos = self._reporter.infos(best.move)
        if self._on_info is not None:
            self._on_info(infos)
        return SearchResult(
            best_move=best.move,
            ponder_move=best.pv[1] if len(best.pv) > 1 else None,
            infos=infos,
            children=children,
            nodes=self._reporter.nodes,
            time_ms=infos[0].time_ms,
            root=self._reporter.root_position(),
        )
