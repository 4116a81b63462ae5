"""An optional progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str, steps: int, shown: bool) -> Iterator[Callable[[int, str], None]]:
    """Show a bar of ``steps`` steps in the terminal if ``shown``, else nothing. Needs Rich if shown.

    Gives a function that takes how many steps are done, and a status.
    """
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
