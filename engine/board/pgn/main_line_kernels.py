"""Kernels that read main lines from the bytes of a PGN, game by game, as long as a game has the most common form.

That form: tags one a line; numbers with dots; moves in English SAN with O-O; comments in braces without braces or empty
lines in them; `$` marks; variations; a result, and behind it tags or number 1. It is a part of the grammar in
`engine.board.pgn`. At anything else a kernel stops at the beginning of the game, for the reader of the whole grammar.
"""

from __future__ import annotations

from typing import Final

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
from engine.board.makemove import copy_row, make
from engine.board.movegen import ALL_SQUARES, en_passant_is_legal, generate
from engine.native.bits import ctz
from engine.native.jit import kernel

# Why `read_main_lines` stopped, and, as negative places, why its parts did.
MORE: Final = 1  # the text ends inside a game
RARE: Final = 2  # a game that only the whole grammar reads
START: Final = 3  # a game with a start position or variant in its tags
FULL: Final = 4  # no room for another game

# Columns of the games. Places are bytes; ratings are -1 if unknown; results are codes, 0 if there is none.
BEGIN, END, FIRST_MOVE, LAST_MOVE, RESULT, TAG_RESULT, WHITE_ELO, BLACK_ELO, COLUMNS = range(9)
NO_RESULT, WHITE_WINS, BLACK_WINS, DRAWN, UNKNOWN = range(5)
LONGEST: Final = 65_536  # most bytes of one word of the tags, or plies of a game

_SPACE, _LINE_FEED, _QUOTE, _STAR, _PLUS, _DASH, _DOT, _SLASH = 32, 10, 34, 42, 43, 45, 46, 47
_ZERO, _ONE, _TWO, _NINE, _EQUALS, _BIG_O, _SMALL_X = 48, 49, 50, 57, 61, 79, 120


@kernel()
def read_main_lines(data, begin, final, start_at, start, games, moves, rows, legal):
    """Read games from the byte `begin` on; returns (number of games, where the next one begins, why it stopped).

    data uint8 [n]; start uint64 [16] is the position of the game that begins at `start_at`, and the standard one of
    others; games int64 [G, COLUMNS]; moves uint16 [M], codes of `layout`; rows uint64 [3, 16] with the standard
    position in row 2, and legal uint16 [218] are scratch.
    """
    count, filled, at = 0, 0, begin
    while True:
        at = _skip_blank(data, at)
        if at >= len(data):
            return count, at, MORE
        if count == len(games) or len(moves) - filled < LONGEST:
            return count, at, FULL
        game = games[count]
        copy_row(start if at == start_at else rows[2], rows[0])
        game[BEGIN], game[FIRST_MOVE], game[RESULT], game[TAG_RESULT] = at, filled, NO_RESULT, NO_RESULT
        game[WHITE_ELO] = game[BLACK_ELO] = -1
        place = _read_tags(data, at, at == start_at, game) if data[at] == 91 else at
        if place >= 0:
            place = _read_moves(data, place, final, game, moves, rows, legal)
        if place < 0:
            return count, at, -place
        game[END] = place
        filled = game[LAST_MOVE]
        count += 1
        at = place


@kernel()
def _is_blank(byte):
    return byte == _SPACE or (9 <= byte <= 13) or byte == 95


@kernel()
def _is_digit(byte):
    return _ZERO <= byte <= _NINE


@kernel()
def _skip_blank(data, at):
    while at < len(data) and _is_blank(data[at]):
        at += 1
    return at


# ---- tags ---------------------------------------------------------------------------------------------------------


@kernel()
def _read_tags(data, at, has_start, game):
    """Read adjacent lines of tags; returns the place behind them."""
    first = True
    while at < len(data) and data[at] == 91:
        name = at + 1
        at = name
        while at < len(data) and (_is_letter(data[at]) or _is_digit(data[at])):
            at += 1
        name_end = at
        if at + 1 >= len(data) or name_end == name or data[at] != _SPACE or data[at + 1] != _QUOTE:
            return -(MORE if at + 1 >= len(data) else RARE)
        value = at + 2
        at = value
        while at < len(data) and data[at] != _QUOTE and data[at] != _LINE_FEED and data[at] != 92:
            at += 1
        if at + 2 >= len(data):
            return -MORE
        if data[at] != _QUOTE or data[at + 1] != 93 or data[at + 2] != _LINE_FEED:
            return -RARE
        reason = _take_tag(data, name, name_end, value, at, has_start, first, game)
        if reason:
            return -reason
        first = False
        at += 3
    return at if at < len(data) else -MORE


