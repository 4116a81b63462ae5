"""A clock that stands still while the process does: stopped (Ctrl-Z), frozen with its container, or
asleep.
"""

import threading
import time
from collections.abc import Callable

READING_S = 0.1  # between two readings, by which a process sees that it runs
# Without one; a busy machine, or a call that keeps the interpreter's lock, is late by less.
LEAST_PAUSE_S = 0.5
# Of one processor: a process that uses so much in a pause was not stopped. All set by hand.
AT_WORK = 0.1


class AwakeClock:
    """Seconds of `now` but for those in which it was not read and the process did not work, by
    `worked`.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        worked: Callable[[], float] = time.process_time,
    ) -> None:
        self._now = now
        self._worked = worked
        self._paused_s = 0.0
        self._latest = (now(), worked())
        self._lock = threading.RLock()

    def read(self) -> float:
        """Return the seconds."""
        with self._lock:
            then, worked_then = self._latest
            now, worked = self._latest = self._now(), self._worked()
            gap = now - then
            if gap > LEAST_PAUSE_S and worked - worked_then < AT_WORK * gap:
                self._paused_s += gap
            return now - self._paused_s


_clock = list[AwakeClock]()  # none before the first question, from which on a thread reads it


def uptime_s() -> float:
    """Return seconds for differences, as `time.monotonic` does, without those in which this process
    stood still.
    """
    if not _clock:
        _clock.append(AwakeClock())
        threading.Thread(target=_beat, name="awake", daemon=True).start()
    return _clock[0].read()


def _beat() -> None:
    never = threading.Event()
    while not never.wait(READING_S):
        uptime_s()
