"""Helpers for the measuring commands: arguments, output, speeds in turns."""

import argparse
import shlex
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

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
        default, text = setting if isinstance(setting, tuple) else (setting, "")
        flag = f"--{name.replace('_', '-')}"
        if default is False:
            parser.add_argument(flag, action="store_true", help=text)
            continue
        example = default[0] if isinstance(default, list) else default
        parser.add_argument(
            flag,
            type=at_least(1) if isinstance(example, int) else type(example),
            nargs="*" if isinstance(default, list) else None,
            default=default,
            help=f"{text} (default %(default)s)",
        )
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
    lines = (
        [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)] if rows else []
    )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        first, *cells = map(str.rjust, line, widths)
        print("  ".join([first.strip().ljust(widths[0]), *cells]))


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


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
