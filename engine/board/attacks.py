"""Attack sets: which squares a piece reaches, and which pieces reach a square.

Sliders use hyperbola quintessence: with o the occupied squares of a line and s the slider, o - 2s
runs up from s to the first blocker, and the same subtraction on the byte-reversed board runs down.
Files and diagonals have one square per rank, so reversing the bytes reverses the line. A rank has
all its squares in one byte and uses a small table.
https://www.chessprogramming.org/Hyperbola_Quintessence
"""

import numpy as np

from engine.board.layout import (
    BISHOP,
    BLACK,
    FILE_A,
    FILE_H,
    KING,
    KNIGHT,
    PAWN,
    QUEEN,
    ROOK,
    SIDE,
    WHITE,
)
from engine.native.bits import byteswap, ctz
from engine.native.jit import kernel

ONE = np.uint64(1)
ZERO = np.uint64(0)
RANK_SHIFT_MASK = np.uint64(56)
SIX_INNER_BITS = np.uint64(63)
_EVEN_FILES, _FILE_PAIRS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
LEFT_FILES = np.uint64(0x0F0F0F0F0F0F0F0F)

# Words of a side's attack sets: squares attacked by each kind of piece, by any piece, and by at
# least two pieces.
BY_PAWN = 0
BY_MINOR = 1
BY_ROOK = 2
BY_QUEEN = 3
BY_KING = 4
BY_ANY = 5
BY_TWO = 6


def _leaper_table(steps: list[tuple[int, int]]) -> np.ndarray:
    """Targets of a piece that jumps by (file, rank) steps, uint64 [64]."""
    table = np.zeros(64, np.uint64)
    for square in range(64):
        for df, dr in steps:
            file, rank = square % 8 + df, square // 8 + dr
            if 0 <= file < 8 and 0 <= rank < 8:
                table[square] |= np.uint64(1 << (rank * 8 + file))
    return table


def _line_table(df: int, dr: int) -> np.ndarray:
    """Squares of the line through each square in directions +-(df, dr), excluding the square
    itself, uint64 [64].
    """
    steps = [(df * k, dr * k) for k in range(-7, 8) if k]
    return _leaper_table(steps)


def _rank_table() -> np.ndarray:
    """Attacks along a rank as 8-bit sets, uint64 [64 * 8]; the index is (six inner occupied bits) *
    8 + file.
    """
    table = np.zeros(64 * 8, np.uint64)
    for inner in range(64):
        for file in range(8):
            for step in (-1, 1):
                f = file + step
                while 0 <= f < 8:
                    table[inner * 8 + file] |= np.uint64(1 << f)
                    if inner << 1 >> f & 1:
                        break
                    f += step
    return table


# By (file, rank), clockwise.
KNIGHT_JUMPS = [(1, 2), (2, 1), (2, -1), (1, -2), (-1, -2), (-2, -1), (-2, 1), (-1, 2)]
KNIGHT_ATTACKS = _leaper_table(KNIGHT_JUMPS)
KING_ATTACKS = _leaper_table([(f, r) for f in (-1, 0, 1) for r in (-1, 0, 1) if f or r])
# [side, square].
PAWN_ATTACKS = np.stack([_leaper_table([(-1, 1), (1, 1)]), _leaper_table([(-1, -1), (1, -1)])])
FILE_LINE = _line_table(0, 1)
RANK_LINE = _line_table(1, 0)
DIAGONAL_LINE = _line_table(1, 1)
ANTIDIAGONAL_LINE = _line_table(1, -1)
RANK_ATTACKS = _rank_table()


@kernel()
def bit(square):
    """Return the bitboard of one square."""
    return ONE << np.uint64(square)


@kernel()
def _line_attacks(square, occupied, line):
    blockers = occupied & line
    slider = bit(square)
    up = blockers - slider
    down = byteswap(byteswap(blockers) - byteswap(slider))
    return (up ^ down) & line


@kernel()
def bishop_attacks(square, occupied):
    """Squares a bishop on `square` attacks, given the occupied squares."""
    rising = _line_attacks(square, occupied, DIAGONAL_LINE[square])
    return rising | _line_attacks(square, occupied, ANTIDIAGONAL_LINE[square])


@kernel()
def rook_attacks(square, occupied):
    """Squares a rook on `square` attacks, given the occupied squares."""
    shift = np.uint64(square) & RANK_SHIFT_MASK
    inner = (occupied >> (shift + ONE)) & SIX_INNER_BITS
    along_rank = RANK_ATTACKS[np.int64(inner) * 8 + (square & 7)] << shift
    return _line_attacks(square, occupied, FILE_LINE[square]) | along_rank


@kernel()
def piece_attacks(kind, square, occupied):
    """Squares that a knight, bishop, rook or queen on `square` attacks, given the occupied squares."""
    if kind == KNIGHT:
        return KNIGHT_ATTACKS[square]
    targets = ZERO
    if kind != ROOK:
        targets |= bishop_attacks(square, occupied)
    if kind != BISHOP:
        targets |= rook_attacks(square, occupied)
    return targets


@kernel()
def targets_of(kind, square, side, occupied):
    """Squares that a piece of a side on `square` attacks, given the occupied squares."""
    if kind == PAWN:
        return PAWN_ATTACKS[side, square]
    if kind == KING:
        return KING_ATTACKS[square]
    return piece_attacks(kind, square, occupied)


@kernel()
def king_steps(a, b):
    """King's steps between two squares."""
    return max(abs((a & 7) - (b & 7)), abs((a >> 3) - (b >> 3)))


