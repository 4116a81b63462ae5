"""AdamW for tables whose rows share a part, such as those of like pieces on one square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from engine.backend import backend_of
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


class SharedRowsAdamW(AdamW):
    """AdamW for tables in which similar rows share a part: row r = own part of r + part of its
    group.

    The table stores only the sum. By the chain rule the shared part's gradient is the sum over its
    rows. That part takes its own Adam step, which is added to all of its rows. A rarely seen row
    thus learns from its group, at no cost in inference. `shared` names the tables, float32 [rows,
    width], width a multiple of 16.
    """

    takes_flat = False

    slots = ("mean", "square", "shared_mean", "shared_square")

    def __init__(self, shared: Mapping[str, SharedRows], **settings: Any) -> None:
        super().__init__(**settings)
        self.shared = dict(shared)

    def _update(
        self, name: str, parameter: Array, gradient: Array, rate: float, pool: ThreadPool | None
    ) -> None:
        if name not in self.shared:
            super()._update(name, parameter, gradient, rate, pool)
            return
        outer, rows, inner = self.shared[name]
        groups = outer * inner
        width = parameter.shape[1]
        shared_rows = outer * rows * inner
        mean, square = self._slot("mean", name, parameter), self._slot("square", name, parameter)
        flat = updates.flat_views(parameter, gradient, mean, square)
        if parameter.dtype != np.float32 or len(parameter) < shared_rows or width % LANES:
            expected = f"{shared_rows} rows or more, in multiples of {LANES} columns"
            raise ShapeError(f"{name}: expected float32 of {expected} for {self.shared[name]}")
        of_groups = (
            self._slot(slot, name, parameter[:groups]) for slot in ("shared_mean", "shared_square")
        )
        shared_mean, shared_square = of_groups
        rates, shared_rates = self._rates(rate, self.weight_decay), self._rates(rate, 0.0)
        if flat is None:
            grouped, slopes = (
                one[:shared_rows].reshape(outer, rows, inner, width)
                for one in (parameter, gradient)
            )
            change = backend_of(parameter).xp.zeros_like(shared_mean)
            slope = slopes.sum(axis=1).reshape(groups, width)
            self._move(change, slope, shared_mean, shared_square, shared_rates, pool)
            grouped += change.reshape(outer, 1, inner, width)
            self._move(parameter, gradient, mean, square, rates, pool)
            return
        table, slopes, *own = flat
        shared = shared_mean.reshape(-1), shared_square.reshape(-1)

        def step_groups(first, last):
            total = np.empty(width, np.float32)
            moments = (tuple(own), shared)
            sizes = np.int64(rows), np.int64(inner)
            updates.shared_adam_step(
                table, slopes, *moments, *sizes, first, last, rates, shared_rates, total
            )

        updates.on_stretches(pool, groups, GROUPS_AT_ONCE, step_groups)
        others = slice(shared_rows, None)
        self._move(parameter[others], gradient[others], mean[others], square[others], rates, pool)
