"""A progress bar for those who ask for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Bar(Protocol):
    """What training tells while it runs."""

    def __call__(self, step: int, text: str) -> None:
        """``step`` steps of the epoch are done; ``text`` says how it goes."""


@contextmanager
def progress_bar(title: str, steps: int, shown: bool) -> Iterator[Bar]:
    """A bar of ``steps`` steps in the terminal, or nothing at all unless ``shown``. Needs Rich if shown."""
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
