"""A search that any thread may stop and wait for: UCI, the web board, the terminal and
`Engine.start` all search by jobs.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from typing import Any, Generic, Self, TypeVar

from engine.native.uptime import uptime_s
from engine.search.limits import Limits

Answer = TypeVar("Answer")

# A waiting thread looks for Ctrl-C this often, because on Windows no signal ends a wait.
_POLL_S = 0.1


class SearchInterrupted(KeyboardInterrupt):
    """Ctrl-C while somebody waited for a job. `result` is what the job answered when it was
    stopped.
    """

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


class SearchJob(Generic[Answer]):
    """Hears `stop` and `ponderhit` from any thread, also before its search has begun, and answers
    with a result.

    `start` gives the job a thread of its own. Without it, the job can only stop a search on its
    caller's thread.

    Attributes: begun: when the move's clock began to run, in seconds of time.perf_counter. None =
        when the search begins. hit: when the opponent played the expected move, from which on that
        of a ponder search runs. None = not yet. now: counts its time. Only a clock that runs
        elsewhere (`begun`) runs while this process is stopped.
    """

    def __init__(self, begun: float | None = None) -> None:
        self.begun = begun
        self.hit: float | None = None
        self.now: Callable[[], float] = uptime_s if begun is None else time.perf_counter
        self._stop, self._ponderhit = threading.Event(), threading.Event()
        self._future: Future[Answer] = Future()
        # No thread of its own is at work. After Ctrl-C, Thread.join may not tell.
        self._idle = threading.Event()
        self._idle.set()

    def start(
        self,
        work: Callable[[SearchJob[Answer]], Answer],
        then: Callable[[Answer], object] = lambda answer: None,
    ) -> Self:
        """Call `work` with the job on a new thread, which does not keep the program alive; then
        `then`.

        The job is done before `then` gets what `work` returned.
        """
        self._future.set_running_or_notify_cancel()
        self._idle.clear()
        try:
            # Such as the language in which the work tells of itself.
            here = contextvars.copy_context()
            threading.Thread(
                target=here.run, args=(self._run, work, then), name="search", daemon=True
            ).start()
        except RuntimeError as error:  # The system has no more threads.
            self._future.set_exception(error)
            self._idle.set()
            raise
        return self

    def _run(
        self, work: Callable[[SearchJob[Answer]], Answer], then: Callable[[Answer], object]
    ) -> None:
        try:
            answer = work(self)
        except BaseException as error:  # noqa: BLE001 - `result` raises it again
            self._future.set_exception(error)
        else:
            self._future.set_result(answer)
            then(answer)
        finally:
            self._idle.set()

    # ---- what others say to it ----

    def stop(self) -> None:
        """End the search at the next opportunity; one that waits for its turn ends as soon as it
        begins.
        """
        self._stop.set()
        self._ponderhit.set()

    def ponderhit(self) -> None:
        """Start the clock now: the opponent has played the expected move."""
        if self.hit is None:
            self.hit = self.now()
        self._ponderhit.set()

    # ---- what the search asks ----

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    @property
    def pondering(self) -> bool:
        """Whether neither `ponderhit` nor `stop` was called."""
        return not self._ponderhit.is_set()

    def hold(self, limits: Limits) -> None:
        """Wait until the result may be told: an infinite search's after `stop`, a ponder search's
        after `ponderhit`.
        """
        if limits.infinite:
            self._stop.wait()
        elif limits.ponder:
            self._ponderhit.wait()

    def wait_until(self, moment: float) -> None:
        """Wait until this moment, in seconds of `now`, or until `stop`."""
        self._stop.wait(max(0.0, moment - self.now()))

    def wait_for(self, awaited: Future[Any], patience_s: float) -> Any:
        """Return what other work results in. Raises TimeoutError after so many seconds, or at
        `stop`.
        """
        until = self.now() + patience_s
        while not (awaited.done() or self.stopped or self.now() > until):
            wait([awaited], min(_POLL_S, patience_s))
        return awaited.result(0)

    # ---- its end ----

    def done(self) -> bool:
        """Whether there is a result, or an error."""
        return self._future.done()

    def result(self, timeout_s: float | None = None) -> Answer:
        """Wait for the result. Raises TimeoutError when it takes longer, and whatever went wrong in
        the search.

        Ctrl-C stops the job and raises SearchInterrupted with its result, or KeyboardInterrupt
        where it has none.
        """
        if timeout_s is not None:
            return self._future.result(timeout_s)
        interrupted = False
        while not self._idle.is_set():
            try:
                self._idle.wait(_POLL_S)
            except KeyboardInterrupt:
                self.stop()
                interrupted = True
        if not interrupted:
            return self._future.result()
        if (error := self._future.exception()) is not None:
            raise KeyboardInterrupt from error
        raise SearchInterrupted(self._future.result())

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until its thread has ended, where it has one."""
        self._idle.wait(timeout_s)

    def __await__(self) -> Generator[Any, None, Answer]:
        import asyncio  # It takes a while, and few await.

        return asyncio.wrap_future(self._future).__await__()
