"""Policy logits from simple move features: a linear model over some twenty features of each legal
move.

Quiescence search follows captures, promotions and checks, and sees what exchange counting does not:
discovered attacks, pinned and overloaded defenders, mates. Quiet moves are scored by whether they
hang the piece, save one or attack one. `MOVE_WEIGHTS` were fitted by softmax regression to teacher
labels; the logits are for policy temperature 1.
"""

from typing import Annotated, NamedTuple

import numpy as np

from engine.board.attacks import ONE, ZERO, attackers, bit, king_square, piece_at, targets_of
from engine.board.layout import BISHOP, BLACK, CASTLING, KING, KNIGHT, PAWN, QUEEN, SIDE, WHITE
from engine.board.makemove import copy_row
from engine.native.bits import ctz, popcount
from engine.native.jit import kernel
from engine.tactics.classical import (
    BACK_RANKS,
    FULL_PHASE,
    PASSED_MASKS,
    PIECE_SQUARES,
    evaluate,
    game_phase,
)
from engine.tactics.quiescence import MATE_CP
from engine.tactics.see import PIECE_VALUES, see

# Feature indices. Material is in pawns, clipped at MOST; a quiet move is no capture, queen
# promotion or check.
GAIN = 0  # a forcing move's gain over the position's own quiescence value
CAPTURE_LOSS = 1  # a forcing move's loss against the position's own quiescence value
EQUAL_CAPTURE = 2  # 1 for a capture within 40 centipawns of the position's value
QUIET_CHECK = 3  # 1 for a check that captures nothing
HANGS = 4  # what a quiet move loses on its target square
RESCUES = 5  # what the moved piece would have lost where it stood, if it is safe now
SQUARE_GAIN = 6  # gain by the piece-square tables
ATTACKS = 7  # number of newly attacked pieces that are worth more or undefended
CASTLES = 8
FLANK_PAWN = 9  # a pawn beside its king moves while queens are on the board
PASSED_PAWN = 10  # ranks that a passed pawn has advanced
MINOR_PROMOTION = 11
DEVELOPS = 12  # a minor piece leaves the back rank
EARLY_QUEEN = 13  # undeveloped minor pieces when the queen moves quietly
LEAVES_CASTLING = 14  # a king or rook move that gives up castling
CENTRE_PAWN = 15  # a pawn move to the four centre squares
# What a quiet move leaves on the board: the position's quiescence value over its static one.
FORGOES = 16
LEAVES_HANGING = 17  # the greatest loss of another piece that a quiet move leaves hanging
PIECE = 18  # 18..23: a quiet move of a pawn, knight, bishop, rook, queen, king
N_FEATURES = 24

# fmt: off
MOVE_WEIGHTS = np.array([
    # GAIN (fitted 0.39: rare, and too good to miss), CAPTURE_LOSS, EQUAL_CAPTURE, QUIET_CHECK.
    0.60, -0.65, 0.68, 0.45,
    -0.64, 0.19, 1.76, 0.57,  # HANGS, RESCUES, SQUARE_GAIN, ATTACKS
    0.30, -0.27, 0.18, -1.49,  # CASTLES (fitted 0.16), FLANK_PAWN, PASSED_PAWN, MINOR_PROMOTION
    0.28, -0.06, -0.89, 0.17,  # DEVELOPS, EARLY_QUEEN, LEAVES_CASTLING, CENTRE_PAWN
    -0.51, -0.51,  # FORGOES, LEAVES_HANGING
    -0.53, -0.43, -0.59, -0.64, -0.69, -0.39,  # quiet moves by piece
])
# fmt: on

MOST = 5.0
CENTRE = np.uint64(0x0000001818000000)


class MoveSpace(NamedTuple):
    """One thread's scratch."""

    # Centipawns that would be lost on each square if the mover passed.
    hanging: Annotated[np.ndarray, "int64 [64]"]
    flipped: Annotated[np.ndarray, "uint64 [16]"]  # the position with the other side to move
    features: Annotated[np.ndarray, "float64 [N_FEATURES]"]


@kernel()
def score_moves(leaves, leaf, value, forcing, space):
    """Write logits of a leaf's legal moves.

    `value`: its quiescence value in centipawns; `forcing` int32 [218]: that after each forcing
    move, for the mover.
    """
    row = leaves.rows[leaf]
    forgone = min(MOST, max(0.0, 0.01 * (value - evaluate(row))))
    phase = game_phase(row)
    find_hanging(row, space)
    for i in range(leaves.n_moves[leaf]):
        change = 0.01 * (forcing[i] - value)
        describe_move(row, leaves.moves[leaf, i], change, forgone, phase, space)
        total = 0.0
        for k in range(N_FEATURES):
            total += MOVE_WEIGHTS[k] * space.features[k]
        leaves.logits[leaf, i] = total


