"""Turn Ctrl-C, SIGTERM and a closed terminal into a flag, which long loops poll, so that they can
save their state.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from types import FrameType

from engine.cli.command_line import handling_signals

# What long tasks are given.
Stop = Callable[[], bool]  # says whether to stop
Tell = Callable[[str], None]  # gets a line for the user
Report = Callable[
    [float, str], None
]  # gets the share of a task that is done, 0..1, and a text about it

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
    """Yield a flag that the first signal sets, for the length of the block; a second one interrupts
    as usual.
    """
    flag, handling = threading.Event(), ExitStack()

    def handle(number: int, frame: FrameType | None) -> None:
        flag.set()
        if number in (signal.SIGINT, signal.SIGTERM):  # a terminal that closes may say so twice
            handling.close()

    with handling, stopping(flag.is_set):
        if threading.current_thread() is threading.main_thread():
            handling.enter_context(handling_signals("SIGHUP SIGINT SIGTERM", handle))
        yield flag
