"""What the commands on a run folder share: their flags, the lock, interruption."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from selfplay.interrupt import INTERRUPTED, StopFlag
from selfplay.lock import FolderLock
from selfplay.run.config import add_config_flags, flag_values, merged, read_toml
from selfplay.run.folder import RunFolder

__all__ = ["add_run_arguments", "work_on_run"]


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the run folder, the first network and all settings."""
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="run folder; made where it does not exist, continued where it does"
    )
    parser.add_argument(
        "--initial", type=Path, metavar="FILE.dit", help="a new run's first network (default: random weights)"
    )
    add_config_flags(parser)


def work_on_run(arguments: argparse.Namespace, work: Callable[[RunFolder, Callable[[], bool]], bool]) -> int:
    """Open and lock the run, do the work until done or interrupted; returns the exit status."""
    values = read_toml(arguments.config) if arguments.config else {}
    values = merged(values, flag_values(arguments))
    with FolderLock(arguments.run), StopFlag() as stop:
        run = RunFolder(arguments.run, values)
        try:
            run.ensure_first_network(arguments.initial)
            return 0 if work(run, stop.is_set) else INTERRUPTED
        finally:
            run.close()
