"""A run's numbers as rows, for programs: JSON, CSV, TensorBoard, and the page that compares runs.

`read_run` reads a run of `loop` or `pretrain`, and `metrics_of` makes the rows. docs/training.md describes the columns.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, RunError
from selfplay.report.facts import Generation, RunFacts, read_facts
from selfplay.report.pretraining_page import PretrainingFacts, read_pretraining
from selfplay.run.anchors import AnchorFit
from selfplay.run.config import flat_settings
from selfplay.run.ledger import ENVIRONMENT, LOSSES
from selfplay.run.pretraining import CONFIG, LOG

Row = dict[str, float]
AnyFacts = RunFacts | PretrainingFacts
SCORE_COLUMNS = tuple(
    name + end for name in LOSSES for end in ("", "_error")
)  # on held-out games, with standard errors


@dataclass(frozen=True)
class Metrics:
    """A run."""

    run: str
    x: str  # the column by which rows go on: "generation" or "positions"
    settings: dict[str, Any]  # by name, such as "games.visits"; the last ones
    rows: list[Row]  # one for each generation, or each scoring on held-out games
    steps: list[Row]  # losses of training batches
    scored_on: str = ""  # a name for the held-out positions; scores of other ones cannot be compared
    changes: list[dict[str, Any]] = field(default_factory=list)  # of settings on the way, as in `RunFacts`
    environments: list[dict[str, Any]] = field(default_factory=list)  # what worked on it, in order of time
    group: str = ""  # shared by runs that differ by their seeds alone

    def settings_at(self, row: Row) -> dict[str, Any]:
        """Return the settings of a row's generation."""
        later = [change for change in self.changes if change["generation"] > row.get("generation", math.inf)]
        before = {name: pair[0] for change in reversed(later) for name, pair in change.items() if name != "generation"}
        return self.settings | before

    @property
    def hours(self) -> float:
        """Hours of work, as far as they are known."""
        return max((row.get("hours", 0.0) for row in self.rows), default=0.0)

    @property
    def made_by(self) -> dict[str, str]:
        """Aino, commit, processor and so on, each once where several worked on the run."""
        names = {name: [str(one[name]) for one in self.environments] for name in ENVIRONMENT}
        return {name: "; ".join(dict.fromkeys(values)) for name, values in names.items()}


def read_runs(paths: Sequence[Path], tell: Callable[[float], None] = lambda share: None) -> list[AnyFacts]:
    """Read runs, each named by as many folders of its path as tell them apart. Raises ConfigError for a run twice."""
    parts = [path.resolve().parts for path in paths]
    if len(set(parts)) < len(parts):
        raise ConfigError("a run is given twice")
    counts = range(1, max(map(len, parts)) + 1)
    names = next(names for n in counts if len(set(names := ["/".join(one[-n:]) for one in parts])) == len(parts))
    return [replace(read_run(path, tell), name=name) for path, name in zip(paths, names, strict=True)]


def read_run(path: Path, tell: Callable[[float], None] = lambda share: None) -> AnyFacts:
    """Read the folder of a run, even of an active one; arguments and errors as `read_facts`."""
    if (path / CONFIG).is_file():
        if (path / "ledger.sqlite").is_file():
            raise RunError(f"{path}: two runs in one folder: move {CONFIG}, {LOG} and checkpoint.npz to another one")
        return read_pretraining(path)
    return read_facts(path, tell)


def metrics_of(run: AnyFacts) -> Metrics:
    """Return the numbers of a run."""
    if isinstance(run, PretrainingFacts):
        rows = [_logged(row, row["scores"]) for row in run.heldout]
        steps = [_logged(row, row["losses"]) for row in run.training]
        config = dict(run.config)
        scored_on = config.pop("heldout", run.name)
        return Metrics(run.name, "positions", dict(flat_settings(config)), rows, steps, scored_on)
    rows, total = [], 0
    for one in run.generations:
        total += one.games.positions if one.games is not None else 0
        rows.append(_generation_row(one, run.hours[one.number], total, run.anchors))
    if start := _rung(run.anchors, 0):
        rows.insert(0, {"generation": 0, "hours": 0.0, "all_positions": 0, **start})
    steps = [{"generation": one.number, **_known(row)} for one in run.generations for row in one.training]
    settings, scored_on = dict(flat_settings(asdict(run.config))), run.config.fit.heldout or run.name
    return Metrics(run.name, "generation", settings, rows, steps, scored_on, run.changes, run.environments)


