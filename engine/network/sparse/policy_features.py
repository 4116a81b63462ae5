"""The sparse family's inputs: the indices of active features.

Everything is seen from the side to move: for Black the board is mirrored vertically and the colours
swap. If the mover's king stands on files a to d, the board is also mirrored horizontally, so the
king is always on files e to h.

    (((piece * 2 + phase) * 2 + defended) * 2 + attacked) * 64 + square    piece: our P N B R Q K, then theirs;
                                                             `attacked` by its enemy, `defended` by its own side
    6144 + 66 * phase + a number of its state:
        0 1      we may castle to the side of file a, of file h, after mirroring      2 3    they may
        4..11    the file of an en passant capture              12..15    fifty-move counter from 20, 40, 60, 80
        16..65   the quiescence balance, from far below zero to far above: who is ahead once captures are over. A sum
                 over pieces cannot tell which of several hanging pieces falls first; quiescence search can

    6276 + (((phase * 2 + whose) * 3 + enemy king) * 2 + own king) * 64 + square    a passed pawn, ours or theirs; its
                 enemy king is outside its square, inside, or beside the square in front of the pawn; whether its own
                 king is within two steps of that square

The phase is 0 with at most 20 pieces on the board, 1 with more: every feature is one number in
endings and another in middlegames. A position costs as much as without phases, because it has as
many features.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import BY_ANY, ONE, king_square, king_steps, write_attacks
from engine.board.layout import BLACK, CASTLING, EN_PASSANT, HALFMOVE, KING, PAWN, SIDE, WHITE
from engine.native.bits import ctz
from engine.native.jit import kernel
from engine.network.accumulator.piece_count import number_of_pieces
from engine.network.value.value_features import flip_of
from engine.tactics.classical import PASSED_MASKS
from engine.tactics.quiescence import QuiescenceSpace, settled_value

PHASES = 2
PIECES_OF_ENDINGS = 20  # most pieces in phase 0
PIECE_NUMBERS = 4 * 64  # features of a piece in one phase
PIECE_FEATURES = 12 * PHASES * PIECE_NUMBERS
CASTLING_FEATURE = 0  # the first number of each kind of state, within a phase
EN_PASSANT_FEATURE = CASTLING_FEATURE + 4
COUNTER_FEATURE = EN_PASSANT_FEATURE + 8
BALANCE_FEATURE = COUNTER_FEATURE + 4
STATE_FEATURES = BALANCE_FEATURE + 50
PASSED_FEATURE = PIECE_FEATURES + PHASES * STATE_FEATURES
PASSED_NUMBERS = 2 * 3 * 2 * 64  # of one phase
FEATURES = PASSED_FEATURE + PHASES * PASSED_NUMBERS
# 32 pieces, 16 passed pawns, 4 castling rights, en passant, counter, balance; rounded up.
MAX_ACTIVE = 56
COUNTER_STEP = 20  # plies between the thresholds of the fifty-move counter's features
# Shape of the piece features: [piece, phase, attacked and defended, square].
FEATURE_GROUPS = (12, PHASES * 4, 64)

THREATS = 6  # what a move may threaten, 0 for nothing (`moves`)
# How many sorts of move there are in each way of sorting them (`moves`)
SORTS = (324, 6480, 5832, 2916)


class Sight(NamedTuple):
    """One thread's scratch for `look`."""

    captures: QuiescenceSpace
    attacks: Annotated[np.ndarray, "uint64 [2, 8]"]  # attack sets of White and Black
    # By kind of the moving piece: squares on which it seems to be lost.
    unsafe: Annotated[np.ndarray, "uint64 [8]"]
    # By threat and kind: squares from which it is made (`moves`)
    threats: Annotated[np.ndarray, "uint64 [THREATS, 8]"]
    features: Annotated[np.ndarray, "int16 [MAX_ACTIVE]"]  # out: indices of active features
    rows: Annotated[np.ndarray, "int16 [218]"]  # out: policy row of each legal move
    sorts: Annotated[np.ndarray, "int16 [218, 4]"]  # out: what sorts of move each is


@kernel()
def view_flip(row):
    """Mask to XOR squares with: 56 if Black is to move, plus 7 if the mover's king is on files a to
    d.
    """
    return flip_of(row, np.int64(row[SIDE]))


