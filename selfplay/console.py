"""What the `aino-train` commands show: result lines, and one live line of progress with speed and time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["LiveLine", "live_line", "show"]

_console = Console(highlight=False, soft_wrap=True)


def show(text: str) -> None:
    """Print one line, above the live line where there is one. The text is taken as it is, without markup."""
    _console.print(text, markup=False)


class LiveLine:
    """The progress of one long piece of work."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def update(self, done: float, text: str = "") -> None:
        """Set the share done (0..1) and the text behind the bar."""
        self._progress.update(self._task, completed=done, text=text)


@contextmanager
def live_line(title: str) -> Iterator[LiveLine]:
    """A progress bar for the length of the block; nothing is drawn where the output is not a terminal."""
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
        yield LiveLine(progress, progress.add_task(title, total=1.0, text=""))
