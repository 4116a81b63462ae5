"""`aino-train openings`: draw a set of balanced openings from teacher labels."""

import argparse
from pathlib import Path

from engine.cli.live_lines import show
from engine.cli.setting_flags import add_flag
from selfplay.data.balanced_openings import draw_openings
from selfplay.data.teacher import teacher_files
from selfplay.records.opening_set import write_openings

EXAMPLES = """example:
  aino-train openings --teacher labels/ --count 5000 --out openings.epd
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--teacher",
        type=Path,
        nargs="+",
        required=True,
        metavar="PATH",
        help="read teacher labels from files, or folders of *.txt.xz",
    )
    add_flag(parser, "--count", 5000, "draw this many positions")
    add_flag(parser, "--seed", 1, "seed the draw with this")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.epd", help="write the openings here")


def run(arguments: argparse.Namespace) -> int:
    """Draw and write."""
    openings = draw_openings(teacher_files(arguments.teacher), arguments.count, arguments.seed)
    write_openings(arguments.out, openings)
    show(f"{arguments.out}: {len(openings)} positions")
    return 0
