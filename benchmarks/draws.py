"""Draw the picture of weights/README.md: Elo over draws, from its table "What each training
gained".

    python -m benchmarks.draws

The first result of each row counts, added to those before it. The value trunk learns alone, and the
others' draws do not train it, so it has its own line. Rewrites docs/draws.svg.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl

from benchmarks.measuring import new_parser

ROOT = Path(__file__).parent.parent
PAGE, PICTURE = ROOT / "weights" / "README.md", ROOT / "docs" / "draws.svg"
TABLE = "What each training gained"
ROW = re.compile(r"\| ([a-z, ]+) \| [^|]* \| (\d+) M \| (?:([+-]\d+) \[([+-]\d+), ([+-]\d+)\])?")
SHORT_STEP = 60  # million draws; labels of shorter steps would cover each other
TRUNK, OTHERS = "value trunk", "policy and first value head"


class Line(NamedTuple):
    """What one part of the network gained, training by training."""

    draws: list[int]  # millions, added up
    elo: list[int]  # added up
    below: list[int]  # of each point, from its interval's lower end
    above: list[int]
    labels: list[str]


def line_of(rows: Sequence[tuple[str, ...]], is_trunk: bool) -> Line:
    """Return the line of the value trunk, which begins with nothing, or of the others."""
    line = Line([0], [0], [0], [0], [""]) if is_trunk else Line([], [], [], [], [])
    for training, count, gain, low, high in rows:
        if training.startswith(TRUNK) != is_trunk:
            continue
        is_labelled = int(count) > SHORT_STEP or not gain
        line.draws.append(int(count) + (line.draws[-1] if line.draws else 0))
        line.elo.append(int(gain or 0) + (line.elo[-1] if line.elo else 0))
        line.below.append(int(gain) - int(low) if gain else 0)
        line.above.append(int(high) - int(gain) if gain else 0)
        line.labels.append(training if is_labelled else "")
    return line


def draw(axes: Any, line: Line, name: str, marker: str) -> None:
    """Draw a line with its intervals and labels."""
    for *point, label in zip(line.draws, line.elo, line.labels, strict=True):
        if label:
            axes.annotate(label, point, (4, -12), textcoords="offset points", size=8)
    axes.errorbar(
        line.draws,
        line.elo,
        yerr=(line.below, line.above),
        marker=marker,
        markersize=4,
        capsize=2,
        label=name,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    new_parser(__doc__).parse_args(arguments)
    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "draws", "font.family": "sans-serif"}
    )
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=(7.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    table = PAGE.read_text(encoding="utf-8").partition(TABLE)[2].partition("###")[0]
    rows = ROW.findall(table)
    draw(axes, line_of(rows, is_trunk=False), OTHERS, "o")
    draw(axes, line_of(rows, is_trunk=True), TRUNK, "s")
    axes.set(xlabel="draws, millions", ylabel="Elo gained")
    axes.grid(alpha=0.3)
    axes.set_xlim(right=1_150)
    axes.legend(loc="upper left")
    figure.savefig(PICTURE, metadata={"Date": None})
    return 0


if __name__ == "__main__":
    sys.exit(main())
