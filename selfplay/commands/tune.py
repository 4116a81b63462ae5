"""`aino-train tune`: numeric options of a UCI engine by games against itself."""

import argparse
import time
from pathlib import Path

from rich.console import Group
from rich.table import Table

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import live_view, show
from engine.cli.setting_flags import add_flag
from engine.pages.render import write_page
from selfplay.commands.referee import add_referee_flags, quiet_driver, series_of
from selfplay.interrupt import StopFlag
from selfplay.lock import folder_lock
from selfplay.matches.archive import GameRow, MatchArchive
from selfplay.matches.contestant import ENGINE_HELP, Contestant, close_engine, open_engine, parse_contestant
from selfplay.matches.standings import Pace, fault_lines, game_line
from selfplay.report.tuning_page import tuning_page
from selfplay.tune.outcome import KIND, outcome_json, read_tuning, setoption_lines, toml_lines
from selfplay.tune.tunable import OPTION_HELP, OptionWish, Tunable, parse_wish, resolve
from selfplay.tune.tuning import LAG, Tuning, TuningSettings, TuningStanding

EXAMPLES = """examples:
  two options of the search at 800 nodes a move
    aino-train tune --option "CPuct step=0.2" --option "FpuReduction max=1 step=0.05" --nodes 800 --pairs 5000 \\
        --engine "name=aino cmd=aino option.Threads=1" --concurrency 2 --resign --draw --out tune1
  another engine, whole numbers
    aino-train tune --engine "name=sf cmd=stockfish" --option "Move Overhead start=50 max=500" --tc 1+0.01 --out tune2

The method is SPSA: one side plays with all values moved a step up or down by chance, the other with the opposite, and
the result of a pair of games moves the values a little. FOLDER gets report.html (curves), games.pgn, games.jsonl (one
line a game), tuning.json (the settings) and result.json; the same command continues a run that was stopped or killed.
"""
PAGE_S = 60.0  # Write the page this often.


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--option", required=True, action="append", metavar="OPTION", help=OPTION_HELP)
    add_flag(parser, "--engine", "aino", f"tune this engine: {ENGINE_HELP}", "ENGINE")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="write games and results here")
    add_flag(parser, "--pairs", 5000, "play this many pairs of games; the schedule of steps depends on it")
    add_flag(
        parser, "--lag", LAG, "let a pair start from the values that all but this many pairs before it have led to"
    )
    add_referee_flags(parser)


def settings_of(arguments: argparse.Namespace) -> TuningSettings:
    """The flags as settings; the engine is asked for its options. Raises ConfigError and DataError."""
    wishes = [parse_wish(text) for text in arguments.option]
    engine = parse_contestant(arguments.engine, arguments.margin_ms)
    series = series_of(arguments)
    options = ask_for_options(engine, wishes)
    return TuningSettings(engine=engine, options=options, pairs=arguments.pairs, lag=arguments.lag, **series)


def ask_for_options(contestant: Contestant, wishes: list[OptionWish]) -> tuple[Tunable, ...]:
    """Start the engine to complete the wishes from its options. Raises ConfigError for a wish that it cannot fulfil."""
    engine = open_engine(contestant)
    try:
        is_aino = engine.id.get("name", "").startswith("Aino")
        return tuple(resolve(wish, engine.options, is_aino, dict(contestant.options)) for wish in wishes)
    finally:
        close_engine(engine)


def run(arguments: argparse.Namespace) -> int:
    """Start or continue tuning."""
    quiet_driver()
    settings = settings_of(arguments)
    with folder_lock(arguments.out), StopFlag() as stop:
        event = f"Tuning of {settings.engine.name}"
        archive = MatchArchive(arguments.out, settings.description(), settings.resolved(), event, KIND)
        tuning = Tuning(settings, archive)
        pace = Pace(len(archive.rows), 2 * settings.pairs)
        page_due = time.monotonic() + PAGE_S

        def report(row: GameRow) -> None:
            nonlocal page_due
            pace.done = len(archive.rows)
            show(game_line(row, values_text(settings, tuning.standing())))
            if time.monotonic() >= page_due:
                write_page(arguments.out / "report.html", tuning_page(read_tuning(arguments.out)))
                page_due = time.monotonic() + PAGE_S

        with live_view(lambda: tuning_view(settings, tuning.standing(), pace)):
            finished = tuning.play(report, stop.is_set)
        now = tuning.standing()
        archive.write_result(outcome_json(settings.options, now))
        write_page(arguments.out / "report.html", tuning_page(read_tuning(arguments.out)))
    for text in outcome_lines(settings, now):
        show(text)
    return 0 if finished else INTERRUPTED


def values_text(settings: TuningSettings, now: TuningStanding) -> str:
    """The values now, in one line."""
    values = zip(settings.options, now.values, strict=True)
    return ", ".join(f"{option.name} {option.text(value)}" for option, value in values)


def outcome_lines(settings: TuningSettings, now: TuningStanding) -> list[str]:
    """What is printed at the end: the values, as UCI commands and for aino.toml, and the faults."""
    control = settings.engine.control or settings.control
    lines = [f"{now.pairs} of {settings.pairs} pairs at {control}"]
    lines += [
        f"  {option.name}: {option.text(option.start)} -> {option.text(value)}"
        for option, value in zip(settings.options, now.values, strict=True)
    ]
    lines += fault_lines(now.faults) + setoption_lines(settings.options, now.values)
    toml = toml_lines(settings.options, now.values)
    return [*lines, "# aino.toml", *toml] if toml else lines


def tuning_view(settings: TuningSettings, now: TuningStanding, pace: Pace) -> Group:
    """The live table."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("option", "start", "now", "from", "to"):
        table.add_column(title, justify="left" if title == "option" else "right")
    for option, value in zip(settings.options, now.values, strict=True):
        ends = f"{option.low:g}", f"{option.high:g}"
        table.add_row(option.name, option.text(option.start), option.text(value), *ends)
    return Group(table, pace.view())
