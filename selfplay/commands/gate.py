"""`aino-train gate`: play the candidate against the best network."""

import argparse

from selfplay.commands.runs import add_play_arguments, add_run_arguments, play_backend, work_on_run
from selfplay.run.ledger import Phase
from selfplay.run.phases import run_phase

EXAMPLES = """example:
  aino-train gate run1

A candidate that passes becomes RUN/nets/best.dit, which plays the next generation.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, "gate", "search")
    add_play_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Carry out this one phase. If another phase is due, the error names it."""
    with play_backend(arguments) as play:
        return work_on_run(arguments, lambda folder, stop: run_phase(folder, Phase.GATE, stop, play))
