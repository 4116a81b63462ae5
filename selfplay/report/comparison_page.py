"""The page that compares runs of one kind: their curves in the same charts, and the settings that differ."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import ConfigError
from selfplay.report.charts import Chart, Curve, drawn, fill_page
from selfplay.report.metrics import Metrics

MOST_RUNS = 4  # as many kinds of lines as the style sheet has
NAMES = {"generation": "Generations", "hours": "Hours", "positions": "Positions"}
TITLES = {
    "gained": "Elo over the first network, at most",
    "policy": "Policy loss on held-out games",
    "value": "Value loss on held-out games",
    "top1": "Top-1 accuracy on held-out games",
    "mean_plies": "Length of the games in plies",
    "draws": "Draws",
}
SHARES = ("top1", "draws")


def comparison_page(runs: Sequence[Metrics]) -> str:
    """The page's HTML. Raises ConfigError for runs of several kinds, or more than MOST_RUNS."""
    if len(runs) > MOST_RUNS:
        raise ConfigError(f"at most {MOST_RUNS} runs can be compared, not {len(runs)}")
    if len({run.x for run in runs}) > 1:
        raise ConfigError("only runs of one kind can be compared: of `loop`, or of `pretrain`")
    charts = [_chart(runs, name, title, x) for x in (runs[0].x, "hours") for name, title in TITLES.items()]
    names = dict.fromkeys(name for run in runs for name in run.settings)
    settings = {name: [run.settings.get(name, "") for run in runs] for name in names}
    return fill_page(
        "comparison.html.j2",
        title=" and ".join(run.run for run in runs),
        runs=runs,
        charts=drawn(charts),
        settings={name: values for name, values in settings.items() if len(set(map(str, values))) > 1},
    )


def _chart(runs: Sequence[Metrics], name: str, title: str, x: str) -> Chart:
    curves = [
        Curve(run.run, [(float(row[x]), float(row[name])) for row in run.rows if x in row and name in row])
        for run in runs
    ]
    return Chart(title, curves, percent=name in SHARES, x_name=NAMES[x], whole_x=x != "hours")
