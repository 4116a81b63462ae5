"""The page about a supervised run: its losses and held-out scores, read from the run's log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import ConfigError, RunError
from engine.files.settings_file import read_noted
from engine.pages.chart import Point
from selfplay.report.charts import Chart, Curve, drawn, fill_page
from selfplay.run.pretraining import CONFIG, LOG, read_log

MILLION = 1e6


@dataclass(frozen=True)
class PretrainingFacts:
    """A supervised run. `training` and `heldout` are the log's rows with batch losses and with held-out scores."""

    name: str
    config: dict[str, Any]
    training: list[dict[str, Any]]
    heldout: list[dict[str, Any]]

    @property
    def newest(self) -> dict[str, Any]:
        """The last row of the log."""
        return max((*self.training, *self.heldout), key=lambda row: (row["step"], row["progress"]))

    @property
    def speed(self) -> float | None:
        """Positions per second at the end; None if no row tells."""
        return next((speed for row in reversed(self.training) if (speed := row.get("positions_per_s"))), None)


def read_pretraining(path: Path) -> PretrainingFacts:
    """Read the folder of a supervised run, even of an active one. Raises RunError where nothing is logged yet."""
    log = path / LOG
    try:
        config = read_noted(path / CONFIG)
        rows = read_log(log.read_text(encoding="utf-8", errors="replace")) if log.is_file() else []
    except (OSError, ConfigError) as error:
        raise RunError(f"{path}: not a readable pretraining run: {error}") from error
    if not rows:
        raise RunError(f"{path}: this run has not trained yet")
    return PretrainingFacts(
        name=path.resolve().name,
        config=config,
        training=[row for row in rows if row.get("losses") and not row.get("scores")],
        heldout=[row for row in rows if row.get("scores")],
    )


def pretraining_page(facts: PretrainingFacts) -> str:
    """Return the page's HTML."""
    return fill_page(
        "pretraining.html.j2",
        title=f"{facts.name}: supervised run",
        facts=facts,
        newest=facts.newest,
        charts=drawn([_loss_chart(facts, "policy"), _loss_chart(facts, "value"), _top1_chart(facts)]),
        settings=json.dumps(facts.config, indent=2),
    )


def _loss_chart(facts: PretrainingFacts, loss: str) -> Chart:
    training, heldout = _points(facts.training, "losses", loss), _points(facts.heldout, "scores", loss)
    curves = [Curve("training batches", training, dots=False), Curve("held-out games", heldout)]
    return Chart(f"{loss.capitalize()} loss", curves, x_name="Millions of positions", whole_x=False)


def _points(rows: list[dict[str, Any]], group: str, name: str) -> list[Point]:
    """Return the rows in which the number was measured, over millions of positions."""
    return [(row["positions"] / MILLION, row[group][name]) for row in rows if row[group].get(name) is not None]


def _top1_chart(facts: PretrainingFacts) -> Chart:
    note = "How often the network's best legal move is the target's, on held-out games."
    curve = Curve("top-1", _points(facts.heldout, "scores", "top1"))
    return Chart("Top-1 accuracy", [curve], note, percent=True, x_name="Millions of positions", whole_x=False)
