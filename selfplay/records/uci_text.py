"""Converts UCI move text to encoded moves by table, at millions of moves per second in plain Python.

The text alone cannot tell castling (e1g1) from another king move; `king_takes_rook` decides it on the board.
"""

from __future__ import annotations

import numpy as np

from engine.board.attacks import piece_at
from engine.board.layout import CASTLING, KING, SIDE, WHITE
from engine.native.jit import kernel


def _move_table() -> dict[str, int]:
    """All pairs of squares, and all steps onto a last rank with each promotion letter."""
    names = [file + rank for rank in "12345678" for file in "abcdefgh"]
    table = {}
    for i, origin in enumerate(names):
        for j, target in enumerate(names):
            table[origin + target] = i | j << 6
            if (i // 8, j // 8) in ((6, 7), (1, 0)) and abs(i % 8 - j % 8) <= 1:
                for promotion, letter in enumerate("nbrq", start=1):
                    table[origin + target + letter] = i | j << 6 | promotion << 12
    return table


MOVE_OF_TEXT: dict[str, int] = _move_table()


@kernel()
def king_takes_rook(row, move):
    """Rewrite castling in `row` as king takes own rook (e1g1 becomes e1h1); return other moves unchanged."""
    origin = move & 63
    target = (move >> 6) & 63
    step = 1 if target > origin else -1
    if origin + 2 * step != target or origin >> 3 != target >> 3 or piece_at(row, origin) != KING:
        return move
    rooks = row[CASTLING] & row[WHITE + np.int64(row[SIDE])]
    square = target
    while square >> 3 == origin >> 3:
        if (rooks >> np.uint64(square)) & np.uint64(1):
            return origin | square << 6
        square += step
    return move
