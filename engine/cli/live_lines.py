"""Output of commands while they work: result lines, tables, and a progress line that stays below
them.
"""

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
)
from rich.table import Column

from engine.native.uptime import uptime_s

PLAIN_WIDTH = 240  # Width, in columns, when writing to a file or a pipe.
LOG_S = 60.0  # Seconds between progress lines of a long task when the output is not a terminal.
# What is said while nothing is done yet, because kernels are compiled.
COMPILES = "compiling what is new to this machine"
_BAR_WIDTH = 20  # columns

_console = Console(highlight=False, soft_wrap=True)


def show(text: str) -> None:
    """Print one line, above the live line if there is one. Markup in the text has no effect."""
    _console.print(text, markup=False)


def shell_word(path: Path, windows: bool = os.name == "nt") -> str:
    """Return the name of a file as one types it in a command; Windows' shell knows double quotes
    alone.
    """
    if windows:
        return subprocess.list2cmdline([str(path)])
    return shlex.quote(str(path))


def log(text: str) -> None:
    """Print one line about a long task, with the time of day before it."""
    show(f"{time.strftime('%H:%M:%S')} {text}")


def show_view(view: RenderableType) -> None:
    """Print a table or anything else that rich draws, at its full width if the output is not a
    terminal.
    """
    console = _console
    if not _console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    console.print(view)


class LiveLine:
    """The progress of one long task; a log gets a line every `log_s` seconds (0: none)."""

    def __init__(
        self, progress: Progress, task: TaskID, title: str, log_s: float, compiles: str
    ) -> None:
        self._progress = progress
        self._task = task
        self._title = title
        self._log_s = log_s
        self._compiles = compiles
        self._logged = uptime_s()
        self._is_compiling = False
        # Share (0..1) and time from which on the speed is measured: the first update, which tells
        # what an earlier process has done, and after kernels were compiled the next one.
        self._first: float | None = None
        self._begun = 0.0

    def note_compiled(self, steps: int) -> None:
        """Say that kernels are compiled, as long as nothing is done."""
        self._is_compiling = bool(self._compiles)

    def update(self, done: float, text: str = "", left_s: float | None = None) -> None:
        """Set the share done (0..1) and the text after the bar.

        left_s: the seconds left, where the caller knows them; else they follow from the speed.
        """
        now = uptime_s()
        if self._first is None or self._is_compiling:
            is_done = self._first is not None and done > self._first
            if self._is_compiling and not is_done:
                text = ", ".join(filter(None, (text, self._compiles)))
            else:
                self._is_compiling = False
            if self._first is None or is_done:
                self._first = done
                self._begun = now
        if left_s is None and done > self._first:
            left_s = (now - self._begun) * (1 - done) / (done - self._first)
        left = ""
        if left_s is not None:
            left = f"{timedelta(seconds=round(left_s))} left"
        self._progress.update(self._task, completed=done, total=1.0, text=text, left=left)
        is_due = self._progress.disable and 0 < self._log_s <= now - self._logged
        if is_due and (done > 0 or self._is_compiling):
            self._logged = now
            log(", ".join(filter(None, (f"{self._title} {done:.0%}", text, left))))


@contextmanager
def live_line(title: str, log_s: float = 0.0, compiles: str = "") -> Iterator[LiveLine]:
    """Show a progress bar while the block runs.

    If the output is not a terminal, write a line every `log_s` seconds instead (0: none).
    `compiles`: what is added while nothing is done because kernels are compiled.
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(_BAR_WIDTH),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        # Alone is cut where a terminal is narrow.
        TextColumn(
            "{task.fields[text]}",
            markup=False,
            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
        ),
    )
    with Progress(
        *columns,
        console=_console,
        disable=not _console.is_terminal,
        transient=True,
        expand=True,
        get_time=uptime_s,
    ) as bar:
        task = bar.add_task(title, total=1.0, text="", left="")
        line = LiveLine(bar, task, title, log_s, compiles)
        with _compilations(line) if compiles else nullcontext():
            yield line


def _compilations(line: LiveLine) -> AbstractContextManager[None]:
    from engine.native.compile_events import CompileSteps

    return CompileSteps(line.note_compiled)
