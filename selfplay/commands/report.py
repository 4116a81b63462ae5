"""`aino-train report`: one HTML file about a run of `loop` or `pretrain`, or about several; and its numbers."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from engine.cli.live_lines import live_line, show
from engine.files.atomic import write_file
from selfplay.interrupt import StopFlag
from selfplay.report.comparison_page import comparison_page
from selfplay.report.live import LivePage, serving
from selfplay.report.metrics import AnyFacts, EventFiles, metrics_csv, metrics_json, metrics_of, read_runs
from selfplay.report.page import report_page
from selfplay.report.pretraining_page import PretrainingFacts, pretraining_page
from selfplay.report.seed_groups import seed_groups

EXAMPLES = """examples:
  aino-train report run1 --out report.html
  aino-train report run1 run2 --csv both.csv      compares the runs; those that differ by seeds alone are one group
  aino-train report run1 --live                   follows a run at work

docs/training.md describes the numbers that --json, --csv and --tensorboard write.
"""
LOOK_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = "read the folder of a loop or pretrain run, finished or not; several folders are compared"
    parser.add_argument("run", type=Path, nargs="+", metavar="RUN", help=text)
    text = "write the page here (default: RUN/report.html, or comparison.html)"
    parser.add_argument("--out", type=Path, metavar="FILE.html", help=text)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write settings, results and training losses here")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the results here as a table")
    text = "write TensorBoard's event files into this folder; with --live they grow; needs the extra `tensorboard`"
    parser.add_argument("--tensorboard", type=Path, metavar="FOLDER", help=text)
    text = "serve the page to browsers of this machine instead, where it refreshes itself, until Ctrl-C"
    parser.add_argument("--live", action="store_true", help=text)


def run(arguments: argparse.Namespace) -> int:
    events = EventFiles(arguments.tensorboard) if arguments.tensorboard is not None else None
    try:
        if arguments.live:
            return _serve(arguments, events)
        with live_line("report") as line:
            page, told = _read(arguments, events, line.update)
    finally:
        if events is not None:
            events.close()
    first: Path = arguments.run[0]
    out = arguments.out or (first / "report.html" if len(arguments.run) == 1 else Path("comparison.html"))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_file(out, page)
    show(f"{out}: {told}")
    return 0


def _serve(arguments: argparse.Namespace, events: EventFiles | None) -> int:
    """Serve the page until Ctrl-C, and let the event files grow."""
    page = LivePage(lambda: _read(arguments, events)[0])
    with StopFlag() as stop, serving(page) as address:
        show(f"{address}  (Ctrl-C ends it)")
        while not stop.is_set():
            if events is not None:
                page.text()
            time.sleep(LOOK_S)
    return 0


def _read(
    arguments: argparse.Namespace, events: EventFiles | None, tell: Callable[[float], None] = lambda share: None
) -> tuple[str, str]:
    """(page, what it is about) of the runs; writes their numbers where that is asked for."""
    runs = read_runs(arguments.run, tell)
    metrics = [run for group in seed_groups([metrics_of(one) for one in runs]) for run in group.runs]
    for path, text in ((arguments.json, metrics_json), (arguments.csv, metrics_csv)):
        if path is not None:
            write_file(path, text(metrics))
    if events is not None:
        events.update(metrics)
    return _page(runs[0]) if len(runs) == 1 else (comparison_page(metrics), f"{len(runs)} runs")


def _page(run: AnyFacts) -> tuple[str, str]:
    """(page, what it is about) of one run."""
    if isinstance(run, PretrainingFacts):
        told = f"{run.newest['positions']:,} positions, {len(run.heldout)} held-out evaluations"
        return pretraining_page(run), told
    count = len(run.generations)
    return report_page(run), f"{count} generation{'s' * (count != 1)}"
