"""`aino-train report`: one HTML file about a run of `loop`, `pretrain` or `tune`."""

import argparse
from pathlib import Path

from engine.cli.live_lines import live_line, show
from engine.errors import ConfigError
from engine.pages.render import write_page
from selfplay.report.facts import read_facts
from selfplay.report.page import report_page
from selfplay.report.pretraining_page import PretrainingFacts, is_pretraining, pretraining_page, read_pretraining
from selfplay.report.tuning_page import tuning_page
from selfplay.tune.outcome import is_tuning, read_tuning

EXAMPLES = """example:
  aino-train report run1 --out report.html
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        type=Path,
        metavar="RUN",
        help="read the folder of a loop, pretrain or tune run, which may still be going on",
    )
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="write the page here (default: RUN/report.html)")


def run(arguments: argparse.Namespace) -> int:
    """Write the page."""
    out = arguments.out or arguments.run / "report.html"
    if is_pretraining(arguments.run):
        supervised = read_pretraining(arguments.run)
        page, told = pretraining_page(supervised), _pretraining_text(supervised)
    elif is_tuning(arguments.run):
        tuning = read_tuning(arguments.run)
        page, told = tuning_page(tuning), f"{tuning.pairs:,} pairs of games"
    else:
        with live_line("report") as line:
            facts = read_facts(arguments.run, line.update)
        count = len(facts.generations)
        page, told = report_page(facts), f"{count} generation{'s' * (count != 1)}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: {error.strerror}") from error
    write_page(out, page)
    show(f"{out}: {told}")
    return 0


def _pretraining_text(facts: PretrainingFacts) -> str:
    return f"{facts.newest['positions']:,} positions, {len(facts.heldout)} held-out evaluations"
