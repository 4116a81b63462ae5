"""Plays a move: copies the row, changes the copy and updates the Zobrist key incrementally."""

import numpy as np

from engine.board.attacks import ONE, PAWN_ATTACKS, ZERO, bit, piece_at
from engine.board.layout import (
    CASTLING,
    DOUBLE_PUSH,
    EN_PASSANT,
    FULLMOVE,
    HALFMOVE,
    KEY,
    KING,
    PAWN,
    REPETITIONS,
    ROOK,
    ROW_WORDS,
    SIDE,
    WHITE,
)
from engine.board.movegen import castling_squares, en_passant_is_legal
from engine.board.zobrist import CASTLING_KEYS, EN_PASSANT_KEYS, PIECE_KEYS, SIDE_KEY
from engine.native.bits import ctz
from engine.native.jit import kernel


@kernel()
def copy_row(source_row, target_row):
    """Copy a position. (An array assignment would compile broadcasting and its error messages into
    every caller.)
    """
    for word in range(ROW_WORDS):
        target_row[word] = source_row[word]


@kernel()
def make(source_row, move, target_row):
    """Play a legal move of `source_row` into `target_row`, with zero repetitions; `push` counts
    them.
    """
    copy_row(source_row, target_row)
    row = target_row
    side = np.int64(row[SIDE])
    move = np.int64(move)
    source = move & 63
    target = move >> 6 & 63
    promotion = move >> 12
    _clear_en_passant(row)
    row[HALFMOVE] += ONE
    row[FULLMOVE] += np.uint64(side)
    row[DOUBLE_PUSH] = ZERO
    row[REPETITIONS] = ZERO

    kind = piece_at(row, source)
    if kind == KING and bit(target) & row[CASTLING] & row[WHITE + side]:
        _castle(row, side, source, target)
    else:
        captured = piece_at(row, target)
        if captured >= 0:
            _toggle(row, 1 - side, captured, target)
            _drop_castling(row, bit(target))
            row[HALFMOVE] = ZERO
        _toggle(row, side, kind, source)
        _toggle(row, side, promotion or kind, target)
        if kind == PAWN:
            row[HALFMOVE] = ZERO
            if captured < 0 and (source ^ target) & 7:  # en passant
                _toggle(row, 1 - side, np.int64(PAWN), target ^ 8)
        elif kind == KING:
            _drop_castling(row, row[WHITE + side])
        else:
            _drop_castling(row, bit(source))
    row[SIDE] = np.uint64(1 - side)
    row[KEY] ^= SIDE_KEY
    if kind == PAWN and abs(target - source) == 16:
        _set_en_passant(row, 1 - side, (source + target) >> 1)


@kernel()
def make_null(source_row, target_row):
    """Pass: copy the position with the other side to move, for searches that try null moves."""
    copy_row(source_row, target_row)
    _clear_en_passant(target_row)
    target_row[SIDE] = np.uint64(1 - np.int64(source_row[SIDE]))
    target_row[KEY] ^= SIDE_KEY
    target_row[HALFMOVE] = ZERO  # repetitions do not reach back beyond a pass
    target_row[DOUBLE_PUSH] = ZERO
    target_row[REPETITIONS] = ZERO


@kernel()
def push(stack, ply, move):
    """Play a legal move from `stack[ply]` into `stack[ply + 1]` and count its repetitions in the
    whole stack.
    """
    make(stack[ply], move, stack[ply + 1])
    stack[ply + 1, REPETITIONS] = np.uint64(count_repetitions(stack, ply + 1))


@kernel()
def count_repetitions(stack, ply):
    """Return the number of earlier rows of the stack that hold the position of `stack[ply]`."""
    count = 0
    oldest = ply - min(ply, np.int64(stack[ply, HALFMOVE]))
    earlier = ply - 4  # a position can recur after four plies at the earliest
    while earlier >= oldest:
        if stack[earlier, KEY] == stack[ply, KEY]:
            count += 1
        earlier -= 2
    return count


@kernel()
def _toggle(row, side, kind, square):
    mask = bit(square)
    row[kind] ^= mask
    row[WHITE + side] ^= mask
    row[KEY] ^= PIECE_KEYS[6 * side + kind, square]


@kernel()
def _castle(row, side, king, rook):
    king_to, rook_to = castling_squares(king, rook)
    _drop_castling(row, row[WHITE + side])
    # Remove king and rook before placing either: in Chess960 their squares may overlap.
    _toggle(row, side, np.int64(KING), king)
    _toggle(row, side, np.int64(ROOK), rook)
    _toggle(row, side, np.int64(KING), king_to)
    _toggle(row, side, np.int64(ROOK), rook_to)


@kernel()
def _drop_castling(row, squares):
    dropped = row[CASTLING] & squares
    row[CASTLING] ^= dropped
    while dropped:
        row[KEY] ^= CASTLING_KEYS[ctz(dropped)]
        dropped &= dropped - ONE


@kernel()
def _clear_en_passant(row):
    if row[EN_PASSANT]:
        row[KEY] ^= EN_PASSANT_KEYS[ctz(row[EN_PASSANT]) & 7]
        row[EN_PASSANT] = ZERO


@kernel()
def _set_en_passant(row, side, square):
    """Set the square on which `side` may capture en passant, only if a capture is legal, because
    keys include it.
    """
    row[DOUBLE_PUSH] = bit(square)
    capturers = PAWN_ATTACKS[1 - side, square] & row[PAWN] & row[WHITE + side]
    while capturers:
        if en_passant_is_legal(row, side, ctz(capturers), square):
            row[EN_PASSANT] = bit(square)
            row[KEY] ^= EN_PASSANT_KEYS[square & 7]
            return
        capturers &= capturers - ONE
