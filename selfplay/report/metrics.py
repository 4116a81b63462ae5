"""A run's numbers as rows, for programs: JSON, CSV, TensorBoard, and the page that compares runs.

`read_run` reads a run of `loop` or `pretrain`, and `metrics_of` makes the rows. docs/training.md describes the columns.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, RunError
from selfplay.report.facts import Generation, RunFacts, read_facts
from selfplay.report.pretraining_page import PretrainingFacts, read_pretraining
from selfplay.training.pretraining import CONFIG, LOG

Row = dict[str, float]
AnyFacts = RunFacts | PretrainingFacts
LOSSES = ("policy", "value", "moves_left", "top1")


@dataclass(frozen=True)
class Metrics:
    """A run.

    Attributes:
        x: the column by which rows go on: "generation" or "positions".
        settings: by name, such as "games.visits".
        rows: one for each generation, or each scoring on held-out games.
        steps: losses of training batches.
        scored_on: a name for the held-out positions; scores of other ones cannot be compared.
    """

    run: str
    x: str
    settings: dict[str, Any]
    rows: list[Row]
    steps: list[Row]
    scored_on: str = ""


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
        config.pop("data", None)
        return Metrics(run.name, "positions", dict(_flat(config)), rows, steps, scored_on)
    hours = accumulate((one.hours for one in run.generations), _sum)
    rows = [_generation_row(one, end) for one, end in zip(run.generations, hours, strict=True)]
    steps = [{"generation": one.number, **_known(row)} for one in run.generations for row in one.training]
    return Metrics(run.name, "generation", dict(_flat(asdict(run.config))), rows, steps, run.name)


def _logged(row: Mapping[str, Any], values: Mapping[str, float | None]) -> Row:
    return {"positions": row["positions"], "step": row["step"], "hours": row["elapsed_s"] / 3600, **_known(values)}


def _sum(one: float | None, other: float | None) -> float | None:
    """Return the sum of two numbers, unknown where one of them is."""
    return None if one is None or other is None else one + other


def _generation_row(one: Generation, hours: float | None) -> Row:
    row: Row = {"generation": one.number, **_known({"hours": hours})}
    if one.games is not None:
        names = ("games", "positions", "mean_plies", "draws", "resigned", "white_score")
        row |= {name: getattr(one.games, name) for name in names}
    for prefix, losses in (("before_", one.before), ("", one.after)):
        row |= {prefix + name: losses[name] for name in LOSSES if losses and losses[name] is not None}
    if (gate := one.gate) is not None:
        row |= {"accepted": int(gate.accepted), "gate_games": 2 * sum(gate.pentanomial), "gate_score": gate.score}
        row |= {"elo": gate.elo, "elo_low": gate.elo_low, "elo_high": gate.elo_high}
    return row if one.gained is None else {**row, "gained": one.gained}


def _known(row: Mapping[str, float | None]) -> Row:
    return {name: value for name, value in row.items() if value is not None}


def _flat(values: Mapping[str, Any], place: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", value


# ---- for programs -------------------------------------------------------------------------------------------------


def metrics_json(runs: Sequence[Metrics]) -> str:
    """Return a list of runs, each with the fields of `Metrics`."""
    return json.dumps([asdict(run) for run in runs], indent=1)


def metrics_csv(runs: Sequence[Metrics]) -> str:
    """Return the rows of all runs as one table; its first column names the run."""
    rows = [{"run": run.run, **row} for run in runs for row in run.rows]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


def write_events(folder: Path, runs: Sequence[Metrics]) -> None:
    """Write TensorBoard's event files, a folder for each run; steps are generations or positions.

    Training losses of a self-play run are numbered on through its generations. Events that an earlier call wrote there
    are replaced, because TensorBoard would show both. Raises ConfigError without TensorBoard.
    """
    try:
        from tensorboard.summary import Writer
    except ImportError:
        raise ConfigError("--tensorboard needs TensorBoard: pip install '.[tensorboard]' in Aino's folder") from None
    for run in runs:
        place = folder / run.run
        for older in place.glob("events.out.tfevents.*"):
            older.unlink()
        writer = Writer(str(place))
        for row in run.rows:
            _add(writer, "rows", row, int(row[run.x]), (run.x,))
        for number, row in enumerate(run.steps):
            _add(writer, "training", row, int(row.get("positions", number)), ("generation", "positions", "step"))
        writer.close()


def _add(writer: Any, group: str, row: Row, step: int, places: Iterable[str]) -> None:
    for name in row.keys() - set(places):
        writer.add_scalar(f"{group}/{name}", float(row[name]), step)
