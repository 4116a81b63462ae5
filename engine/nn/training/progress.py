"""A bar in the terminal for the steps of an epoch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str, steps: int, shown: bool) -> Iterator[Callable[[int, str], None]]:
    """Give a function of the steps done and a text, which moves a bar in the terminal if `shown`."""
    if not shown:
        yield lambda done, text: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, TextColumn("{task.fields[text]}")) as progress:
        task = progress.add_task(title, total=steps, text="")
        yield lambda done, text: progress.update(task, completed=done, text=text)
