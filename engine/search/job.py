"""The handle of a search in the background."""

from __future__ import annotations

from concurrent.futures import Future

from engine.search.control import SearchControl
from engine.search.results import SearchResult

__all__ = ["SearchJob"]


class SearchJob:
    """One search that `Engine.start` has begun. Its words reach that search alone, whatever was started after it."""

    def __init__(self, control: SearchControl, future: Future[SearchResult]) -> None:
        self._control = control
        self._future = future

    def stop(self) -> None:
        """End the search at the next opportunity; one that waits for its turn ends as soon as it begins."""
        self._control.stop()

    def ponderhit(self) -> None:
        """The opponent played the expected move: the search's clock starts now."""
        self._control.ponderhit()

    def done(self) -> bool:
        """Whether there is a result, or an error."""
        return self._future.done()

    def result(self, timeout_s: float | None = None) -> SearchResult:
        """Wait for the result. Raises TimeoutError when it takes longer, and whatever went wrong in the search."""
        return self._future.result(timeout_s)
