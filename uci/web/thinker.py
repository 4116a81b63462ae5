"""The engine's work, off the event loop and one piece at a time: a new piece of work ends the one before it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import chess
import chess.pgn

from engine.errors import StillCompilingError
from engine.options import EngineOptions
from engine.search.limits import Limits, SearchControl
from engine.search.result import SearchInfo, SearchResult
from uci.annotate.review import GameReview, review_game

if TYPE_CHECKING:
    from engine.player import Engine

_CLOSING_S = 5.0  # the longest time that an engine gets to end its work

OnLines = Callable[[Sequence[SearchInfo]], None]
Adapt = Callable[[EngineOptions], EngineOptions]  # from the options that the engine was loaded with
Answer = TypeVar("Answer")


class _ReviewStopped(Exception):
    """Ends a review between two searches."""


async def _in_thread(work: Callable[[], Answer]) -> Answer:
    """What `work` returns or raises, from a thread that does not keep the program alive."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def settle(answer: Answer | None, error: BaseException | None) -> None:
        if future.done():  # its waiter was cancelled
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(answer)  # type: ignore[arg-type]

    def run() -> None:
        answer, error = None, None
        try:
            answer = work()
        except Exception as caught:  # noqa: BLE001 - raised again where the answer is awaited
            error = caught
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, answer, error)

    threading.Thread(target=run, name="web engine", daemon=True).start()
    return await future


class Thinker:
    """Searches and reviews with one engine. Each call cancels the others; a cancelled call returns None.

    `load` makes the engine, in a thread, before the first piece of work.
    """

    def __init__(self, load: Callable[[], Engine]) -> None:
        self._load = load
        self._engine: Engine | None = None
        self._loaded = EngineOptions()
        self.evaluator_name = ""  # known once the engine is loaded
        self._one_at_a_time = asyncio.Lock()
        self._control = SearchControl()  # of the call that has not been cancelled

    @property
    def is_loaded(self) -> bool:
        """Whether the engine can begin to search."""
        return self._engine is not None

    async def prepare(self) -> None:
        """Loads the engine, if it is not loaded yet. Raises AinoErrors."""
        async with self._one_at_a_time:
            if self._engine is None:
                self._engine = await _in_thread(self._load)
                self._loaded = self._engine.options
                self.evaluator_name = self._engine.evaluator.name

    def cancel(self) -> SearchControl:
        """Stops all work at the next opportunity, without waiting; returns the control of the next call."""
        self._control.stop()
        self._control = SearchControl()
        return self._control

    async def search(
        self, board: chess.Board, adapt: Adapt, limits: Limits, on_lines: OnLines = lambda infos: None
    ) -> SearchResult | None:
        """Searches a position. `on_lines` is called in the event loop, and no more once the call is cancelled."""
        control = self.cancel()
        loop = asyncio.get_running_loop()

        def deliver(infos: Sequence[SearchInfo]) -> None:
            if not control.stopped:
                on_lines(infos)

        def told(infos: Sequence[SearchInfo]) -> None:
            loop.call_soon_threadsafe(deliver, infos)

        def work(engine: Engine) -> SearchResult:
            engine.set_position(board)
            return engine.search(limits, told, control)

        return await self._run(work, adapt, control)

    async def review(
        self, game: chess.pgn.Game, adapt: Adapt, limits: Limits, on_ply: Callable[[int, int], None]
    ) -> GameReview | None:
        """Reviews a game; `on_ply(done, total)` is called in the event loop."""
        control = self.cancel()
        loop = asyncio.get_running_loop()

        def search(engine: Engine, limits: Limits) -> SearchResult:
            result = engine.search(limits, None, control)
            if control.stopped:
                raise _ReviewStopped
            return result

        def told(done: int, total: int) -> None:
            loop.call_soon_threadsafe(on_ply, done, total)

        def work(engine: Engine) -> GameReview:
            return review_game(engine, game, limits, told, search=search)

        with contextlib.suppress(_ReviewStopped, StillCompilingError):
            return await self._run(work, adapt, control)
        return None

    async def _run(self, work: Callable[[Engine], Answer], adapt: Adapt, control: SearchControl) -> Answer | None:
        """Does a piece of work in a thread, once the one before it has ended; None where `control` was stopped."""

        def adapted() -> Answer:
            assert self._engine is not None
            self._engine.set_options(adapt(self._loaded))
            return work(self._engine)

        await self.prepare()
        async with self._one_at_a_time:
            answer = None if control.stopped else await _in_thread(adapted)
        return None if control.stopped else answer

    async def close(self) -> None:
        """Ends all work and the engine."""
        self.cancel()
        if self._engine is None:  # if it is being loaded, its threads end with the program
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S), self._one_at_a_time:
                await _in_thread(self._engine.close)
                self._engine = None
