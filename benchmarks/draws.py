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

import matplotlib as mpl

from benchmarks.measuring import new_parser

ROOT = Path(__file__).parent.parent
PAGE, PICTURE = ROOT / "weights" / "README.md", ROOT / "docs" / "draws.svg"
TABLE = "What each training gained"
ROW = re.compile(r"\| ([a-z, ]+) \| [^|]* \| (\d+) M \| (?:([+-]\d+) \[([+-]\d+), ([+-]\d+)\])?")
SHORT_STEP = 60  # million draws; labels of shorter steps would cover each other
TRUNK, OTHERS = "value trunk", "policy and first value head"


def main(arguments: Sequence[str] | None = None) -> int:
    new_parser(__doc__).parse_args(arguments)
    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "draws", "font.family": "sans-serif"}
    )
    from matplotlib import pyplot as plt

    axes = plt.figure(figsize=(7.2, 3.6), layout="constrained").add_subplot()
    table = PAGE.read_text(encoding="utf-8").partition(TABLE)[2].partition("###")[0]
    rows = ROW.findall(table)
    for name, marker in ((OTHERS, "o"), (TRUNK, "s")):
        draws = 0
        elo = 0
        points = [(0, 0)] if name == TRUNK else []
        errors = [(0, 0)] if name == TRUNK else []
        for training, count, gain, low, high in rows:
            if (name == TRUNK) == training.startswith(TRUNK):
                draws, elo = draws + int(count), elo + int(gain or 0)
                points.append((draws, elo))
                errors.append((int(gain) - int(low), int(high) - int(gain)) if gain else (0, 0))
                if int(count) > SHORT_STEP or not gain:
                    axes.annotate(
                        training, points[-1], (4, -12), textcoords="offset points", size=8
                    )
        x, y = zip(*points, strict=True)
        axes.errorbar(
            x,
            y,
            yerr=list(zip(*errors, strict=True)),
            marker=marker,
            markersize=4,
            capsize=2,
            label=name,
        )
    axes.set(xlabel="draws, millions", ylabel="Elo gained")
    axes.grid(alpha=0.3)
    axes.set_xlim(right=1_150)
    axes.legend(loc="upper left")
    axes.figure.savefig(PICTURE, metadata={"Date": None})  # type: ignore[union-attr]
    return 0


if __name__ == "__main__":
    sys.exit(main())
