"""A run's numbers as rows: the report draws them, and other programs get them as JSON, CSV and
TensorBoard's events.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from operator import or_
from pathlib import Path
from typing import Any

from engine.errors import ConfigError
from engine.files.json_text import json_text
from selfplay.run.ledger import ENVIRONMENT

Row = dict[str, float]


@dataclass(frozen=True)
class Metrics:
    """The numbers of a run, and what it was made with."""

    run: str
    x: str  # the column by which rows go on: "generation" or "positions"
    settings: dict[str, Any]  # by name, such as "games.visits"; the last ones
    rows: list[Row]  # one for each generation, or each scoring on held-out games
    steps: list[Row]  # losses of training batches
    # A name for the held-out positions; scores of other ones cannot be compared.
    scored_on: str = ""
    # Settings that changed on the way: the first `generation` of the new values, and [before,
    # after] by name.
    changes: list[dict[str, Any]] = field(default_factory=list)
    # What worked on it, in order of time.
    environments: list[dict[str, Any]] = field(default_factory=list)
    group: str = ""  # shared by runs that differ by their seeds alone
    state: str = ""  # how far it is, in words
    # Self-play games by how they ended, in words.
    endings: dict[str, int] = field(default_factory=dict)
    rung_scale: str = ""  # what rungs on the anchors are measured in

    def settings_at(self, row: Row) -> dict[str, Any]:
        """Return the settings of a row's generation."""
        settings = dict(self.settings)
        for change in reversed(self.changes):
            if change["generation"] > row.get("generation", math.inf):
                settings |= {name: pair[0] for name, pair in change.items() if name != "generation"}
        return settings

    @property
    def hours(self) -> float:
        """Hours of work, as far as they are known."""
        return max((row.get("hours", 0.0) for row in (*self.rows, *self.steps)), default=0.0)

    @property
    def made_by(self) -> dict[str, str]:
        """Aino, commit, processor and so on, each once where several worked on the run."""
        makers = {}
        for name in ENVIRONMENT:
            values = (str(environment[name]) for environment in self.environments)
            makers[name] = "; ".join(dict.fromkeys(values))
        return makers


def metrics_json(runs: Sequence[Metrics]) -> str:
    """Return a list of runs, each with the fields of `Metrics`."""
    return json_text(list(map(asdict, runs)), indent=1)


def metrics_csv(runs: Sequence[Metrics]) -> str:
    """Return the rows of all runs as one table: run, group and seed, the numbers, and what made
    them.
    """
    numbers = list[dict[str, Any]]()
    contexts = list[dict[str, Any]]()
    for run in runs:
        seed = run.settings.get("seed", "")
        for row in run.rows:
            numbers.append({"run": run.run, "group": run.group, "seed": seed, **row})
            settings = {f"settings.{name}": value for name, value in run.settings_at(row).items()}
            contexts.append(run.made_by | settings)
    columns = dict.fromkeys(chain(*numbers, *contexts))
    table = io.StringIO()
    writer = csv.DictWriter(table, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(or_, numbers, contexts))
    return table.getvalue()


class EventFiles:
    """TensorBoard's event files, a folder for each run; steps are generations or positions.

    Events of an earlier process there are replaced, because TensorBoard would show both. Raises
    ConfigError without TensorBoard.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboard.summary import Writer
        except ImportError:
            raise ConfigError(
                "--tensorboard needs TensorBoard: pip install '.[tensorboard]' in Aino's folder"
            ) from None
        self._folder, self._make = folder, Writer
        # Run -> (writer, what it has written).
        self._files: dict[str, tuple[Any, dict[tuple[str, int], float]]] = {}

    def update(self, runs: Sequence[Metrics]) -> None:
        """Append the numbers that are new since the last call. If another one has changed, a new
        file has them all.
        """
        for run in runs:
            numbers = _scalars(run)
            writer, written = self._files.get(run.run, (None, {}))
            if writer is None or not written.items() <= numbers.items():
                if writer is not None:
                    writer.close()
                for older in (self._folder / run.run).glob("events.out.tfevents.*"):
                    older.unlink()
                writer = self._make(str(self._folder / run.run))
                written = {}
            for name, step in numbers:
                if (name, step) not in written:
                    writer.add_scalar(name, numbers[name, step], step)
            writer.flush()
            self._files[run.run] = writer, numbers

    def close(self) -> None:
        """Finish the files."""
        for writer, _ in self._files.values():
            writer.close()


def _scalars(run: Metrics) -> dict[tuple[str, int], float]:
    """Return a run's numbers by curve and step.

    Training losses of a self-play run are numbered on through its generations. A generation's
    numbers are not taken before its gate is over.
    """
    scalars = {}
    for row in run.rows:
        if "accepted" in row or not row.get("generation"):
            for name in sorted(row.keys() - {run.x}):
                scalars[f"rows/{name}", int(row[run.x])] = float(row[name])
    for n, row in enumerate(run.steps):
        for name in sorted(row.keys() - {"generation", "positions", "step"}):
            scalars[f"training/{name}", int(row.get("positions", n))] = float(row[name])
    return scalars
