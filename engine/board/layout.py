"""The words of a position row, the bits of a move, and square geometry.

A position is a row of 16 uint64 words (128 bytes, two cache lines), so copy-make is one small copy
and a path's history is simply the stack of rows. Squares are a1=0, b1=1, ... h8=63; a bitboard has
bit `1 << square`.

A move is a uint16: from-square | to-square << 6 | promotion << 12, promotion 0 none, 1 knight ... 4
queen. Castling is the king taking its own rook (e1h1), in standard chess as in Chess960.
"""

import numpy as np

# Words 0 to 5 are bitboards of both colours, one for each kind of piece.
PAWN = 0
KNIGHT = 1
BISHOP = 2
ROOK = 3
QUEEN = 4
KING = 5
WHITE = 6  # squares occupied by White
BLACK = 7  # squares occupied by Black; side s occupies row[WHITE + s]
CASTLING = 8  # bitboard of the rooks that may still castle
EN_PASSANT = 9  # bit of the en passant square, only where a legal en passant capture exists
SIDE = 10  # side to move: 0 White, 1 Black
HALFMOVE = 11  # plies since the last capture or pawn move
FULLMOVE = 12  # move number, starts at 1 and increases after Black's move
KEY = 13  # Zobrist key over pieces, castling, en passant and side to move
REPETITIONS = 14  # how often this position occurred earlier in its stack
# Bit of the square that the last double push passed over, capturable or not.
DOUBLE_PUSH = 15
ROW_WORDS = 16

NO_MOVE = np.uint16(0)  # a1a1, which is never a legal move
CASTLING_FLAG = 1 << 15  # Marks castling in a code that is read without its position.
MAX_MOVES = 218  # the largest number of legal moves of any reachable position

RANK_1 = np.uint64(0xFF)
RANK_8 = np.uint64(0xFF << 56)
FILE_A = np.uint64(0x0101010101010101)
FILE_H = np.uint64(0x8080808080808080)
DARK_SQUARES = np.uint64(0xAA55AA55AA55AA55)


def empty_stack(rows: int) -> np.ndarray:
    """Return a stack for `rows` positions, uint64 [rows, 16], all zero."""
    return np.zeros((rows, ROW_WORDS), np.uint64)