@kernel()
def _is_letter(byte):
    return 65 <= byte <= 90 or 97 <= byte <= 122


@kernel()
def _take_tag(data, name, name_end, value, end, has_start, first, game):
    """Note a tag that matters; returns 0, or why the game cannot be read here."""
    length = name_end - name
    if length == 3 and _is_word(data, name, b"fen"):
        return 0 if has_start else START
    if length == 5 and _is_word(data, name, b"setup"):
        return 0 if has_start else START
    if length == 7 and _is_word(data, name, b"variant"):
        return 0 if has_start else START
    if length == 5 and not first and _is_word(data, name, b"event"):
        return RARE
    if length == 6 and _is_word(data, name, b"result"):
        if data[name] != 82 or data[name + 1] != 101:
            return RARE
        result, place = _result_at(data, value)
        game[TAG_RESULT] = result if place == end else NO_RESULT
    if length == 8 and _is_word(data, name + 5, b"elo"):
        rating = _rating(data, value, end)
        if _is_word(data, name, b"white"):
            game[WHITE_ELO] = rating
        elif _is_word(data, name, b"black"):
            game[BLACK_ELO] = rating
    return 0


@kernel()
def _is_word(data, at, word):
    """Whether the letters at a place are those of a word in small letters, whatever their case."""
    for i in range(len(word)):  # noqa: SIM110 - kernels have no generators
        if data[at + i] | 32 != word[i]:
            return False
    return True


@kernel()
def _rating(data, at, end):
    rating = 0
    if not 1 <= end - at <= 4:
        return -1
    for place in range(at, end):
        if not _is_digit(data[place]):
            return -1
        rating = 10 * rating + data[place] - _ZERO
    return rating


@kernel()
def _result_at(data, at):
    """(result, place behind it) of a result, 0 if none stands there."""
    left = len(data) - at
    if left >= 1 and data[at] == _STAR:
        return UNKNOWN, at + 1
    if left >= 7 and data[at] == _ONE and data[at + 1] == _SLASH:
        if data[at + 2] == _TWO and data[at + 3] == _DASH and data[at + 4] == _ONE and data[at + 5] == _SLASH:
            return (DRAWN, at + 7) if data[at + 6] == _TWO else (NO_RESULT, at)
        return NO_RESULT, at
    if left >= 3 and data[at + 1] == _DASH:
        if data[at] == _ONE and data[at + 2] == _ZERO:
            return WHITE_WINS, at + 3
        if data[at] == _ZERO and data[at + 2] == _ONE:
            return BLACK_WINS, at + 3
    return NO_RESULT, at


# ---- movetext -----------------------------------------------------------------------------------------------------


@kernel()
def _read_moves(data, at, final, game, moves, rows, legal):
    """Read movetext from the position in rows[0] on; returns the place behind the result, or why it cannot."""
    filled, now = game[FIRST_MOVE], 0
    while True:
        at = _skip_blank(data, at)
        if at >= len(data):
            return -MORE
        byte = data[at]
        if byte == 123:
            at = _skip_comment(data, at)
        elif byte == 36:
            at = _skip_mark(data, at)
        elif byte == 40 and filled > game[FIRST_MOVE]:
            at = _skip_variation(data, at)
        elif _is_digit(byte) or byte == _STAR:
            result, place = _result_at(data, at)
            if data[game[BEGIN]] != 91 and _is_odd_without_tags(data, at, result, filled - game[FIRST_MOVE]):
                return -RARE
            if result:
                game[RESULT], game[LAST_MOVE] = result, filled
                return _end_of_game(data, place, final)
            at = _skip_number(data, at)
        elif _is_letter(byte):
            move, at = _read_move(data, at, rows[now], legal)
            if at >= 0:
                if filled - game[FIRST_MOVE] >= LONGEST - 1:
                    return -RARE
                moves[filled] = move
                filled += 1
                make(rows[now], move, rows[1 - now])
                now = 1 - now
        else:
            return -RARE
        if at < 0:
            return at


@kernel()
def _is_odd_without_tags(data, at, result, plies):
    """Whether a result or number may be one between games without tags: no moves before it, or number 1 behind some."""
    if result:
        return plies == 0
    return plies > 0 and data[at] == _ONE and at + 1 < len(data) and not _is_digit(data[at + 1])


