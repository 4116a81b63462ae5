"""Questions to the person at the terminal, with a clock that runs, and a flag that falls, while they think."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType

_LAST_SECONDS = 10.0  # below this the clock is shown in tenths of a second


class FlagFell(Exception):
    """The time of the person who was asked is used up."""


@dataclass(frozen=True)
class Countdown:
    """The clocks beside a question: how they look, and the seconds that the person has left."""

    text: Callable[[], str]
    left: Callable[[], float]


def ask_line(prompt: str, countdown: Countdown | None = None) -> str:
    """Read a line. Raises EOFError at the end of input and FlagFell once no time is left.

    In a terminal the clocks before the prompt run on. Without POSIX's timers they stand still, and a fallen flag is
    noticed when the line has been typed.
    """
    clocks = countdown.text() if countdown is not None else ""
    is_drawn = countdown is not None and _can_draw()
    with _running(countdown, clocks, prompt, is_drawn):
        line = input(clocks + prompt)
    if is_drawn:
        _write("\r\x1b[K")  # a clock that was due while the line ended is drawn on the next one
    if not sys.stdin.isatty():
        print(line)  # input that was not typed must still appear in the transcript
    return line


@contextlib.contextmanager
def _running(countdown: Countdown | None, clocks: str, prompt: str, is_drawn: bool) -> Iterator[None]:
    """Redraw the clocks as they run, and raise FlagFell in the main thread when the time is up."""
    if countdown is None or not hasattr(signal, "setitimer") or threading.current_thread() != threading.main_thread():
        yield
        return

    def tick(number: int, frame: FrameType | None) -> None:
        left = countdown.left()
        if is_drawn:
            _redraw(countdown.text().rjust(len(clocks)) + prompt)
        if left <= 0:
            raise FlagFell
        signal.setitimer(signal.ITIMER_REAL, _next_tick(left))

    before = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, _next_tick(countdown.left()))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _can_draw() -> bool:
    """Whether the terminal can move its cursor."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _next_tick(left: float) -> float:
    """Seconds until the clock looks different, or the flag falls."""
    until_change = 0.1 if left <= _LAST_SECONDS else (left % 1 or 1.0) + 0.001
    return max(0.01, min(left, until_change))


def _redraw(text: str) -> None:
    """Write over the prompt and put the cursor back, unless prompt and typed text take more than a line."""
    readline = sys.modules.get("readline")
    typed = readline.get_line_buffer() if readline is not None else ""
    if len(text) + len(typed) < shutil.get_terminal_size().columns:
        _write(f"\x1b7\r{text}\x1b8")


def _write(text: str) -> None:
    os.write(sys.stdout.fileno(), text.encode(sys.stdout.encoding, "replace"))
