"""`aino-train report`: one HTML file about a run of `loop`, `pretrain` or `tune`, or about several; and its numbers."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from engine.cli.live_lines import live_line, show
from engine.errors import ConfigError
from engine.files.atomic import atomic_write
from engine.pages.render import write_page
from selfplay.report.comparison_page import comparison_page
from selfplay.report.facts import read_facts
from selfplay.report.metrics import Metrics, metrics_csv, metrics_json, read_metrics, write_events
from selfplay.report.page import report_page
from selfplay.report.pretraining_page import PretrainingFacts, is_pretraining, pretraining_page, read_pretraining
from selfplay.report.tuning_page import tuning_page
from selfplay.tune.outcome import is_tuning, read_tuning

EXAMPLES = """examples:
  aino-train report run1 --out report.html
  aino-train report run1 run2 --csv both.csv      compares the runs

docs/training.md describes the numbers that --json, --csv and --tensorboard write.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="read the folder of a loop, pretrain or tune run, which may still be going on; several are compared",
    )
    text = "write the page here (default: RUN/report.html, or comparison.html)"
    parser.add_argument("--out", type=Path, metavar="FILE.html", help=text)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write settings, results and training losses here")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the results here as a table")
    text = "write TensorBoard's event files into this folder; needs the extra `tensorboard`"
    parser.add_argument("--tensorboard", type=Path, metavar="FOLDER", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Write the page and what else is asked for."""
    runs: Sequence[Path] = arguments.run
    out = arguments.out or (runs[0] / "report.html" if len(runs) == 1 else Path("comparison.html"))
    metrics = _metrics(arguments)
    page, told = _page(runs[0]) if len(runs) == 1 else (comparison_page(metrics), f"{len(runs)} runs")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {out}: {error.strerror}") from error
    write_page(out, page)
    show(f"{out}: {told}")
    return 0


def _metrics(arguments: argparse.Namespace) -> list[Metrics]:
    """The runs' numbers where they are needed, written into the files that are asked for."""
    runs: Sequence[Path] = arguments.run
    if len(runs) == 1 and not (arguments.json or arguments.csv or arguments.tensorboard):
        return []
    with live_line("report") as line:
        metrics = [read_metrics(path, line.update) for path in runs]
    if len({one.run for one in metrics}) < len(runs):
        raise ConfigError("runs are told apart by the names of their folders: give each another name")
    for path, text in ((arguments.json, metrics_json), (arguments.csv, metrics_csv)):
        if path is not None:
            with atomic_write(path) as stream:
                stream.write(text(metrics).encode())
    if arguments.tensorboard is not None:
        write_events(arguments.tensorboard, metrics)
    return metrics


def _page(path: Path) -> tuple[str, str]:
    """(page, what it is about) of one run."""
    if is_pretraining(path):
        supervised = read_pretraining(path)
        return pretraining_page(supervised), _pretraining_text(supervised)
    if is_tuning(path):
        tuning = read_tuning(path)
        return tuning_page(tuning), f"{tuning.pairs:,} pairs of games"
    with live_line("report") as line:
        facts = read_facts(path, line.update)
    count = len(facts.generations)
    return report_page(facts), f"{count} generation{'s' * (count != 1)}"


def _pretraining_text(facts: PretrainingFacts) -> str:
    return f"{facts.newest['positions']:,} positions, {len(facts.heldout)} held-out evaluations"
