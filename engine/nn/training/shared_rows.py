"""AdamW for tables whose rows share a part, such as those of like pieces on one square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from engine.backend import xp_of
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
        layout = self.shared[name]
        groups = layout.outer * layout.inner
        shared_rows = groups * layout.rows
        width = parameter.shape[1]
        if parameter.dtype != np.float32 or len(parameter) < shared_rows or width % LANES:
            expected = f"{shared_rows} rows or more, in multiples of {LANES} columns"
            raise ShapeError(f"{name}: expected float32 of {expected} for {layout}")
        own = [self._slot(slot, name, parameter) for slot in AdamW.slots]
        shared = [self._slot(f"shared_{slot}", name, parameter[:groups]) for slot in AdamW.slots]
        rates, shared_rates = self._rates(rate, self.weight_decay), self._rates(rate, 0.0)
        flat = updates.flat_views(parameter, gradient, *own)
        if flat is None:
            slopes = gradient[:shared_rows].reshape(*layout, width)
            change = xp_of(parameter).zeros_like(shared[0])
            slope = slopes.sum(axis=1).reshape(groups, width)
            self._move(change, slope, shared[0], shared[1], shared_rates, pool)
            grouped = parameter[:shared_rows].reshape(*layout, width)
            grouped += change.reshape(layout.outer, 1, layout.inner, width)
            self._move(parameter, gradient, own[0], own[1], rates, pool)
            return
        table, slopes, *moments = flat
        of_groups = tuple(one.reshape(-1) for one in shared)

        def step_groups(first, last):
            total = np.empty(width, np.float32)
            sizes = np.int64(layout.rows), np.int64(layout.inner)
            constants = rates, shared_rates, total
            updates.shared_adam_step(
                table, slopes, tuple(moments), of_groups, *sizes, first, last, *constants
            )

        updates.on_stretches(pool, groups, GROUPS_AT_ONCE, step_groups)
        others = slice(shared_rows, None)
        parameter, gradient, *own = (one[others] for one in (parameter, gradient, *own))
        self._move(parameter, gradient, own[0], own[1], rates, pool)
