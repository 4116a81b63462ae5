"""Measure the referee's own CPU time, per move and while it waits, with engines that use almost none.

python -m benchmarks.match_referee --games 20 --wait 5
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from selfplay.matches.archive import MatchArchive
from selfplay.matches.contestant import Contestant
from selfplay.matches.control import TimeControl
from selfplay.matches.opening_book import load_book
from selfplay.matches.series import Match, MatchSettings
from tests.selfplay import scripted_engine

SCRIPT = Path(scripted_engine.__file__)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--games", type=int, default=20)
    text = "wait this many seconds for an engine that hangs (default %(default)s)"
    parser.add_argument("--wait", type=float, default=5.0, help=text)
    options = parser.parse_args(arguments)
    cpu_s, wall_s, moves = play(options.games, "random")
    print(f"{moves} moves: {1000 * cpu_s / moves:.2f} ms of CPU a move, {1000 * wall_s / moves:.2f} ms in all")
    cpu_s, wall_s, _ = play(2, "hang", options.wait)
    print(f"waiting {wall_s:.1f} s for hung engines: {cpu_s / wall_s:.1%} of a core")


def play(games: int, behaviour: str, patience_s: float = 60.0) -> tuple[float, float, int]:
    """Play a match between scripted engines. Returns (CPU seconds of this process, elapsed seconds, moves)."""
    first, second = (Contestant(f"engine{n}", (sys.executable, str(SCRIPT), behaviour, str(n))) for n in (1, 2))
    control, book = TimeControl(nodes=1), load_book()
    settings = MatchSettings(
        first=first, second=second, control=control, games=games, openings=book, longest=200, patience_s=patience_s
    )
    with tempfile.TemporaryDirectory() as folder:
        archive = MatchArchive(Path(folder), settings.description())
        cpu, begin = time.process_time(), time.perf_counter()
        Match(settings, archive).play(lambda row: None, lambda: False)
        spent = time.process_time() - cpu, time.perf_counter() - begin
        return *spent, sum(len(row.thoughts) for row in archive.rows.values())


if __name__ == "__main__":
    main()
