"""`aino-train export`: a run's games as PGN, and as Lc0 training chunks."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from engine.cli.live_lines import LiveLine, live_line, show
from engine.cli.option_forms import add_flag, at_least
from engine.errors import ConfigError
from engine.files.atomic import atomic_write
from engine.files.output_files import output_file
from selfplay.data.v6 import write_archive
from selfplay.data.v6_games import chunk_of_game
from selfplay.records.game import SelfPlayRecord
from selfplay.run.exchange import games_of_run, pgn_text

EXAMPLES = """example:
  aino-train export run1 --pgn games.pgn
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="read this run folder, without changing it"
    )
    parser.add_argument(
        "--pgn", type=output_file, metavar="FILE.pgn", help="write the games as PGN"
    )
    parser.add_argument(
        "--v6", type=output_file, metavar="FILE.tar", help="write Lc0 training chunks of version 6"
    )
    add_flag(parser, "--first", 1, "begin with this generation", least=1)
    parser.add_argument(
        "--last",
        type=at_least(1),
        metavar="N",
        help="end with this generation (default: the newest)",
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.pgn is None and arguments.v6 is None:
        raise ConfigError("nothing to export: give --pgn or --v6")
    if arguments.v6 is not None and arguments.v6.suffix != ".tar":
        raise ConfigError(f"--v6 {arguments.v6}: expected a name ending in .tar")
    for path, write in ((arguments.pgn, _write_pgn), (arguments.v6, _write_v6)):
        if path is None:
            continue
        seen = Counter[str]()
        with live_line(f"export {path.name}") as line, atomic_write(path) as stream:
            games = games_of_run(arguments.run / "replay", arguments.first, arguments.last)
            write(stream, _counted(games, seen, line), arguments.run.resolve().name)
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


def _write_pgn(stream: IO[bytes], games: Iterable[SelfPlayRecord], run: str) -> None:
    for game in games:
        stream.write(pgn_text(game, f"{run} generation {game.generation}").encode(errors="replace"))


def _write_v6(stream: IO[bytes], games: Iterable[SelfPlayRecord], run: str) -> None:
    """Skip games without a move, which have no record."""
    named = (
        (f"gen-{game.generation:05d}-game-{game.number:07d}.gz", game)
        for game in games
        if len(game.moves)
    )
    write_archive(stream, ((name, chunk_of_game(game)) for name, game in named))
