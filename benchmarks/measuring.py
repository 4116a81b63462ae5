"""Helpers for the measuring commands: arguments, output, speeds in turns."""

import argparse
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.cli.command_line import CommandParser
from engine.cli.option_forms import at_least
from engine.files.json_text import json_text

Row = Mapping[str, object]


Setting = int | float | str | list[int] | list[float]


def new_parser(
    documentation: str | None, **settings: Setting | tuple[Setting, str]
) -> argparse.ArgumentParser:
    """Return a parser with the script's docstring as its help, a --json flag, and a flag for each
    setting, given as its default or as the default and what it is.

    Whole numbers begin at 1. A setting that is a list takes several values, or none. One that is
    False is a flag without a value.
    """
    parser = CommandParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    for name, setting in settings.items():
        if not isinstance(setting, tuple):
            setting = setting, ""
        default, text = setting
        flag = f"--{name.replace('_', '-')}"
        if default is False:
            parser.add_argument(flag, action="store_true", help=text)
            continue
        example: Any = default
        how_many = None
        if isinstance(default, list):
            example = default[0]
            how_many = "*"
        read: Callable[[str], Any] = type(example)
        if isinstance(example, int):
            read = at_least(1)
        help_text = f"{text} (default %(default)s)"
        parser.add_argument(flag, type=read, nargs=how_many, default=default, help=help_text)
    return parser


def existing(text: str) -> Path:
    """Return the path of a file or folder that is there; the type of an argument."""
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text}: no such file or folder")
    return path


def program(text: str) -> str:
    """Return the command of a program that is there; the type of an argument."""
    if not (words := shlex.split(text)) or shutil.which(words[0]) is None:
        raise argparse.ArgumentTypeError(f"{text!r}: no such program")
    return text


def report(rows: Sequence[Row], as_json: bool) -> None:
    """Print rows with the same columns, as a table or as one JSON list."""
    if as_json:
        print(json_text(list(rows), indent=2))
        return
    lines = list(map(list, rows[:1]))  # the names of the columns
    for row in rows:
        lines.append(list(map(_text, row.values())))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        first, *cells = map(str.rjust, line, widths)
        print("  ".join([first.strip().ljust(widths[0]), *cells]))


def _text(value: object) -> str:
    if isinstance(value, float) and abs(value) < 10:
        return f"{value:,.3f}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


# Does some work, and returns how many units it was.
Run = Callable[[], int]


def counted(work: Callable[[], object], units: int = 1) -> Run:
    """Return a run of work that is always as many units."""

    def run() -> int:
        work()
        return units

    return run


def take_turns(
    runs: Mapping[str, Run],
    rounds: int,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Return units a second, by name and round.

    All take turns, round by round, so that a busy machine slows all of them. In each round, a run
    is repeated for about so many seconds. Its first call may compile and allocate, and is not
    counted.
    """
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for name, run in runs.items():
            begun = clock()
            done = run()
            while (passed := clock() - begun) < seconds:
                done += run()
            speeds[name].append(done / max(passed, 1e-9))
    return speeds
