"""`aino-train export`: a run's games as PGN."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from engine.cli.live_lines import LiveLine, live_line, show
from engine.cli.option_forms import add_flag, at_least
from engine.files.atomic import atomic_write, real_path
from engine.files.output_files import free_names, output_file
from selfplay.records.game import SelfPlayRecord
from selfplay.run.games_out import games_of_run, pgn_text

EXAMPLES = """example:
  aino-train export run1 --pgn games.pgn
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="read this run folder, without changing it"
    )
    parser.add_argument(
        "--pgn",
        type=output_file,
        required=True,
        metavar="FILE",
        help="write the games as PGN here; where a file is, under the next free name",
    )
    add_flag(parser, "--first", 1, "begin with this generation", least=1)
    parser.add_argument(
        "--last",
        type=at_least(1),
        metavar="N",
        help="end with this generation (default: the newest)",
    )


def run(arguments: argparse.Namespace) -> int:
    (path,) = free_names(arguments.pgn)
    name = real_path(arguments.run).name
    seen = Counter[str]()
    with live_line(f"export {path.name}") as line, atomic_write(path) as stream:
        games = games_of_run(arguments.run / "replay", arguments.first, arguments.last)
        for game in _counted(games, seen, line):
            text = pgn_text(game, f"{name} generation {game.generation}")
            stream.write(text.encode(errors="replace"))
    show(f"{path}: {seen['games']:,} games, {seen['positions']:,} positions")
    return 0


def _counted(
    games: Iterable[SelfPlayRecord], seen: Counter[str], line: LiveLine
) -> Iterator[SelfPlayRecord]:
    for game in games:
        seen["games"] += 1
        seen["positions"] += len(game.moves)
        line.update(0.0, f"{seen['games']:,} games")
        yield game
