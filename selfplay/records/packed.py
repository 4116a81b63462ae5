"""Labelled positions as packed rows of little-endian words: four (32 bytes), or eight with their
best moves.

word 0  bitboard of the occupied squares
words 1, 2  a nibble per piece, by square: kind (+ 6 for Black), or 12 and 13 for rooks that may
        castle
word 3  from bit 0: score int16 (centipawns of the side to move, mate +-(32000 - n)), root uint16
        (hash of the game that the position comes from), halfmove clock uint8, state uint8 (Black to
        move | en passant file + 1 << 1), plies to the end of that game uint8 (0 unknown), kind uint8
        (number of the source | calm << 4);
        the upper bits of state and kind are for later use, and not 0 in older files
words 4..7  eight pairs, best first: move uint16 (encoding of engine/board), score int16; move 0
        pads the rest
"""

import numpy as np

from engine.board import layout
from engine.board.attacks import ONE, ZERO, bit, is_attacked, king_square
from engine.board.zobrist import compute_key
from engine.native.bits import ctz, popcount
from engine.native.jit import kernel

VALUE_WORDS, SCORED_WORDS = 4, 8
TOP_MOVES = 8
CALM = 16  # bit of the kind: nothing hangs; the score is the static value
SOURCE_MASK = 15
# What a position was sampled from, by the number in its kind.
SOURCES = ("games", "siblings", "detours", "trees")
BLACK_ROOK_THAT_CASTLES = 13
LONGEST_CLOCK = 255
# Word 3 of packed rows [N, 4] as an array: `rows[:, 3:].view(VALUE_FIELDS)`.
SCORE_FIELDS = np.dtype(
    [
        ("score", "<i2"),
        ("root", "<u2"),
        ("halfmove", "u1"),
        ("state", "u1"),
        ("plies_left", "u1"),
        ("kind", "u1"),
    ]
)
_PIECES_AT_START = np.array([8, 2, 2, 2, 1, 1], np.int64)


@kernel()
def pack_row(row, score, root, plies_left, kind, words):
    """Write a position of at most 32 pieces and its label into words [4]."""
    occupied = row[layout.WHITE] | row[layout.BLACK]
    words[0] = occupied
    words[1] = ZERO
    words[2] = ZERO
    number = np.int64(0)
    while occupied:
        code = np.uint64(_code(row, ctz(occupied)))
        words[1 + (number >> 4)] |= code << np.uint64(4 * (number & 15))
        number += 1
        occupied &= occupied - ONE
    state = np.int64(row[layout.SIDE])
    if row[layout.EN_PASSANT]:
        state |= ((ctz(row[layout.EN_PASSANT]) & 7) + 1) << 1
    clock = min(np.int64(row[layout.HALFMOVE]), np.int64(LONGEST_CLOCK))
    low = np.uint64(
        (score & 0xFFFF)
        | (root & 0xFFFF) << 16
        | clock << 32
        | state << 40
        | (plies_left & 0xFF) << 48
    )
    words[3] = low | np.uint64(kind & 0xFF) << np.uint64(56)


@kernel()
def _code(row, square):
    mask = bit(square)
    black = np.int64((row[layout.BLACK] & mask) != ZERO)
    if row[layout.CASTLING] & mask:
        return 12 + black
    for kind in range(layout.KING):
        if row[kind] & mask:
            return kind + 6 * black
    return layout.KING + 6 * black


@kernel()
def unpack_row(words, row):
    """Unpack a position into `row`. Returns False, with `row` undefined, if no game can reach
    it.
    """
    for word in range(layout.ROW_WORDS):
        row[word] = ZERO
    if popcount(words[0]) > 32 or not _put_pieces(words, row):
        return False
    state = np.int64(words[3] >> np.uint64(40)) & 0xFF
    row[layout.SIDE] = np.uint64(state & 1)
    row[layout.FULLMOVE] = ONE
    row[layout.REPETITIONS] = ZERO
    row[layout.HALFMOVE] = words[3] >> np.uint64(32) & np.uint64(0xFF)
    if not (_pieces_are_possible(row, np.int64(0)) and _pieces_are_possible(row, np.int64(1))):
        return False
    if not _castling_is_possible(row) or not _put_en_passant(row, state >> 1 & 15):
        return False
    waiting = 1 - (state & 1)
    if is_attacked(
        row, king_square(row, waiting), row[layout.WHITE] | row[layout.BLACK], 1 - waiting
    ):
        return False
    row[layout.KEY] = compute_key(row)
    return True


@kernel()
def fill_keys(packed, row, keys):
    """Position keys of packed rows; returns the number of the first invalid row, or -1."""
    for i in range(len(packed)):
        if not unpack_row(packed[i], row):
            return i
        keys[i] = row[layout.KEY]
    return -1


@kernel()
def _put_pieces(words, row):
    occupied = words[0]
    number = np.int64(0)
    while occupied:
        code = np.int64(words[1 + (number >> 4)] >> np.uint64(4 * (number & 15))) & 15
        if code > BLACK_ROOK_THAT_CASTLES:
            return False
        mask = occupied & (ZERO - occupied)
        if code >= 12:
            row[layout.CASTLING] |= mask
            row[layout.ROOK] |= mask
            row[layout.WHITE + code - 12] |= mask
        else:
            row[code % 6] |= mask
            row[layout.WHITE + code // 6] |= mask
        number += 1
        occupied &= occupied - ONE
    return True


@kernel()
def _pieces_are_possible(row, side):
    """Whether a side has one king, no pawns on the last ranks, and no more pieces than promotions
    explain.
    """
    own = row[layout.WHITE + side]
    pawns = popcount(row[layout.PAWN] & own)
    if (
        popcount(row[layout.KING] & own) != 1
        or pawns > 8
        or row[layout.PAWN] & (layout.RANK_1 | layout.RANK_8)
    ):
        return False
    promoted = np.int64(0)
    for kind in range(layout.PAWN + 1, layout.QUEEN + 1):
        promoted += max(np.int64(0), popcount(row[kind] & own) - _PIECES_AT_START[kind])
    return promoted <= 8 - pawns


@kernel()
def _castling_is_possible(row):
    """Whether castling rooks are on their king's back rank, at most one to its left and one to its
    right.
    """
    for side in range(2):
        rooks = row[layout.CASTLING] & row[layout.WHITE + side]
        if not rooks:
            continue
        king = king_square(row, side)
        home = layout.RANK_1 if side == 0 else layout.RANK_8
        left = bit(king) - ONE
        if (
            rooks & ~home
            or not bit(king) & home
            or popcount(rooks & left) > 1
            or popcount(rooks & ~left) > 1
        ):
            return False
    return True


@kernel()
def _put_en_passant(row, file_from_one):
    """Set the en passant square of a file 1..8 (0 = none); False if no pawn can just have passed
    it.
    """
    if file_from_one == 0:
        return True
    if file_from_one > 8:
        return False
    side = np.int64(row[layout.SIDE])
    forward = np.int64(8)  # as White sees it, who captures a pawn that came from behind the square
    square = file_from_one - 1 + 40
    if side != 0:
        forward = np.int64(-8)
        square = file_from_one - 1 + 16
    pawn, origin = square - forward, square + forward
    if not row[layout.PAWN] & row[layout.BLACK - side] & bit(pawn) or (
        row[layout.WHITE] | row[layout.BLACK]
    ) & (bit(square) | bit(origin)):
        return False
    row[layout.EN_PASSANT] = row[layout.DOUBLE_PUSH] = bit(square)
    return True
