"""Show a suite's outcome as a table or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table

from selfplay.suites.score import Outcome, grouped, tally

MOST_NODE_COLUMNS = 5  # maximum number of node-count columns
FEW = 5  # groups with fewer problems get no row


def thresholds(outcomes: Sequence[Outcome]) -> list[int]:
    """Node counts for the "solved by" columns: the largest count needed, and that count divided by powers of 4."""
    found = [outcome.found_nodes for outcome in outcomes if outcome.found_nodes is not None]
    steps = [max(found, default=0) // 4**power for power in range(MOST_NODE_COLUMNS - 1, -1, -1)]
    return [step for step in steps if step > 0]


def suite_table(suites: Mapping[str, Sequence[Outcome]]) -> Table:
    """One row per suite and, below it, one row per theme or rating band of at least five problems."""
    steps = thresholds([outcome for outcomes in suites.values() for outcome in outcomes])
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("suite")
    for title in ("positions", "solved", "points", "median nodes", *(f"by {step:,}" for step in steps)):
        table.add_column(title, justify="right")
    for name, outcomes in suites.items():
        table.add_row(*_cells(name, outcomes, steps), style="bold")
        for group, members in grouped(outcomes).items():
            if FEW <= len(members) < len(outcomes):
                table.add_row(*_cells(f"  {group}", members, steps))
    return table


def _cells(name: str, outcomes: Sequence[Outcome], steps: Sequence[int]) -> list[str]:
    score = tally(outcomes)
    found = [outcome.found_nodes for outcome in outcomes if outcome.found_nodes is not None]
    by = [sum(nodes <= step for nodes in found) for step in steps]
    graded = score.most_points != score.problems
    points = f"{score.points}/{score.most_points} ({score.share:.1%})" if graded else ""
    return [
        name,
        str(score.problems),
        f"{score.solved} ({score.solved / max(1, score.problems):.1%})",
        points,
        "" if score.median_nodes is None else f"{score.median_nodes:,}",
        *map(str, by),
    ]


def suite_json(settings: Mapping[str, Any], suites: Mapping[str, Sequence[Outcome]]) -> dict[str, Any]:
    """Return settings, scores by suite and group, and every problem's outcome."""
    return {
        **settings,
        "suites": [
            {
                "name": name,
                **asdict(tally(outcomes)),
                "groups": {group: asdict(tally(members)) for group, members in grouped(outcomes).items()},
                "problems": [_problem_json(outcome) for outcome in outcomes],
            }
            for name, outcomes in suites.items()
        ],
    }


def _problem_json(outcome: Outcome) -> dict[str, Any]:
    values = {name: value for name, value in vars(outcome).items() if name != "problem"}
    return {"name": outcome.problem.name, "fen": outcome.problem.fen, **values}
