"""Kernels that read main lines from the bytes of a PGN, game by game, as long as a game has the most common form.

That form: tags one a line; numbers with dots; moves in English SAN with O-O; comments in braces without braces or empty
lines in them; `$` marks; variations; a result, and behind it tags or number 1. It is a part of the grammar in
`engine.board.pgn`. At anything else a kernel stops at the beginning of the game, for the reader of the whole grammar.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.board.makemove import copy_row, make
from engine.board.pgn.san_kernels import MORE, RARE, is_blank, read_san_move
from engine.native.jit import kernel

# Why `read_main_lines` stopped; as a negative place, why a part of it did. MORE and RARE are the other reasons.
OWN_START: Final = 3  # a game with a start position or variant in its tags
FULL: Final = 4  # no room for another game

# Columns of the games. Places are bytes; ratings are -1 if unknown; results are codes, 0 if there is none.
BEGIN, END, FIRST_MOVE, LAST_MOVE, RESULT, TAG_RESULT, WHITE_ELO, BLACK_ELO, COLUMNS = range(9)
NO_RESULT, WHITE_WINS, BLACK_WINS, DRAWN_GAME, UNKNOWN_OUTCOME = range(5)
LONGEST: Final = 65_536  # most bytes of one word of the tags, or plies of a game

_SPACE, _LINE_FEED, _QUOTE, _STAR, _DASH, _DOT, _SLASH, _ZERO, _ONE, _TWO, _NINE = b' \n"*-./0129'
_OPEN_TAG, _BACKSLASH, _CLOSE_TAG = b"[\\]"
_MARK, _PERCENT, _OPEN_LINE, _CLOSE_LINE, _SEMICOLON, _SMALL_Z, _OPEN_COMMENT, _CLOSE_COMMENT = b"$%();z{}"


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
        place = _read_tags(data, at, at == start_at, game) if data[at] == _OPEN_TAG else at
        if place >= 0:
            place = _read_moves(data, place, final, game, moves, rows, legal)
        if place < 0:
            return count, at, -place
        game[END] = place
        filled = game[LAST_MOVE]
        count += 1
        at = place


@kernel()
def _is_digit(byte):
    return _ZERO <= byte <= _NINE


@kernel()
def _skip_blank(data, at):
    while at < len(data) and is_blank(data[at]):
        at += 1
    return at


# ---- tags ---------------------------------------------------------------------------------------------------------


@kernel()
def _read_tags(data, at, has_start, game):
    """Read adjacent lines of tags; returns the place behind them."""
    first = True
    while at < len(data) and data[at] == _OPEN_TAG:
        name = at + 1
        at = name
        while at < len(data) and (_is_letter(data[at]) or _is_digit(data[at])):
            at += 1
        name_end = at
        if at + 1 >= len(data) or name_end == name or data[at] != _SPACE or data[at + 1] != _QUOTE:
            return -(MORE if at + 1 >= len(data) else RARE)
        value = at + 2
        at = value
        while at < len(data) and data[at] != _QUOTE and data[at] != _LINE_FEED and data[at] != _BACKSLASH:
            at += 1
        if at + 2 >= len(data):
            return -MORE
        if data[at] != _QUOTE or data[at + 1] != _CLOSE_TAG or data[at + 2] != _LINE_FEED:
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
    tells_start = length == 3 and _is_word(data, name, b"fen")
    tells_start |= length == 5 and _is_word(data, name, b"setup")
    if tells_start or (length == 7 and _is_word(data, name, b"variant")):
        return 0 if has_start else OWN_START
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
    rating = np.int64(0)  # in plain Python, a byte added to an int would stay a byte
    if not 1 <= end - at <= 4:
        return -1
    for place in range(at, end):
        if not _is_digit(data[place]):
            return -1
        rating = 10 * rating + data[place] - _ZERO
    return rating


@kernel()
def _result_at(data, at):
    """Return (result, place behind it) of a result, 0 if none stands there."""
    left = len(data) - at
    if left >= 1 and data[at] == _STAR:
        return UNKNOWN_OUTCOME, at + 1
    if left >= 7 and data[at] == _ONE and data[at + 1] == _SLASH:
        if data[at + 2] == _TWO and data[at + 3] == _DASH and data[at + 4] == _ONE and data[at + 5] == _SLASH:
            return (DRAWN_GAME, at + 7) if data[at + 6] == _TWO else (NO_RESULT, at)
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
        if byte == _OPEN_COMMENT:
            at = _skip_comment(data, at)
        elif byte == _MARK:
            at = _skip_mark(data, at)
        elif byte == _OPEN_LINE and filled > game[FIRST_MOVE]:
            at = _skip_variation(data, at)
        elif _is_digit(byte) or byte == _STAR:
            result, place = _result_at(data, at)
            if result and filled == game[FIRST_MOVE]:
                return -RARE
            if data[game[BEGIN]] != _OPEN_TAG and _is_odd_without_tags(data, at, result, filled - game[FIRST_MOVE]):
                return -RARE
            if result:
                game[RESULT], game[LAST_MOVE] = result, filled
                return _end_of_game(data, place, final)
            at = _skip_number(data, at)
        elif _is_letter(byte):
            move, at = read_san_move(data, at, rows[now], legal)
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
    """Return where the next game begins: at a line with a tag, or a move number 1, behind white space; or the end."""
    if at < len(data) and not is_blank(data[at]):
        return -RARE
    next_one = _skip_blank(data, at)
    if next_one >= len(data):
        return next_one if final else -MORE
    if next_one + 1 >= len(data):
        return -RARE if final else -MORE
    if data[next_one] == _OPEN_TAG and data[next_one - 1] == _LINE_FEED and _is_letter(data[next_one + 1]):
        return next_one
    return next_one if data[next_one] == _ONE and data[next_one + 1] == _DOT else -RARE


@kernel()
def _skip_comment(data, at):
    at += 1
    empty = False
    while at < len(data):
        byte = data[at]
        if byte == _CLOSE_COMMENT:
            return at + 1
        if byte == _OPEN_COMMENT or (byte == _LINE_FEED and empty):
            return -RARE
        if byte == _LINE_FEED:
            empty = True
        elif byte < 128 and not is_blank(byte):
            empty = False
        at += 1
    return -MORE


@kernel()
def _skip_mark(data, at):
    value, first = np.int64(0), at + 1
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
    if at == dot or dot > first + 5 or not (_is_letter(data[at]) or is_blank(data[at])):
        return -RARE
    at = _skip_blank(data, at)
    if at < len(data) and (data[at] == _MARK or (_is_digit(data[at]) and not _result_at(data, at)[0])):
        return -RARE
    return at


@kernel()
def _skip_variation(data, at):
    """Skip a variation with those in it; its words need only be made of the signs that moves have."""
    depth = 0
    while at < len(data):
        byte = data[at]
        if byte == _OPEN_COMMENT:
            at = _skip_comment(data, at)
            if at < 0:
                return at
            continue
        at += 1
        if byte == _OPEN_LINE:
            depth += 1
        elif byte == _CLOSE_LINE:
            depth -= 1
            if depth == 0:
                return at
        elif (
            byte > _SMALL_Z
            or byte == _SEMICOLON
            or _OPEN_TAG <= byte <= _CLOSE_TAG
            or (at < len(data) and _is_odd_pair(byte, data[at]))
        ):
            return -RARE
    return -MORE


@kernel()
def _is_odd_pair(byte, following):
    """Whether two bytes are a line that begins with %, or a $ without a number."""
    return (byte == _LINE_FEED and following == _PERCENT) or (byte == _MARK and not _is_digit(following))
