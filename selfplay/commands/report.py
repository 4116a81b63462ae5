"""`aino-train report`: one HTML file about a run of `loop` or `pretrain`, or about several; and its
numbers.
"""

import argparse
from pathlib import Path

from engine.cli.live_lines import show
from engine.files.atomic import real_path, write_file
from engine.files.output_files import check_output, output_file
from engine.native.uptime import uptime_s
from selfplay.interrupt import stop_flag
from selfplay.report.metrics import EventFiles, metrics_csv, metrics_json
from selfplay.report.page import comparison_page, report_page
from selfplay.report.run_numbers import read_runs

EXAMPLES = """examples:
  aino-train report run1 --out report.html
  aino-train report run1 run2 --csv both.csv      compares the runs; those that differ by seeds alone are one group
  aino-train report run1 --live                   follows a run at work

docs/training.md describes the numbers that --json, --csv and --tensorboard write.
"""
LOOK_S = 0.5  # between two looks whether to stop
REFRESH_S = 15.0  # between two pages of a run that goes on. Set by hand.
WORK_SHARE = 0.1  # of the time at most is spent on making pages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="read the folder of a loop or pretrain run, finished or not; several folders are compared",
    )
    parser.add_argument(
        "--out",
        type=output_file,
        metavar="FILE.html",
        help="write the page here (default: RUN/report.html, or comparison.html)",
    )
    parser.add_argument(
        "--json",
        type=output_file,
        metavar="FILE.json",
        help="write settings, results and training losses here",
    )
    parser.add_argument(
        "--csv", type=output_file, metavar="FILE.csv", help="write the results here as a table"
    )
    parser.add_argument(
        "--tensorboard",
        type=Path,
        metavar="FOLDER",
        help="write TensorBoard's event files into this folder; with --live they grow; needs the extra `tensorboard`",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="write everything anew every quarter of a minute until Ctrl-C; browsers reload the page",
    )


def run(arguments: argparse.Namespace) -> int:
    events = None if arguments.tensorboard is None else EventFiles(arguments.tensorboard)
    first: Path = arguments.run[0]
    out = arguments.out or first / "report.html"
    if len(arguments.run) > 1:
        out = arguments.out or Path("comparison.html")
        check_output(out, (), ".html")
    for path in filter(None, (arguments.json, arguments.csv)):
        check_output(path, [out])  # the page, whose name may be the default
    try:
        if arguments.live:
            _follow(arguments, out, events)
        about = _write(arguments, out, events)
    finally:
        if events is not None:
            events.close()
    show(f"{out}: {about}")
    return 0


def _follow(arguments: argparse.Namespace, out: Path, events: EventFiles | None) -> None:
    """Write the page again and again until Ctrl-C; a browser that shows it loads each one."""
    with stop_flag() as stop:
        show(f"{real_path(out).as_uri()}  (Ctrl-C ends it)")
        while not stop.is_set():
            begun = uptime_s()
            _write(arguments, out, events, f'<meta http-equiv="refresh" content="{REFRESH_S:g}">')
            due = uptime_s() + max(REFRESH_S / 2, (uptime_s() - begun) / WORK_SHARE)
            while uptime_s() < due and not stop.wait(LOOK_S):
                pass


def _write(
    arguments: argparse.Namespace, out: Path, events: EventFiles | None, head: str = ""
) -> str:
    """Write the page, with `head` in its head, and the numbers that are asked for; return what they
    are about.
    """
    metrics = read_runs(arguments.run)
    for path, text in ((arguments.json, metrics_json), (arguments.csv, metrics_csv)):
        if path is not None:
            write_file(path, text(metrics))
    if events is not None:
        events.update(metrics)
    if len(metrics) == 1:
        page = report_page(metrics[0])
        about = metrics[0].state
    else:
        page = comparison_page(metrics)
        about = f"{len(metrics)} runs"
    write_file(out, page.replace("<head>", f"<head>{head}", 1))
    return about
