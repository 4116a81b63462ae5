"""Summarises the rows of a label folder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selfplay.records import packed
from selfplay.records.label_folder import fields_of

ROWS_PER_PASS = 1 << 22
BALANCED_CP = 150


@dataclass(frozen=True)
class Composition:
    """Rows by source, and how many of all are calm and balanced (within 150 cp)."""

    sources: dict[str, int]
    rows: int
    calm: int
    balanced: int


def composition(rows: np.ndarray) -> Composition:
    counts, calm, balanced = np.zeros(packed.SOURCE_MASK + 1, np.int64), 0, 0
    for first in range(0, len(rows), ROWS_PER_PASS):
        fields = fields_of(rows[first : first + ROWS_PER_PASS])
        kinds = np.bincount(fields["kind"], minlength=256)
        counts += kinds.reshape(16, 16).sum(axis=0)
        calm += int(kinds.reshape(8, 2, 16)[:, 1].sum())
        balanced += int(np.count_nonzero(np.abs(fields["score"].astype(np.int32)) < BALANCED_CP))
    named = {name: int(count) for name, count in zip(packed.SOURCES, counts, strict=False)}
    return Composition(named, len(rows), calm, balanced)
