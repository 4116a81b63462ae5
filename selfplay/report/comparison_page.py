"""The page that compares runs of one kind: their curves in the same charts, and the settings that differ."""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import ConfigError
from selfplay.report.charts import Chart, Curve, drawn, fill_page
from selfplay.report.metrics import Metrics

MOST_RUNS = 4  # as many kinds of lines as the style sheet has
NAMES = {"generation": "Generations", "hours": "Hours", "positions": "Positions"}
TITLES = {
    "rung": "Rung on the anchors",
    "gained": "Elo over the first network, at most",
    "policy": "Policy loss",
    "value": "Value loss",
    "top1": "Top-1 accuracy",
    "mean_plies": "Length of the games in plies",
    "draws": "Draws",
}
SHARES = ("top1", "draws")
SCORES = ("policy", "value", "top1")  # on held-out games


def comparison_page(runs: Sequence[Metrics]) -> str:
    """Return the page's HTML. Raises ConfigError for runs of several kinds, or more than MOST_RUNS."""
    if len(runs) > MOST_RUNS:
        raise ConfigError(f"at most {MOST_RUNS} runs can be compared, not {len(runs)}")
    if len({run.x for run in runs}) > 1:
        raise ConfigError("only runs of one kind can be compared: of `loop`, or of `pretrain`")
    charts = [chart for x in (runs[0].x, "hours") for name in TITLES for chart in _charts(runs, name, x)]
    names = dict.fromkeys(name for run in runs for name in run.settings)
    settings = {name: [run.settings.get(name, "") for run in runs] for name in names}
    return fill_page(
        "comparison.html.j2",
        title=" and ".join(run.run for run in runs),
        runs=runs,
        charts=drawn(charts),
        settings={name: values for name, values in settings.items() if len(set(map(str, values))) > 1},
    )


def _charts(runs: Sequence[Metrics], name: str, x: str) -> list[Chart]:
    """Return the runs' curves in one chart; held-out scores in one for each set of games that they are about."""
    if name not in SCORES:
        return [_chart(runs, name, TITLES[name], x)]
    groups: dict[str, list[Metrics]] = {}
    for run in runs:
        groups.setdefault(run.scored_on, []).append(run)
    if len(groups) == 1:
        return [_chart(runs, name, f"{TITLES[name]} on held-out games", x)]
    titles = [f"{TITLES[name]} on the held-out games of {' and '.join(run.run for run in group)}"
              for group in groups.values()]  # fmt: skip
    return [_chart(group, name, title, x) for group, title in zip(groups.values(), titles, strict=True)]


def _chart(runs: Sequence[Metrics], name: str, title: str, x: str) -> Chart:
    curves = [
        Curve(run.run, [(float(row[x]), float(row[name])) for row in run.rows if x in row and name in row])
        for run in runs
    ]
    return Chart(title, curves, percent=name in SHARES, x_name=NAMES[x], whole_x=x != "hours")
