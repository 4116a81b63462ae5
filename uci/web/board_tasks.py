"""What goes on beside the conversation with the page: tasks, a thread's work, and the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from uci.web.table import Table

_BEHIND_S = 0.01  # a timer may be early

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


class FlagTimer:
    """Calls `on_fall` when the flag of the side to move falls."""

    def __init__(self, on_fall: Callable[[], None]) -> None:
        self._on_fall = on_fall
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, table: Table) -> None:
        """Wait for the flag at this table, as its clock runs now, and at no other."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        clock = table.clock
        if clock is not None and clock.running is not None:
            delay = max(0.0, clock.left(clock.running)) + _BEHIND_S
            self._timer = asyncio.get_running_loop().call_later(delay, self._look, table)

    def _look(self, table: Table) -> None:
        if table.fall_of_flag():
            self._on_fall()
        else:
            self.watch(table)
