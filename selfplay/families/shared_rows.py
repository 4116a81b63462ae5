"""AdamW for tables whose rows share a part, such as those of like pieces on one square."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from engine.errors import ShapeError
from engine.native.lanes import LANES
from engine.native.pool import ThreadPool
from engine.nn.operations import updates
from engine.nn.training.optimizers import AdamW, Array

GROUPS_AT_ONCE = 128  # a thread updates the shared parts of this many row groups at a time


class SharedRows(NamedTuple):
    """Layout of a table's first rows as [outer, rows, inner]; the rows of one (outer, inner) share
    a part.
    """

    outer: int
    rows: int
    inner: int

    @property
    def groups(self) -> int:
        """How many groups of rows share a part."""
        return self.outer * self.inner

    @property
    def size(self) -> int:
        """How many rows the groups have together."""
        return self.groups * self.rows


class SharedRowsAdamW(AdamW):
    """AdamW for tables in which similar rows share a part: row r = own part of r + part of its
    group.

    The table stores only the sum. By the chain rule the shared part's gradient is the sum over its
    rows. That part takes its own Adam step, which is added to all of its rows. A rarely seen row
    thus learns from its group, at no cost in inference. `shared` names the tables, float32 [rows,
    width], width a multiple of 16.
    """

    slots = ("mean", "square", "shared_mean", "shared_square")

    def __init__(self, shared: Mapping[str, SharedRows], **settings: Any) -> None:
        super().__init__(**settings)
        self.shared = dict(shared)

    def _update(
        self, name: str, parameter: Array, gradient: Array, rate: float, pool: ThreadPool | None
    ) -> None:
        layout = self.shared.get(name)
        if layout is None:
            super()._update(name, parameter, gradient, rate, pool)
            return
        mean, square = (self._slot(slot, name, parameter) for slot in AdamW.slots)
        flat = updates.flat_views(parameter, gradient, mean, square)
        if flat is None or len(parameter) < layout.size or parameter.shape[1] % LANES:
            expected = f"{layout.size} rows or more, in multiples of {LANES} columns"
            raise ShapeError(f"{name}: expected float32 of {expected} for {layout}")
        groups = parameter[: layout.groups]
        shared = [self._slot(f"shared_{slot}", name, groups) for slot in AdamW.slots]
        rates = self._rates(rate, self.weight_decay)
        _step_groups(flat, layout, shared, rates, self._rates(rate, 0.0), pool)
        rest = slice(layout.size, None)
        self._move(parameter[rest], gradient[rest], mean[rest], square[rest], rates, pool)


def _step_groups(
    flat: list[np.ndarray],
    layout: SharedRows,
    shared: list[np.ndarray],
    rates: updates.AdamRates,
    shared_rates: updates.AdamRates,
    pool: ThreadPool | None,
) -> None:
    """Step the rows of all groups and the parts that they share, by a kernel that reads them once.

    `flat`: the table, its gradient and both moments; `shared`: the moments of the shared parts.
    """
    table, slopes, *own = flat
    width = shared[0].shape[1]
    moments = tuple(own), tuple(moment.reshape(-1) for moment in shared)

    def step(first, last):
        total = np.empty(width, np.float32)
        sizes = np.int64(layout.rows), np.int64(layout.inner)
        updates.shared_adam_step(
            table, slopes, *moments, *sizes, first, last, rates, shared_rates, total
        )

    updates.on_stretches(pool, layout.groups, GROUPS_AT_ONCE, step)