@kernel()
def _end_of_game(data, at, final):
    """Where the next game begins: at a line with a tag, or a move number 1, behind white space; or the end."""
    if at < len(data) and not _is_blank(data[at]):
        return -RARE
    next_one = _skip_blank(data, at)
    if next_one >= len(data):
        return next_one if final else -MORE
    if data[next_one] == 91 and data[next_one - 1] == _LINE_FEED:
        return next_one
    if next_one + 1 >= len(data):
        return -RARE if final else -MORE
    return next_one if data[next_one] == _ONE and data[next_one + 1] == _DOT else -RARE


@kernel()
def _skip_comment(data, at):
    at += 1
    empty = False
    while at < len(data):
        byte = data[at]
        if byte == 125:
            return at + 1
        if byte == 123 or (byte == _LINE_FEED and empty):
            return -RARE
        if byte == _LINE_FEED:
            empty = True
        elif byte < 128 and not _is_blank(byte):
            empty = False
        at += 1
    return -MORE


@kernel()
def _skip_mark(data, at):
    value, first = 0, at + 1
    at = first
    while at < len(data) and _is_digit(data[at]) and at < first + 4:
        value = 10 * value + data[at] - _ZERO
        at += 1
    if at >= len(data):
        return -MORE
    return at if first < at and value <= 255 else -RARE


@kernel()
def _skip_number(data, at):
    """Skip digits and dots; behind them must be white space or a letter, and no number or mark."""
    first = at
    while at < len(data) and _is_digit(data[at]) and at < first + 6:
        at += 1
    dot = at
    while at < len(data) and data[at] == _DOT:
        at += 1
    if at >= len(data):
        return -MORE
    if at == dot or dot > first + 5 or not (_is_letter(data[at]) or _is_blank(data[at])):
        return -RARE
    at = _skip_blank(data, at)
    if at < len(data) and (data[at] == 36 or (_is_digit(data[at]) and not _result_at(data, at)[0])):
        return -RARE
    return at


@kernel()
def _skip_variation(data, at):
    """Skip a variation with those in it; its words need only be made of the signs that moves have."""
    depth = 0
    while at < len(data):
        byte = data[at]
        if byte == 123:
            at = _skip_comment(data, at)
            if at < 0:
                return at
            continue
        at += 1
        if byte == 40:
            depth += 1
        elif byte == 41:
            depth -= 1
            if depth == 0:
                return at
        elif byte > 122 or byte == 59 or 91 <= byte <= 93 or (at < len(data) and _is_odd_pair(byte, data[at])):
            return -RARE
    return -MORE


@kernel()
def _is_odd_pair(byte, following):
    """Whether two bytes are a line that begins with %, or a $ without a number."""
    return (byte == _LINE_FEED and following == 37) or (byte == 36 and not _is_digit(following))


# ---- moves --------------------------------------------------------------------------------------------------------


@kernel()
def _read_move(data, at, row, legal):
    """(code, place behind it) of a move in English SAN; of another word, why it cannot be read."""
    if data[at] == _BIG_O:
        move, at = _read_castling(data, at, row, legal)
    else:
        move, at = _read_plain_move(data, at, row)
    if at < 0:
        return NO_MOVE, at
    if at < len(data) and (data[at] == _PLUS or data[at] == 35):
        at += 1
    mark = at
    while at < len(data) and at < mark + 2 and (data[at] == 33 or data[at] == 63):
        at += 1
    if at >= len(data):
        return NO_MOVE, -MORE
    if not (_is_blank(data[at]) or data[at] == 123 or data[at] == 36):
        return NO_MOVE, -RARE
    return move, at


@kernel()
def _read_castling(data, at, row, legal):
    parts = 1
    while at + 2 < len(data) and data[at + 1] == _DASH and data[at + 2] == _BIG_O:
        parts += 1
        at += 2
    if at + 2 >= len(data):
        return NO_MOVE, -MORE
    rooks = row[CASTLING] & row[WHITE + np.int64(row[SIDE])]
    king = king_square(row, np.int64(row[SIDE]))
    if (parts == 2 or parts == 3) and rooks:
        for i in range(generate(row, legal)):
            source, target = np.int64(legal[i]) & 63, np.int64(legal[i]) >> 6
            if source == king and target < 64 and bit(target) & rooks and (target > king) == (parts == 2):
                return legal[i], at + 1
    return NO_MOVE, -RARE


