"""An engine that may be asked before its kernels are compiled."""

import gc
from collections.abc import Callable
from typing import Any

import chess

from engine.evaluation.protocol import Evaluator, kernels_needed
from engine.options import EngineOptions
from engine.player import Engine
from engine.search.clock import new_clock, plan_time
from engine.search.job import SearchJob
from engine.search.limits import Limits
from uci.loading.background import OnProgress, Preparation
from uci.loading.compiler import TO_LOAD_MIB, check_room


class PatientEngine(Engine):
    """An engine whose searches wait until the kernels are in the cache. `on_wait` hears of the
    progress meanwhile.

    A wait raises StillCompilingError when it is stopped, or when a clock that runs demands the
    move.
    """

    def __init__(
        self, options: EngineOptions | None = None, evaluator: Evaluator | None = None
    ) -> None:
        super().__init__(options, evaluator)
        self.on_wait: OnProgress | None = None
        self._preparation = Preparation(self.options, kernels_needed(self.evaluator))
        self._is_warm = False
        self._warm_if_prepared()

    @property
    def is_prepared(self) -> bool:
        return self._preparation.finished

    def wait(
        self,
        tell: OnProgress | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Wait until the engine is prepared, and load its kernels; `tell` hears of the progress.

        Raises StillCompilingError once stopped.
        """
        if not self.is_prepared:
            self._preparation.wait(tell, stopped)
        self._warm_if_prepared()

    def set_options(self, options: EngineOptions) -> None:
        super().set_options(options)
        preparation = self._preparation.changed(self.options, kernels_needed(self.evaluator))
        if preparation is not self._preparation:
            self._preparation = preparation
            self._is_warm = False
            self._warm_if_prepared()

    def _get_ready(self, job: SearchJob[Any], limits: Limits, board: chess.Board) -> None:
        plan = plan_time(limits, board, self.options.move_overhead_ms)
        clock = new_clock(plan, self.options, job.begun, job.now)

        def is_over() -> bool:
            if job.begun is None or (limits.ponder and job.pondering):
                clock.restart()  # It does not run yet.
            return job.stopped or clock.is_over()

        self.wait(self.on_wait, is_over)

    def _warm_if_prepared(self) -> None:
        """Load the kernels from the cache as soon as they are there, before a search's time
        begins.
        """
        if self.is_prepared and not self._is_warm:
            check_room(TO_LOAD_MIB)
            board = self.board
            self._is_warm = True  # From now on, because the rehearsal searches, too.
            try:
                self.warm_up()
            except BaseException:
                self._is_warm = False
                raise
            finally:
                self.set_position(board)
            # Take all objects that live now, 140,000 with the kernels loaded, out of the
            # collector's full passes. One that visits them takes 50 to 70 ms, in which no clock is
            # looked at: in the middle of a move, a lost game.
            gc.collect()
            gc.freeze()
