"""`aino-train suite`: how many test-suite positions and puzzles an engine solves."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import LOG_S, live_line, show, show_view
from engine.cli.option_forms import add_flag, at_least
from engine.errors import ConfigError
from engine.files.atomic import write_file
from engine.files.json_text import json_text
from engine.files.output_files import output_file
from engine.files.text import POSITIONS, PUZZLES, kind_of_file
from engine.native.uptime import uptime_s
from selfplay.interrupt import stop_flag
from selfplay.matches.contestant import ENGINE_HELP, Contestant, parse_contestant
from selfplay.matches.control import TimeControl
from selfplay.suites.epd import read_epd
from selfplay.suites.problem import Problem, read_puzzles, sample
from selfplay.suites.score import Outcome, solve_all, suite_json, suite_table
from selfplay.suites.solver import Solver

EXAMPLES = """examples:
  aino-train suite wac.epd sts.epd --nodes 1000 --concurrency 2 --json out.json
  aino-train suite lichess.csv --limit 500 --nodes 400 --engine "cmd=aino option.Evaluator=material"
  aino-train suite wac.epd --movetime 1 --engine "name=sf cmd=stockfish option.Threads=1"

Suites are EPD files (bm, am, dm, several best moves, graded moves as in STS) or FEN files called mateN.fen; puzzles are
CSV files as Lichess publishes them (every move of the line must be found, any mate counts). The node count of a
solution is the one from which it stayed the first choice.
"""
DEFAULT_ENGINE = "name=aino cmd=aino option.Threads=1"  # concurrent searches share the cores
DEFAULT_NODES = 1000
WRITE_S = 60.0  # seconds between two writings of the file with outcomes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="solve these .epd or .fen suites and .csv puzzles",
    )
    add_flag(parser, "--engine", DEFAULT_ENGINE, f"test this UCI engine: {ENGINE_HELP}", "ENGINE")
    parser.add_argument(
        "--nodes",
        metavar="N",
        help=f"search this many nodes per move (default {DEFAULT_NODES}, unless --movetime)",
    )
    parser.add_argument(
        "--movetime",
        metavar="S",
        help="think for this many seconds per move; with --nodes, whichever limit comes first",
    )
    add_flag(
        parser, "--concurrency", 1, "solve this many positions at once, one engine each", least=1
    )
    parser.add_argument(
        "--limit",
        type=at_least(1),
        metavar="N",
        help="solve N positions per file, sampled at random (default: all)",
    )
    add_flag(parser, "--limit-seed", 1, "sample with this random seed for --limit", least=0)
    parser.add_argument(
        "--json", type=output_file, metavar="FILE.json", help="write scores and every outcome here"
    )
    parser.add_argument("--failed", action="store_true", help="list unsolved positions")


def run(arguments: argparse.Namespace) -> int:
    """Solve, then show the table; an interrupted run shows the results so far."""
    contestant = parse_contestant(arguments.engine)
    limit = _limit(arguments, contestant)
    suites = {
        str(path): _read(path, arguments.limit, arguments.limit_seed) for path in arguments.files
    }
    problems = list(chain(*suites.values()))
    settings = {"engine": asdict(contestant), "limit": str(limit)}
    results = _Results(suites, settings, arguments.json)
    show(f"{len(problems):,} positions, {limit}, {contestant.name}")
    with stop_flag() as stop, live_line("suite", LOG_S) as line:

        def report(outcome: Outcome) -> None:
            if outcome.fault:
                show(f"{outcome.problem.name}: {outcome.fault} ({outcome.problem.fen})")
            results.add(outcome)
            line.update(results.done / len(problems), f"{results.solved} of {results.done} solved")

        def new_solver() -> Solver:
            return Solver(contestant, limit)

        try:
            solve_all(problems, new_solver, arguments.concurrency, report, stop.is_set)
        except BaseException:
            # Such as an engine that starts no more: the others' outcomes are kept.
            results.write()
            raise
    _show(arguments, results)
    return 0 if results.done == len(problems) else INTERRUPTED


class _Results:
    """The outcomes so far, which are written to a file now and then."""

    def __init__(
        self, suites: Mapping[str, Sequence[Problem]], settings: dict[str, Any], path: Path | None
    ) -> None:
        self.solved = 0
        self._settings = settings
        self._suites = suites
        self._path = path
        self._outcomes: dict[int, Outcome] = {}  # by the identity of the problem
        self._written = uptime_s()

    @property
    def done(self) -> int:
        return len(self._outcomes)

    def add(self, outcome: Outcome) -> None:
        self._outcomes[id(outcome.problem)] = outcome
        self.solved += outcome.solved
        if uptime_s() - self._written >= WRITE_S:
            self.write()
            self._written = uptime_s()

    def by_suite(self) -> dict[str, list[Outcome]]:
        """Return the outcomes in the order of the problems."""
        return {name: list(self._of(problems)) for name, problems in self._suites.items()}

    def _of(self, problems: Sequence[Problem]) -> Iterator[Outcome]:
        """Yield the outcomes of those that are done."""
        for problem in problems:
            if id(problem) in self._outcomes:
                yield self._outcomes[id(problem)]

    def write(self) -> None:
        """Write the outcomes to the file, if there are any and a file is wanted."""
        if self._path is not None and self._outcomes:
            text = json_text(suite_json(self._settings, self.by_suite()), indent=1)
            write_file(self._path, text)


def _limit(arguments: argparse.Namespace, contestant: Contestant) -> TimeControl:
    """Return the limit from the flags, else from the ENGINE words, else the default. Raises
    ConfigError for a clock.
    """
    limit = TimeControl.of(None, arguments.movetime, arguments.nodes) or contestant.control
    if limit is None:
        return TimeControl(nodes=DEFAULT_NODES)
    if limit.base_s:
        raise ConfigError(
            f"a suite limits nodes or seconds for each move, and has no clock: got {limit}"
        )
    return limit


def _read(path: Path, limit: int | None, seed: int) -> list[Problem]:
    content = kind_of_file(path, POSITIONS, PUZZLES)
    if content == PUZZLES or (not content and ".csv" in path.name.lower()):
        return read_puzzles(path, limit, seed)
    return sample(read_epd(path), limit, seed)


def _show(arguments: argparse.Namespace, results: _Results) -> None:
    outcomes_of = results.by_suite()
    short = {Path(name).name: outcomes for name, outcomes in outcomes_of.items()}
    if len(short) < len(outcomes_of):
        short = outcomes_of
    show_view(suite_table(short))
    if arguments.failed:
        for name, outcomes in short.items():
            for outcome in outcomes:
                if not outcome.solved:
                    show(
                        f"{name}: {outcome.problem.name}: {' '.join(outcome.played)}  {outcome.problem.fen}"
                    )
    if arguments.json:
        results.write()
        show(f"{arguments.json}: written")
