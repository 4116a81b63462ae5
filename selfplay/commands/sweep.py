"""`aino-train sweep`: runs of `loop` for a table of settings times seeds, and the report that compares them."""

import argparse
from pathlib import Path

import numpy as np

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import log, show
from engine.errors import AinoError, ConfigError
from engine.files.atomic import write_file
from selfplay.commands.loop import check_fit
from selfplay.commands.referee import play_series
from selfplay.commands.runs import add_play_arguments, play_backend, work_in, workers_text
from selfplay.interrupt import Stop
from selfplay.lock import folder_lock
from selfplay.matches.control import TimeControl
from selfplay.matches.opening_book import load_book
from selfplay.matches.series import Match, MatchSettings
from selfplay.matches.standings import match_json, score_text
from selfplay.matches.statistics import estimate_elo
from selfplay.report.comparison_page import Played, comparison_page
from selfplay.report.groups import groups_of
from selfplay.report.metrics import metrics_csv, metrics_json, metrics_of, read_runs
from selfplay.run.anchors import measuring, network_contestant
from selfplay.run.folder import RunFolder
from selfplay.run.ledger import Ledger, Phase
from selfplay.run.phases import run_generations
from selfplay.run.playing import PlayBackend
from selfplay.run.sweep import Sweep, read_sweep

EXAMPLES = """example:
  aino-train sweep examples/ingredients.toml --workers 2

The runs follow each other; with --cluster, their games are played on Ray. However it ends, the same command continues.
docs/training.md describes the file.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE.toml", help="make the runs of this table of settings and seeds")
    add_play_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make or continue every run, then the matches and the report. A run that fails does not keep the others."""
    sweep = read_sweep(arguments.file)
    out, seeds, failed = Path(sweep.table["out"]), sweep.table["seeds"], 0
    cells = [(row, seed) for seed in seeds for row in sweep.rows]
    for cell in cells:
        sweep.check_begun(*cell)
    with folder_lock(out, "a sweep"), play_backend(arguments) as play:
        write_file(out / "sweep.toml", arguments.file.read_text(encoding="utf-8"))
        for number, (row, seed) in enumerate(cells, 1):
            show(f"run {number} of {len(cells)}: {sweep.path(row, seed)}")
            try:
                if not _make(sweep, row, seed, play, workers_text(arguments)):
                    return INTERRUPTED
            except AinoError as error:
                failed += 1
                show(f"{sweep.path(row, seed)}: {error}; the next run begins")
        played = _matches(sweep) if not failed else []
        if played is None:
            return INTERRUPTED
        begun = [path for cell in cells if (path := sweep.path(*cell)).is_dir()]
        metrics = [run for group in groups_of(list(map(metrics_of, read_runs(begun)))) for run in group.runs]
        pages = {"html": comparison_page(metrics, played), "csv": metrics_csv(metrics), "json": metrics_json(metrics)}
        for ending, text in pages.items():
            write_file(out / f"report.{ending}", text)
    show(f"{out / 'report.html'}: {len(begun)} runs" + f", {failed} failed" * bool(failed))
    return 1 if failed else 0


def _make(sweep: Sweep, row: str, seed: int, play: PlayBackend, workers: str) -> bool:
    """Make or continue a run; False when stopped."""
    for first, last in sweep.parts(row):

        def work(run: RunFolder, stop: Stop, last: int | None = last) -> bool:
            check_fit(run.config.fit)
            number, phase = run.ledger.current()
            count = None if last is None else last - number + (phase is not Phase.DONE)
            with measuring(run, log, stop) as finish:
                return run_generations(run, count, stop, play, sweep.hours) and finish()

        path = sweep.path(row, seed)
        if last is None or last == sweep.generations(row) or _done(path) < last:
            if work_in(path, sweep.values(row, seed, first), workers, work):
                return False
    return True


def _done(path: Path) -> int:
    """Return the number of generations that a run has finished."""
    if not (path / "ledger.sqlite").is_file():
        return 0
    number, phase = Ledger(path / "ledger.sqlite", is_copy=True).current()
    return number - (phase is not Phase.DONE)


def _matches(sweep: Sweep) -> list[Played] | None:
    """Play or continue the matches between rows; None when stopped."""
    played, first = [], next(iter(sweep.rows))
    for row, values in sweep.rows.items():
        against, counts = values.get("against", first), np.zeros(5, np.int64)
        elos = dict[int, float]()
        for seed in sweep.table["seeds"] if sweep.table.get("match") and row != against else ():
            finished, now = _match(sweep, row, against, seed)
            if not finished:
                return None
            counts += now.pentanomial
            elos[seed] = now.estimate.elo
        if elos:
            played.append(Played(row, against, estimate_elo(counts), elos))
    return played
