"""Shares the games of a phase among workers elsewhere, and plays again what a lost worker leaves.

A replayed game comes out the same, so results do not depend on which workers survived.
"""

import functools
import hashlib
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from engine.errors import ConfigError, RunError
from engine.native.awake import awake_s
from selfplay.interrupt import Stop, Tell
from selfplay.run.playing import PlayTask, play_numbers, shared_task

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
    """Workers that take the numbers of their games from one list, and a channel for their messages."""

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

    def __call__(
        self, task: PlayTask, numbers: Sequence[int], finish: Callable[[Any], None], stop: Stop
    ) -> None:
        """Play the games of these numbers; see `PlayBackend`. `finish` gets each record once, here."""
        missing = list(numbers)
        count = self._count(task)
        in_vain = 0
        told = set[str]()
        task = shared_task(task, len(missing), count)
        while missing and not stop():
            finished: set[int] = set()

            def take(record: Any, finished: set[int] = finished) -> None:
                if isinstance(record, str):
                    # Every worker reports the same, with times and reasons of its own before the
                    # last semicolon.
                    wording = "".join(
                        letter for letter in record.rpartition("; ")[2] if not letter.isdigit()
                    )
                    if wording not in told:
                        told.add(wording)
                        self._tell(record)
                elif record.number not in finished:
                    finished.add(record.number)
                    finish(record)

            with closing(self._pool(task, missing, min(count, len(missing)))) as pool:
                try:
                    self._listen(pool, min(count, len(missing)), take, stop)
                except WorkerLost as lost:
                    in_vain = 0 if finished else in_vain + 1
                    if in_vain == ATTEMPTS:
                        where = f"game {missing[0]}" if len(missing) == 1 else "any game"
                        raise RunError(
                            f"workers were lost {ATTEMPTS} times before they finished {where}: {lost}"
                        ) from lost
                    self._tell(
                        f"a worker was lost ({lost}); it is replaced, and unfinished games are played again"
                    )
                begun = pool.taken()
            # Games that a worker may have died of come last.
            missing = [
                number for number in missing[begun:] + missing[:begun] if number not in finished
            ]

    def _listen(self, pool: Pool, count: int, take: Callable[[Any], None], stop: Stop) -> None:
        """Let `count` workers play until all games are finished or `stop()`. Raises as `__call__`,
        and WorkerLost.
        """
        due = {0: awake_s() + PATIENCE_S}
        pool.start(0)  # alone until the kernels are compiled
        while not stop():
            playing = pool.playing()
            message = pool.receive(WAIT_S if playing else 0.0)
            if message is None and not playing:
                return
            if message is not None:
                due[message[0]] = (now := awake_s()) + self._patience_s
                for worker in range(len(due), count):
                    pool.start(worker)
                    due[worker] = now + PATIENCE_S
                if message[1] is not None:
                    take(message[1])
            if any(awake_s() > due[worker] for worker in playing):
                raise WorkerLost("gave no sign of life in time")

    def _count(self, task: PlayTask) -> int:
        """Workers of the call that begins now."""
        return self._workers

    @abstractmethod
    def _pool(self, task: PlayTask, numbers: Sequence[int], count: int) -> Pool:
        """Make a pool of at most `count` workers."""


def play_share(
    task: PlayTask, numbers: Iterator[int], send: Callable[[Any], None], source: str
) -> None:
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
    beat = awake_s()

    def pulse() -> bool:
        nonlocal beat
        if (now := awake_s()) - beat >= BEAT_S:
            beat = now
            send(None)
        return False

    play_numbers(task, numbers, send, pulse, send)
