"""`aino-train export`: a run's games as PGN, and as Lc0 training chunks."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from engine.cli.live_lines import LiveLine, live_line, show
from engine.cli.setting_flags import add_flag
from engine.errors import ConfigError
from engine.files.atomic import atomic_write
from selfplay.data.v6 import write_archive
from selfplay.records.game import SelfPlayRecord
from selfplay.run.exchange import chunks_of_run, games_of_run, pgn_text

EXAMPLES = """example:
  aino-train export run1 --pgn games.pgn
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="read this run folder; nothing in it is changed")
    parser.add_argument("--pgn", type=Path, metavar="FILE.pgn", help="write the games as PGN")
    parser.add_argument("--v6", type=Path, metavar="FILE.tar", help="write Lc0 training chunks of version 6")
    add_flag(parser, "--first", 1, "begin with this generation")
    parser.add_argument("--last", type=int, metavar="N", help="end with this generation (default: the newest)")


def run(arguments: argparse.Namespace) -> int:
    """Write what was asked for."""
    if arguments.pgn is None and arguments.v6 is None:
        raise ConfigError("nothing to export: give --pgn or --v6")
    if arguments.v6 is not None and arguments.v6.suffix != ".tar":
        raise ConfigError(f"--v6 {arguments.v6}: expected a name ending in .tar")
    for path, write in ((arguments.pgn, _write_pgn), (arguments.v6, _write_v6)):
        if path is None:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with live_line(f"export {path.name}") as line:
            games = _Counted(games_of_run(arguments.run / "replay", arguments.first, arguments.last), line)
            write(path, games, arguments.run.name)
        show(f"{path}: {games.games:,} games, {games.positions:,} positions")
    return 0


class _Counted:
    """Passes games through unchanged and counts them."""

    def __init__(self, games: Iterator[SelfPlayRecord], line: LiveLine) -> None:
        self.games = self.positions = 0
        self._source = games
        self._line = line

    def __iter__(self) -> Iterator[SelfPlayRecord]:
        for game in self._source:
            self.games += 1
            self.positions += len(game.moves)
            self._line.update(0.0, f"{self.games:,} games")
            yield game


def _write_pgn(path: Path, games: _Counted, run: str) -> None:
    with atomic_write(path) as stream:
        for game in games:
            stream.write(pgn_text(game, f"{run} generation {game.generation}").encode())


def _write_v6(path: Path, games: _Counted, run: str) -> None:
    with atomic_write(path) as stream:
        write_archive(stream, chunks_of_run(games))
