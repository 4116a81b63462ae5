"""Shares the games of a phase among workers elsewhere, and plays again what a lost worker leaves.

A replayed game comes out the same, so results do not depend on which workers survived.
"""

import functools
import hashlib
import platform
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from engine.errors import ConfigError, RunError
from engine.native.uptime import uptime_s
from selfplay.interrupt import Stop, Take, Tell
from selfplay.run.phase_games import PlayTask, play_numbers, shared_task

# A worker silent this long at its start is lost; compiling all kernels on a busy machine takes
# less.
PATIENCE_S = 600.0
ATTEMPTS = 3  # give up after so many pools in a row that finished no game
WAIT_S = 0.2  # seconds between checks for a stop
BEAT_S = 1.0  # seconds between the signs of life of a worker

# The worker, and the record of a finished game, or what its evaluators tell, or None as a sign of
# life.
WorkerMessage = tuple[int, Any]


class WorkerLost(Exception):
    """A worker is gone; the message says how."""


@functools.cache
def source_hash() -> str:
    """Hash over the sources of `engine` and `selfplay`, as this process first saw them."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for path in sorted(
        path for package in ("engine", "selfplay") for path in (root / package).rglob("*.py")
    ):
        digest.update(str(path.relative_to(root).as_posix()).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class Pool(Protocol):
    """Workers that take the numbers of their games from one list, and a channel for their
    messages.
    """

    def start(self, worker: int) -> None:
        """Let one more worker play, `play_share`."""

    def receive(self, timeout_s: float) -> WorkerMessage | None:
        """Return the next message; None if there is none within the timeout."""

    def playing(self) -> Sequence[int]:
        """Return the workers that still play. Raises WorkerLost, or the AinoError that ended one of
        them.
        """

    def taken(self) -> int:
        """How many numbers of the list were taken."""

    def close(self) -> None:
        """End all workers, whatever they are doing."""


class _Inbox:
    """Hands on what workers send: each game's record, and each of their messages, once."""

    def __init__(self, finish: Take, tell: Tell) -> None:
        self.finished: set[int] = set()
        self._finish = finish
        self._tell = tell
        self._told: set[str] = set()

    def take(self, content: Any) -> None:
        """Take a record or a text."""
        if isinstance(content, str):
            self._tell_once(content)
        elif content.number not in self.finished:
            self.finished.add(content.number)
            self._finish(content)

    def unfinished(self, numbers: Iterable[int]) -> list[int]:
        """Return those of the games that nobody has finished."""
        return [number for number in numbers if number not in self.finished]

    def _tell_once(self, text: str) -> None:
        # Every worker reports the same, with times and reasons of its own before the last
        # semicolon.
        wording = "".join(letter for letter in text.rpartition("; ")[2] if not letter.isdigit())
        if wording not in self._told:
            self._told.add(wording)
            self._tell(text)


def _start_missing(pool: Pool, count: int, deadlines: dict[int, float]) -> None:
    """Start all of the `count` workers that have no deadline yet, and give them one."""
    for worker in range(len(deadlines), count):
        pool.start(worker)
        deadlines[worker] = uptime_s() + PATIENCE_S


class SharedPlay(ABC):
    """A PlayBackend of `workers` workers, which live for the length of a call.

    Where one is lost, or silent for `patience_s` once it is up, a new pool plays the missing games;
    `tell` is told. A call raises a worker's AinoError, or RunError once ATTEMPTS pools in a row
    have finished no game.
    """

    def __init__(
        self, workers: int, tell: Tell = lambda text: None, patience_s: float = PATIENCE_S
    ) -> None:
        source_hash()  # before the sources on disk can change
        self._workers = workers
        self._tell = tell
        self._patience_s = patience_s

    def __call__(self, task: PlayTask, numbers: Sequence[int], finish: Take, stop: Stop) -> None:
        """Play the games of these numbers; see `PlayBackend`. `finish` gets each record once,
        here.
        """
        missing = list(numbers)
        count = self._count(task)
        task = shared_task(task, len(missing), count)
        inbox = _Inbox(finish, self._tell)
        pools_in_vain = 0
        while missing and not stop():
            workers = min(count, len(missing))
            finished_before = len(inbox.finished)
            with closing(self._pool(task, missing, workers)) as pool:
                try:
                    self._listen(pool, workers, inbox.take, stop)
                except WorkerLost as lost:
                    pools_in_vain += 1
                    if len(inbox.finished) > finished_before:
                        pools_in_vain = 0
                    self._go_on_without(lost, pools_in_vain, missing)
                begun = pool.taken()
            # Games that a worker may have died of come last.
            missing = inbox.unfinished(missing[begun:] + missing[:begun])

    def _listen(self, pool: Pool, count: int, take: Take, stop: Stop) -> None:
        """Let `count` workers play until all games are finished or `stop()`. Raises as `__call__`,
        and WorkerLost.
        """
        deadlines = {0: uptime_s() + PATIENCE_S}
        pool.start(0)  # alone until the kernels are compiled
        while not stop():
            playing = pool.playing()
            message = pool.receive(WAIT_S if playing else 0.0)
            if message is None and not playing:
                return
            if message is not None:
                worker, content = message
                deadlines[worker] = uptime_s() + self._patience_s
                _start_missing(pool, count, deadlines)
                if content is not None:
                    take(content)
            if any(uptime_s() > deadlines[worker] for worker in playing):
                raise WorkerLost("gave no sign of life in time")

    def _go_on_without(self, lost: WorkerLost, pools_in_vain: int, missing: Sequence[int]) -> None:
        """Tell of a lost worker. Raises RunError once ATTEMPTS pools in a row finished no game."""
        if pools_in_vain == ATTEMPTS:
            where = f"game {missing[0]}" if len(missing) == 1 else "any game"
            raise RunError(
                f"workers were lost {ATTEMPTS} times before they finished {where}: {lost}"
            ) from lost
        self._tell(
            f"a worker was lost ({lost}); it is replaced, and unfinished games are played again"
        )

    def _count(self, task: PlayTask) -> int:
        """Workers of the call that begins now."""
        return self._workers

    @abstractmethod
    def _pool(self, task: PlayTask, numbers: Sequence[int], count: int) -> Pool:
        """Make a pool of at most `count` workers."""


def play_share(task: PlayTask, numbers: Iterator[int], send: Take, source: str) -> None:
    """Do what a worker does: compile, say so, and play the games whose numbers it takes. `send`
    gets messages.

    source: `source_hash` of the caller. Raises ConfigError for another one: its games would be
    others.
    """
    if source_hash() != source:
        place = f"{platform.node()}, {Path(__file__).resolve().parents[2]}"
        raise ConfigError(
            f"a worker runs another version of the program than its supervisor ({place})"
        )
    play_numbers(task.shortest(), [0], lambda record: None, lambda: False, send)
    send(None)
    beat = uptime_s()

    def pulse() -> bool:
        nonlocal beat
        if (now := uptime_s()) - beat >= BEAT_S:
            beat = now
            send(None)
        return False

    play_numbers(task, numbers, send, pulse, send)
