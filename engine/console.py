"""The console of the commands for people: it follows the terminal's width, colours and characters, and never fails."""

from __future__ import annotations

import io
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["can_show", "make_console", "say", "waiting"]


def make_console(stderr: bool = False) -> Console:
    """A console on stdout or stderr, which writes "?" for a character that its encoding lacks instead of failing."""
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    return Console(stderr=stderr, highlight=False)


def can_show(console: Console, text: str) -> bool:
    """Whether the console's encoding has all characters of a text."""
    try:
        text.encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def say(console: Console, text: str) -> None:
    """Prints a text as it is; only a terminal breaks long lines. Accents are left out where they cannot be shown."""
    if not can_show(console, text):
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)


@contextmanager
def waiting(console: Console, text: str) -> Iterator[None]:
    """Shows that something takes a while, and for how long it has, where the output is a terminal."""
    columns = (
        SpinnerColumn("dots" if can_show(console, "⠋") else "line"),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(text, total=None)
        yield
