"""Training history: one record per epoch, as data and as a plot."""

import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np

from engine.backend import NUMPY, backend_of, backend_of_all
from engine.errors import ConfigError
from engine.nn.figures import new_figure
from engine.nn.means import MeanOver
from engine.nn.summary import aligned_columns

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
        best = math.inf
        stall = 0
        stalls = []
        for value in self[name]:
            stall += 1
            if highest:
                value = -value
            if math.isfinite(value) and value < best:
                best = value
                stall = 0
            stalls.append(stall)
        return stalls

    @property
    def columns(self) -> list[str]:
        """Names of all columns."""
        return list(dict.fromkeys(chain.from_iterable(self.records)))

    def __str__(self) -> str:
        """Return a table: a line for each epoch, a column for each measure."""
        rows = [self.columns]
        for record in self.records:
            cells = {name: f"{value:.6g}" for name, value in record.items()}
            rows.append([cells.get(name, "") for name in self.columns])
        return aligned_columns(rows)

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
                if column in self:
                    records = [record for record in self.records if column in record]
                    epochs = [record["epoch"] for record in records]
                    axes.plot(epochs, self[column], style, label=column.replace("_", " "))
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
    numbers = dict(means)
    on_device = {}
    for name, value in means.items():
        if not isinstance(value, float) and backend_of(value) is not NUMPY:
            on_device[name] = value
    if on_device:
        together = backend_of_all(on_device).xp.stack([*on_device.values()], dtype=np.float64)
        numbers |= dict(zip(on_device, together.get(), strict=True))
    for name, value in numbers.items():
        if not isinstance(value, MeanOver):
            numbers[name] = float(value)
    return numbers
