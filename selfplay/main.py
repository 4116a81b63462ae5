"""The `aino-train` command: a table of subcommands. Each one is imported only when it is called."""

from __future__ import annotations

import argparse
import keyword
import logging
import sys
from collections.abc import Sequence
from importlib import metadata

from engine.cli.command_line import run_subcommand, unknown_command
from engine.cli.manual import add_manual_flags

COMMANDS = {
    "loop": "play games, train on them and gate the candidate, again and again; resumable at any point",
    "generate": "play self-play games into a run's replay",
    "fit": "train a candidate network on a run's replay",
    "gate": "match the candidate against the best network and promote it if an SPRT accepts it",
    "pretrain": "train a network on games and labelled positions",
    "match": "play two UCI engines against each other: Elo with error bars, SPRT, PGN",
    "ladder": "find the UCI_Elo level of Stockfish against which an engine scores 50%",
    "suite": "solve test suites and puzzles: which ones an engine solves, and at which node count",
    "bench": "measure the speed of self-play, sampling and training on this machine",
    "label": "label positions with the moves and scores of a UCI engine that supports MultiPV",
    "teach": "label calm positions in bulk with a value net of Stockfish 15.1, in this process",
    "measure": "measure how evaluators order quiet siblings",
    "import": "read PGN games and Lc0 training chunks into a run's replay",
    "export": "write a run's games as PGN and as Lc0 training chunks",
    "report": "write one HTML file about a run: losses, Elo, games, openings",
    "openings": "draw a set of balanced openings from text labels",
}


def module_name(command: str) -> str:
    """Return the module of a subcommand. Its name ends in an underscore when the command is a Python keyword."""
    return f"selfplay.commands.{command}{'_' if keyword.iskeyword(command) else ''}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status. Aino's own errors print one line on stderr, no traceback."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="aino-train",
        description="Train Aino: self-play, supervised learning, matches. Each command has --help.",
    )
    parser.add_argument("--version", action="version", version=f"Aino {metadata.version('aino-chess')}")
    add_manual_flags(parser, {command: (module_name(command), text) for command, text in COMMANDS.items()})
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command, text in COMMANDS.items():
        subparsers.add_parser(command, help=text.replace("%", "%%"))
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        return unknown_command("aino-train", words[0], COMMANDS)
    name = parser.parse_args(words if words[:1] == ["--completion"] else words[:1]).command
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    return run_subcommand("aino-train", name, COMMANDS[name], module_name(name), words[1:])


if __name__ == "__main__":
    sys.exit(main())
