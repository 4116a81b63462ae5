"""Static evaluation in centipawns: material, piece squares, mobility, pawns and kings, tapered from
middlegame to endgame.

Every term is a pair (middlegame, endgame), mixed by the phase (24 with all pieces on the board, 0
with none). The piece-square tables come from formulas over the distances to the edge and to the
side's own back rank. The evaluation aims to be right about what is soon won or lost and roughly
right about the rest; quiescence search resolves captures before it calls this evaluation.

Every constant, those of the tables' formulas included, is set by hand where no other source is
named.
"""

import numpy as np

from engine.board.attacks import (
    KING_ATTACKS,
    ONE,
    ZERO,
    bit,
    king_square,
    king_steps,
    pawn_attack_set,
    piece_attacks,
)
from engine.board.layout import (
    BISHOP,
    BLACK,
    CASTLING,
    DARK_SQUARES,
    FILE_A,
    FILE_H,
    KING,
    KNIGHT,
    PAWN,
    QUEEN,
    RANK_1,
    RANK_8,
    ROOK,
    SIDE,
    WHITE,
)
from engine.native.bits import byteswap, ctz, popcount
from engine.native.jit import kernel

FULL_PHASE = 24  # The weights below of all pieces on the board. Letouzey, Fruit 2.1.
PHASE_WEIGHT = np.array([0, 1, 1, 2, 4, 0], np.int64)  # P N B R Q K. Letouzey, Fruit 2.1.
# [middlegame, endgame].
MATERIAL = np.array([[88, 325, 340, 470, 960, 0], [109, 305, 325, 525, 985, 0]], np.int64)

# Centipawns per safe square reached.
MOBILITY = np.array([[0, 6, 4, 4, 2, 0], [0, 4, 3, 3, 6, 0]], np.int64)
MOBILITY_NORM = np.array([0, 4, 6, 7, 13, 0], np.int64)  # squares an average piece reaches
# Danger units per attacked square beside the king.
RING_ATTACK = np.array([0, 9, 8, 11, 13, 0], np.int64)

BISHOP_PAIR = (38, 50)
DOUBLED_PAWN = (-14, -26)
ISOLATED_PAWN = (-16, -9)
# By rank.
PASSED_PAWN_CP = np.array([[0, 0, 0, 4, 18, 48, 96, 0], [0, 5, 10, 29, 50, 98, 162, 0]], np.int64)
BLOCKED_PASSER_PERCENT = 60  # of a passed pawn's value while a piece stands before it
ROOK_OPEN_FILE = (30, 10)
ROOK_HALF_OPEN_FILE = (17, 14)
PAWN_ATTACKS_PIECE = (46, 33)
HANGING_PIECE = (31, 26)  # centipawns for a piece that is attacked by a piece and undefended
SHIELD_PAWN = 13  # centipawns per pawn in front of the king
OPEN_FILE_AT_KING = -14
LOST_CASTLING = -28  # centipawns for a king in the centre without castling rights
EARLY_QUEEN_CP = -7  # centipawns per undeveloped minor piece while the queen is out
TEMPO = 14  # centipawns for the side to move
MOP_UP_EDGE = 12  # centipawns per step of the bare king away from the centre
MOP_UP_NEAR = 6  # centipawns per step of the winning king towards the bare king
DANGER_UNITS = 64  # the square of a king's danger is divided by this to give centipawns
ALL_CHANCES = 16  # sixteenths of a lead that count
OPPOSITE_BISHOP_CHANCES = 8  # the same with opposite bishops and pawns alone
NO_PAWN_CHANCES = 3  # the same for a leader without pawns that is not well ahead
WELL_AHEAD = 400  # centipawns of pieces: more than a minor piece, less than a rook

PAWN_IN_CENTRE = np.array([6, -14, 6, 22, 22, 6, 6, 6])  # centipawns on the d- or e-file, by rank
# Centipawns of a king on its back rank in the middle game, by file.
KING_ON_WING = np.array([24, 32, 18, -14, -18, -10, 34, 28])

