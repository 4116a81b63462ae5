"""`aino-train sweep`: runs of `loop` for a table of settings times seeds, and the report that
compares them.

The table is a TOML file that says what each of its runs does in which generation:

out = "runs/study"          folder of the runs and their report
seeds = [1, 2, 3]
hours = 1.0                 of each run, or `generations`, or stages
[settings]                  of all runs, nested as in a run's config.toml
[[stages]]                  one after the other: `generations`, and settings; the last stage goes on
[rows.NAME]                 a row's settings, from its generation `begins` on; its own `generations`
[match]                     in `games` of `nodes` a move, the last networks of a row play those of the first row
                            with the same seed, or those of the row that its `against` names
"""

import argparse
import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from engine.cli.command_line import INTERRUPTED
from engine.cli.live_lines import log, show
from engine.errors import AinoError, ConfigError, RunError
from engine.files.atomic import write_file
from engine.files.output_files import FOLDERS
from engine.files.text import decode_text
from selfplay.commands.referee import play_series
from selfplay.commands.runs import add_play_arguments, play_backend, work_in, workers_text
from selfplay.families.by_name import family_of
from selfplay.interrupt import Stop
from selfplay.lock import folder_lock
from selfplay.matches.control import TimeControl
from selfplay.matches.engine_match import Match, MatchSettings, match_json, score_text
from selfplay.matches.opening_book import load_book
from selfplay.matches.statistics import estimate_elo
from selfplay.report.metrics import metrics_csv, metrics_json
from selfplay.report.page import Played, comparison_page
from selfplay.report.run_numbers import read_runs
from selfplay.run.anchors import measuring, network_contestant
from selfplay.run.config import (
    RunConfig,
    config_text,
    configured,
    merged,
    read_toml,
    setting_changes,
)
from selfplay.run.folder import RunFolder, are_equal
from selfplay.run.ledger import Ledger, Phase
from selfplay.run.phase_games import PlayBackend
from selfplay.run.phases import run_generations

# The keys of a table with the types of their values, and those that rows, and stages in part, have
# besides settings.
KEYS: dict[str, Any] = {"out": str, "seeds": list, "generations": int, "hours": int | float, "settings": dict,
                        "stages": list, "rows": dict, "match": dict}  # fmt: skip
OF_ROWS: dict[str, Any] = {"begins": int, "generations": int, "against": str}
# In the folder of a sweep.
OWN_NAMES = ("lock", *FOLDERS["a sweep"][1])
# What begins so may differ from what a begun run was made with.
MAY_CHANGE = ("anchors.", "threads", "keep_nets")


