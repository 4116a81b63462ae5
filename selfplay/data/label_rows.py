"""Rows of a label folder as a set to train on, and the targets that they hold."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from engine.native.jit import kernel
from engine.network.outputs import MOVES_LEFT_SCALE
from selfplay.data.split import Split
from selfplay.records.label_folder import fields_of
from selfplay.records.order import Groups, RowOrder
from selfplay.records.packed import CALM, SCORED_WORDS, SOURCE_MASK, SOURCES, VALUE_WORDS
from selfplay.records.targets import (
    CALM_VALUES,
    MOVE_SCORES,
    MOVES_LEFT_LIMIT,
    SCORE_LIMIT_CP,
    UNSETTLED_VALUES,
)

EVERYWHERE = Split()  # the roots that every command holds out


@dataclass(frozen=True)
class LabelRows:
    """Packed rows [N, 4], or [N, 8] with scored moves, as a set to train on."""

    name: str  # for messages
    rows: np.ndarray  # the rows
    split: Split = EVERYWHERE  # which rows are not trained on

    @property
    def n_usable(self) -> int:
        return len(self.rows)

    def order(self, seed: int, groups: Groups) -> RowOrder:
        """Return the order in which training takes the rows."""
        return RowOrder(len(self.rows), seed, groups.rows)


def held_out(rows: np.ndarray, split: Split = EVERYWHERE) -> np.ndarray:
    """bool[n]: rows whose root is held out, so that no game is in both parts."""
    return fields_of(rows)["root"] < split.limit


# ---- targets -------------------------------------------------------------------------------------

MOST_CP = int(SCORE_LIMIT_CP)
LAST_SOURCE = len(SOURCES) - 1
CALM_TARGETS, UNSETTLED_TARGETS, SCORED_TARGETS = (len(SOURCES) * group for group in range(3))


@cache
def targets() -> np.ndarray:
    """Win, draw, loss float32[3 * sources, 2 * MOST_CP + 1, 3] of calm rows, unsettled ones and
    scored ones by source.

    The second index is the score in centipawns + MOST_CP; larger scores count as MOST_CP.
    """
    score_cp = np.arange(-MOST_CP, MOST_CP + 1)
    groups = CALM_VALUES, UNSETTLED_VALUES, MOVE_SCORES
    return np.stack([group[source].wdl(score_cp) for group in groups for source in SOURCES])


@kernel()
def is_held_out(words, key, limit, keys):
    """Whether a packed row, of a position with this key, is not trained on; limit, keys: of the
    `Split`.
    """
    if np.int64(words[VALUE_WORDS - 1] >> np.uint64(16) & np.uint64(0xFFFF)) < limit:
        return True
    place = np.searchsorted(keys, key)
    return place < len(keys) and keys[place] == key


@kernel()
def write_target(words, targets, trained, slot, batch):
    """Write the targets of a packed row to the batch's `wdl` and `moves_left`; one that is not
    trained on has none.
    """
    label = words[VALUE_WORDS - 1]
    batch.moves_left[slot] = -1.0
    if not trained:
        batch.wdl[slot] = 0.0
        return
    score = np.int64(label & np.uint64(0xFFFF))
    score -= (score & 0x8000) << 1
    place = min(max(score, np.int64(-MOST_CP)), np.int64(MOST_CP)) + MOST_CP
    kind = np.int64(label >> np.uint64(56))
    group = UNSETTLED_TARGETS
    if len(words) == SCORED_WORDS:
        group = SCORED_TARGETS
    elif kind & CALM:
        group = CALM_TARGETS
    target = targets[group + min(kind & SOURCE_MASK, np.int64(LAST_SOURCE)), place]
    for c in range(3):
        batch.wdl[slot, c] = target[c]
    plies = np.int64(label >> np.uint64(48) & np.uint64(0xFF))
    if plies > 0:
        batch.moves_left[slot] = np.float32(min(plies, np.int64(MOVES_LEFT_LIMIT))) / np.float32(
            MOVES_LEFT_SCALE
        )
