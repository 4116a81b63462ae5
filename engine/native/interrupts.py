"""Ctrl-C, held back at the wrong moment."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Uninterrupted:
    """Holds Ctrl-C back inside `with` blocks, such as moving the weights and counting the step, or
    writing what a command has found out.

    Around many such blocks, `with uninterrupted.steps():` asks the system once, instead of twice a
    block. Outside the main thread, which alone gets Ctrl-C, this does nothing.
    """

    def __init__(self) -> None:
        self._usual: Any = None  # what Ctrl-C does otherwise, while this object takes it
        self._is_holding = False
        self._held: tuple[Any, ...] | None = None  # the Ctrl-C that waits
        self._own_steps: Any = None  # of a block outside `steps`
        self._after: Any = None  # what takes a held Ctrl-C

    @contextmanager
    def steps(self) -> Iterator[None]:
        """Take Ctrl-C, and pass it on at once outside the blocks."""
        usual: Any = signal.getsignal(signal.SIGINT)
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or not callable(usual) or self._usual is not None:
            yield
            return
        self._usual = usual
        signal.signal(signal.SIGINT, self._take)
        try:
            yield
        finally:
            self._usual = None
            if signal.getsignal(signal.SIGINT) == self._take:  # else a callback has set another
                signal.signal(signal.SIGINT, usual)

    def __enter__(self) -> None:
        self._own_steps = None
        if self._usual is None:
            self._own_steps = self.steps()
            self._own_steps.__enter__()
        self._after = self._usual
        self._is_holding = True

    def __exit__(self, *error: object) -> None:
        self._is_holding = False
        interrupt = self._held
        self._held = None
        if self._own_steps is not None:
            self._own_steps.__exit__(None, None, None)
        if interrupt is not None:
            self._after(*interrupt)

    def _take(self, *handler_arguments: Any) -> None:
        if self._is_holding:
            self._held = handler_arguments
        else:
            self._usual(*handler_arguments)
