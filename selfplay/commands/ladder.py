"""`aino-train ladder`: the Stockfish rung at which an engine scores 50%."""

import argparse
from typing import Any

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import show
from engine.cli.option_forms import add_flag, add_setting_flags
from selfplay.commands.referee import add_referee_flags, play_series, series_of
from selfplay.matches.contestant import ENGINE_HELP, parse_contestant
from selfplay.matches.engine_match import fault_lines
from selfplay.matches.rungs import Ladder, LadderSettings, LadderStanding
from selfplay.matches.statistics import EloEstimate, or_null

EXAMPLES = """examples:
  aino-train ladder --tc 5+0.05 --concurrency 2 --out ladder1
  aino-train ladder --engine "name=net cmd=aino option.Threads=1 option.WeightsFile=my.dit" --tc 10+0.1 --out ladder2

Each pair of games is played on the rung that tells most about where the engine scores 50%. The ladder ends when the 95%
interval is narrow enough, after --games at the latest, or when the engine is almost surely weaker than the lowest rung,
in which case its score there is reported. FOLDER gets games.pgn, games.jsonl, match.json and result.json; the same
command continues.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_flag(parser, "--engine", "aino", f"measure this engine: {ENGINE_HELP}", "ENGINE")
    text = "play against Stockfish, or another engine with UCI_LimitStrength and UCI_Elo"
    add_flag(parser, "--opponent", "name=stockfish cmd=stockfish", text, "ENGINE")
    add_setting_flags(parser, LadderSettings, "lowest", "highest", "step", "games", "precision")
    add_referee_flags(parser)


def settings_of(arguments: argparse.Namespace) -> LadderSettings:
    return LadderSettings(
        engine=parse_contestant(arguments.engine, arguments.margin_ms),
        opponent=parse_contestant(arguments.opponent, arguments.margin_ms),
        **series_of(arguments, LadderSettings),
    )


def run(arguments: argparse.Namespace) -> int:
    settings = settings_of(arguments)
    finished, now = play_series(arguments.out, settings, Ladder, "Ladder", rating_text, ladder_json)
    for text in ladder_lines(now, settings):
        show(text)
    return 0 if finished else INTERRUPTED


def rating_text(now: LadderStanding) -> str:
    return f"50% at rung {now.rating.text}"


def ladder_lines(now: LadderStanding, settings: LadderSettings) -> list[str]:
    lines = [
        f"{settings.engine.name} at {settings.engine.control_in(settings.control)}, {now.games} games"
    ]
    lines += [f"  rung {rung}: {_score_text(estimate)}" for rung, estimate in now.rungs.items()]
    lines += fault_lines({name: counts for name, counts in now.faults.items()
                          if name == settings.engine.name or any(counts.values())})  # fmt: skip
    for outside, word, rung in (
        (now.below, "below", settings.rungs[0]),
        (now.above, "above", settings.rungs[-1]),
    ):
        if outside:
            lines.append(
                f"{word} the ladder: on its rung {rung} it scores {_score_text(now.rungs[rung])}"
            )
            return lines
    return [*lines, f"{rating_text(now)}, 95%"]


def _score_text(e: EloEstimate) -> str:
    return f"{e.score:.1%} [{e.score_low:.1%}, {e.score_high:.1%}] in {2 * e.pairs} games"


def ladder_json(now: LadderStanding) -> dict[str, Any]:
    return {
        "elo": now.rating.elo,
        "elo_low": or_null(now.rating.low),
        "elo_high": or_null(now.rating.high),
        "games": now.games,
        "below": now.below,
        "above": now.above,
        "rungs": {
            rung: {"games": 2 * estimate.pairs, "score": estimate.score}
            for rung, estimate in now.rungs.items()
        },
        "faults": now.faults,
    }
