"""King and pawn against king, solved: for every position whether the pawn wins, in a table of 24 KB.

The table is filled backwards from the promotions that the king cannot stop, until nothing changes: with the pawn's side
to move a position is won if one move wins, with the other side to move if there is a move and all moves lose. The pawn
stands on files a to d and moves up the board; other positions are mirrored.
https://www.chessprogramming.org/KPK
"""

from __future__ import annotations

import numpy as np

from engine.board.attacks import KING_ATTACKS, ONE, PAWN_ATTACKS, ZERO, king_square
from engine.board.layout import PAWN, SIDE, WHITE
from engine.native.bits import ctz
from engine.native.jit import kernel

_PAWNS = [square for square in range(8, 56) if square % 8 < 4]  # The squares of the pawn, by its number.
_NORTH = 8


def _squares(board: np.uint64) -> np.ndarray:
    """Return the squares of a bitboard as bool [64]."""
    return np.array([board >> np.uint64(square) & ONE for square in range(64)], np.bool_)


def _won_positions() -> np.ndarray:
    """Return the wins as bool [side to move: the pawn's or the other, pawn, own king, other king]."""
    near = np.array([_squares(KING_ATTACKS[square]) for square in range(64)])
    same = np.eye(64, dtype=np.bool_)
    apart = ~(near | same)  # [own king, other king]
    won = np.zeros((2, len(_PAWNS), 64, 64), np.bool_)
    legal = np.zeros_like(won)
    captured = np.zeros_like(won[0])
    for number, pawn in enumerate(_PAWNS):
        free = ~same[pawn]
        legal[:, number] = apart & free[:, None] & free[None, :]
        checked = _squares(PAWN_ATTACKS[0, pawn])
        legal[0, number] &= ~checked[None, :]
        captured[number] = legal[1, number] & near[pawn][None, :] & ~near[pawn][:, None]
        if pawn >= 48:
            goal = pawn + _NORTH
            safe = ~(near[goal] | same[goal])[None, :] | (near[goal][:, None] & ~same[goal][None, :])
            won[0, number] = legal[0, number] & safe & ~same[goal][:, None]
    while True:
        before = won.sum()
        _step_forward(won, legal)
        # Add the positions in which the other king has a move, and loses by all of them.
        won[1] |= legal[1] & ~captured & _beside(legal[0]) & ~_beside(legal[0] & ~won[0])
        if won.sum() == before:
            return won


def _step_forward(won: np.ndarray, legal: np.ndarray) -> None:
    """Add the positions in which a move of the pawn's side wins."""
    lost = won[1] & legal[1]
    found = _beside(lost.swapaxes(1, 2)).swapaxes(1, 2)
    for number, pawn in enumerate(_PAWNS):
        goals = [goal for goal in (pawn + _NORTH, pawn + 2 * _NORTH) if goal < 56][: 2 if pawn < 16 else 1]
        open_way = np.ones((64, 64), np.bool_)
        for goal in goals:
            open_way[goal], open_way[:, goal] = False, False
            found[number] |= open_way & lost[_PAWNS.index(goal)]
    won[0] |= found & legal[0]


def _beside(flags: np.ndarray) -> np.ndarray:
    """Whether a king on each square, the last axis, has a flagged one beside it."""
    board = flags.reshape(*flags.shape[:-1], 8, 8)
    found = np.zeros_like(board)
    found[..., 1:] |= board[..., :-1]
    found[..., :-1] |= board[..., 1:]
    row = board | found
    found[..., 1:, :] |= row[..., :-1, :]
    found[..., :-1, :] |= row[..., 1:, :]
    return found.reshape(flags.shape)


# The wins as uint64 [2 * 24 * 64]: the other king's squares by side to move, pawn and own king.
WINS = np.packbits(_won_positions(), axis=3, bitorder="little").view(np.uint64).ravel()


@kernel()
def pawn_wins(row):
    """Whether the pawn wins in a position, uint64 [16], of two kings and one pawn."""
    strong = np.int64(0) if row[PAWN] & row[WHITE] else np.int64(1)
    flip = 56 * strong
    pawn, own, other = ctz(row[PAWN]) ^ flip, king_square(row, strong) ^ flip, king_square(row, 1 - strong) ^ flip
    if pawn & 4:
        pawn, own, other = pawn ^ 7, own ^ 7, other ^ 7
    number = 4 * (pawn >> 3) - 4 + (pawn & 3)
    waits = np.int64(row[SIDE]) ^ strong
    return WINS[(waits * 24 + number) * 64 + own] >> np.uint64(other) & ONE != ZERO
