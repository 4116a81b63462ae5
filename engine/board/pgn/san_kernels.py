"""Kernels that read moves in English SAN from bytes: the square of the one piece that can go there."""

import numpy as np

from engine.board.attacks import KING_ATTACKS, ONE, ZERO, attackers, bit, king_square, piece_attacks
from engine.board.layout import (
    BISHOP,
    CASTLING,
    EN_PASSANT,
    FILE_A,
    KING,
    KNIGHT,
    NO_MOVE,
    PAWN,
    QUEEN,
    RANK_1,
    RANK_8,
    ROOK,
    SIDE,
    WHITE,
)
from engine.board.movegen import ALL_SQUARES, en_passant_is_legal, generate
from engine.board.pgn.letters import (
    BIG_O,
    DASH_SIGN,
    DIGIT_1,
    EQUALS,
    EXCLAMATION,
    FILE_LETTER,
    HASH_SIGN,
    IN_MOVES,
    MOVE_ENDS,
    PLUS,
    QUESTION,
    RANK,
    SMALL_A,
    SMALL_X,
)
from engine.native.bits import ctz
from engine.native.jit import kernel

NO_SAN = -1  # the place behind a word that is no such move
_PIECES = np.zeros(256, np.int64)  # by letter; any other byte means a pawn
_PIECES[list(b"NBRQK")] = KNIGHT, BISHOP, ROOK, QUEEN, KING


@kernel()
def read_san_move(data, at, row, legal):
    """Return (code, place behind it, whether it is castling) of a move in English SAN; NO_SAN for
    another word.
    """
    castles = data[at] == BIG_O
    if castles:
        move, at = _read_castling(data, at, row, legal)
    else:
        move, at = _read_plain_move(data, at, row)
    if at < 0:
        return NO_MOVE, NO_SAN, False
    if data[at] in (PLUS, HASH_SIGN):
        at += 1
    mark = at
    while at < mark + 2 and data[at] in (EXCLAMATION, QUESTION):
        at += 1
    if not MOVE_ENDS[data[at]]:
        return NO_MOVE, NO_SAN, False
    return move, at, castles


@kernel()
def _read_castling(data, at, row, legal):
    parts = 1
    while parts < 4 and data[at + 1] == DASH_SIGN and data[at + 2] == BIG_O:
        parts += 1
        at += 2
    rooks = row[CASTLING] & row[WHITE + np.int64(row[SIDE])]
    king = king_square(row, np.int64(row[SIDE]))
    if (parts == 2 or parts == 3) and rooks:
        for i in range(generate(row, legal)):
            source, target = np.int64(legal[i]) & 63, np.int64(legal[i]) >> 6
            if (
                source == king
                and target < 64
                and bit(target) & rooks
                and (target > king) == (parts == 2)
            ):
                return legal[i], at + 1
    return NO_MOVE, NO_SAN


@kernel()
def _read_plain_move(data, at, row):
    """Return a move of the form [piece][file][rank][x]square[=piece]."""
    kind = _PIECES[data[at]]
    if kind != PAWN:
        at += 1
    end = at
    while end < at + 8 and IN_MOVES[data[end]]:
        end += 1
    if end - at < 2 or not (FILE_LETTER[data[end - 2]] and RANK[data[end - 1]]):
        return NO_MOVE, NO_SAN
    target = np.int64(data[end - 2]) - SMALL_A + 8 * (np.int64(data[end - 1]) - DIGIT_1)
    last = end - 2
    if end - at > 2 and data[end - 3] == SMALL_X:
        last -= 1
    # A capture that does not say by which pawn.
    if kind == PAWN and last == at and last < end - 2:
        return NO_MOVE, NO_SAN
    promotion = 0
    if data[end] == EQUALS:
        promotion = _PIECES[data[end + 1]]
        end += 2
        if not (KNIGHT <= promotion <= QUEEN):
            return NO_MOVE, NO_SAN
    if (promotion > 0) != (kind == PAWN and bit(target) & (RANK_1 | RANK_8) != ZERO):
        return NO_MOVE, NO_SAN
    source = _only_source(row, kind, np.int64(row[SIDE]), target, _named_squares(data, at, last))
    if source < 0:
        return NO_MOVE, NO_SAN
    return np.uint16(source | target << 6 | promotion << 12), end


@kernel()
def _named_squares(data, at, end):
    """Return the squares of the file and rank between two places; all for neither, none for
    anything else.
    """
    squares = ALL_SQUARES
    if at < end and FILE_LETTER[data[at]]:
        squares &= FILE_A << np.uint64(data[at] - SMALL_A)
        at += 1
    if at < end and RANK[data[at]]:
        squares &= RANK_1 << np.uint64(8 * (np.int64(data[at]) - DIGIT_1))
        at += 1
    return squares if at == end else ZERO


@kernel()
def _only_source(row, kind, side, target, sources):
    """Return the square of the one piece among `sources` that can move to a square; -1 if there is
    none, or several.
    """
    own, theirs = row[WHITE + side], row[WHITE + 1 - side]
    if bit(target) & own:
        return -1
    if kind == PAWN:
        candidates = _pawn_sources(row, side, target, sources, own, theirs)
    elif kind == KING:
        candidates = KING_ATTACKS[target]
    else:
        candidates = piece_attacks(kind, target, own | theirs)
    candidates &= row[kind] & own & sources
    king = king_square(row, side)
    only = -1
    while candidates:
        source = ctz(candidates)
        candidates &= candidates - ONE
        if _is_safe(row, side, source, target, target if kind == KING else king, own | theirs):
            if only >= 0:
                return -1
            only = source
    return only


@kernel()
def _is_safe(row, side, source, target, king, occupied):
    """Whether no enemy attacks the king after a move; en passant, the captured pawn leaves too."""
    after = occupied & ~bit(source) | bit(target)
    if row[EN_PASSANT] and target == ctz(row[EN_PASSANT]) and row[PAWN] & bit(source):
        return en_passant_is_legal(row, side, source, target)
    return attackers(row, king, after, 1 - side) & ~bit(target) == ZERO


@kernel()
def _pawn_sources(row, side, target, sources, own, theirs):
    """Squares from which a pawn may come to a square: without a file, the pawns on the square's
    own.
    """
    back = -8 if side == 0 else 8
    if not 0 <= target + back < 64:
        return ZERO
    single = bit(target + back)

    # A capture.
    if bit(target) & theirs or bit(target) & row[EN_PASSANT]:
        file = FILE_A << np.uint64(target & 7)
        if sources & file:  # no file is given, or the pawn's own: a capture names another
            return ZERO
        west = single & ~FILE_A
        east = single & ~(FILE_A << np.uint64(7))
        return west >> ONE | east << ONE

    # A push, which stays on its file.
    if single & row[PAWN] & own:
        return single
    if single & (own | theirs) or target >> 3 != (3 if side == 0 else 4):
        return ZERO
    return bit(target + 2 * back)
