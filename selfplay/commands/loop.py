"""`aino-train loop`: generate, fit, gate, again and again."""

from __future__ import annotations

import argparse

from selfplay.commands.runs import add_play_arguments, add_run_arguments, play_backend, work_on_run
from selfplay.run.phases import run_generations

EXAMPLE = """example:
  aino-train loop run1 --initial first.dit --generations 10
  aino-train report run1

Without --initial it starts from random weights. Ctrl-C stops at once; the same command goes on.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = EXAMPLE
    add_run_arguments(parser)
    add_play_arguments(parser)
    parser.add_argument(
        "--generations",
        type=int,
        metavar="N",
        help="stop after N generations (default: run until interrupted)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Continue the run from its current phase."""
    with play_backend(arguments) as play:
        return work_on_run(arguments, lambda folder, stop: run_generations(folder, arguments.generations, stop, play))
