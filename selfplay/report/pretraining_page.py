"""The page about a supervised run: its losses and held-out scores, read from the run's log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import RunError
from engine.pages.chart import Point
from selfplay.report.charts import Chart, Curve, drawn, fill_page

CONFIG, LOG = "config.json", "log.jsonl"  # as `selfplay.training.pretraining` writes them
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
        return max((*self.training, *self.heldout), key=lambda row: row["step"])


def read_pretraining(path: Path) -> PretrainingFacts:
    """Reads the folder of a supervised run, even of an active one. Raises RunError where nothing is logged yet."""
    try:
        config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        lines = (path / LOG).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: not a readable pretraining run: {error}") from error
    rows = [row for line in lines if (row := _row(line)) is not None]
    if not rows:
        raise RunError(f"{path}: this run has not trained yet")
    return PretrainingFacts(
        name=path.resolve().name,
        config=config,
        training=[row for row in rows if row.get("losses") and not row.get("scores")],
        heldout=[row for row in rows if row.get("scores")],
    )


def _row(line: str) -> dict[str, Any] | None:
    """A line of the log; None for the torn last line of a killed process."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "step" in row else None


def pretraining_page(facts: PretrainingFacts) -> str:
    """The page's HTML."""
    return fill_page(
        "pretraining.html.j2",
        title=f"{facts.name}: supervised run",
        facts=facts,
        newest=facts.newest,
        charts=drawn([_loss_chart(facts, "policy"), _loss_chart(facts, "value"), _top1_chart(facts)]),
        settings=json.dumps(facts.config, indent=2),
    )


def _loss_chart(facts: PretrainingFacts, loss: str) -> Chart:
    training: list[Point] = [(row["positions"] / MILLION, row["losses"][loss]) for row in facts.training]
    heldout: list[Point] = [(row["positions"] / MILLION, row["scores"][loss]) for row in facts.heldout]
    curves = [Curve("training batches", training, dots=False), Curve("held-out games", heldout)]
    return Chart(f"{loss.capitalize()} loss", curves, x_name="Millions of positions", whole_x=False)


def _top1_chart(facts: PretrainingFacts) -> Chart:
    points: list[Point] = [(row["positions"] / MILLION, row["scores"]["top1"]) for row in facts.heldout]
    note = "How often the best legal move of the network is the target's, on held-out games."
    curve = Curve("top-1", points)
    return Chart("Top-1 accuracy", [curve], note, percent=True, x_name="Millions of positions", whole_x=False)
