"""Turn Ctrl-C and SIGTERM into a flag. Long loops poll it, so that they can save their state before they end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from types import FrameType

from engine.cli.command_line import handling_signals

# What long tasks are given.
Stop = Callable[[], bool]  # says whether to stop
Tell = Callable[[str], None]  # gets a line for the user
Report = Callable[[float, str], None]  # gets the share of a task that is done, 0..1, and a text about it

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


class StopFlag:
    """Context manager: inside it, the first signal sets the flag and a second one interrupts as usual."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._handling, self._stopping = ExitStack(), ExitStack()

    def is_set(self) -> bool:
        return self._event.is_set()

    def __enter__(self) -> StopFlag:
        if threading.current_thread() is threading.main_thread():
            self._handling.enter_context(handling_signals("SIGINT SIGTERM", self._handle))
        self._stopping.enter_context(stopping(self.is_set))
        return self

    def __exit__(self, *error: object) -> None:
        self._handling.close()
        self._stopping.close()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._event.set()
        self._handling.close()
