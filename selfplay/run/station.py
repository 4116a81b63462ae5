"""Where a worker plays: game numbers in, finished records out, and a sign of life in between.

A worker process and an actor of a cluster hold one Station each and pass `exchange` on to their supervisor.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import platform
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import AinoError, ConfigError, RunError
from selfplay.run.playing import PlayTask, play_numbers

BEAT_S = 1.0  # seconds after which a station with no news reports that it is still playing
RESERVE = 4  # games a station keeps queued, so that it never waits for the next one

_log = logging.getLogger(__name__)


@functools.cache
def source_hash() -> str:
    """Hash over the sources of `engine` and `selfplay`, as this process first saw them."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for path in sorted(path for package in ("engine", "selfplay") for path in (root / package).rglob("*.py")):
        digest.update(str(path.relative_to(root).as_posix()).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Report:
    """A station's answer.

    Attributes:
        records: of the games finished since the last report.
        wanted: how many more games it would take now.
        error: what ended the station's work, if something did; it plays no more.
    """

    records: list[Any]
    wanted: int
    error: AinoError | None = None


class Station:
    """Plays the games it is given on a thread of its own. `exchange` is called by one thread at a time.

    source: `source_hash` of the supervisor. Other sources would play other games, so the first report then has a
    ConfigError.
    """

    def __init__(self, task: PlayTask, source: str) -> None:
        self._task = task
        self._source = source
        self._changed = threading.Condition()
        self._numbers: deque[int] = deque()
        self._records: list[Any] = []
        self._error: AinoError | None = None
        self._waiting = False  # there is room for another game, but none is queued
        self._idle = False
        self._alive = True  # some game advanced since the last report
        threading.Thread(target=self._work, name="station", daemon=True).start()

    def exchange(self, numbers: list[int]) -> Report:
        """Take the games and wait for news: a finished game, room for more, an error, or that the games go on.

        An empty list tells the station that there are no games for it at the moment. Does not return
        while the games are stuck, so that the supervisor may notice.
        """
        with self._changed:
            self._numbers.extend(numbers)
            self._waiting = False
            self._changed.notify_all()
            asked = time.monotonic()
            while not self._has_news():
                self._changed.wait(BEAT_S)
                if self._alive and time.monotonic() - asked >= BEAT_S:
                    break
            self._alive = False
            records, self._records = self._records, []
            return Report(records, RESERVE - len(self._numbers), self._error)

    def _has_news(self) -> bool:
        at_rest = self._idle and not self._numbers
        return bool(self._records) or self._error is not None or self._waiting or at_rest

    # ---- the playing thread ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            if source_hash() != self._source:
                place = f"{platform.node()}, {Path(__file__).resolve().parents[2]}"
                raise ConfigError(f"a worker runs another version of the program than its supervisor ({place})")
            self._warm_up()
            while True:
                self._wait_for_games()
                play_numbers(self._task, self._draw(), self._finish, self._pulse)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever supervises
            if not isinstance(error, AinoError):
                _log.exception("a worker failed")
            with self._changed:
                self._error = error if isinstance(error, AinoError) else RunError(f"a worker failed: {error!r}")
                self._changed.notify_all()

    def _wait_for_games(self) -> None:
        with self._changed:
            self._idle = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._numbers)
            self._idle = False

    def _warm_up(self) -> None:
        """Load the networks and the kernels before the first report: until then no other worker compiles them, too."""
        play_numbers(self._task.shortest(), [0], lambda record: None, self._pulse)

    def _draw(self) -> Iterator[int]:
        """The numbers as the games have room for them, until there are none."""
        while True:
            with self._changed:
                if not self._numbers:
                    self._waiting = True
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: not self._waiting)
                if not self._numbers:
                    return
                number = self._numbers.popleft()
            yield number

    def _finish(self, record: Any) -> None:
        with self._changed:
            self._records.append(record)
            self._changed.notify_all()

    def _pulse(self) -> bool:
        self._alive = True
        return False