@kernel()
def flip_files(board):
    """Swap files a and h, b and g, ..."""
    board = ((board >> np.uint64(1)) & _EVEN_FILES) | ((board & _EVEN_FILES) << np.uint64(1))
    board = ((board >> np.uint64(2)) & _FILE_PAIRS) | ((board & _FILE_PAIRS) << np.uint64(2))
    return ((board >> np.uint64(4)) & LEFT_FILES) | ((board & LEFT_FILES) << np.uint64(4))


@kernel()
def line_through(a, b):
    """Return the whole rank, file or diagonal through two squares, excluding `a`; empty where they
    share none.
    """
    target = bit(b)
    if FILE_LINE[a] & target:
        return FILE_LINE[a]
    if RANK_LINE[a] & target:
        return RANK_LINE[a]
    if DIAGONAL_LINE[a] & target:
        return DIAGONAL_LINE[a]
    if ANTIDIAGONAL_LINE[a] & target:
        return ANTIDIAGONAL_LINE[a]
    return ZERO


@kernel()
def squares_between(a, b):
    """Squares strictly between two squares on a line; empty where they share no line."""
    line = line_through(a, b)
    if line == ZERO:
        return ZERO
    # Intersect the attacks from both ends along the shared line only.
    if line == FILE_LINE[a] or line == RANK_LINE[a]:
        return rook_attacks(a, bit(b)) & rook_attacks(b, bit(a)) & line
    return bishop_attacks(a, bit(b)) & bishop_attacks(b, bit(a)) & line


@kernel()
def attackers(row, square, occupied, side):
    """Pieces of `side` that attack `square`.

    Pieces outside `occupied` neither block sliders nor attack; leave out pieces that are assumed to
    be gone.
    """
    diagonal = row[BISHOP] | row[QUEEN]
    straight = row[ROOK] | row[QUEEN]
    attacking = PAWN_ATTACKS[1 - side, square] & row[PAWN]
    attacking |= KNIGHT_ATTACKS[square] & row[KNIGHT]
    attacking |= KING_ATTACKS[square] & row[KING]
    attacking |= bishop_attacks(square, occupied) & diagonal
    attacking |= rook_attacks(square, occupied) & straight
    return attacking & row[WHITE + side] & occupied


@kernel()
def is_attacked(row, square, occupied, side):
    """Whether `side` attacks `square`; cheaper than `attackers` because it stops at the first
    attacker.
    """
    theirs = row[WHITE + side]
    if PAWN_ATTACKS[1 - side, square] & row[PAWN] & theirs:
        return True
    if KNIGHT_ATTACKS[square] & row[KNIGHT] & theirs:
        return True
    if KING_ATTACKS[square] & row[KING] & theirs:
        return True
    diagonal = (row[BISHOP] | row[QUEEN]) & theirs
    if diagonal and bishop_attacks(square, occupied) & diagonal:
        return True
    straight = (row[ROOK] | row[QUEEN]) & theirs
    return straight != ZERO and (rook_attacks(square, occupied) & straight) != ZERO


@kernel()
def king_square(row, side):
    """Square of a side's king."""
    return ctz(row[KING] & row[WHITE + side])


@kernel()
def in_check(row):
    """Whether the side to move is in check."""
    side = np.int64(row[SIDE])
    return is_attacked(row, king_square(row, side), row[WHITE] | row[WHITE + 1], 1 - side)


@kernel()
def piece_at(row, square):
    """Kind of the piece on a square (PAWN ... KING), or -1."""
    target = bit(square)
    if not (row[WHITE] | row[WHITE + 1]) & target:
        return -1
    for kind in range(KING):
        if row[kind] & target:
            return kind
    return KING


@kernel()
def pawn_attacks_by_side(pawns, side):
    """(squares that a side's pawns attack towards file a, towards file h)."""
    west, east = pawns & ~FILE_A, pawns & ~FILE_H
    if side == 0:
        return west << np.uint64(7), east << np.uint64(9)
    return west >> np.uint64(9), east >> np.uint64(7)


@kernel()
def pawn_attack_set(pawns, side):
    """All squares that a side's pawns attack."""
    west, east = pawn_attacks_by_side(pawns, side)
    return west | east


@kernel()
def check_squares(row):
    """Squares from which the mover's pawns, knights, bishops and rooks would give check: four
    bitboards.
    """
    side = np.int64(row[SIDE])
    king = king_square(row, 1 - side)
    occupied = row[WHITE] | row[BLACK]
    return (
        PAWN_ATTACKS[1 - side, king],
        KNIGHT_ATTACKS[king],
        bishop_attacks(king, occupied),
        rook_attacks(king, occupied),
    )


@kernel()
def write_attacks(row, side, sets):
    """Write the attack sets of a side into uint64 [8], ignoring pins and whose move it is."""
    own = row[WHITE + side]
    occupied = own | row[BLACK - side]
    west, east = pawn_attacks_by_side(row[PAWN] & own, side)
    pawns = west | east
    king = KING_ATTACKS[king_square(row, side)]
    sets[BY_PAWN] = pawns
    sets[BY_KING] = king
    sets[BY_TWO] = west & east | pawns & king
    sets[BY_ANY] = pawns | king
    sets[BY_MINOR] = sets[BY_ROOK] = sets[BY_QUEEN] = ZERO
    for kind in range(KNIGHT, QUEEN + 1):
        pieces = row[kind] & own
        while pieces:
            targets = piece_attacks(kind, ctz(pieces), occupied)
            sets[max(BY_MINOR, kind - KNIGHT)] |= targets
            sets[BY_TWO] |= sets[BY_ANY] & targets
            sets[BY_ANY] |= targets
            pieces &= pieces - ONE
