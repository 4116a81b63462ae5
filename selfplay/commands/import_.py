"""`aino-train import`: PGN games and Lc0 training chunks as the next generation of a run."""

import argparse
from pathlib import Path

from engine.cli.live_lines import live_line, show
from engine.cli.option_forms import add_files, at_least
from engine.errors import ConfigError
from selfplay.commands.runs import add_run_arguments, work_on_run
from selfplay.data.kinds import CHUNKS, PGN, data_files
from selfplay.interrupt import Stop, Stopped
from selfplay.run.exchange import import_games
from selfplay.run.folder import RunFolder

EXAMPLES = """The games become the next generation to train on: `aino-train loop RUN` continues from there.

example:
  aino-train import run1 --data games.pgn --pgn-min-elo 2400
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, is_brief=True)
    group = parser.add_argument_group("games (at least one file)")
    add_files(
        group,
        "--data",
        "import PGN games and Lc0 training chunks of version 6: files, or folders of them",
    )
    text = "skip games in which a player is rated below this Elo (default: none)"
    group.add_argument("--pgn-min-elo", type=at_least(0), default=0, metavar="ELO", help=text)


def run(arguments: argparse.Namespace) -> int:
    """Import; an interrupted or failed import leaves the run as it was."""
    if not (files := data_files(arguments.data, PGN, CHUNKS)):  # before a run is made
        raise ConfigError("nothing to import: give --data FILE")
    return work_on_run(arguments, lambda folder, stop: _import(arguments, files, folder, stop))


def _import(
    arguments: argparse.Namespace, files: list[tuple[Path, str]], folder: RunFolder, stop: Stop
) -> bool:
    with live_line("import") as line:
        try:
            done = import_games(
                folder,
                files,
                arguments.pgn_min_elo,
                lambda games: line.update(0.0, f"{games:,} games"),
                stop,
            )
        except Stopped:
            show("stopped: nothing was imported")
            return False
    for path, tally in done.tallies:
        show(f"{path}: {tally}")
    show(
        f"generation {done.generation}: {done.games:,} games ({done.duplicates:,} duplicates skipped), "
        f"{done.positions:,} positions imported. Next: aino-train loop {arguments.run}"
    )
    return True
