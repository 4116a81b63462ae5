"""Turn Ctrl-C, SIGTERM and a closed terminal into a flag, which long loops poll, so that they can
save their state.
"""

import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

from engine.cli.command_line import handling_signals
from engine.cli.live_lines import show
from engine.native.uptime import uptime_s

SAME_REQUEST_S = 2.0  # a person who saw no answer presses again after more; set by hand

# What long tasks are given.
Stop = Callable[[], bool]  # says whether to stop
Take = Callable[[Any], None]  # gets what they make, such as the record of a game
Tell = Callable[[str], None]  # gets a line for the user
# Gets the share of a task that is done, 0..1, and a text about it.
Report = Callable[[float, str], None]

_STOP: ContextVar[Stop] = ContextVar("stop", default=lambda: False)


class Stopped(Exception):
    """A task was told to stop, and raises this instead of going on."""


@contextmanager
def stopping(stop: Stop) -> Iterator[None]:
    """Let `stopped` ask `stop` in this thread, for the length of the block."""
    token = _STOP.set(stop)
    try:
        yield
    finally:
        _STOP.reset(token)


def stopped() -> bool:
    """Whether the work of this thread is to stop. Long waits for others ask it."""
    return _STOP.get()()


@contextmanager
def stop_flag() -> Iterator[threading.Event]:
    """Yield a flag that the first signal sets, for the length of the block.

    What follows within SAME_REQUEST_S asks for the same: a key that was pressed twice, or a signal
    to a process and to its group. Ctrl-C after that ends the block at once, and says so.
    """
    flag = threading.Event()
    first_s = math.inf

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first_s
        is_impatient = uptime_s() - first_s > SAME_REQUEST_S
        first_s = min(first_s, uptime_s())
        flag.set()
        if is_impatient and number in (signal.SIGINT, signal.SIGTERM):
            raise KeyboardInterrupt

    handling = ExitStack()
    if threading.current_thread() is threading.main_thread():
        handling.enter_context(handling_signals("SIGHUP SIGINT SIGTERM", handle))
    try:
        with handling, stopping(flag.is_set):
            yield flag
    except KeyboardInterrupt:
        show("ended at once, without what was not saved yet")
        raise
