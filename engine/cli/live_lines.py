"""Output of commands while they work: result lines, tables, and a progress line that stays below
them.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from engine.native.uptime import uptime_s

PLAIN_WIDTH = 240  # Width, in columns, when writing to a file or a pipe.
LOG_S = 60.0  # Seconds between progress lines of a long task when the output is not a terminal.
# What is said while nothing is done yet.
COMPILES = "compiling first, where this is new to the machine"

_console = Console(highlight=False, soft_wrap=True)


def show(text: str) -> None:
    """Print one line, above the live line if there is one. Markup in the text has no effect."""
    _console.print(text, markup=False)


def shell_word(path: Path, windows: bool = os.name == "nt") -> str:
    """Return the name of a file as one types it in a command; Windows' shell knows double quotes
    alone.
    """
    return subprocess.list2cmdline([str(path)]) if windows else shlex.quote(str(path))


def log(text: str) -> None:
    """Print one line about a long task, with the time of day before it."""
    show(f"{time.strftime('%H:%M:%S')} {text}")


def show_view(view: RenderableType) -> None:
    """Print a table or anything else that rich draws, at its full width if the output is not a
    terminal.
    """
    console = _console if _console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)
    console.print(view)


class LiveLine:
    """The progress of one long task; a log gets a line every `log_s` seconds (0: none)."""

    def __init__(
        self, progress: Progress, task: TaskID, title: str, log_s: float, at_first: str
    ) -> None:
        self._progress = progress
        self._task = task
        self._title = title
        self._log_s = log_s
        self._at_first = at_first
        self._begun = self._logged = uptime_s()
        # Share (0..1) already done at the first update, by an earlier process.
        self._first: float | None = None

    def update(self, done: float, text: str = "") -> None:
        """Set the share done (0..1) and the text after the bar."""
        now = uptime_s()
        if self._first is None:
            self._first = done
        if self._at_first and done <= self._first:
            text = ", ".join(filter(None, (text, self._at_first)))
        self._progress.update(self._task, completed=done, total=1.0, text=text)
        is_due = self._progress.disable and 0 < self._log_s <= now - self._logged
        # A log is told, too, why nothing is done yet.
        if is_due and (done > self._first or self._at_first):
            self._logged = now
            words = [f"{self._title} {done:.0%}", text]
            if done > self._first:
                left = timedelta(
                    seconds=round((now - self._begun) * (1 - done) / (done - self._first))
                )
                words.append(f"{left} left")
            log(", ".join(filter(None, words)))


@contextmanager
def live_line(title: str, log_s: float = 0.0, at_first: str = "") -> Iterator[LiveLine]:
    """Show a progress bar while the block runs.

    If the output is not a terminal, write a line every `log_s` seconds instead (0: none).
    `at_first`: what is added while nothing is done yet.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns,
        console=_console,
        disable=not _console.is_terminal,
        transient=True,
        get_time=uptime_s,
    ) as bar:
        yield LiveLine(bar, bar.add_task(title, total=1.0, text=at_first), title, log_s, at_first)
