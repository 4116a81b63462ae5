"""The two words another thread may say to a running search: stop, and ponderhit."""

from __future__ import annotations

import threading


class SearchControl:
    """Belongs to one search. Safe from any thread, also before the search has begun."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._ponderhit = threading.Event()

    def stop(self) -> None:
        """End the search at the next opportunity."""
        self._stop.set()
        self._ponderhit.set()

    def ponderhit(self) -> None:
        """The opponent has played the expected move: the clock starts now."""
        self._ponderhit.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    @property
    def pondering(self) -> bool:
        """Whether neither `ponderhit` nor `stop` was called."""
        return not self._ponderhit.is_set()

    def wait_stop(self) -> None:
        """Block until `stop`."""
        self._stop.wait()

    def wait_ponderhit(self) -> None:
        """Block until `ponderhit` or `stop`."""
        self._ponderhit.wait()
