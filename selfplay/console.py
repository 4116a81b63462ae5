"""What the `aino-train` commands show: result lines, tables, and what stays below them while work goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
