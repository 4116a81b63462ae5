"""What the trainer does with a terminal: a bar for the steps of an epoch, and Ctrl-C held back at
the wrong moment.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


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


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done, such as moving the weights and counting the step.

    Outside the main thread, which alone gets it, this does nothing.
    """
    usual: Any = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return
    held: list[tuple[int, object]] = []
    signal.signal(signal.SIGINT, lambda number, frame: held.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if held:
            usual(*held[0])
