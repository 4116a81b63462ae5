"""Runs that differ by their seeds alone: which these are, and the mean of their curves with its 95%
interval.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from engine.pages.chart import Curve, Interval, Point
from selfplay.matches.statistics import NORMAL_95
from selfplay.report.metrics import Metrics, Row

# Student's t: two-sided 95% quantiles for 1 to 10 degrees of freedom.
STUDENT_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True)
class Group:
    """Runs with the same settings but for the seed."""

    name: str
    runs: list[Metrics]

    @property
    def scored_on(self) -> str:
        """A name for the held-out games; scores on other ones cannot be compared."""
        names = {run.scored_on for run in self.runs}
        if len(names) > 1:
            return self.name
        return names.pop()

    def curves(self, x: str, name: str, number: int, label: str = "") -> list[Curve]:
        """Return the mean over the runs, with its interval, and the runs' own curves.

        x, name: columns of their rows; number: of the kind of lines; label: of the mean, by default
        the group's name.
        """
        label = label or self.name
        own = list[list[Point]]()
        intervals = []
        for run in self.runs:
            points = []
            for row in run.rows:
                if x in row and name in row:
                    place = float(row[x])
                    points.append((place, float(row[name])))
                    if interval := interval_of(row, name):
                        intervals.append((place, *interval))
            if points:
                own.append(points)
        if len(own) < 2:
            return [Curve(label, list(chain(*own)), band=intervals, kind=number)]
        mean, band = mean_curve(own)
        alone = [Curve("", points, dots=False, kind=number) for points in own]
        return [Curve(label, mean, dots=False, band=band, kind=number), *alone]


def seed_groups(runs: Sequence[Metrics]) -> list[Group]:
    """Put the runs in groups, in the order of their first runs; a group's runs carry its name.

    Settings that changed on the way must have changed in the same order, in whatever generations,
    and rungs be of one scale. A seed counts once in a group: the same run again, or its copy,
    begins another one.
    """
    alike: dict[tuple[str, int], list[Metrics]] = {}
    met = Counter[tuple[str, object]]()
    for run in runs:
        key = _likeness(run)
        seed = run.settings.get("seed")
        alike.setdefault((key, met[key, seed]), []).append(run)
        met[key, seed] += 1
    folders = [{run.run.rpartition("/")[0] for run in group} for group in alike.values()]
    groups = []
    for group, mine in zip(alike.values(), folders, strict=True):
        if sum(bool(mine & places) for places in folders) > 1:
            mine = set()
        name = _group_name(group, mine)
        groups.append(Group(name, [replace(run, group=name) for run in group]))
    return groups


def _likeness(run: Metrics) -> str:
    """Return what runs of one group have in common: all but seeds and generations."""
    changed = [
        {name: pair for name, pair in change.items() if name != "generation"}
        for change in run.changes
    ]
    scale = ""
    if any("rung" in row for row in run.rows):
        scale = run.rung_scale  # rungs of others have no mean
    alike = [run.x, run.settings | {"seed": None}, changed, scale]
    return json.dumps(alike, sort_keys=True, default=str)


def _group_name(group: Sequence[Metrics], folders: set[str]) -> str:
    """Return the name of a group: its run's, its only folder's, which holds no other group, or the
    first run's and a number.
    """
    first = group[0].run
    n_more = len(group) - 1
    if not n_more:
        return first
    if len(folders) == 1 and "" not in folders:
        return min(folders)
    return f"{first} and {n_more} more"


def interval_of(row: Row, name: str) -> Interval | None:
    """Return the 95% interval of a number in a run's row; None where it is not known."""
    if f"{name}_low" in row:
        return row[f"{name}_low"], row[f"{name}_high"]
    if (error := row.get(f"{name}_error")) is None:
        return None
    return row[name] - NORMAL_95 * error, row[name] + NORMAL_95 * error


def mean_curve(
    curves: Sequence[Sequence[Point]],
) -> tuple[list[Point], list[tuple[float, float, float]]]:
    """Return the mean of two curves or more, and its interval (x, low, high): where all of them
    have begun and none has ended, so that no run leaves the mean on the way. Between their points,
    curves are straight.
    """
    first = max(curve[0][0] for curve in curves)
    last = min(curve[-1][0] for curve in curves)
    places = sorted({x for curve in curves for x, _ in curve if first <= x <= last})
    values = [np.interp(places, *np.transpose(curve)) for curve in curves]
    means = []
    band = []
    for x, column in zip(places, np.transpose(values), strict=True):
        mean, low, high = mean_interval(column)
        means.append((x, mean))
        band.append((x, low, high))
    return means, band


def mean_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """(mean, low, high) of numbers from independent runs, at least two, with Student's 95%
    interval.
    """
    count = len(values)
    mean = float(np.mean(values))
    half = student_95(count - 1) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return mean, mean - half, mean + half


def student_95(freedom: int) -> float:
    """Return Student's quantile; beyond the table by two terms of its expansion (Abramowitz and
    Stegun, 26.7.5).
    """
    if freedom <= len(STUDENT_95):
        return STUDENT_95[freedom - 1]
    z = NORMAL_95
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