@kernel()
def find_hanging(row, space):
    """Fill space.hanging with the loss that threatens on each square, in centipawns."""
    hanging, flipped = space.hanging, space.flipped
    side = np.int64(row[SIDE])
    copy_row(row, flipped)
    flipped[SIDE] = np.uint64(1 - side)
    occupied = row[WHITE] | row[BLACK]
    hanging[:] = 0
    pieces = row[WHITE + side] & ~row[KING]
    while pieces:
        square = ctz(pieces)
        takers = attackers(row, square, occupied, 1 - side)
        if takers:
            hanging[square] = max(0, see(flipped, np.uint16(_least(row, takers) | square << 6)))
        pieces &= pieces - ONE


@kernel()
def _least(row, pieces):
    """Square of the cheapest of `pieces`."""
    for kind in range(KING + 1):
        if row[kind] & pieces:
            return ctz(row[kind] & pieces)
    return 0


@kernel()
def describe_move(row, move, change, forgone, phase, space):
    """Write one legal move's features to space.features; `change` is in pawns if forcing, else far
    below zero.
    """
    f = space.features
    f[:] = 0.0
    side = np.int64(row[SIDE])
    code = np.int64(move)
    source = code & 63
    target = code >> 6 & 63
    promotion = code >> 12
    if row[WHITE + side] & bit(target):
        f[CASTLES] = 1.0
        return
    kind = piece_at(row, source)
    if promotion and promotion != QUEEN:
        f[MINOR_PROMOTION] = 1.0
    if change > -2.0 * MATE_CP:
        captures = row[BLACK - side] & bit(target) != ZERO or (
            kind == PAWN and (source ^ target) & 7 != 0
        )
        f[GAIN] = min(MOST, max(0.0, change))
        f[CAPTURE_LOSS] = min(MOST, max(0.0, -change))
        if captures and abs(change) < 0.4:
            f[EQUAL_CAPTURE] = 1.0
        if not captures and not promotion:
            f[QUIET_CHECK] = 1.0
    else:
        f[PIECE + kind] = 1.0
        f[FORGOES] = forgone
        f[LEAVES_HANGING] = min(MOST, 0.01 * _most_hanging(row, side, source, space.hanging))
        f[HANGS] = min(MOST, max(0.0, -0.01 * see(row, move)))
        if f[HANGS] == 0.0:
            f[RESCUES] = min(MOST, 0.01 * space.hanging[source])
        _describe_quiet(row, kind, side, source, target, f)
    f[SQUARE_GAIN] = 0.01 * _square_gain(kind, source ^ 56 * side, target ^ 56 * side, phase)
    if f[HANGS] == 0.0:
        f[ATTACKS] = _new_attacks(row, kind, side, source, target)


@kernel()
def _most_hanging(row, side, except_square, hanging):
    """Return the greatest loss, as in `hanging`, of a piece of `side` on a square other than
    `except_square`.
    """
    most = np.int64(0)
    pieces = row[WHITE + side] & ~bit(except_square)
    while pieces:
        most = max(most, hanging[ctz(pieces)])
        pieces &= pieces - ONE
    return most


@kernel()
def _describe_quiet(row, kind, side, source, target, f):
    own = row[WHITE + side]
    if kind == PAWN:
        king = king_square(row, side)
        beside = abs((source & 7) - (king & 7)) <= 1 and (king & 7) != 3 and (king & 7) != 4
        if beside and row[QUEEN] & row[BLACK - side]:
            f[FLANK_PAWN] = 1.0
        if not PASSED_MASKS[side, target] & row[PAWN] & row[BLACK - side]:
            f[PASSED_PAWN] = np.float64((target ^ 56 * side) >> 3)
        if bit(target) & CENTRE:
            f[CENTRE_PAWN] = 1.0
    elif kind in (KNIGHT, BISHOP):
        if bit(source) & BACK_RANKS[side] and not bit(target) & BACK_RANKS[side]:
            f[DEVELOPS] = 1.0
    elif kind == QUEEN:
        f[EARLY_QUEEN] = np.float64(popcount((row[KNIGHT] | row[BISHOP]) & own & BACK_RANKS[side]))
    rights = row[CASTLING] & own
    if rights and (kind == KING or rights & bit(source)):
        f[LEAVES_CASTLING] = 1.0


@kernel()
def _square_gain(kind, source, target, phase):
    """Gain by the piece-square tables in centipawns, with squares from the mover's view."""
    middlegame = PIECE_SQUARES[0, kind, target] - PIECE_SQUARES[0, kind, source]
    endgame = PIECE_SQUARES[1, kind, target] - PIECE_SQUARES[1, kind, source]
    return (middlegame * phase + endgame * (FULL_PHASE - phase)) / FULL_PHASE


@kernel()
def _new_attacks(row, kind, side, source, target):
    """Newly attacked enemy pieces that are undefended or worth more than the moved piece."""
    occupied = row[WHITE] | row[BLACK]
    before = targets_of(kind, source, side, occupied)
    occupied = occupied & ~bit(source) | bit(target)
    attacked = targets_of(kind, target, side, occupied) & ~before & row[BLACK - side] & ~row[KING]
    count = 0.0
    while attacked:
        square = ctz(attacked)
        is_worth_more = PIECE_VALUES[piece_at(row, square)] > PIECE_VALUES[kind] + 50
        if is_worth_more or not attackers(row, square, occupied, 1 - side):
            count += 1.0
        attacked &= attacked - ONE
    return count