@kernel()
def _read_plain_move(data, at, row):
    """A move of the form [piece][file][rank][x]square[=piece]."""
    kind = _piece_of(data[at])
    at += kind != PAWN
    end = at
    while end < len(data) and (97 <= data[end] <= 104 or 49 <= data[end] <= 56 or data[end] == _SMALL_X):
        end += 1
    if end + 1 >= len(data):
        return NO_MOVE, -MORE
    if end - at < 2 or data[end - 2] < 97 or data[end - 2] == _SMALL_X or data[end - 1] > 56:
        return NO_MOVE, -RARE
    target = np.int64(data[end - 2]) - 97 + 8 * (np.int64(data[end - 1]) - 49)
    last = end - 2 - (end - at > 2 and data[end - 3] == _SMALL_X)
    sources = ALL_SQUARES
    if last > at and 97 <= data[at] <= 104:
        sources &= FILE_A << np.uint64(data[at] - 97)
        at += 1
    if last > at and data[at] <= 56:
        sources &= RANK_1 << np.uint64(8 * (np.int64(data[at]) - 49))
        at += 1
    if at != last:
        return NO_MOVE, -RARE
    promotion = 0
    if data[end] == _EQUALS:
        promotion = _piece_of(data[end + 1])
        end += 2
        if not (KNIGHT <= promotion <= QUEEN):
            return NO_MOVE, -RARE
    side = np.int64(row[SIDE])
    if (promotion > 0) != (kind == PAWN and bit(target) & (RANK_1 | RANK_8) != ZERO):
        return NO_MOVE, -RARE
    source = _only_source(row, kind, side, target, sources)
    if source < 0:
        return NO_MOVE, -RARE
    return np.uint16(source | target << 6 | promotion << 12), end


@kernel()
def _piece_of(byte):
    """The piece that a letter means; PAWN for any other byte."""
    if byte == 78:
        return KNIGHT
    if byte == 66:
        return BISHOP
    if byte == 82:
        return ROOK
    if byte == 81:
        return QUEEN
    if byte == 75:
        return KING
    return PAWN


@kernel()
def _only_source(row, kind, side, target, sources):
    """The square of the one piece among `sources` that can move to a square; -1 if there is none, or several."""
    own, theirs = row[WHITE + side], row[WHITE + 1 - side]
    if bit(target) & own:
        return -1
    if kind == PAWN:
        found = _pawn_sources(row, side, target, sources, own, theirs)
    elif kind == KING:
        found = KING_ATTACKS[target]
    else:
        found = piece_attacks(kind, target, own | theirs)
    found &= row[kind] & own & sources
    king = king_square(row, side)
    only = -1
    while found:
        source = ctz(found)
        found &= found - ONE
        if _is_safe(row, side, source, target, target if kind == KING else king, own | theirs):
            if only >= 0:
                return -1
            only = source
    return only


@kernel()
def _is_safe(row, side, source, target, king, occupied):
    """Whether no enemy attacks the king behind a move; en passant, the captured pawn leaves, too."""
    after = occupied & ~bit(source) | bit(target)
    if row[EN_PASSANT] and target == ctz(row[EN_PASSANT]) and row[PAWN] & bit(source):
        return en_passant_is_legal(row, side, source, target)
    return attackers(row, king, after, 1 - side) & ~bit(target) == ZERO


@kernel()
def _pawn_sources(row, side, target, sources, own, theirs):
    """Squares from which a pawn may come to a square: without a file, the pawns on the square's own."""
    back = -8 if side == 0 else 8
    file = FILE_A << np.uint64(target & 7)
    if not 0 <= target + back < 64:
        return ZERO
    if bit(target) & theirs or bit(target) & row[EN_PASSANT]:
        if sources & file:  # no file is given, or the pawn's own: a capture names another
            return ZERO
        near = bit(target + back)
        west, east = near & ~FILE_A, near & ~(FILE_A << np.uint64(7))
        return west >> ONE | east << ONE
    single = bit(target + back)
    if single & row[PAWN] & own:
        return single & file
    if single & (own | theirs) or target >> 3 != (3 if side == 0 else 4):
        return ZERO
    return bit(target + 2 * back) & file
