"""What a search may use, its limits and its clock, and `SearchJob`: a search that any thread may
stop and wait for.

UCI, the web board, the terminal and `Engine.start` all search by jobs. Knows neither the tree nor
the kernels, so that a command line can read limits without loading them.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import chess

from engine.native.awake import awake_s
from engine.search.tree import params


@dataclass(frozen=True)
class Limits:
    """Limits of one search, as in UCI `go`. None = not given. Without any limit the search runs
    until it is stopped.

    With a clock, movetime, nodes, depth or mate of 0 or less it ends at once; moves to go and
    increments of 0 or less count as not given.
    """

    white_time_ms: int | None = None
    black_time_ms: int | None = None
    white_increment_ms: int = 0
    black_increment_ms: int = 0
    moves_to_go: int | None = None
    movetime_ms: int | None = None
    nodes: int | None = None  # Visits of the root, those kept from earlier searches included.
    depth: int | None = (
        # Stop at this rounded mean depth of descents in plies, or when the tree grows no more.
        None
    )
    mate: int | None = None  # Stop at a mate in this many moves.
    infinite: bool = False  # Hold the result back until `stop`.
    # Hold the result back until `stop` or `ponderhit`, which starts the clock.
    ponder: bool = False
    searchmoves: tuple[chess.Move, ...] = ()

    def clock_ms(self, white: bool) -> int | None:
        """Milliseconds left on the mover's clock, or on the only clock that is given. None = no
        clock.
        """
        own, other = self.white_time_ms, self.black_time_ms
        if not white:
            own, other = other, own
        return own if own is not None else other

    def increment_ms(self, white: bool) -> int:
        """Milliseconds that the clock of `clock_ms` gains with every move."""
        own_clock = self.white_time_ms if white else self.black_time_ms
        if own_clock is None and self.clock_ms(white) is not None:
            white = not white
        return max(0, self.white_increment_ms if white else self.black_increment_ms)

    @property
    def is_timed(self) -> bool:
        """Whether a clock or a fixed time limits the search."""
        return self.movetime_ms is not None or self.clock_ms(True) is not None


@dataclass
class Lateness:
    """How many milliseconds the last moves took beyond their time and the move overhead: 0 on a
    quiet machine.
    """

    ms: float = 0.0

    def note(self, late_ms: float) -> None:
        """Note by how much a move was late; earlier moves count less and less."""
        self.ms = max(0.0, late_ms, params.LATENESS_MEMORY * self.ms)


@dataclass
class Clock:
    """Time for one move. The limits, in milliseconds, are None where nothing limits the time."""

    # What a move gets whose choice is as hard as most are. None = no plan, only the limit.
    planned_ms: float | None
    hard_ms: float | None  # What it gets at most.
    started: float  # When the clock began to run, in seconds of `now`.
    now: Callable[[], float] = time.perf_counter

    @classmethod
    def start(
        cls, limits: Limits, white: bool, overhead_ms: float, begun: float | None = None,
        now: Callable[[], float] = time.perf_counter, late_ms: float = 0.0,
    ) -> Clock:  # fmt: skip
        """Plan the time for the side to move; every move loses `overhead_ms` on the way to the GUI,
        and `late_ms` on a machine that was late with the moves before (`Lateness`).

        A move that may use up the clock keeps the time by which a busy machine is late, or half of
        the clock. `begun` is when the clock began to run, in seconds of `now`. None = now.
        """
        started = now() if begun is None else begun
        left = limits.clock_ms(white)
        if left is None:
            movetime = limits.movetime_ms
            most = (
                None if movetime is None else max(params.SHORTEST_THINK_MS, movetime - overhead_ms)
            )
            return cls(None, most, started, now)
        overhead_ms += min(late_ms, params.MOST_LATE_SHARE * max(0, left))
        usable = left - overhead_ms
        last = min(params.LAST_MOVE_SHARE * usable, usable - min(params.LATE_MS, left / 2))
        if limits.movetime_ms is not None:
            return cls(
                None,
                max(params.SHORTEST_THINK_MS, min(limits.movetime_ms - overhead_ms, last)),
                started,
                now,
            )
        to_go = limits.moves_to_go or 0
        moves = min(to_go, params.EXPECTED_MOVES) if to_go > 0 else params.EXPECTED_MOVES
        for_all = (
            left
            + (moves - 1) * limits.increment_ms(white)
            - (moves + params.SPARE_OVERHEADS) * overhead_ms
        )
        planned = max(
            for_all / moves, (left - params.RESERVE_OVERHEADS * overhead_ms) / params.LONG_RUN_MOVES
        )
        most = params.CLOCK_SHARE * usable if moves > 1 else last
        hard = min(params.HARD_FACTOR * planned, most)
        # What an increment brings back is there to be used, however late the moves before were.
        refilled = min(params.INCREMENT_SHARE * limits.increment_ms(white), most)
        least = max(params.SHORTEST_THINK_MS, refilled)
        return cls(max(least, min(planned, hard)), max(least, hard), started, now)

    def elapsed_ms(self) -> float:
        """Milliseconds since the start."""
        return (self.now() - self.started) * 1000.0

    def is_over(self, doubt: float = float("inf")) -> bool:
        """Whether to stop; `doubt` as in `due_ms`."""
        due = self.due_ms(doubt)
        return due is not None and self.elapsed_ms() >= due

    def due_ms(self, doubt: float = float("inf")) -> float | None:
        """When to stop; `doubt` is the multiple of the planned time that the choice deserves
        (`driver.doubt`). None where nothing limits the time.
        """
        if self.hard_ms is None or self.planned_ms is None:
            return self.hard_ms
        return min(self.hard_ms, doubt * self.planned_ms)

    def left_s(self) -> float:
        """Seconds left at most."""
        if self.hard_ms is None:
            return float("inf")
        return max(0.0, (self.hard_ms - self.elapsed_ms()) / 1000.0)


# ---- the job -------------------------------------------------------------------------------------

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
        self.now: Callable[[], float] = awake_s if begun is None else time.perf_counter
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
        self.hit = self.now() if self.hit is None else self.hit
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

    def wait_for(self, other: Future[Any], patience_s: float) -> Any:
        """Return what other work results in. Raises TimeoutError after so many seconds, or at
        `stop`.
        """
        until = self.now() + patience_s
        while not (other.done() or self.stopped or self.now() > until):
            wait([other], min(_POLL_S, patience_s))
        return other.result(0)

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
