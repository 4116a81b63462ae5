"""The console for commands that people run. It adapts to the terminal's width, colours and
characters; never fails.
"""

import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from engine.files.text import without_accents


def make_console(stderr: bool = False) -> Console:
    """Return a console on stdout or stderr."""
    return Console(stderr=stderr, highlight=False)


def can_show(console: Console, text: str) -> bool:
    """Whether the console's encoding has every character of `text`."""
    try:
        text.encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def harmless(text: str) -> str:
    """Return the text without what would steer a terminal: control characters, other than new lines
    and tabs, become "?".
    """
    for character in set(text) - {"\n", "\t"}:
        if unicodedata.category(character) == "Cc":
            text = text.replace(character, "?")
    return text


def say(console: Console, text: str) -> None:
    """Print a harmless text; only a terminal breaks long lines. Drop accents that the console
    cannot show.
    """
    text = harmless(text)
    if not can_show(console, text):
        text = without_accents(text)
    console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)


@contextmanager
def waiting(console: Console, text: str) -> Iterator[Callable[[str], None]]:
    """On a terminal, show that something takes a while and how long it has taken so far.

    Gives a function that changes the text.
    """
    spinner = SpinnerColumn("dots" if can_show(console, "⠋") else "line")
    columns = spinner, TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task(text, total=None)
        yield lambda changed: progress.update(task, description=changed)
