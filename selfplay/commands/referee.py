"""What `match` and `gauntlet` share: flags of time, openings, adjudication and concurrency; playing
with progress.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.cli.live_lines import LOG_S, live_line, show
from engine.cli.option_forms import add_flag, add_setting_flags, at_least, given_settings
from engine.files.atomic import write_file
from engine.files.json_text import json_text
from selfplay.interrupt import stop_flag
from selfplay.lock import folder_lock
from selfplay.matches.adjudication import Adjudication, DrawRule, ResignRule
from selfplay.matches.archive import RESULT_FILE, GameRow, MatchArchive
from selfplay.matches.control import TimeControl
from selfplay.matches.engine_match import game_line
from selfplay.matches.opening_book import DEFAULT_PLIES, load_book
from selfplay.matches.series import SeriesSettings

DEFAULT_CLOCK = "1+0.1"
MARGIN_MS = 20.0


def add_referee_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="write games and results here"
    )
    control = parser.add_argument_group(f"time control (default --tc {DEFAULT_CLOCK})")
    either = control.add_mutually_exclusive_group()
    either.add_argument(
        "--tc", metavar="BASE+INC", help="play with a clock: base time and increment in seconds"
    )
    either.add_argument("--movetime", metavar="S", help="think for this many seconds per move")
    control.add_argument(
        "--nodes",
        metavar="N",
        help="search this many nodes per move; may be combined with --tc or --movetime",
    )
    add_flag(
        control,
        "--margin-ms",
        MARGIN_MS,
        "allow engines to overstep their clock by this many milliseconds",
        "MS",
    )
    control.add_argument(
        "--nodes-per-ms",
        type=at_least(1),
        default=0,
        metavar="N",
        help="let a millisecond of --tc or --movetime last as long as an engine needs for so many nodes, on any "
        "machine",
    )
    add_setting_flags(control, SeriesSettings, "patience_s")
    openings = parser.add_argument_group("openings, each played with both colours")
    openings.add_argument(
        "--openings",
        type=Path,
        metavar="FILE",
        help="read openings from a .pgn or .epd file, plain or in a .zip, or endings-won, endings-held, endings-small "
        "(default: Aino's own)",
    )
    add_flag(
        openings,
        "--opening-plies",
        DEFAULT_PLIES,
        "take this many plies from each PGN opening",
        least=0,
    )
    add_setting_flags(openings, SeriesSettings, "seed")
    openings.add_argument(
        "--chess960", action="store_true", help="play by Chess960 rules; needs Chess960 openings"
    )
    endings = parser.add_argument_group("games that end early")
    draw = str(DrawRule())
    resign = str(ResignRule())
    usual = " (default: off; without numbers %(const)s)"
    text = "call a draw when both engines' scores stay within CP for MOVES moves after move FROM"
    endings.add_argument(
        "--draw", nargs="?", const=draw, metavar="MOVES:CP:FROM", help=text + usual
    )
    text = "call a loss when both engines score a side at -CP or worse for MOVES moves each"
    endings.add_argument("--resign", nargs="?", const=resign, metavar="MOVES:CP", help=text + usual)
    add_setting_flags(endings, SeriesSettings, "longest")
    add_setting_flags(parser, SeriesSettings, "concurrency")


def play_series(
    folder: Path,
    settings: Any,
    new_series: Callable[[Any, MatchArchive], Any],
    event: str,
    text_of: Callable[[Any], str],
    result_of: Callable[[Any], dict[str, Any]],
) -> tuple[bool, Any]:
    """Start or continue a match or a gauntlet in a folder. Returns whether it is finished, and its
    standing.

    text_of: a standing in a line; result_of: as JSON values.
    """
    with folder_lock(folder, "a match"), stop_flag() as stop:
        archive = MatchArchive(folder, settings.description(), settings.resolved(), event)
        series = new_series(settings, archive)
        now = series.standing()
        # Engines may take minutes to start.
        show(f"{event}, at most {settings.most_games} games, {now.games} played")
        with live_line(event, LOG_S) as line:

            def report(row: GameRow) -> None:
                nonlocal now
                now = series.standing()
                show(game_line(row, text_of(now)))
                line.update(now.games / settings.most_games, text_of(now))

            line.update(now.games / settings.most_games, text_of(now))
            finished = series.play(report, stop.is_set)
        write_file(folder / RESULT_FILE, json_text(result_of(now), indent=2) + "\n")
    return finished, now


def series_of(
    arguments: argparse.Namespace, settings: type[SeriesSettings] = SeriesSettings
) -> dict[str, Any]:
    """Return the fields of SeriesSettings, and those of `settings` with flags. Raises ConfigError,
    and DataError for openings.
    """
    margin_ms = arguments.margin_ms
    control = TimeControl.of(arguments.tc, arguments.movetime, arguments.nodes, margin_ms)
    control = control or TimeControl.parse(DEFAULT_CLOCK, margin_ms)
    return {
        "control": replace(control, nodes_per_ms=arguments.nodes_per_ms),
        "openings": load_book(arguments.openings, arguments.opening_plies, arguments.chess960),
        "adjudication": Adjudication(
            DrawRule.parse(arguments.draw), ResignRule.parse(arguments.resign)
        ),
        "chess960": arguments.chess960,
        **given_settings(settings, arguments),
    }
