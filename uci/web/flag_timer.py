"""The moment at which a flag falls, while nobody moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uci.web.table import Table

_BEHIND_S = 0.01  # a timer may be early


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
