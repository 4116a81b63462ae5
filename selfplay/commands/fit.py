"""`aino-train fit`: train the generation's candidate."""

import argparse
from pathlib import Path

from selfplay.commands.runs import add_run_arguments, work_on_run
from selfplay.run.ledger import Phase
from selfplay.run.phases import adopt_candidate, run_phase

EXAMPLES = """example:
  aino-train fit run1
  aino-train fit run1 --candidate mine.dit

`aino-train generate RUN` comes before, `aino-train gate RUN` after it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, "fit")
    text = "use this network, trained elsewhere, as the candidate instead of training one"
    parser.add_argument("--candidate", type=Path, metavar="FILE.dit", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Carry out this one phase. If another phase is due, the error names it."""
    candidate: Path | None = arguments.candidate
    if candidate is not None:
        return work_on_run(arguments, lambda folder, stop: adopt_candidate(folder, candidate))
    return work_on_run(arguments, lambda folder, stop: run_phase(folder, Phase.FIT, stop))