@kernel()
def write_features(row, level, sight):
    """Write the features of a position alone, with a given level of its balance, and the attack
    sets of both sides.
    """
    side = np.int64(row[SIDE])
    flip = view_flip(row)
    write_attacks(row, 0, sight.attacks[0])
    write_attacks(row, 1, sight.attacks[1])
    phase = np.int64(number_of_pieces(row) > PIECES_OF_ENDINGS)
    step, first = PHASES * PIECE_NUMBERS, phase * PIECE_NUMBERS
    count = write_pieces(row, side, 0, flip, sight.attacks, step, first, sight.features, 0)
    count = write_pieces(row, 1 - side, 6, flip, sight.attacks, step, first, sight.features, count)
    state = PIECE_FEATURES + phase * STATE_FEATURES
    count = write_state(row, side, flip, state, sight.features, count)
    sight.features[count] = state + BALANCE_FEATURE + level
    passed = PASSED_FEATURE + phase * PASSED_NUMBERS
    count = write_passed(row, side, flip, passed, sight.features, count + 1)
    return write_passed(row, 1 - side, flip, passed + PASSED_NUMBERS // 2, sight.features, count)


@kernel()
def settled_level(row, sight):
    """Level of a position's quiescence balance."""
    return balance_level(settled_value(row, sight.captures))


@kernel()
def is_calm(sight):
    """Whether the position of the last `settled_level` has no winning capture, and its side to move
    is not in check.
    """
    return sight.captures.nodes[0] == 1


@kernel()
def balance_level(settled_cp):
    """Level 0 to 49: on either side, steps of 25 centipawns up to 400, of 100 up to 1,200, and one
    for more.
    """
    size = abs(settled_cp)
    if size < 400:
        size //= 25
    else:
        size = min(16 + (size - 400) // 100, 24)
    if settled_cp >= 0:
        return 25 + size
    return 24 - size


@kernel()
def write_pieces(row, side, first_piece, flip, attacks, step, first, features, count):
    """Write one feature for each piece of a side from features[count] on, and return the new count.

    The features of a piece begin at piece * step + first.
    """
    own = row[WHITE + side]
    defended = attacks[side, BY_ANY]
    attacked = attacks[1 - side, BY_ANY]
    for kind in range(KING + 1):
        pieces = row[kind] & own
        base = (first_piece + kind) * step + first
        while pieces:
            square = ctz(pieces)
            shift = np.uint64(square)
            state = np.int64((defended >> shift & ONE) << ONE | attacked >> shift & ONE)
            features[count] = base + state * 64 + (square ^ flip)
            count += 1
            pieces &= pieces - ONE
    return count


@kernel()
def write_state(row, side, flip, base, features, count):
    """Write castling rights, en passant and counter, seen by `side`, from features[count]; returns
    the new count.

    base: what is added to their numbers.
    """
    rooks = row[CASTLING]
    while rooks:
        square = ctz(rooks)
        whose = np.int64(row[BLACK - side] >> np.uint64(square) & ONE)
        king = king_square(row, side ^ whose)
        towards_h = (square ^ flip) & 7 > (king ^ flip) & 7
        features[count] = base + CASTLING_FEATURE + 2 * whose + towards_h
        count += 1
        rooks &= rooks - ONE
    if row[EN_PASSANT]:
        features[count] = base + EN_PASSANT_FEATURE + ((ctz(row[EN_PASSANT]) ^ flip) & 7)
        count += 1
    if row[HALFMOVE] >= np.uint64(COUNTER_STEP):
        step = np.int64(row[HALFMOVE]) // COUNTER_STEP - 1
        features[count] = base + COUNTER_FEATURE + min(step, 3)
        count += 1
    return count


@kernel()
def write_passed(row, side, flip, base, features, count):
    """Write one feature for each passed pawn of a side from features[count] on, and return the new
    count.
    """
    pawns, enemies = row[PAWN] & row[WHITE + side], row[PAWN] & row[BLACK - side]
    own, enemy = king_square(row, side), king_square(row, 1 - side)
    forward, last_rank = 8, 56
    if side == 1:
        forward, last_rank = -8, 0
    while pawns:
        square = ctz(pawns)
        pawns &= pawns - ONE
        if PASSED_MASKS[side, square] & enemies:
            continue
        front = square + forward
        last = square & 7 | last_rank
        steps = abs((last >> 3) - (square >> 3))
        near = king_steps(own, front) <= 2
        guard = np.int64(king_steps(enemy, last) <= steps)
        if king_steps(enemy, front) <= 1:
            guard = np.int64(2)
        features[count] = base + (guard * 2 + near) * 64 + (square ^ flip)
        count += 1
    return count
