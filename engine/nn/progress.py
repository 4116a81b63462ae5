"""An optional progress bar."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Bar(Protocol):
    """Receives the progress of training."""

    def __call__(self, step: int, text: str) -> None:
        """Show that ``step`` steps of the epoch are done, with the status ``text``."""


@contextmanager
def progress_bar(title: str, steps: int, shown: bool) -> Iterator[Bar]:
    """Show a bar of ``steps`` steps in the terminal if ``shown``, else nothing. Needs Rich if shown."""
    if not shown:
        yield lambda step, text: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[text]}")) as progress:
        task = progress.add_task(title, total=steps, text="")

        def update(step: int, text: str) -> None:
            progress.update(task, completed=step, text=text)

        yield update
