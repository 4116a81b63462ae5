"""The settled balance of a packed row: the input of sparse networks that takes four fifths of the time to compute.

Six bits of word 3 hold `features.balance_level` + 1, or 0 where it is not known: the lower three are the upper bits of
the state, the others those of the kind. What they mean depends on the engine's evaluation, so a label folder keeps
`balance_stamp`, and levels under another stamp are computed anew.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np

from engine.board.convert import row_from_board
from engine.board.layout import MAX_MOVES, ROW_WORDS
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.native.jit import kernel
from engine.network.sparse.features import balance_level
from engine.tactics.quiescence import new_space, settled_value
from selfplay.records.opening_set import load_openings

__all__ = ["BALANCE", "balance_stamp", "level_of", "note_balance"]

BALANCE = "balance"  # key of the stamp in a folder's settings
LEVEL_BITS = 7 << 5  # of the state and of the kind
STAMP_GAMES, STAMP_PLIES = 20, 40


@kernel()
def note_balance(row, space, words):
    """Compute the level of `row` and write it to its packed words."""
    code = np.uint64(balance_level(settled_value(row, space)) + 1)
    words[3] |= (code & np.uint64(7)) << np.uint64(45) | code >> np.uint64(3) << np.uint64(61)


@kernel()
def level_of(words):
    """The level of a packed row, or -1 where it is not known."""
    return np.int64(words[3] >> np.uint64(45) & np.uint64(7) | words[3] >> np.uint64(61) << np.uint64(3)) - 1


@functools.cache
def balance_stamp() -> str:
    """A hash of the levels of some fixed positions; it changes when the engine's evaluation changes."""
    rng, rows, legal = np.random.default_rng(1), [], np.zeros(MAX_MOVES, np.uint16)
    for board in load_openings()[:STAMP_GAMES]:
        row = row_from_board(board)
        for _ in range(STAMP_PLIES):  # random moves leave much to capture
            rows.append(row)
            count = generate(row, legal)
            if not count:
                break
            row = np.zeros(ROW_WORDS, np.uint64)
            make(rows[-1], legal[rng.integers(count)], row)
    levels = np.zeros(len(rows), np.uint8)
    write_levels(np.stack(rows), new_space(), levels)
    return hashlib.sha256(levels.data).hexdigest()[:16]


@kernel()
def write_levels(rows, space, levels):
    """Write the level of every row."""
    for i in range(len(rows)):
        levels[i] = balance_level(settled_value(rows[i], space))
