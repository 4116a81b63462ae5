"""Lc0's 1858 policy moves and the index of each in the three kinds of policy head, generated from
the rules.

Moves are seen from the mover's side (Black's board is mirrored). In order of from-square a1..h8,
then to-square: every pair that a queen or a knight could make on an empty board (1792), then the
promotions of a7..h7 to queen, rook and bishop (66). A pawn's move to the last rank without suffix
means promotion to a knight; castling is king takes rook.
"""

import chess
import numpy as np

from engine.board.attacks import KNIGHT_JUMPS
from engine.board.layout import SIDE
from engine.native.jit import kernel

POLICY_SIZE = 1858
USED_POLICY_PLANES = 73  # 7 * 8 queen-like, 8 knight, 9 promotion planes
ATTENTION_SQUARES = 64 * 64  # places of the attention head before its 8 * 8 * 3 promotions
MIRROR_BOTH_SQUARES = 56 | 56 << 6

# N NE E SE S SW W NW (file, rank)
_DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))
_PROMOTION_PIECES = ((4, "q"), (3, "r"), (2, "b"))  # (code in a move, letter) in policy order
# Plane of a north-west promotion by code; add 3 per file eastward.
_PROMOTION_PLANE = {3: 64, 2: 65, 4: 66}


def _plain_plane(source: int, target: int) -> int:
    """Return the convolutional head's plane of a move without promotion suffix, -1 if no queen or
    knight makes it.
    """
    df, dr = target % 8 - source % 8, target // 8 - source // 8
    if (df, dr) in KNIGHT_JUMPS:
        return 56 + KNIGHT_JUMPS.index((df, dr))
    distance = max(abs(df), abs(dr))
    if distance == 0 or (df and dr and abs(df) != abs(dr)):
        return -1
    return 7 * _DIRECTIONS.index((df // distance, dr // distance)) + distance - 1


def _policy_moves() -> list[tuple[int, int, int, int, int]]:
    """All 1858 moves in order as (from, to, promotion code, plane of the convolutional head, place
    of attention).
    """
    moves = []
    for source in range(64):
        for target in range(64):
            plane = _plain_plane(source, target)
            if plane >= 0:
                moves.append((source, target, 0, plane, source * 64 + target))
    for source in range(48, 56):
        for target in range(56, 64):
            df = target % 8 - source % 8
            if abs(df) <= 1:
                for piece, (code, _letter) in enumerate(_PROMOTION_PIECES):
                    place = ATTENTION_SQUARES + 24 * (source % 8) + 3 * (target % 8) + piece
                    moves.append(
                        (source, target, code, _PROMOTION_PLANE[code] + 3 * (df + 1), place)
                    )
    return moves


def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    index_of = np.full(5 << 12, -1, np.int16)
    conv_index, attention_index = np.empty((2, POLICY_SIZE), np.int32)
    names = []
    letters = {0: "", **dict(_PROMOTION_PIECES)}
    for index, (source, target, code, plane, place) in enumerate(_policy_moves()):
        index_of[source | target << 6 | code << 12] = index
        if code == 0:  # promotion to a knight shares the plain move
            index_of[source | target << 6 | 1 << 12] = index
        conv_index[index] = plane * 64 + source
        attention_index[index] = place
        names.append(chess.square_name(source) + chess.square_name(target) + letters[code])
    return index_of, conv_index, attention_index, tuple(names)


POLICY_INDEX, CONV_INDEX, ATTENTION_INDEX, INDEX_TO_UCI = _tables()
"""int16 [5 * 4096] by move code seen from the mover; int32 [1858] plane * 64 + square; int32 [1858]
from * 64 + to or, for promotions to queen, rook and bishop, 4096 + 24 * from-file + 3 * to-file +
piece; the moves' names."""

_IN_ORDER = np.arange(POLICY_SIZE, dtype=np.int32)
HEAD_INDEX = {"convolution": CONV_INDEX, "classical": _IN_ORDER, "attention": ATTENTION_INDEX}
"""Place of each policy move in the flat output of a tower's policy head, by the head's kind."""


@kernel()
def policy_index(row, move):
    """Index 0..1857 of a legal move of `row` among the policy moves."""
    move = np.int64(move)
    if row[SIDE]:
        move ^= MIRROR_BOTH_SQUARES
    return np.int64(POLICY_INDEX[move])
