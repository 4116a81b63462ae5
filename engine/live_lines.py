"""What commands show while they work: result lines, tables, and a line of progress that stays below them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["LiveLine", "live_line", "live_view", "show", "show_view"]

PLAIN_WIDTH = 240  # columns of a file or a pipe

_console = Console(highlight=False, soft_wrap=True)


def show(text: str) -> None:
    """Print one line, above the live line where there is one. The text is taken as it is, without markup."""
    _console.print(text, markup=False)


def show_view(view: RenderableType) -> None:
    """Print a table, or whatever else rich draws; as wide as it likes where the output is not a terminal."""
    console = _console if _console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)
    console.print(view)


class LiveLine:
    """The progress of one long piece of work; in a log, a line every `log_s` seconds (0: none)."""

    def __init__(self, progress: Progress, task: TaskID, title: str, log_s: float) -> None:
        self._progress = progress
        self._task = task
        self._title = title
        self._log_s = log_s
        self._begun = self._logged = time.monotonic()
        self._first: float | None = None  # share done at the first update, by an earlier process

    def update(self, done: float, text: str = "") -> None:
        """Set the share done (0..1) and the text behind the bar."""
        self._progress.update(self._task, completed=done, text=text)
        now = time.monotonic()
        if self._first is None:
            self._first = done
        elif self._progress.disable and 0 < self._log_s <= now - self._logged and done > self._first:
            self._logged = now
            left = timedelta(seconds=round((now - self._begun) * (1 - done) / (done - self._first)))
            show(f"{self._title} {done:.0%}, {text}, {left} left")


@contextmanager
def live_line(title: str, log_s: float = 0.0) -> Iterator[LiveLine]:
    """A progress bar for the length of the block.

    Nothing is drawn where the output is not a terminal; there a line is written every `log_s` seconds (0: none).
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[text]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_console, disable=not _console.is_terminal, transient=True) as progress:
        yield LiveLine(progress, progress.add_task(title, total=1.0, text=""), title, log_s)


@contextmanager
def live_view(draw: Callable[[], RenderableType]) -> Iterator[None]:
    """What `draw` gives, drawn anew twice a second below the lines shown; nothing where the output is not a terminal.

    `draw` is called on a thread of the drawing.
    """
    if not _console.is_terminal:
        yield
        return
    with Live(get_renderable=draw, console=_console, refresh_per_second=2, transient=True):
        yield