FILES = FILE_A << np.arange(8, dtype=np.uint64)
BACK_RANKS = np.array([RANK_1, RANK_8])


def _piece_square_tables() -> np.ndarray:
    """Material plus square values in centipawns, int64 [2, 6, 64], White's view, a1 = 0."""
    tables = np.zeros((2, 6, 8, 8), np.int64)  # [..., rank, file]
    file = np.arange(8)
    rank = file[:, None]
    # 0 at the edge, 3 in the middle.
    inward_file = np.minimum(file, 7 - file)
    inward = inward_file + inward_file[:, None]
    far = np.maximum(0, rank - 3)
    tables[0, PAWN] = _pawns_in_the_middle_game(rank, inward_file)
    tables[1, PAWN] = 8 * far**2
    tables[:, KNIGHT] = 10 * inward - 26, 8 * inward - 22
    tables[0, KNIGHT, 0] -= 10
    tables[:, BISHOP] = 5 * inward - 12, 4 * inward - 10
    tables[0, BISHOP, 0] -= 14
    tables[0, ROOK] = 4 * inward_file - 6
    tables[:, ROOK, 6] += [[18], [22]]
    tables[:, QUEEN] = 2 * inward - 5 - 3 * far, 5 * inward - 14
    tables[0, KING] = KING_ON_WING - 32 * np.minimum(rank, 4)
    tables[1, KING] = 11 * inward - 30
    return tables.reshape(2, 6, 64) + MATERIAL[:, :, None]


def _pawns_in_the_middle_game(rank: np.ndarray, inward_file: np.ndarray) -> np.ndarray:
    table = (rank - 1) * (1 + 3 * inward_file)
    table[:, 3:5] += PAWN_IN_CENTRE[:, None]
    return table


def _passed_masks() -> np.ndarray:
    """Squares from which an enemy pawn stops a pawn of [side] on [square]: those ahead on its file
    and beside it.
    """
    masks = np.zeros((2, 64), np.uint64)
    for square in range(64):
        for stopper in range(64):
            if abs((stopper & 7) - (square & 7)) <= 1 and stopper >> 3 != square >> 3:
                masks[int(stopper >> 3 < square >> 3), square] |= np.uint64(1 << stopper)
    return masks


def _shield_masks() -> np.ndarray:
    """Squares on which a pawn of [side] shelters its king on [square]: the three files of the king,
    two ranks ahead.
    """
    masks = np.zeros((2, 64), np.uint64)
    for side, step in ((0, 1), (1, -1)):
        for square in range(64):
            for rank in ((square >> 3) + step, (square >> 3) + 2 * step):
                for file in range((square & 7) - 1, (square & 7) + 2):
                    if 0 <= rank < 8 and 0 <= file < 8:
                        masks[side, square] |= np.uint64(1 << (rank * 8 + file))
    return masks


PIECE_SQUARES = _piece_square_tables()
PASSED_MASKS = _passed_masks()
SHIELD_MASKS = _shield_masks()
EDGE_DISTANCE = np.array(
    [max(3 - min(s >> 3, 7 - (s >> 3)), 3 - min(s & 7, 7 - (s & 7))) for s in range(64)], np.int64
)


@kernel()
def evaluate(row):
    """Return static evaluation in centipawns for the side to move."""
    side = np.int64(row[SIDE])
    phase = game_phase(row)
    ours, theirs = _piece_terms(row, side), _piece_terms(row, 1 - side)
    lead = _side_score(row, side, phase, ours, theirs[3]) - _side_score(
        row, 1 - side, phase, theirs, ours[3]
    )
    leader = side if lead > 0 else 1 - side
    return lead * _winning_chances(row, leader) // ALL_CHANCES + TEMPO


@kernel()
def game_phase(row):
    """24 with all pieces on the board, 0 with pawns and kings alone."""
    phase = np.int64(0)
    for kind in range(KNIGHT, KING):
        phase += PHASE_WEIGHT[kind] * popcount(row[kind])
    return min(phase, FULL_PHASE)


