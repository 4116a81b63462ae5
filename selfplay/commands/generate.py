"""`aino-train generate`: play the next generation's self-play games."""

import argparse

from selfplay.commands.runs import add_play_arguments, add_run_arguments, play_backend, work_on_run
from selfplay.run.ledger import Phase
from selfplay.run.phases import run_phase

EXAMPLES = """example:
  aino-train generate run1 --games.count 256 --games.visits 200

`aino-train fit RUN` comes next; `aino-train loop RUN` does all of it again and again.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, "games", "search")
    add_play_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Carry out this one phase. If another phase is due, the error names it."""
    with play_backend(arguments) as play:
        return work_on_run(arguments, lambda folder, stop: run_phase(folder, Phase.GENERATE, stop, play))
