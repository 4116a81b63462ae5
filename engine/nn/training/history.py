"""Training history: one record per epoch, as data and as a plot."""

import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from engine.backend import NUMPY, backend_of, backend_of_all
from engine.errors import ConfigError
from engine.nn.figures import new_figure
from engine.nn.means import MeanOver

Record = dict[str, float]  # what OWN_COLUMNS names, and the metrics, each also as validation_METRIC
OWN_COLUMNS = re.compile("epoch|step|rate|loss|gradient_norm|validation_.*")


@dataclass
class History:
    """Records in order of the epochs; `history["loss"]` is one column."""

    records: list[Record] = field(default_factory=list)

    def __getitem__(self, name: str) -> list[float]:
        """Return the values of one column, for the epochs that have it. Raises ConfigError when no
        epoch has it.
        """
        values = [record[name] for record in self.records if name in record]
        if not values:
            raise ConfigError(
                f"the history has no {name!r}; it has {', '.join(sorted(self.columns)) or 'nothing'}"
            )
        return values

    def stalls(self, name: str, highest: bool = False) -> list[int]:
        """Return for each epoch that has a column how long ago its best value was, in such epochs.

        0 is a new best one: smaller is better, with `highest` larger. NaN and infinity never are.
        Raises ConfigError when no epoch has the column.
        """
        sign = -1 if highest else 1
        best = math.inf
        stall = 0
        stalls = []
        for value in self[name]:
            stall += 1
            if math.isfinite(value) and sign * value < best:
                best = sign * value
                stall = 0
            stalls.append(stall)
        return stalls

    @property
    def columns(self) -> list[str]:
        """Names of all columns."""
        return list(dict.fromkeys(name for record in self.records for name in record))

    def __str__(self) -> str:
        """Return a table: a line for each epoch, a column for each measure."""
        rows = [self.columns] + [
            [f"{record[name]:.6g}" if name in record else "" for name in self.columns]
            for record in self.records
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        )

    def __len__(self) -> int:
        return len(self.records)

    def __contains__(self, name: object) -> bool:
        """Whether there is a column of this name."""
        return name in self.columns

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def plot(self, path: str | Path | IO[bytes], title: str = "") -> None:
        """Plot every column over the epochs to an image file; validation is dashed. Needs
        Matplotlib.
        """
        plain = dict.fromkeys(name.removeprefix("validation_") for name in self.columns)
        titles = [name for name in plain if name not in ("epoch", "step", "rate")]
        figure = new_figure(5 * max(len(titles), 1), 4)
        for number, name in enumerate(titles, start=1):
            axes = figure.add_subplot(1, len(titles), number)
            for column, style in ((name, "-"), (f"validation_{name}", "--")):
                points = [
                    (record["epoch"], record[column]) for record in self.records if column in record
                ]
                if points:
                    axes.plot(*zip(*points, strict=True), style, label=column.replace("_", " "))
            axes.set_xlabel("epoch")
            axes.set_title(name.replace("_", " "))
            axes.legend()
        figure.suptitle(title)
        figure.savefig(path)

    def _repr_png_(self) -> bytes:
        """Return the plot, which a notebook shows."""
        picture = io.BytesIO()
        self.plot(picture)
        return picture.getvalue()


def floats(means: Mapping[str, Any]) -> Record:
    """Return a loss and metrics as Python floats: they may be scalars of NumPy, or of a device,
    read at once.
    """
    there = {name: value for name, value in means.items() if not isinstance(value, float)}
    there = {name: value for name, value in there.items() if backend_of(value) is not NUMPY}
    read = dict(means)
    if there:
        together = backend_of_all(there).xp.stack([*there.values()], dtype=np.float64)
        read |= dict(zip(there, together.get(), strict=True))
    return {
        name: value if isinstance(value, MeanOver) else float(value) for name, value in read.items()
    }
