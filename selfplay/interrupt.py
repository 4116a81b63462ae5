"""Turn Ctrl-C and SIGTERM into a flag. Long loops poll it, so that they can save their state before they end."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopFlag:
    """Context manager: inside it, the first signal sets the flag and a second one interrupts as usual."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._previous: dict[int, object] = {}

    def is_set(self) -> bool:
        """Whether a signal has arrived."""
        return self._event.is_set()

    def __enter__(self) -> StopFlag:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._event.set()
        for signal_number, handler in self._previous.items():
            signal.signal(signal_number, handler)  # type: ignore[arg-type]
