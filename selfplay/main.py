"""The `aino-train` command: a table of subcommands. Each one is imported only when it is called."""

import logging
from collections.abc import Sequence

from engine import __version__
from engine.cli.command_line import run_program

_HELP = {
    "loop": "play games, train on them and gate the candidate, again and again; resumable at any point",
    "pretrain": "train a network on games and labelled positions",
    "match": "play two UCI engines against each other: Elo with error bars, SPRT, PGN",
    "gauntlet": "find an engine's rating by games against engines that have one",
    "suite": "solve test suites and puzzles: which ones an engine solves, and at which node count",
    "teach": "label calm positions in bulk with a value net of Stockfish 15.1, in this process",
    "export": "write a run's games as PGN",
    "report": "write one HTML file about a run, or about several: losses, Elo, games",
}
# Name -> (module as `run_subcommand` wants it, help).
COMMANDS = {name: (f"selfplay.commands.{name}", text) for name, text in _HELP.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    about = "Train Aino: self-play, supervised learning, matches. Each command has --help."
    return run_program("aino-train", __version__, about, COMMANDS, arguments)
