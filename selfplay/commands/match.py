"""`aino-train match`: UCI engine against UCI engine."""

from __future__ import annotations

import argparse
from pathlib import Path

from selfplay.console import live_line, show
from selfplay.games.openings import load_openings
from selfplay.interrupt import INTERRUPTED, StopFlag
from selfplay.lock import FolderLock
from selfplay.matches.archive import GameRow, MatchArchive
from selfplay.matches.contestant import parse_contestant
from selfplay.matches.match import MatchSettings, MatchStanding, play_match, standing
from selfplay.matches.play import TimeControl

EXAMPLE = """example (the second engine is Stockfish at its weakest setting):
  aino-train match --first "name=aino cmd=aino option.Threads=2" \\
    --second "name=sf1350 cmd=stockfish option.UCI_LimitStrength=true option.UCI_Elo=1350" --games 20 --out match1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLE
    engine = "a command, or words name=NAME cmd=COMMAND option.NAME=VALUE; the command `aino` is this installation"
    parser.add_argument("--first", required=True, metavar="ENGINE", help=engine)
    parser.add_argument("--second", required=True, metavar="ENGINE", help="likewise")
    parser.add_argument("--games", type=int, default=20, help="an even number (default %(default)s)")
    parser.add_argument("--tc", default="1+0.1", metavar="BASE+INC", help="seconds (default %(default)s)")
    parser.add_argument("--margin-ms", type=float, default=20.0, help="tolerance of the clock (default %(default)s)")
    parser.add_argument("--openings", type=Path, metavar="FILE.epd", help="(default: Aino's own set)")
    parser.add_argument("--seed", type=int, default=1, help="of the openings' order (default %(default)s)")
    parser.add_argument("--concurrency", type=int, default=1, help="games at once (default %(default)s)")
    parser.add_argument("--longest", type=int, default=400, metavar="PLIES", help="then a draw (default %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="games.pgn, games.jsonl; the same command continues it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Play, or continue, the match."""
    settings = MatchSettings(
        first=parse_contestant(arguments.first),
        second=parse_contestant(arguments.second),
        control=TimeControl.parse(arguments.tc, arguments.margin_ms),
        games=arguments.games,
        openings=tuple(board.fen() for board in load_openings(arguments.openings)),
        seed=arguments.seed,
        concurrency=arguments.concurrency,
        longest=arguments.longest,
    )
    names = settings.first.name, settings.second.name
    with FolderLock(arguments.out), StopFlag() as stop, live_line(f"{names[0]} - {names[1]}") as line:
        archive = MatchArchive(arguments.out, settings.description())

        def report(row: GameRow) -> None:
            now = standing(list(archive.rows.values()), names)
            line.update(now.games / settings.games, score_text(now))
            fault = f" by {row.offender}: {row.detail}" if row.offender else ""
            how = f"{row.reason}{fault}, {len(row.uci.split())} plies"
            show(f"game {row.number + 1}: {row.white} - {row.black} {row.result} ({how})  {score_text(now)}")

        finished = play_match(settings, archive, report, stop.is_set)
    for text in standing_lines(standing(list(archive.rows.values()), names), names, settings.control):
        show(text)
    return 0 if finished else INTERRUPTED


def score_text(now: MatchStanding) -> str:
    """Wins, draws, losses and score so far."""
    score = (now.wins + now.draws / 2) / max(1, now.games)
    return f"+{now.wins} ={now.draws} -{now.losses} ({score:.1%})"


def standing_lines(now: MatchStanding, names: tuple[str, str], control: TimeControl) -> list[str]:
    """The summary: score and Elo with 95% intervals, and every engine's faults."""
    lines = [f"{names[0]} against {names[1]}, {now.games} games at {control}: {score_text(now)}"]
    if now.estimate is not None:
        e = now.estimate
        lines.append(
            f"  score {e.score:.1%} [{e.score_low:.1%}, {e.score_high:.1%}], "
            f"Elo {e.elo:+.0f} [{e.elo_low:+.0f}, {e.elo_high:+.0f}] "
            f"(95%, {e.pairs} pairs {list(now.pentanomial)})"
        )
    for name in names:
        counts = ", ".join(f"{reason} {count}" for reason, count in now.faults[name].items())
        lines.append(f"  {name}: {counts}")
    return lines
