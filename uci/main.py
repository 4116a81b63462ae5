"""The `aino` command: one table of subcommands, each imported only when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from engine.cli.command_line import run_subcommand, unknown_command
from engine.cli.manual import add_manual_flags
from uci import __version__

# Name -> (module as `run_subcommand` wants it, help).
SUBCOMMANDS: dict[str, tuple[str, str]] = {
    "uci": ("uci.protocol.serve", "speak UCI on stdin and stdout, as chess GUIs expect (what `aino` alone does)"),
    "play": ("uci.play.play", "play a game in the terminal"),
    "analyse": ("uci.analyse.analyse", "show the best lines of one position or of many"),
    "annotate": ("uci.annotate.annotate", "review the games of a PGN file: an annotated PGN and a web page"),
    "explain": ("uci.explain.explain", "make a web page about how Aino sees a position"),
    "puzzles": ("uci.play.solve", "solve puzzles of your own mistakes and of Lichess's file"),
    "perft": ("uci.tools.perft", "count the positions DEPTH plies ahead"),
    "bench": ("uci.bench.bench", "measure move generation, evaluation and search"),
    "net": ("uci.tools.net", "show, convert and export net files"),
    "warmup": ("uci.loading.warmup", "compile all kernels now, so that the first game starts at once"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status; 2 for bad usage, 1 for an error reported on stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = arguments[0] if arguments and arguments[0] in SUBCOMMANDS else None
    if name is None and (not arguments or (arguments[0].startswith("-") and not _asks_for_help(arguments))):
        name, arguments = "uci", ["uci", *arguments]
    if name is None:
        if not arguments[0].startswith("-"):
            return unknown_command("aino", arguments[0], SUBCOMMANDS)
        _top_parser().parse_args(arguments)
        return 0
    module, text = SUBCOMMANDS[name]
    return run_subcommand("aino", name, text, module, arguments[1:])


def _asks_for_help(arguments: Sequence[str]) -> bool:
    return arguments[0].partition("=")[0] in ("-h", "--help", "--version", "--completion", "--man")


def _top_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aino", description="The chess engine Aino. Without a subcommand: UCI.")
    parser.add_argument("--version", action="version", version=f"Aino {__version__}")
    add_manual_flags(parser, SUBCOMMANDS)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (_, text) in SUBCOMMANDS.items():
        subparsers.add_parser(name, help=text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
