"""`aino-train fit`: train the generation's candidate."""

from __future__ import annotations

import argparse

from selfplay.commands.runs import add_run_arguments, work_on_run
from selfplay.run.ledger import Phase
from selfplay.run.phases import run_phase

EXAMPLE = """example:
  aino-train fit run1

`aino-train generate RUN` comes before, `aino-train gate RUN` after it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = EXAMPLE
    add_run_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Carry out this one phase. If another phase is due, the error names it."""
    return work_on_run(arguments, lambda folder, stop: run_phase(folder, Phase.FIT, stop))