@dataclass(frozen=True)
class Sweep:
    """The tables of a file. Raises ConfigError, which names the file, for what is unknown, missing
    or out of range.
    """

    file: Path
    table: Mapping[str, Any]

    def __post_init__(self) -> None:
        try:
            if unknown := self.table.keys() - {*KEYS}:
                raise ConfigError(f"unknown {min(unknown)}; known: {', '.join(KEYS)}")
            if missing := {"out", "seeds", "rows"} - self.table.keys():
                raise ConfigError(f"{min(missing)} is missing")
            _check_types(self.table, KEYS)
            for table in (*self.table.get("stages", []), *self.rows.values()):
                _check_types(table, OF_ROWS)
            if not all("generations" in stage for stage in self.table.get("stages", [])):
                raise ConfigError("stages: generations is missing")
            _check_match(self.table.get("match", {"games": 2, "nodes": 1}))
            if not (self.seeds and self.rows and Path(self.table["out"]).name):
                raise ConfigError("expected a folder out, and at least one of seeds and of rows")
            if len(set(self.seeds)) < len(self.seeds):
                raise ConfigError(f"seeds: expected each once, got {self.seeds}")
            for name in self.rows:
                self._check_row(name)
        except (ConfigError, AttributeError, KeyError, TypeError) as error:
            raise ConfigError(f"{self.file}: not a sweep: {error}") from error

    def _check_row(self, name: str) -> None:
        if Path(name).name != name or name in ("..", *OWN_NAMES):
            raise ConfigError(f"rows: {name!r} cannot be the name of a folder")
        against = self.rows[name].get("against", name)
        if against not in self.rows:
            known = ", ".join(self.rows)
            raise ConfigError(f"rows.{name}.against: expected one of {known}, got {against!r}")
        for seed in self.seeds:
            configs = [self.config(name, seed, first) for first, _ in self.parts(name)]
            if {(one.net, one.seed) for one in configs} != {(configs[0].net, seed)}:
                raise ConfigError(f"rows.{name}: a run has one net, and one seed, of `seeds`")

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        return self.table["rows"]

    @property
    def seeds(self) -> list[int]:
        return self.table["seeds"]

    @property
    def hours(self) -> float:
        """Hours after which a run begins no generation."""
        return float(self.table.get("hours", math.inf))

    def path(self, row: str, seed: int) -> Path:
        """Return the folder of a run."""
        return Path(self.table["out"]) / row / f"seed-{seed}"

    def parts(self, row: str) -> Iterator[tuple[int, int | None]]:
        """Yield (first, last generation) of the stretches of a row's runs in which no setting
        changes; None where only hours end the last one.
        """
        own = self.rows[row]
        ends = self._stage_ends()
        usual = ends[-1] if ends and self.hours == math.inf else None
        if (
            last := own.get("generations", self.table.get("generations", usual))
        ) is None and self.hours == math.inf:
            raise ConfigError("generations, hours and stages are missing: expected one of them")
        if last is not None and own.get("begins", 1) > last:
            raise ConfigError(
                f"rows.{row}: begins {own['begins']} is after its last generation, {last}"
            )
        firsts = sorted({1, own.get("begins", 1), *(end + 1 for end in ends[:-1])})
        begun = [first for first in firsts if last is None or first <= last]
        yield from ((first, following - 1) for first, following in pairwise(begun))
        yield begun[-1], last

    def config(self, row: str, seed: int, generation: int) -> RunConfig:
        """Return the settings of a run in a generation."""
        found = merged(self.table.get("settings", {}), {"seed": seed})
        for stage, end in zip(self.table.get("stages", []), [0, *self._stage_ends()], strict=False):
            if generation > end:
                found = merged(
                    found, {name: value for name, value in stage.items() if name != "generations"}
                )
        own = {name: value for name, value in self.rows[row].items() if name not in OF_ROWS}
        return configured(
            merged(found, own) if generation >= self.rows[row].get("begins", 1) else found
        )

    def _stage_ends(self) -> list[int]:
        return list(accumulate(stage["generations"] for stage in self.table.get("stages", [])))

    def check_begun(self, row: str, seed: int) -> None:
        """Raise RunError where a run was begun with other settings than the file has now."""
        path = self.path(row, seed)
        ledger = path / "ledger.sqlite"
        for one in Ledger(ledger, is_copy=True).generations() if ledger.is_file() else []:
            wanted = config_text(self.config(row, seed, one.number))
            for name, (made, asked) in setting_changes(one.config, wanted).items():
                if not name.startswith(MAY_CHANGE):
                    raise RunError(
                        f"{path}: generation {one.number} was made with {name} {made!r}, and {self.file} says "
                        f"{asked!r}: give the sweep another `out`, or the row another name"
                    )


def _check_match(match: Mapping[str, Any]) -> None:
    is_known = {*match} == {"games", "nodes"} and {*map(type, match.values())} == {int}
    if not is_known or match["games"] % 2:
        raise ConfigError(f"match: expected games, an even number, and nodes, got {match}")


