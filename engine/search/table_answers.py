"""Endgame tables as an answer to a leaf."""

from __future__ import annotations

import numpy as np

from engine.evaluation.tablebase import WIN as TABLE_WIN
from engine.evaluation.tablebase import Tablebase
from engine.search.tree import DRAW, LOSS, UNKNOWN, WIN


def known_result(tablebase: Tablebase, row: np.ndarray) -> int:
    """What the tables know of a position, for the side that moved into it: WIN, DRAW or LOSS, or UNKNOWN."""
    wdl = tablebase.wdl(row)
    return UNKNOWN if wdl is None else {TABLE_WIN: LOSS, -TABLE_WIN: WIN}.get(wdl, DRAW)
