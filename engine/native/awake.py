"""A clock that stands still while the process does: stopped (Ctrl-Z), frozen with its container, or asleep with the
machine. It measures others' time and one's own work; what other programs' clocks also count is measured by `time`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BEAT_S = 0.1  # between two signs of life of a process that runs
LEAST_PAUSE_S = 0.5  # without one: a busy machine, or a call that keeps the interpreter's lock, may be late by less
AT_WORK = 0.1  # of one processor: a process that uses so much in a pause was not stopped. All set by hand.


class AwakeClock:
    """Seconds of `now` without those in which nobody read the clock; `worked` tells the process's processor time."""

    def __init__(
        self, now: Callable[[], float] = time.monotonic, worked: Callable[[], float] = time.process_time
    ) -> None:
        self._now, self._worked, self._paused_s = now, worked, 0.0
        self._latest = now(), worked()
        self._lock, self._has_begun = threading.RLock(), False

    def read(self) -> float:
        """Return the seconds. What passes unread from now on, while the process rests, does not count."""
        with self._lock:
            (then, before), self._latest = self._latest, (self._now(), self._worked())
            gap, work = self._latest[0] - then, self._latest[1] - before
            if gap > LEAST_PAUSE_S and work < AT_WORK * gap:
                self._paused_s += gap
            return self._latest[0] - self._paused_s

    def keep_reading(self) -> None:
        """Let a thread read it as long as the process runs."""
        with self._lock:
            if not self._has_begun:
                self._has_begun, self._latest = True, (self._now(), self._worked())
                threading.Thread(target=self._beat, name="awake", daemon=True).start()

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT_S)
            self.read()


_clock = AwakeClock()


def awake_s() -> float:
    """Return seconds for differences, as `time.monotonic` does, without those in which this process stood still."""
    _clock.keep_reading()
    return _clock.read()
