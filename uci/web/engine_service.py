"""The engine at the board, off the event loop and one job at a time: a new job ends the one before
it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import chess
import chess.pgn

from engine.options import EngineOptions
from engine.search.job import SearchJob
from engine.search.limits import Limits
from engine.search.result import SearchInfo, SearchResult
from uci.annotate.move_review import GameReview
from uci.annotate.review import review_game, until_stopped

if TYPE_CHECKING:
    from engine.player import Engine

_CLOSING_S = 5.0  # the longest time that an engine gets to end its work

OnLines = Callable[[Sequence[SearchInfo]], None]
Adapt = Callable[[EngineOptions], EngineOptions]  # from the options that the engine was loaded with
Answer = TypeVar("Answer")


class EngineService:
    """Searches and reviews with one engine. Each call stops the others; a stopped call returns
    None.

    `load` makes the engine, on a thread, before the first job.
    """

    def __init__(self, load: Callable[[], Engine]) -> None:
        self._load = load
        self._engine: Engine | None = None
        self._loaded = EngineOptions()
        self.evaluator_name = ""  # known once the engine is loaded
        self._one_at_a_time = asyncio.Lock()
        self._job = SearchJob[Any]()  # the latest one

    @property
    def is_loaded(self) -> bool:
        """Whether the engine can begin to search."""
        return self._engine is not None

    async def prepare(self) -> None:
        """Load the engine, if it is not loaded yet. Raises AinoErrors."""
        async with self._one_at_a_time:
            if self._engine is None:
                self._engine = await SearchJob[Any]().start(lambda job: self._load())
                self._loaded = self._engine.options
                self.evaluator_name = self._engine.evaluator.name

    def stop(self) -> None:
        """Stop all work at the next opportunity, without waiting."""
        self._job.stop()

    async def search(
        self,
        board: chess.Board,
        adapt: Adapt,
        limits: Limits,
        on_lines: OnLines = lambda infos: None,
    ) -> SearchResult | None:
        """Search a position. `on_lines` is called in the event loop, and no more once the search is
        stopped.
        """
        loop = asyncio.get_running_loop()

        def work(engine: Engine, job: SearchJob[SearchResult]) -> SearchResult:
            def deliver(infos: Sequence[SearchInfo]) -> None:
                if not job.stopped:
                    on_lines(infos)

            engine.set_position(board)
            return engine.search(
                limits, lambda infos: loop.call_soon_threadsafe(deliver, infos), job
            )

        return await self._run(work, adapt)

    async def review(
        self, game: chess.pgn.Game, adapt: Adapt, limits: Limits, on_ply: Callable[[int, int], None]
    ) -> GameReview | None:
        """Review a game; `on_ply(done, total)` is called in the event loop."""
        soon = asyncio.get_running_loop().call_soon_threadsafe

        def work(engine: Engine, job: SearchJob[GameReview | None]) -> GameReview | None:
            with contextlib.suppress(KeyboardInterrupt):  # of a review that was stopped
                return review_game(
                    engine, game, limits, lambda *at: soon(on_ply, *at), search=until_stopped(job)
                )
            return None

        return await self._run(work, adapt)

    async def _run(
        self, work: Callable[[Engine, SearchJob[Answer]], Answer], adapt: Adapt
    ) -> Answer | None:
        """Let a new job do some work, once the one before it has ended; None where it was
        stopped.
        """
        self.stop()
        self._job = job = SearchJob[Answer]()

        def adapted(job: SearchJob[Answer]) -> Answer:
            assert self._engine is not None
            self._engine.set_options(adapt(self._loaded))
            return work(self._engine, job)

        await self.prepare()
        async with self._one_at_a_time:
            answer = None if job.stopped else await job.start(adapted)
        return None if job.stopped else answer

    async def close(self) -> None:
        """End all work and the engine."""
        self.stop()
        engine = self._engine
        if engine is None:  # if it is being loaded, its threads end with the program
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S), self._one_at_a_time:
                await SearchJob[None]().start(lambda job: engine.close())
                self._engine = None
