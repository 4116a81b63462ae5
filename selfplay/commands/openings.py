"""`aino-train openings`: draw a set of balanced openings, or of endings to play out, from teacher labels."""

import argparse
from contextlib import closing
from pathlib import Path

from engine.cli.live_lines import show
from engine.cli.setting_flags import add_flag
from selfplay.commands.referee import quiet_driver
from selfplay.data.drawn_positions import KINDS, draw_endings, draw_openings
from selfplay.data.teacher import teacher_files
from selfplay.matches.contestant import ENGINE_HELP, parse_contestant
from selfplay.matches.opening_book import write_openings
from selfplay.teachers.uci_engine import UciEngine

EXAMPLES = """examples:
  aino-train openings --teacher labels/ --count 5000 --out openings.epd
  aino-train openings --teacher labels/ --endings won --engine stockfish --nodes 1000000 --count 400 --out won.epd
"""
PATIENCE_S = 600.0  # Wait this long for an engine's judgement. Set by hand, for busy machines.


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
    text = "draw endings instead: won by 2.2 to 7 pawns, or held by one move; the side to move has to win or to hold"
    parser.add_argument("--endings", choices=KINDS, help=text)
    parser.add_argument("--engine", default="stockfish", metavar="ENGINE", help=f"let it judge endings: {ENGINE_HELP}")
    add_flag(parser, "--nodes", 1_000_000, "let the engine judge each ending by this many nodes")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.epd", help="write the positions here")


def run(arguments: argparse.Namespace) -> int:
    """Draw and write."""
    files, count, seed = teacher_files(arguments.teacher), arguments.count, arguments.seed
    if arguments.endings is None:
        found = draw_openings(files, count, seed)
    else:
        quiet_driver()
        lines = 2 if arguments.endings == "held" else 1
        with closing(UciEngine(parse_contestant(arguments.engine), lines, arguments.nodes, PATIENCE_S)) as engine:

            def judge(fen: str) -> list[tuple[str, int]]:
                engine.new_game(chess960=False)
                return engine.labels(fen, ())

            found = list(draw_endings(files, arguments.endings, count, seed, judge))
    write_openings(arguments.out, found)
    show(f"{arguments.out}: {len(found)} positions")
    return 0
