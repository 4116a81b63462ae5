"""Questions to the person at the terminal, whose flag falls while they think."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from engine.native.uptime import uptime_s


class FlagFell(Exception):
    """The time of the person who was asked is used up."""


def ask_line(prompt: str, left_s: float | None = None) -> str:
    """Read a line. Raises EOFError at the end of input, and FlagFell once no time is left.

    Without POSIX's timers, a fallen flag is noticed when the line has been typed.
    """
    with _until_the_flag_falls(left_s):
        line = input(prompt)
    if not sys.stdin.isatty():
        print(line)  # input that was not typed must still appear in the transcript
    return line


@contextlib.contextmanager
def _until_the_flag_falls(left_s: float | None) -> Iterator[None]:
    """Raise FlagFell in the main thread when the time is up."""
    if (
        left_s is None
        or not hasattr(signal, "setitimer")
        or threading.current_thread() != threading.main_thread()
    ):
        yield
        return

    due = uptime_s() + left_s

    def fall(number: int, frame: FrameType | None) -> None:
        if (left := due - uptime_s()) <= 0.0:
            raise FlagFell
        signal.setitimer(signal.ITIMER_REAL, max(0.01, left))  # the program was stopped meanwhile

    before = signal.signal(signal.SIGALRM, fall)
    signal.setitimer(signal.ITIMER_REAL, max(0.01, left_s))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