@kernel()
def _side_score(row, side, phase, pieces, reached):
    """Score of a side from its `_piece_terms` and the squares that the other side's pieces attack."""
    theirs = row[BLACK - side]
    enemy_king = king_square(row, 1 - side)
    middlegame, endgame, danger, attacked = pieces
    pawn_middlegame, pawn_endgame = _pawn_terms(row, side)
    hit = popcount(pawn_attack_set(row[PAWN] & row[WHITE + side], side) & theirs & ~row[PAWN])
    defended = reached | pawn_attack_set(row[PAWN] & theirs, 1 - side) | KING_ATTACKS[enemy_king]
    loose = popcount(attacked & theirs & ~row[PAWN] & ~defended)
    middlegame += pawn_middlegame + hit * PAWN_ATTACKS_PIECE[0] + loose * HANGING_PIECE[0]
    endgame += pawn_endgame + hit * PAWN_ATTACKS_PIECE[1] + loose * HANGING_PIECE[1]
    middlegame += _king_shelter(row, side) + _development(row, side)
    if row[QUEEN] & row[WHITE + side]:
        middlegame += danger * danger // DANGER_UNITS
    if popcount(theirs) == 1:
        endgame += _mop_up(row, side, enemy_king)
    return (middlegame * phase + endgame * (FULL_PHASE - phase)) // FULL_PHASE


@kernel()
def _piece_terms(row, side):
    """Return a side's pieces, king included: (middlegame, endgame, danger to the enemy king,
    squares attacked by pieces).
    """
    own = row[WHITE + side]
    occupied = own | row[BLACK - side]
    safe = ~own & ~pawn_attack_set(row[PAWN] & row[BLACK - side], 1 - side)
    enemy_king = king_square(row, 1 - side)
    ring = KING_ATTACKS[enemy_king] | bit(enemy_king)
    flip = 56 * side
    king = king_square(row, side)
    middlegame = PIECE_SQUARES[0, KING, king ^ flip]
    endgame = PIECE_SQUARES[1, KING, king ^ flip]
    danger = np.int64(0)
    attacked = ZERO
    for kind in range(KNIGHT, KING):
        pieces = row[kind] & own
        while pieces:
            square = ctz(pieces)
            reach = piece_attacks(kind, square, occupied)
            attacked |= reach
            moves = popcount(reach & safe) - MOBILITY_NORM[kind]
            danger += RING_ATTACK[kind] * popcount(reach & ring)
            middlegame += PIECE_SQUARES[0, kind, square ^ flip] + MOBILITY[0, kind] * moves
            endgame += PIECE_SQUARES[1, kind, square ^ flip] + MOBILITY[1, kind] * moves
            pieces &= pieces - ONE
    if popcount(row[BISHOP] & own) > 1:
        middlegame += BISHOP_PAIR[0]
        endgame += BISHOP_PAIR[1]
    return middlegame, endgame, danger, attacked


