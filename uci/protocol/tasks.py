"""Tasks run on their own threads, so that the reading thread stays free for `stop`, `isready` and `quit`."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterable

from engine.errors import StillCompilingError
from engine.search.limits import SearchControl
from uci.protocol.writer import Writer, info_string


class Task(threading.Thread):
    """One piece of work. Only the reading thread calls `stop`, `ponderhit` and `join`.

    `working` becomes false when the last line is sent: the GUI may continue then, although the thread has not quite
    ended.
    """

    def __init__(self, writer: Writer) -> None:
        super().__init__(name=type(self).__name__, daemon=True)
        self.working = True
        self._writer = writer
        self._control = SearchControl()

    def stop(self) -> None:
        """Ends the work at the next opportunity."""
        self._control.stop()

    def ponderhit(self) -> None:
        """Does nothing here; a search overrides it."""


class LinesTask(Task):
    """Writes a debugging command's lines one by one until they end or `stop` arrives."""

    def __init__(self, writer: Writer, command: str, work: Callable[[SearchControl], Iterable[str]]) -> None:
        super().__init__(writer)
        self._command = command
        self._work = work

    def run(self) -> None:
        try:
            last = self._say_all_but_last()
        except StillCompilingError:  # raised by a stop
            last = info_string(f"{self._command} stopped")
        except Exception as error:  # noqa: BLE001 - a bug in a debugging command must not end the conversation
            traceback.print_exc(file=sys.stderr)
            last = info_string(f"{self._command} failed: {type(error).__name__}: {error}")
        self.working = False
        self._writer.line(last)

    def _say_all_but_last(self) -> str:
        last = ""
        for number, line in enumerate(self._work(self._control)):
            if self._control.stopped:
                return info_string(f"{self._command} stopped")
            if number:
                self._writer.line(last)
            last = line
        return last