def _check_types(table: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    for key, kind in types.items():
        is_number = kind not in (str, list, dict)
        value = table.get(key)
        if value is not None and not (isinstance(value, kind) and (not is_number or value > 0)):
            raise ConfigError(
                f"{key}: expected {'a number above 0' if is_number else kind.__name__}, got {value!r}"
            )


EXAMPLES = """example:
  aino-train sweep examples/ingredients.toml --workers 2

The runs follow each other; with --cluster, their games are played on Ray. However it ends, the same command continues.
docs/training.md describes the file.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = "make the runs of this table of settings and seeds"
    parser.add_argument("file", type=Path, metavar="FILE.toml", help=text)
    add_play_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make or continue every run, then the matches and the report. A run that fails does not keep
    the others.
    """
    sweep = Sweep(arguments.file, read_toml(arguments.file))
    out = Path(sweep.table["out"])
    failed = 0
    cells = [(row, seed) for seed in sweep.seeds for row in sweep.rows]
    for cell in cells:
        sweep.check_begun(*cell)
    with folder_lock(out, "a sweep"), play_backend(arguments) as play:
        write_file(out / "sweep.toml", decode_text(arguments.file.read_bytes()))
        for number, cell in enumerate(cells, 1):
            show(f"run {number} of {len(cells)}: {sweep.path(*cell)}")
            try:
                if not _make(sweep, *cell, play, workers_text(arguments)):
                    return INTERRUPTED
            except AinoError as error:
                failed += 1
                show(f"{sweep.path(*cell)}: {error}. The next run begins")
        if failed:
            show(
                f"{failed} of {len(cells)} runs failed; the same command tries them again, and then writes the report"
            )
            return 1
        if (played := _matches(sweep)) is None:
            return INTERRUPTED
        metrics = read_runs([sweep.path(*cell) for cell in cells])
    pages = {
        "html": comparison_page(metrics, played),
        "csv": metrics_csv(metrics),
        "json": metrics_json(metrics),
    }
    for ending, text in pages.items():
        write_file(out / f"report.{ending}", text)
    show(f"{out / 'report.html'}: {len(cells)} runs")
    return 0


def _make(sweep: Sweep, row: str, seed: int, play: PlayBackend, workers: str) -> bool:
    """Make or continue a run, each part with every setting, or a later part's would stay; False
    when stopped.
    """
    for first, last in sweep.parts(row):

        def work(run: RunFolder, stop: Stop, last: int | None = last) -> bool:
            number, phase = run.ledger.current()
            count = None if last is None else last - number + (phase is not Phase.DONE)
            with measuring(run, log, stop) as finish:
                return run_generations(run, count, stop, play, sweep.hours) and finish()

        if work_in(sweep.path(row, seed), asdict(sweep.config(row, seed, first)), workers, work):
            return False
    return True


def _matches(sweep: Sweep) -> list[Played] | None:
    """Play or continue the matches between rows; None when stopped."""
    played = []
    first = next(iter(sweep.rows))
    for row, values in sweep.rows.items():
        against = values.get("against", first)
        counts = np.zeros(5, np.int64)
        elos = dict[int, float]()
        for seed in sweep.seeds if "match" in sweep.table and row != against else ():
            finished, now = _match(sweep, row, against, seed)
            if finished and now is None:
                continue
            if not finished:
                return None
            counts += now.pentanomial
            elos[seed] = now.estimate.elo
        if elos:
            played.append(Played(row, against, estimate_elo(counts), elos))
    return played


def _match(sweep: Sweep, row: str, against: str, seed: int) -> tuple[bool, Any]:
    """(whether it is finished, standing) of a match between two rows' last promoted networks. There
    is no standing where these are the same one.
    """
    players = []
    models = []
    content = b""
    for name in (row, against):
        path = sweep.path(name, seed)
        gates = Ledger(path / "ledger.sqlite", is_copy=True).gates()
        last = max((number for number, gate in gates.items() if gate.accepted), default=0)
        net = sweep.config(name, seed, 1).net
        file = path / "nets" / f"gen-{last:05d}.dit"
        players.append(network_contestant(f"{name}-{last}", net, file))
        models.append(family_of(net).load(file))
        content += file.read_bytes()
    names = " - ".join(player.name for player in players) + f", seed {seed}"
    if are_equal(*models):
        show(f"{names}: the same network, so there is no match")
        return True, None
    how = sweep.table["match"]
    settings = MatchSettings(
        first=players[0], second=players[1], games=how["games"], seed=seed,
        control=TimeControl(nodes=how["nodes"]), openings=load_book(),
    )  # fmt: skip
    # Names the networks, which may lie in any folder.
    mark = hashlib.sha256(content).hexdigest()[:8]
    folder = Path(sweep.table["out"]) / "matches" / f"{names}, {mark}"
    return play_series(folder, settings, Match, names, score_text, match_json, ("first", "second"))