def _logged(row: Mapping[str, Any], values: Mapping[str, float | None]) -> Row:
    return {"positions": row["positions"], "step": row["step"], "hours": row["elapsed_s"] / 3600, **_known(values)}


def _generation_row(one: Generation, hours: float | None, positions: int, anchors: AnchorFit) -> Row:
    row: Row = {"generation": one.number, **_known({"hours": hours})}
    if one.games is not None:
        names = ("games", "positions", "mean_plies", "draws", "resigned", "white_score")
        row |= {name: getattr(one.games, name) for name in names} | {"all_positions": positions}
    for prefix, losses in (("before_", one.before), ("", one.after)):
        row |= {prefix + name: losses[name] for name in SCORE_COLUMNS if losses and losses.get(name) is not None}
    if (gate := one.gate) is not None:
        row |= {"accepted": int(gate.accepted), "gate_games": 2 * sum(gate.pentanomial), "gate_score": gate.score}
        row |= {"elo": gate.elo, "elo_low": gate.elo_low, "elo_high": gate.elo_high}
    row |= _rung(anchors, one.number)
    return row if one.gained is None else {**row, "gained": one.gained}


def _rung(anchors: AnchorFit, number: int) -> Row:
    if (rung := anchors.networks.get(number)) is None:
        return {}
    return {"rung": rung.elo, "rung_low": rung.low, "rung_high": rung.high, "rung_games": anchors.games[number]}


def _known(row: Mapping[str, float | None]) -> Row:
    return {name: value for name, value in row.items() if value is not None}


# ---- for programs -------------------------------------------------------------------------------------------------


def metrics_json(runs: Sequence[Metrics]) -> str:
    """Return a list of runs, each with the fields of `Metrics`."""
    return json.dumps([asdict(run) for run in runs], indent=1)


def metrics_csv(runs: Sequence[Metrics]) -> str:
    """Return the rows of all runs as one table: run, group and seed, the numbers, and what made them."""
    parts = [
        (
            {"run": run.run, "group": run.group, "seed": run.settings.get("seed", ""), **row},
            run.made_by | {f"settings.{name}": value for name, value in run.settings_at(row).items()},
        )
        for run in runs
        for row in run.rows
    ]
    columns = dict.fromkeys(name for place in (0, 1) for part in parts for name in part[place])
    table = io.StringIO()
    writer = csv.DictWriter(table, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(numbers | others for numbers, others in parts)
    return table.getvalue()


class EventFiles:
    """TensorBoard's event files, a folder for each run; steps are generations or positions.

    Training losses of a self-play run are numbered on through its generations. Events of an earlier process there are
    replaced, because TensorBoard would show both. Raises ConfigError without TensorBoard.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboard.summary import Writer
        except ImportError:
            raise ConfigError(
                "--tensorboard needs TensorBoard: pip install '.[tensorboard]' in Aino's folder"
            ) from None
        self._folder, self._make = folder, Writer
        self._writers: dict[str, Any] = {}
        self._written: set[tuple[str, str, int]] = set()  # run, name, step

    def update(self, runs: Sequence[Metrics]) -> None:
        """Append the numbers that are new since the last call."""
        for run in runs:
            place = self._folder / run.run
            if run.run not in self._writers:
                for older in place.glob("events.out.tfevents.*"):
                    older.unlink()
                self._writers[run.run] = self._make(str(place))
            for row in run.rows:
                self._add(run, "rows", row, int(row[run.x]), (run.x,))
            for number, row in enumerate(run.steps):
                self._add(run, "training", row, int(row.get("positions", number)), ("generation", "positions", "step"))
            self._writers[run.run].flush()

    def _add(self, run: Metrics, group: str, row: Row, step: int, places: Iterable[str]) -> None:
        for name in sorted(row.keys() - set(places)):
            if (key := (run.run, f"{group}/{name}", step)) not in self._written:
                self._written.add(key)
                self._writers[run.run].add_scalar(key[1], float(row[name]), step)

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            writer.close()
