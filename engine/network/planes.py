"""Lc0's 112 input planes (INPUT_CLASSICAL_112_PLANE), first as 112 words, then expanded to floats.

Everything is seen from the side to move: for Black the boards are mirrored vertically and the
colours swap.

    13 * t + 0..5     our P N B R Q K, t plies ago (t = 0..7)      13 * t + 6..11   theirs
    13 * t + 12       all ones if that position had occurred before
    104 105           our O-O-O, our O-O        106 107   theirs        108   all ones if Black is to move
    109               the fifty-move counter in plies, a number        110   zeros        111   ones

A network of people has the rating of the player to move on plane 110: `rating_value`.

If the game has fewer than eight positions, the missing ones stay zero when it began from the start
position; otherwise the oldest position is repeated, with its double pawn push undone if it has an
en passant square.
"""

import numpy as np

from engine.board.attacks import ONE, ZERO, bit
from engine.board.layout import (
    BLACK,
    CASTLING,
    DOUBLE_PUSH,
    HALFMOVE,
    KING,
    PAWN,
    REPETITIONS,
    SIDE,
    WHITE,
)
from engine.native.bits import byteswap, ctz
from engine.native.jit import kernel

PLANES = 112
HISTORY = 8
PLANES_PER_POSITION = 13
CASTLING_PLANE = 104
BLACK_TO_MOVE_PLANE = 108
FIFTY_MOVE_PLANE = 109
RATING_PLANE = 110
ONES_PLANE = 111
ALL_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
# The first words of the start position's row: pieces by kind, White, Black, rooks that may castle.
START_WORDS = np.array([
    0x00FF00000000FF00, 0x4200000000000042, 0x2400000000000024, 0x8100000000000081, 0x0800000000000008,
    0x1000000000000010, 0xFFFF, 0xFFFF000000000000, 0x8100000000000081,
], np.uint64)  # fmt: skip
# The Elo that plane 110 shows as 0, as does a rating that is not known, and the points of one unit.
MIDDLE_RATING = 1500
RATING_SCALE = 400


@kernel()
def encode(stack, ply, masks):
    """Write the planes of `stack[ply]` to `masks` as 112 words; the game began at `stack[0]`.

    A bit is a square after mirroring, a1 = 0. Word 109 is the fifty-move counter itself, in plies.
    Word 110 is the rating, which is for the caller to write; 0 if it is not known.
    """
    current = stack[ply]
    side = np.int64(current[SIDE])
    for t in range(HISTORY):
        base = PLANES_PER_POSITION * t
        if ply >= t:
            encode_pieces(stack[ply - t], side, masks, base)
        elif is_start_position(stack[0]):
            for plane in range(base, base + PLANES_PER_POSITION):
                masks[plane] = ZERO
        else:
            encode_pieces(stack[0], side, masks, base)
            _undo_double_push(stack[0], side, masks, base)
    encode_castling(current, side, masks, False)
    masks[BLACK_TO_MOVE_PLANE] = ALL_ONES if side else ZERO
    masks[FIFTY_MOVE_PLANE] = current[HALFMOVE]
    masks[RATING_PLANE] = ZERO
    masks[ONES_PLANE] = ALL_ONES


@kernel()
def _seen_by(side, board):
    return byteswap(board) if side else board


@kernel()
def encode_pieces(row, side, masks, base):
    """Write the pieces of a position, and whether it occurred before, to 13 words from
    `masks[base]` on.
    """
    for kind in range(KING + 1):
        masks[base + kind] = _seen_by(side, row[kind] & row[WHITE + side])
        masks[base + 6 + kind] = _seen_by(side, row[kind] & row[BLACK - side])
    masks[base + 12] = ALL_ONES if row[REPETITIONS] else ZERO


@kernel()
def _undo_double_push(row, side, masks, base):
    """Move the pawn that just made a double push back to where it came from."""
    if row[DOUBLE_PUSH]:
        mover = 1 - np.int64(row[SIDE])
        square = ctz(row[DOUBLE_PUSH])
        moved = _seen_by(side, bit(square + 8) | bit(square - 8))
        masks[base + (PAWN if mover == side else 6 + PAWN)] ^= moved


@kernel()
def encode_castling(row, side, masks, as_squares):
    """Write the rights to castle: a plane of ones each, or the rooks of both sides as squares of
    two planes.
    """
    for plane in range(CASTLING_PLANE, CASTLING_PLANE + 4):
        masks[plane] = ZERO
    for whose in range(2):
        own = row[WHITE + (side ^ whose)]
        king = ctz(row[KING] & own)
        rooks = row[CASTLING] & own
        while rooks:
            plane = CASTLING_PLANE + (1 if ctz(rooks) > king else 0)
            if as_squares:
                masks[plane] |= _seen_by(side, bit(ctz(rooks)))
            else:
                masks[plane + 2 * whose] = ALL_ONES
            rooks &= rooks - ONE


@kernel()
def is_start_position(row):
    """Whether a row is the standard start position (clocks aside)."""
    for word in range(len(START_WORDS)):
        if row[word] != START_WORDS[word]:
            return False
    return row[SIDE] == ZERO


@kernel()
def rating_value(rating):
    """Return what plane 110 holds everywhere for players of this Elo; 0 if it is not known."""
    if rating == ZERO:
        return np.float32(0.0)
    return np.float32((np.int64(rating) - MIDDLE_RATING) / RATING_SCALE)


@kernel()
def fill_planes(masks, planes):
    """Expand words to floats: `masks` uint64 [B, 112] -> `planes` float32 [B, 8, 8, 112], squares
    then channels.
    """
    for b in range(masks.shape[0]):
        for square in range(64):
            shift = np.uint64(square)
            for plane in range(PLANES):
                planes[b, square >> 3, square & 7, plane] = np.float32(
                    (masks[b, plane] >> shift) & ONE
                )
        planes[b, :, :, FIFTY_MOVE_PLANE] = np.float32(masks[b, FIFTY_MOVE_PLANE])
        planes[b, :, :, RATING_PLANE] = rating_value(masks[b, RATING_PLANE])


def float_planes(masks: np.ndarray) -> np.ndarray:
    """Return masks uint64 [B, 112] as planes float32 [B, 112, 8, 8], whose memory is channels last."""
    planes = np.empty((len(masks), 8, 8, PLANES), np.float32)
    fill_planes(np.ascontiguousarray(masks), planes)
    return planes.transpose(0, 3, 1, 2)
