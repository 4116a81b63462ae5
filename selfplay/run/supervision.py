"""Hands games out to workers in small lots, replaces lost workers and reassigns their games.

A replayed lost game comes out the same, so results do not depend on which workers survived.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.errors import AinoError, ConfigError, RunError
from selfplay.run.playing import PlayTask, shared_task
from selfplay.run.station import Report, source_hash

PATIENCE_S = 600.0  # a worker silent this long is lost; compiling all kernels on a busy machine takes less
ATTEMPTS = 3  # give up after one game loses this many workers, or this many in a row never report
WAIT_S = 0.2  # seconds between checks for a stop


class WorkerLost(Exception):
    """A worker is gone; the message says how."""


class Worker(Protocol):
    """A Station somewhere else. `ask` and `answer` take turns; both raise WorkerLost."""

    def ask(self, numbers: list[int]) -> None:
        """Begin an exchange, without waiting for its end."""

    def answer(self) -> Report:
        """The report of an exchange that is `ready`."""

    def kill(self) -> None:
        """End the worker, whatever it is doing."""


class SupervisedPlay(ABC):
    """A PlayBackend of `workers` workers, which live for the length of a call.

    `tell` gets a message about each worker that was lost and replaced. A call raises an error that workers reported, or
    RunError, once a game has taken ATTEMPTS workers with it, or so many in a row were lost at their start; a
    ConfigError at once.
    """

    def __init__(
        self, workers: int, tell: Callable[[str], None] = lambda text: None, patience_s: float = PATIENCE_S
    ) -> None:
        source_hash()  # before the sources on disk can change
        self._workers = workers
        self._tell = tell
        self._patience_s = patience_s

    def __call__(
        self, task: PlayTask, numbers: Sequence[int], finish: Callable[[Any], None], stop: Callable[[], bool]
    ) -> None:
        """Play the games of these numbers; see `PlayBackend`. `finish` gets each record once, here."""
        count = self._count()
        hire = self._hirer(shared_task(task, len(numbers), count))
        supervisor = _Supervisor(self, hire, count, numbers, finish)
        try:
            while supervisor.unfinished and not stop():
                supervisor.advance()
        finally:
            supervisor.close()

    def _count(self) -> int:
        """Workers of the call that begins now."""
        return self._workers

    @abstractmethod
    def _hirer(self, task: PlayTask) -> Callable[[], Worker]:
        """What makes a new worker for the task; the worker may still be starting."""

    @abstractmethod
    def _ready(self, workers: Sequence[Any], timeout_s: float) -> Sequence[Worker]:
        """Those with an answer, or lost, as soon as there is one; none after the timeout. `workers` are some."""


@dataclass(eq=False)
class _Post:
    """A worker and what it has been given."""

    worker: Worker
    held: set[int] = field(default_factory=set)  # games given to this worker and not finished
    asked: float | None = None  # start time of the current exchange; None between exchanges
    greeted: bool = False  # the worker has reported at least once


class _Supervisor:
    """The workers of one call of `play`."""

    def __init__(
        self,
        play: SupervisedPlay,
        hire: Callable[[], Worker],
        size: int,
        numbers: Sequence[int],
        finish: Callable[[Any], None],
    ) -> None:
        self.unfinished = set(numbers)
        self._play, self._new_worker, self._size, self._finish = play, hire, size, finish
        self._pending = deque(numbers)
        self._attempts: Counter[int] = Counter()  # workers lost with a game
        self._stillborn = 0  # workers lost in a row before they reported once
        self._posts: list[_Post] = []

    def advance(self) -> None:
        """Fill empty posts, collect answers, and give up workers that have been silent for too long."""
        self._hire()
        for post in [post for post in self._posts if post.asked is None and self._pending]:
            self._give(post, 1)
        asked = {id(post.worker): post for post in self._posts if post.asked is not None}
        for worker in self._play._ready([post.worker for post in asked.values()], WAIT_S) if asked else ():
            self._hear(asked[id(worker)])
        patience_s = self._play._patience_s
        for post in list(self._posts):
            if post.asked is not None and time.monotonic() - post.asked > patience_s:
                self._lose(post, f"gave no answer for {patience_s:.0f} s")

    def close(self) -> None:
        """End all workers."""
        for post in self._posts:
            post.worker.kill()

    def _hire(self) -> None:
        """One worker first: once it is up, the kernels are compiled for the others."""
        up = any(post.greeted for post in self._posts)
        wanted = min(self._size, len(self.unfinished)) if up else 1
        while len(self._posts) < wanted:
            post = _Post(self._new_worker())
            self._posts.append(post)
            self._ask(post, [])

    def _give(self, post: _Post, wanted: int) -> None:
        """Hand out games; towards the end fewer at a time, so that nobody has games waiting while others rest."""
        fair = -(-len(self._pending) // (2 * self._size))
        lot = [self._pending.popleft() for _ in range(min(wanted, fair))]
        post.held.update(lot)
        if post.held:
            self._ask(post, lot)

    def _ask(self, post: _Post, lot: list[int]) -> None:
        post.asked = time.monotonic()
        try:
            post.worker.ask(lot)
        except WorkerLost as lost:
            self._lose(post, str(lost))

    def _hear(self, post: _Post) -> None:
        post.asked = None
        try:
            report = post.worker.answer()
        except WorkerLost as lost:
            self._lose(post, str(lost))
            return
        for record in report.records:
            post.held.discard(record.number)
            if record.number in self.unfinished:
                self.unfinished.remove(record.number)
                self._finish(record)
        if report.error is not None:
            self._lose(post, str(report.error), report.error)
            return
        post.greeted = True
        self._stillborn = 0
        self._give(post, report.wanted)

    def _lose(self, post: _Post, cause: str, error: AinoError | None = None) -> None:
        """Give the worker's games to others. Raises its error, or RunError, where that was tried often enough."""
        post.worker.kill()
        self._posts.remove(post)
        self._stillborn += not post.greeted
        lost = sorted(post.held & self.unfinished)
        self._attempts.update(lost)
        self._pending.extend(lost)
        stubborn = [number for number in lost if self._attempts[number] >= ATTEMPTS]
        if isinstance(error, ConfigError):  # another worker would say the same
            raise error
        if stubborn or self._stillborn >= ATTEMPTS:
            where = f"with game {stubborn[0]}" if stubborn else "at their start"
            raise error or RunError(f"{ATTEMPTS} workers were lost {where}; the last one {cause}")
        games = f"{len(lost)} unfinished game{'' if len(lost) == 1 else 's'} played again"
        self._play._tell(f"a worker was lost ({cause}); it is replaced, {games}")
