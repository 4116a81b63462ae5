"""The page about a tuning run: how each option's value moved, and what the games said."""

from __future__ import annotations

import json

import numpy as np

from selfplay.report.charts import Chart, Curve, draw, drawn, fill_page
from selfplay.tune.outcome import TuningFacts, setoption_lines, toml_lines

MOST_POINTS = 500  # Points of a curve; more cannot be told apart.
WINDOW = 0.1  # Share of the pairs over which the results are averaged.


def tuning_page(facts: TuningFacts) -> str:
    """The page's HTML."""
    now = facts.path[-1]
    return fill_page(
        "tuning.html.j2",
        "aino-train tune",
        title=f"{facts.name}: tuning",
        facts=facts,
        planned=facts.settings["pairs"],
        rows=[
            (option, option.text(option.start), option.text(value), option.text(moved))
            for option, value, moved in zip(facts.options, now, _moved(facts), strict=True)
        ],
        charts=drawn(_value_chart(facts, k) for k in range(len(facts.options))),
        lopsided=draw(_results_chart(facts)),
        setoptions=setoption_lines(facts.options, now),
        toml=toml_lines(facts.options, now),
        settings=json.dumps(facts.settings, indent=2),
    )


def _moved(facts: TuningFacts) -> np.ndarray:
    """How far each value was from where it is now, on average over the last tenth of the pairs."""
    last = facts.path[-max(2, round(WINDOW * facts.pairs)) :]
    return np.asarray(np.abs(last - facts.path[-1]).mean(axis=0))


def _some(count: int) -> list[int]:
    """Evenly spaced numbers from 0 to `count`, both included."""
    return sorted({round(place) for place in np.linspace(0, count, min(count + 1, MOST_POINTS))})


def _value_chart(facts: TuningFacts, option: int) -> Chart:
    points = [(float(k), float(facts.path[k][option])) for k in _some(facts.pairs)]
    return Chart(facts.options[option].name, [Curve("value", points, dots=False)], x_name="Pairs of games")


def _results_chart(facts: TuningFacts) -> Chart:
    """How many pairs had a winner: where few have, the steps are too small or the games too long for their number."""
    decisive = np.abs(facts.results) > 0 if facts.results else np.zeros(0)
    width = max(1, round(WINDOW * len(decisive)))
    sums = np.concatenate([[0.0], np.cumsum(decisive)])
    points = [
        (float(k), float((sums[k] - sums[max(0, k - width)]) / min(k, width))) for k in _some(len(decisive)) if k > 0
    ]
    note = f"Share of pairs that one side won, over the last {width}; the others tell nothing about the values."
    return Chart(
        "Pairs with a winner", [Curve("share", points, dots=False)], note, percent=True, x_name="Pairs of games"
    )