@kernel()
def _pawn_terms(row, side):
    """(middlegame, endgame) of a side's pawns and of its rooks' files."""
    own_pawns = pawns = row[PAWN] & row[WHITE + side]
    their_pawns = row[PAWN] & row[BLACK - side]
    occupied = row[WHITE] | row[BLACK]
    if side == 1:  # From here on the side's pawns go up.
        pawns = byteswap(pawns)
        their_pawns = byteswap(their_pawns)
        occupied = byteswap(occupied)
    doubled = pawns & _below(pawns)
    stopped = _below(their_pawns)
    passed = pawns & ~(doubled | stopped | _beside(stopped))
    isolated = popcount(pawns & ~_beside(pawns | _below(pawns) | byteswap(_below(byteswap(pawns)))))
    middlegame = popcount(doubled) * DOUBLED_PAWN[0] + isolated * ISOLATED_PAWN[0]
    endgame = popcount(doubled) * DOUBLED_PAWN[1] + isolated * ISOLATED_PAWN[1]
    while pawns:
        square = ctz(pawns)
        middlegame += PIECE_SQUARES[0, PAWN, square]
        endgame += PIECE_SQUARES[1, PAWN, square]
        pawns &= pawns - ONE
    while passed:
        square = ctz(passed)
        percent = 100
        if occupied & bit(square + 8):
            percent = BLOCKED_PASSER_PERCENT
        middlegame += PASSED_PAWN_CP[0, square >> 3] * percent // 100
        endgame += PASSED_PAWN_CP[1, square >> 3] * percent // 100
        passed &= passed - ONE
    rooks = row[ROOK] & row[WHITE + side]
    while rooks:
        column = FILES[ctz(rooks) & 7]
        if not column & row[PAWN]:
            middlegame += ROOK_OPEN_FILE[0]
            endgame += ROOK_OPEN_FILE[1]
        elif not column & own_pawns:
            middlegame += ROOK_HALF_OPEN_FILE[0]
            endgame += ROOK_HALF_OPEN_FILE[1]
        rooks &= rooks - ONE
    return middlegame, endgame


@kernel()
def _below(squares):
    """All squares below those of a bitboard, on their files."""
    squares = squares >> np.uint64(8)
    squares |= squares >> np.uint64(8)
    squares |= squares >> np.uint64(16)
    return squares | squares >> np.uint64(32)


@kernel()
def _beside(squares):
    """Squares beside those of a bitboard, on their ranks."""
    return (squares & ~FILE_H) << ONE | (squares & ~FILE_A) >> ONE


@kernel()
def _king_shelter(row, side):
    """Middlegame score for pawns in front of the king, open files around it and the right to leave
    the centre.
    """
    king = king_square(row, side)
    own_pawns = row[PAWN] & row[WHITE + side]
    file = king & 7
    score = SHIELD_PAWN * popcount(SHIELD_MASKS[side, king] & own_pawns)
    for near in range(max(file - 1, 0), min(file + 1, 7) + 1):
        if not FILES[near] & own_pawns:
            score += OPEN_FILE_AT_KING
    if 2 < file < 6 and not row[CASTLING] & row[WHITE + side]:
        score += LOST_CASTLING
    return score


@kernel()
def _development(row, side):
    """Middlegame penalty for a queen that left home while minor pieces still stand on the back
    rank.
    """
    own = row[WHITE + side]
    queen_out = row[QUEEN] & own & ~BACK_RANKS[side]
    if not queen_out:
        return 0
    return EARLY_QUEEN_CP * popcount((row[KNIGHT] | row[BISHOP]) & own & BACK_RANKS[side])


@kernel()
def _mop_up(row, side, enemy_king):
    """Endgame score against a bare king: drive it to the edge and bring the winning king closer."""
    distance = king_steps(king_square(row, side), enemy_king)
    return MOP_UP_EDGE * EDGE_DISTANCE[enemy_king] + MOP_UP_NEAR * (7 - distance)


@kernel()
def _winning_chances(row, side):
    """How much of a side's lead counts, in sixteenths: little without pawns and when less than a
    rook ahead.
    """
    leader = row[WHITE + side]
    trailer = row[BLACK - side]
    if row[PAWN] & leader:
        bishops = row[BISHOP]
        only_bishops = not (row[KNIGHT] | row[ROOK] | row[QUEEN])
        have_one_each = popcount(bishops & leader) == 1 and popcount(bishops & trailer) == 1
        if only_bishops and have_one_each and popcount(bishops & DARK_SQUARES) == 1:
            return OPPOSITE_BISHOP_CHANCES
        return ALL_CHANCES
    lead = np.int64(0)
    for kind in range(KNIGHT, KING):
        lead += MATERIAL[1, kind] * (popcount(row[kind] & leader) - popcount(row[kind] & trailer))
    if lead > WELL_AHEAD:
        return ALL_CHANCES
    return NO_PAWN_CHANCES
