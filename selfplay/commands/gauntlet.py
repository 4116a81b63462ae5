"""`aino-train gauntlet`: an engine's rating, from games against engines that have one."""

import argparse
from collections import Counter
from typing import Any

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import show
from engine.cli.option_forms import add_flag, add_setting_flags
from engine.errors import ConfigError
from selfplay.commands.referee import add_referee_flags, play_series, series_of
from selfplay.matches.contestant import ENGINE_HELP, parse_contestant
from selfplay.matches.engine_match import fault_lines, match_json, score_text
from selfplay.matches.rated_opponents import Gauntlet, GauntletSettings, GauntletStanding

EXAMPLES = """example:
  aino-train gauntlet --against 3320 "name=weiss cmd=./weiss" --against 3286 "name=stash cmd=./stash" \\
      --engine "name=aino cmd=aino option.Threads=1" --tc 8+0.08 --out rating

FOLDER gets games.pgn, games.jsonl, match.json and result.json; the same command continues.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_flag(parser, "--engine", "aino", f"measure this engine: {ENGINE_HELP}", "ENGINE")
    parser.add_argument(
        "--against",
        nargs=2,
        action="append",
        required=True,
        metavar=("RATING", "ENGINE"),
        help="play against this engine, which has this rating; may be given several times",
    )
    add_setting_flags(parser, GauntletSettings, "games")
    add_referee_flags(parser)


def settings_of(arguments: argparse.Namespace) -> GauntletSettings:
    for rating, _ in arguments.against:
        if not rating.isdecimal():
            raise ConfigError(f"--against: expected a rating as a whole number, got {rating!r}")
    return GauntletSettings(
        engine=parse_contestant(arguments.engine, arguments.margin_ms),
        opponents=tuple(
            parse_contestant(text, arguments.margin_ms) for _, text in arguments.against
        ),
        ratings=tuple(int(rating) for rating, _ in arguments.against),
        **series_of(arguments, GauntletSettings),
    )


def run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    finished, now = play_series(
        arguments.out, settings, Gauntlet, "Gauntlet", rating_so_far, gauntlet_json
    )
    for text in gauntlet_lines(now, settings):
        show(text)
    return 0 if finished else INTERRUPTED


def rating_so_far(now: GauntletStanding) -> str:
    if now.rating is None:
        return "no rating yet"
    return f"rating {now.rating.text}"


def gauntlet_lines(now: GauntletStanding, settings: GauntletSettings) -> list[str]:
    control = settings.engine.control_in(settings.control)
    lines = [f"{settings.engine.name} at {control}, {now.games} games"]
    own_faults = Counter[str]()
    for (name, standing), rating in zip(now.against.items(), settings.ratings, strict=True):
        lines.append(f"  {name} ({rating}): {score_text(standing)}")
        lines += fault_lines({name: standing.faults[name]})
        own_faults.update(standing.faults[settings.engine.name])
    lines += fault_lines({settings.engine.name: own_faults})
    return [*lines, f"{rating_so_far(now)}, 95%"]


def gauntlet_json(now: GauntletStanding) -> dict[str, Any]:
    interval = {} if now.rating is None else now.rating._asdict()
    against = {name: match_json(standing) for name, standing in now.against.items()}
    return {"rating": interval, "games": now.games, "against": against}
