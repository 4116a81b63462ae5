"""`aino-train match`: UCI engine against UCI engine."""

import argparse
from functools import partial

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import show
from engine.cli.option_forms import add_flag
from engine.errors import ConfigError
from selfplay.commands.referee import add_referee_flags, play_series, series_of
from selfplay.matches.contestant import ENGINE_HELP, parse_contestant
from selfplay.matches.engine_match import (
    Match,
    MatchSettings,
    match_json,
    score_text,
    standing_lines,
)
from selfplay.matches.statistics import Sprt

EXAMPLES = """examples:
  twenty games against Stockfish at its weakest setting
    aino-train match --first "name=aino cmd=aino option.Threads=2" --games 20 --tc 1+0.1 --out match1 \\
        --second "name=sf1350 cmd=stockfish option.UCI_LimitStrength=true option.UCI_Elo=1350"
  does a net gain at least 10 Elo? stops by itself, at the latest after 2,000 games
    aino-train match --first "name=new cmd=aino option.WeightsFile=new.dit" --second "name=old cmd=aino" \\
        --nodes 800 --sprt 0 10 --games 2000 --concurrency 2 --out match2
  different conditions for the two
    aino-train match --first "name=aino cmd=aino tc=10+0.1" --second "name=sf cmd=stockfish nodes=2000" --out match3
  does Aino win what is won? every ending once, Aino with the side to move
    aino-train match --openings endings-won --first-to-move --games 400 --tc 5+0.05 --out won \\
        --first "name=aino cmd=aino option.Threads=1" --second "name=sf cmd=stockfish"

FOLDER gets games.pgn, games.jsonl (one line a game), match.json (the settings), result.json, and stderr.log (what the
engines write there); the same command continues a match that was stopped or killed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--first", required=True, metavar="ENGINE", help=f"play with this engine: {ENGINE_HELP}"
    )
    parser.add_argument(
        "--second",
        required=True,
        metavar="ENGINE",
        help="play against this engine, in the same form",
    )
    add_flag(
        parser,
        "--games",
        20,
        "play this many games, an even number; with --sprt, at most this many",
    )
    parser.add_argument(
        "--sprt",
        type=float,
        nargs=2,
        metavar=("ELO0", "ELO1"),
        help="stop once the test decides between ELO1 and ELO0 as the first engine's lead (pentanomial GSPRT)",
    )
    parser.add_argument(
        "--sprt-errors",
        type=float,
        nargs=2,
        metavar=("ALPHA", "BETA"),
        help="allow --sprt these error rates (default 0.05 0.05)",
    )
    parser.add_argument(
        "--first-to-move",
        action="store_true",
        help="play each opening once, the first engine with the side to move (for endings, with any number of games)",
    )
    add_referee_flags(parser)


def settings_of(arguments: argparse.Namespace) -> MatchSettings:
    sprt = None
    if arguments.sprt:
        sprt = Sprt(*arguments.sprt, *(arguments.sprt_errors or ()))
    elif arguments.sprt_errors:
        raise ConfigError("--sprt-errors needs --sprt ELO0 ELO1")
    return MatchSettings(
        first=parse_contestant(arguments.first, arguments.margin_ms),
        second=parse_contestant(arguments.second, arguments.margin_ms),
        games=arguments.games,
        first_to_move=arguments.first_to_move,
        sprt=sprt,
        **series_of(arguments),
    )


def run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    if settings.warning:
        show(f"warning: {settings.warning}")
    text_of = partial(score_text, test=settings.sprt)
    event = " - ".join(settings.names)
    finished, now = play_series(arguments.out, settings, Match, event, text_of, match_json)
    controls = " against ".join(dict.fromkeys(map(str, settings.controls)))
    for text in standing_lines(now, settings.names, controls, settings.sprt):
        show(text)
    return 0 if finished else INTERRUPTED
