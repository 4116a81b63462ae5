"""The page that compares runs of one kind: mean curves of those that differ by seeds alone, and their settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.errors import ConfigError
from selfplay.matches.statistics import EloEstimate
from selfplay.report.charts import Chart, DrawnChart, drawn, fill_page
from selfplay.report.metrics import Metrics
from selfplay.report.seed_groups import Group, interval_of, mean_interval, seed_groups

# By the kind of runs: columns over which curves go, with their names, and whether only whole numbers mean something.
HOURS = ("hours", "Hours", False)
AXES = {
    "generation": (("generation", "Generations", True), HOURS, ("all_positions", "Positions", False)),
    "positions": (("positions", "Positions", False), HOURS),
}
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


class Played(NamedTuple):
    """Two groups' last networks against each other: over all seeds, and the Elo of each seed."""

    first: str
    second: str
    together: EloEstimate
    of_seeds: dict[int, float]


def comparison_page(runs: Sequence[Metrics], played: Sequence[Played] = ()) -> str:
    """Return the page's HTML. Raises ConfigError for runs of several kinds."""
    if len({run.x for run in runs}) > 1:
        raise ConfigError("only runs of one kind can be compared: of `loop`, or of `pretrain`")
    groups = seed_groups(runs)
    names = dict.fromkeys(name for run in runs for name in run.settings)
    settings = {name: [_values(group, name) for group in groups] for name in names}
    title = " and ".join(group.name for group in groups[:3]) + f" and {len(groups) - 3} more" * (len(groups) > 3)
    return fill_page(
        "comparison.html.j2",
        title=title,
        groups=groups,
        n_runs=len(runs),
        sections=[(told, _charts(groups, x, told, whole)) for x, told, whole in AXES[runs[0].x]],
        ends=[(group, {name: _at_end(group, name) for name in TITLES}) for group in groups],
        titles=TITLES,
        shares=SHARES,
        played=played,
        settings={name: values for name, values in settings.items() if len(set(values)) > 1},
        all_settings=settings,
    )


def _values(group: Group, name: str) -> str:
    """Return a setting of a group's runs in words: each of its values once, and those that it had before."""
    values = dict.fromkeys(str(run.settings.get(name, "")) for run in group.runs)
    before = [f"{change[name][0]} before generation {change['generation']}" for change in group.runs[0].changes
              if name in change]  # fmt: skip
    return ", ".join([*values, *before])


def _at_end(group: Group, name: str) -> tuple[float, tuple[float, float] | None] | None:
    """Return the last number of the runs, of several the mean, and its interval if it is known; None without any."""
    rows = [next((row for row in reversed(run.rows) if name in row), None) for run in group.runs]
    known = [row for row in rows if row is not None]
    if len(known) > 1:
        mean, *interval = mean_interval([row[name] for row in known])
        return mean, (interval[0], interval[1])
    return (known[0][name], interval_of(known[0], name)) if known else None


def _charts(groups: Sequence[Group], x: str, x_name: str, whole_x: bool) -> list[DrawnChart]:
    """Return the charts over one axis; held-out scores in one for each set of games that they are about."""
    charts = []
    for name, title in TITLES.items():
        sets: dict[str, list[tuple[int, Group]]] = {}
        for number, group in enumerate(groups):
            sets.setdefault(group.scored_on if name in SCORES else "", []).append((number, group))
        for some in sets.values():
            told = "" if name not in SCORES else " on held-out games"
            if len(sets) > 1:
                told = f" on the held-out games of {' and '.join(group.name for _, group in some)}"
            curves = [curve for number, group in some for curve in group.curves(x, name, number)]
            charts.append(Chart(title + told, curves, "", name in SHARES, x_name, whole_x))
    return drawn(charts)
