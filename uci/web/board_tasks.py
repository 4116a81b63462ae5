"""What works beside the conversation with the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Work = TypeVar("Work")


class BoardTasks:
    """`report` hears of each failure, none of which is lost. `tell_state` tells the page what it
    shows, after a request that failed; `on_idle` lets the requests go on that waited.
    """

    def __init__(
        self,
        report: Callable[[Exception], None],
        tell_state: Callable[[], None],
        on_idle: Callable[[], None],
    ) -> None:
        self._report = report
        self._tell_state = tell_state
        self._on_idle = on_idle
        self._running = set[asyncio.Task[None]]()
        self.is_working = False  # whether a thread works on a request, and the others wait

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a task work beside the conversation."""
        task = asyncio.ensure_future(self._reporting(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def work(self, work: Callable[[], Work], then: Callable[[Work], None]) -> None:
        """Let a thread do what takes longer than a moment, and go on with what it returns. Other
        requests wait.
        """
        self.is_working = True
        self.start(self._work(work, then))

    async def _work(self, work: Callable[[], Work], then: Callable[[Work], None]) -> None:
        try:
            then(await asyncio.to_thread(work))
        except Exception as error:  # noqa: BLE001 - the page stays usable, whatever was met
            self._report(error)
            self._tell_state()
        finally:  # whatever fails or is cancelled, the other requests have waited
            self.is_working = False
            self._on_idle()

    async def _reporting(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the page stays usable, whatever was met
            self._report(error)
