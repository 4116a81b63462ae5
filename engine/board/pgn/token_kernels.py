"""Kernels that cut a text into games and their tokens, and find the moves among them (grammar: `engine.board.pgn`)."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from engine.board.layout import KING
from engine.board.makemove import copy_row, make
from engine.board.pgn.letters import (
    BLANK,
    DASH,
    DIGIT,
    DOTS,
    LETTER,
    NO_RESULT,
    PADDING,
    SPACE,
    UNKNOWN_OUTCOME,
    ends_word,
    skip_blank,
    skip_spaces,
    spelled_result,
    symbol,
    word_end,
)  # fmt: skip
from engine.board.pgn.san_kernels import read_san_move
from engine.native.jit import kernel

# Why `cut_text` stopped; as a negative place, why a part of it did.
MORE: Final = 1  # the text ends inside a game
RARE: Final = 2  # only main lines are read, and this one needs its tokens
OWN_START: Final = 3  # a start position or variant in its tags
FULL: Final = 4  # no room for another game

# Columns of a game: places are bytes, results are codes of `letters`. Those behind FAULT_COUNT are notes of the kernels.
(BEGIN, END, FIRST_MOVE, LAST_MOVE, FIRST_TOKEN, LAST_TOKEN, RESULT, TAG_RESULT, TAGS, MOVETEXT, FAULT_COUNT, _HAS_START,
 _TOKENS, _ODD, _CLOSED, _DEPTH, _RESULT_END, _TAG_END, _LAST_PLACE, _ADJACENT, _NUMBERED, _PARENTHESIS, _OUTCOME,
 _OUTCOME_END, COLUMNS) = range(25)  # fmt: skip

# Columns and kinds of tokens. A tag is two: its name, and its VALUE_TEXT with whether backslashes mean themselves. The
# attribute of a number is 8 * (number + 1) + dots, of dots alone their count, of a fault reason + 16 * result before it.
KIND, PLACE, TILL, ATTRIBUTE, TOKEN_COLUMNS = range(5)
TAG, VALUE_TEXT, PIECE_MOVE, CASTLE, WORD, NUMBER, NAG, OPEN, CLOSE, TOLD, LINE_COMMENT, ESCAPE, BAD = range(13)
(NO_TOKEN, SECOND_RESULT, BEHIND_RESULT, NO_VARIATION, OPEN_VARIATION, STRAY_BRACKET, BAD_TAG, PROSE,
 OPEN_COMMENT) = range(9)  # fmt: skip
HIDES: Final = 2  # the attribute of a comment that may hide moves; 1 of one behind the result

# Columns of a line of moves by its depth: the row with its position, whether that is known, plies, token of its (.
_ROW, _KNOWN, _PLIES, _OPENED, LINE_COLUMNS = range(5)
DEEPEST_LINE: Final = 60  # variations in variations whose moves are found here
STANDARD: Final = 2 * DEEPEST_LINE + 2  # the row of the standard position, behind two of each depth
LONGEST_COMMENT: Final = 1 << 20  # bytes in which a comment must end
MOST_GAME_PLIES: Final = 65_536
DIAGRAM: Final = 220  # the NAG of (D)

_FEED, _QUOTE, _DOLLAR, _PERCENT, _OPEN_LINE, _CLOSE_LINE, _STAR, _DOT, _SLASH, _ZERO, _ONE, _COLON = b'\n"$%()*./01:'
_SEMICOLON, _EQUALS, _BIG_D, _OPEN_TAG, _BACKSLASH, _CLOSE_TAG, _SMALL_O, _OPEN_BRACE, _CLOSE_BRACE = b";=D[\\]o{}"
_HAS_MORE, _HAS_WORD = 1, 2  # bits of MOVETEXT
_NAME, _NAME_END, _VALUE, _VALUE_END, _BEHIND, _IS_RAW, TAG_PARTS = range(7)  # places of a tag, and if \ means itself
_NO_TAG, _BEGUN_TAG, _WHOLE_TAG = range(3)


class Desk(NamedTuple):
    """A text, and what is found in it."""

    data: np.ndarray  # uint8 [n + PADDING], line feeds behind n bytes of UTF-8
    final: int  # whether the text ends here
    whole: int  # whether whole games are read, or main lines only
    start_at: int  # place of a game whose tags were looked at; -1 for none
    start: np.ndarray  # uint64 [16], its first position; zeros if it has none
    games: np.ndarray  # int64 [G, COLUMNS]
    tokens: np.ndarray  # int32 [T, TOKEN_COLUMNS]; if only main lines are read, the tags alone
    moves: np.ndarray  # uint16 [M], main lines in codes of `layout`
    lines: np.ndarray  # int64 [DEEPEST_LINE + 1, LINE_COLUMNS], scratch
    rows: np.ndarray  # uint64 [STANDARD + 1, 16], scratch but for the standard position
    legal: np.ndarray  # uint16 [218], scratch
    tag: np.ndarray  # int64 [TAG_PARTS], scratch


@kernel()
def cut_text(desk, at):
    """Cut games from a place on; returns (number of games, where the next one begins, why it stopped)."""
    count, tokens, moves = 0, 0, 0
    while True:
        at = skip_blank(desk.data, at)
        if at >= len(desk.data) - PADDING:
            return count, at, MORE
        if count == len(desk.games) or len(desk.moves) - moves < MOST_GAME_PLIES:
            return count, at, FULL
        game, line = desk.games[count], desk.lines[0]
        for column in range(COLUMNS):
            game[column] = 0
        game[BEGIN] = game[_RESULT_END] = game[_TAG_END] = at
        game[FIRST_TOKEN] = game[LAST_TOKEN] = tokens
        game[FIRST_MOVE] = game[LAST_MOVE] = moves
        copy_row(desk.start if at == desk.start_at else desk.rows[STANDARD], desk.rows[0])
        line[_ROW], line[_KNOWN], line[_PLIES] = 0, desk.rows[0, KING] != 0, 0
        end = _cut_game(desk, game, at)
        if end < 0:
            return count, at, -end
        game[END] = at = end
        tokens, moves = game[LAST_TOKEN], game[LAST_MOVE]
        count += 1


@kernel()
def _cut_game(desk, game, at):
    """Cut a game off; returns where the next one begins, or why it cannot."""
    data, looks_for_start = desk.data, False
    size = len(data) - PADDING
    while not (game[_CLOSED] or looks_for_start):
        at = skip_blank(data, at)
        if not desk.final and at + PADDING > size:
            return -MORE
        if at >= size:
            break
        if len(desk.tokens) - game[LAST_TOKEN] < 4:
            return -FULL
        byte = data[at]
        if byte == _OPEN_TAG:
            at = _take_tag(desk, game, at)
        elif byte == _OPEN_BRACE or byte == _SEMICOLON or (byte == _PERCENT and (at == 0 or data[at - 1] == _FEED)):
            at = _take_comment(desk, game, at)
        elif game[RESULT] and not game[_DEPTH]:
            at = _take_behind_result(desk, game, at)
        elif game[_HAS_START] and game[BEGIN] != desk.start_at:
            looks_for_start = True
        else:
            at = _take_move(desk, game, at) if LETTER[byte] else _take_sign(desk, game, at)
        if at < 0:
            return at
        if game[_ODD] and not desk.whole:
            return -RARE
    if game[_HAS_START] and game[BEGIN] != desk.start_at:
        return -OWN_START
    if not desk.whole and (game[_DEPTH] or (game[_HAS_START] and desk.start[KING] == 0)):
        return -RARE
    if game[_DEPTH]:
        token = desk.tokens[desk.lines[1, _OPENED]]
        token[KIND], token[ATTRIBUTE] = BAD, OPEN_VARIATION
        game[FAULT_COUNT] += 1
    return at


@kernel()
def _put(desk, game, kind, place, till, attribute):
    """Note a token. A fault makes the position of its line unknown."""
    game[_TOKENS] += 1
    game[_LAST_PLACE] = place
    if kind == BAD:
        attribute += 16 * game[RESULT]
        game[FAULT_COUNT] += 1
        game[_ODD] = 1
    if (kind == BAD or kind == WORD) and game[_DEPTH] <= DEEPEST_LINE:
        desk.lines[game[_DEPTH], _KNOWN] = 0
    if desk.whole or kind <= VALUE_TEXT:
        token = desk.tokens[game[LAST_TOKEN]]
        token[KIND], token[PLACE], token[TILL], token[ATTRIBUTE] = kind, place, till, attribute
        game[LAST_TOKEN] += 1


@kernel()
def _feeds(data, begin, end):
    """Count the line feeds between two places."""
    count = 0
    for place in range(begin, end):
        count += data[place] == _FEED
    return count


@kernel()
def _line_end(data, at):
    while data[at] != _FEED:
        at += 1
    return at


# ---- tags ---------------------------------------------------------------------------------------------------------


@kernel()
def _take_tag(desk, game, at):
    data, tag = desk.data, desk.tag
    found = _find_tag(data, at, tag)
    if not desk.final and found != _WHOLE_TAG and _line_end(data, at) >= len(data) - PADDING:
        return -MORE
    if found != _WHOLE_TAG:
        before = at
        while before > 0 and data[before - 1] != _FEED and BLANK[data[before - 1]]:
            before -= 1
        is_cut = found == _BEGUN_TAG or game[_TOKENS] == 2 * game[TAGS] or (game[RESULT] and LETTER[data[at + 1]])
        if not (is_cut and (before == 0 or data[before - 1] == _FEED)):
            if game[RESULT] and not game[_DEPTH]:
                return _take_behind_result(desk, game, at)
            _put(desk, game, BAD, at, at, STRAY_BRACKET)
            return at + 1
    if _begins_next_game(desk, game, at, found):
        game[_CLOSED] = 1
        return at
    game[_ADJACENT] |= game[TAGS] and _feeds(data, game[_TAG_END], at) < 2
    if found != _WHOLE_TAG:
        game[_TAG_END] = _line_end(data, at)
        _put(desk, game, BAD, at, game[_TAG_END], BAD_TAG)
        return game[_TAG_END]
    name, end = tag[_NAME], tag[_NAME_END]
    game[_HAS_START] |= _is_word(data, name, end, b"fen") or _is_word(data, name, end, b"setup")
    if _is_word(data, name, end, b"variant"):
        game[_HAS_START] |= not _is_word(data, tag[_VALUE], tag[_VALUE_END], b"standard")
    if _is_word(data, name, end, b"result"):
        begin = tag[_VALUE]
        game[TAG_RESULT], last = spelled_result(data, begin, True)
        is_usual = game[TAG_RESULT] and last == tag[_VALUE_END] and (DIGIT[data[begin]] or data[begin] == _STAR)
        game[_OUTCOME], game[_OUTCOME_END] = begin, begin if is_usual else tag[_VALUE_END]
    game[TAGS] += 1
    game[_TAG_END] = tag[_BEHIND]
    _put(desk, game, TAG, name, end, at)
    _put(desk, game, VALUE_TEXT, tag[_VALUE], tag[_VALUE_END], tag[_IS_RAW])
    return game[_TAG_END]


@kernel()
def _find_tag(data, at, tag):
    """Look whether a tag stands at a bracket, is begun by a name and a quote, or not; note its places."""
    at = tag[_NAME] = skip_spaces(data, at + 1)
    while LETTER[data[at]] or DIGIT[data[at]] or (at > tag[_NAME] and _is_in_names(data[at])):
        at += 1
    tag[_NAME_END] = at
    at = skip_spaces(data, at)
    if tag[_NAME_END] == tag[_NAME] or data[at] != _QUOTE:
        return _NO_TAG
    tag[_VALUE] = at + 1
    for is_raw in range(2):  # a backslash keeps the next quote in the value, unless no other quote ends it
        at = tag[_VALUE]
        while data[at] != _FEED:
            bracket = skip_spaces(data, at + 1) if data[at] == _QUOTE else at
            if data[at] == _QUOTE and data[bracket] == _CLOSE_TAG:
                tag[_VALUE_END], tag[_BEHIND], tag[_IS_RAW] = at, bracket + 1, is_raw
                return _WHOLE_TAG
            is_escape = data[at] == _BACKSLASH and (data[at + 1] == _QUOTE or data[at + 1] == _BACKSLASH)
            at += 2 if is_escape and not is_raw else 1
    return _BEGUN_TAG


@kernel()
def _is_in_names(byte):
    return byte == 43 or byte == 35 or byte == _EQUALS or byte == _COLON or byte == 45 or byte == 95  # + # = : - _


@kernel()
def _begins_next_game(desk, game, at, found):
    """Whether a tag belongs to the next game."""
    if game[RESULT] or game[MOVETEXT]:
        return True
    data, tag, is_apart = desk.data, desk.tag, _feeds(desk.data, game[_TAG_END], at) > 1
    if not game[TAGS] or (is_apart and game[_ADJACENT]):
        return game[TAGS] > 0
    is_event = found != _NO_TAG and _is_word(data, tag[_NAME], tag[_NAME_END], b"event")
    if is_apart or is_event:
        for i in range(game[FIRST_TOKEN], game[LAST_TOKEN]):
            token = desk.tokens[i]
            if token[KIND] == TAG and _are_same(data, tag[_NAME], tag[_NAME_END], token[PLACE], token[TILL]):
                return True
    return False


@kernel()
def _is_word(data, begin, end, word):
    """Whether the text between two places is a word in small letters, whatever the case of its own."""
    if end - begin != len(word):
        return False
    for i in range(len(word)):  # noqa: SIM110 - kernels have no generators
        if data[begin + i] | SPACE != word[i]:
            return False
    return True


@kernel()
def _are_same(data, begin, end, other, other_end):
    if end - begin != other_end - other:
        return False
    for i in range(end - begin):  # noqa: SIM110 - kernels have no generators
        if data[begin + i] != data[other + i]:
            return False
    return True


# ---- comments -----------------------------------------------------------------------------------------------------


@kernel()
def _take_comment(desk, game, at):
    data = desk.data
    if game[RESULT] and _feeds(data, game[_RESULT_END], at) > 1:
        game[_CLOSED] = 1
        return at
    if data[at] == _OPEN_BRACE:
        end, behind = _take_braces(desk, game, at)
    else:
        end = behind = _line_end(data, at)
        if not desk.final and end >= len(data) - PADDING:
            return -MORE
        _put(desk, game, ESCAPE if data[at] == _PERCENT else LINE_COMMENT, at + 1, end, game[RESULT] != 0)
        game[_ODD] = 1
    game[_RESULT_END] = behind
    return behind


@kernel()
def _take_braces(desk, game, at):
    """Take a comment to the brace with which all are closed, or else the first; return its end and the place behind.

    Tags behind an empty line are lost in it, unless the next brace closes it: then it is not closed.
    """
    data = desk.data
    limit = min(len(data) - PADDING, at + LONGEST_COMMENT)
    depth, first, lost, place = 0, -1, -1, at
    while place < limit:
        byte = data[place]
        if byte == _OPEN_BRACE:
            depth += 1
            if first < 0 <= lost:
                break
        elif byte == _CLOSE_BRACE:
            depth -= 1
            first = place if first < 0 else first
            if depth == 0:
                break
        elif byte == _FEED and lost < 0 and _is_lost_tag(data, place):
            lost = place
            if first >= 0:
                break
        place += 1
    if place >= limit and not desk.final and limit < at + LONGEST_COMMENT:
        return -MORE, -MORE
    if first < 0:
        _put(desk, game, BAD, at, at, OPEN_COMMENT)
        place = lost
        if lost < 0:
            place = at
            while place < len(data) - PADDING and not (
                data[place] == _FEED and data[skip_spaces(data, place + 1)] == _FEED
            ):
                place += 1
        return place, place
    game[_ODD] |= depth != 0
    end = place if depth == 0 else first
    _put(desk, game, TOLD, at + 1, end, HIDES if depth != 0 and not game[RESULT] else 0)
    return end, end + 1


@kernel()
def _is_lost_tag(data, at):
    """Whether an empty line and the begin of a tag follow the line that ends here."""
    at = skip_spaces(data, at + 1)
    at = skip_spaces(data, at + 1) if data[at] == _FEED else at
    if data[at] != _OPEN_TAG or not LETTER[data[at + 1]]:
        return False
    at += 1
    while LETTER[data[at]] or DIGIT[data[at]]:
        at += 1
    return data[skip_spaces(data, at)] == _QUOTE


# ---- movetext -----------------------------------------------------------------------------------------------------


@kernel()
def _take_move(desk, game, at):
    """Take a word that begins with an English letter."""
    depth = game[_DEPTH]
    if (desk.whole or depth == 0) and depth <= DEEPEST_LINE and desk.lines[depth, _KNOWN]:
        line = desk.lines[depth]
        now = line[_ROW]
        move, end, castles = read_san_move(desk.data, at, desk.rows[now], desk.legal)
        if end > 0:
            if not desk.whole:
                if line[_PLIES] == MOST_GAME_PLIES - 1:
                    return -RARE
                desk.moves[game[LAST_MOVE]] = move
                game[LAST_MOVE] += 1
            make(desk.rows[now], move, desk.rows[now ^ 1])
            line[_ROW] = now ^ 1
            line[_PLIES] += 1
            game[MOVETEXT] |= _HAS_WORD
            _put(desk, game, CASTLE if castles else PIECE_MOVE, at, end, move)
            return end
    return _take_word(desk, game, at)


@kernel()
def _take_word(desk, game, at):
    """Take a word that is not found out here: the position behind it is not known."""
    data, size = desk.data, len(desk.data) - PADDING
    end = word_end(data, at)
    if end >= size and not desk.final:
        return -MORE
    if end == at:
        end += symbol(data, at)[1]
        _put(desk, game, BAD, at, end, NO_TOKEN)
        return end
    last = at + game[_OUTCOME_END] - game[_OUTCOME]
    if not game[_DEPTH] and at + 2 < last <= size and _are_same(data, at, last, game[_OUTCOME], game[_OUTCOME_END]):
        following = skip_blank(data, last)
        if following >= size and not desk.final:
            return -MORE
        if following >= size or data[following] == _OPEN_TAG:  # the result, spelled as in the tag
            game[RESULT] = game[TAG_RESULT] if game[TAG_RESULT] else UNKNOWN_OUTCOME
            game[_RESULT_END] = last
            return last
    if not (game[_TOKENS] or _may_be_move(data, at, end)):
        last = _line_end(data, at)
        if last >= size and not desk.final:
            return -MORE
        _put(desk, game, BAD, at, end, PROSE)
        game[_CLOSED] = 1
        return min(last, size)
    _put(desk, game, WORD, at, end, 0)
    game[MOVETEXT] |= _HAS_WORD
    game[_ODD] |= game[_DEPTH] == 0
    return end


@kernel()
def _may_be_move(data, at, end):
    """Whether a word names a square within a few letters, or is castling or a pass, by its form alone."""
    first, second = data[at], symbol(data, at + 1)[0]
    if end - at > 24 or (second == DASH and (first == _ZERO or first | 32 == _SMALL_O or first == second)):
        return end - at < 24
    for place in range(at, min(end - 1, at + 8)):
        if 97 <= data[place] | 32 <= 104 and 49 <= data[place + 1] <= 56:
            return True
    return (first == 90 or first == _ZERO) and second == _ZERO  # Z0, 0000


@kernel()
def _take_sign(desk, game, at):
    """Take what begins with no letter: numbers, results, marks, and the brackets of variations."""
    data = desk.data
    byte = data[at]
    if byte == _DOLLAR and DIGIT[data[at + 1]]:
        value, end = 0, at + 1
        while DIGIT[data[end]]:
            value = min(10 * value + int(data[end]) - _ZERO, 1000)
            end += 1
        game[_ODD] |= value > 255 and game[_DEPTH] == 0
        _put(desk, game, NAG, at, end, value if value <= 255 else -1)
        return end
    if byte == _OPEN_LINE and data[at + 2] == _CLOSE_LINE and (data[at + 1] == _BIG_D or data[at + 1] == _EQUALS):
        is_diagram = data[at + 1] == _BIG_D
        _put(desk, game, NAG if is_diagram else TOLD, at, at + 3, DIAGRAM if is_diagram else 0)
        return at + 3
    if byte == _OPEN_LINE:
        return _open_variation(desk, game, at)
    if byte == _CLOSE_LINE:
        _put(desk, game, CLOSE if game[_DEPTH] else BAD, at, at + 1, 0 if game[_DEPTH] else NO_VARIATION)
        game[_DEPTH] -= game[_DEPTH] > 0
        return at + 1
    if not (DIGIT[byte] or byte == _DOT or byte == _STAR or byte >= 128):
        return _take_word(desk, game, at)
    may_be_result = not DIGIT[byte] or (byte <= _ONE and not DIGIT[data[at + 1]])
    if may_be_result and not (game[_OUTCOME] < game[_OUTCOME_END] and byte == data[game[_OUTCOME]]):
        result, end = spelled_result(data, at, False)
        if result:
            if not game[_DEPTH] and game[_TOKENS]:
                game[RESULT], game[_RESULT_END] = result, end
            return end
    number, end = _number_at(data, at, game[_DEPTH] and not game[_PARENTHESIS])
    return _take_number(desk, game, at, end, number) if number >= 0 else _take_word(desk, game, at)


@kernel()
def _open_variation(desk, game, at):
    depth = game[_DEPTH]
    game[MOVETEXT] |= _HAS_MORE
    if depth == 0:
        game[_ODD] |= desk.lines[0, _PLIES] == 0
    if depth < DEEPEST_LINE:
        line, inner = desk.lines[depth], desk.lines[depth + 1]
        inner[_ROW], inner[_PLIES], inner[_OPENED] = 2 * depth + 2, 0, game[LAST_TOKEN]
        inner[_KNOWN] = line[_KNOWN] and line[_PLIES] and desk.whole
        copy_row(desk.rows[line[_ROW] ^ 1], desk.rows[2 * depth + 2])
    _put(desk, game, OPEN, at, at + 1, 0)
    game[_DEPTH] += 1
    return at + 1


@kernel()
def _number_at(data, at, closes):
    """Return (attribute, place behind it) of a number or of dots; -1 if there is none. `closes`: a ) is not of it."""
    place, number = at, 0
    while DIGIT[data[place]]:
        number = min(10 * number + int(data[place]) - _ZERO, 1_000_000)
        place += 1
    digits, (following, width) = place - at, symbol(data, place)
    if following == _SLASH or following == _COLON or (digits == 4 and number == 0):
        return -1, at
    if following == DASH and (DIGIT[data[place + width]] or data[place + width] | 32 == _SMALL_O):
        return -1, at
    has_bracket = digits > 0 and data[place] == _CLOSE_LINE and not closes
    end = place + has_bracket
    dot, dots = skip_spaces(data, end) if digits else place, 0
    while data[dot] == _DOT or symbol(data, dot)[0] == DOTS:
        dots += 1 if data[dot] == _DOT else 3
        dot += symbol(data, dot)[1]
        end = dot
    if dots == 1 and _ZERO < data[end] <= 57:  # 2.5 is no number of a move
        return -1, at
    if digits and (dots or has_bracket or ends_word(data, place) or data[place] == _DOLLAR):
        return 8 * (number + 1) + min(dots, 7), end
    return (min(dots, 7), end) if dots > 1 else (-1, at)


@kernel()
def _take_number(desk, game, at, end, attribute):
    data = desk.data
    if attribute >= 8:
        is_bracketed = data[end - 1] == _CLOSE_LINE or (end - at > 1 and data[at + 1] == _CLOSE_LINE)
        is_first = attribute >> 3 == 2 and attribute & 7 < 2 and game[MOVETEXT] & _HAS_WORD
        if is_first and not (game[TAGS] or game[_DEPTH]) and _feeds(data, game[_LAST_PLACE], at):
            game[_CLOSED] = 1  # games without tags and results, each of which has its own lines
            return at
        game[_PARENTHESIS] |= is_bracketed
        game[_NUMBERED] = 1
        game[MOVETEXT] |= _HAS_MORE
    _put(desk, game, NUMBER, at, end, attribute)
    following = skip_blank(data, end)
    if not (game[_DEPTH] or desk.whole or LETTER[data[following]] or data[following] == _OPEN_BRACE):
        game[_ODD] |= attribute & 7 == 0 or not spelled_result(data, following, False)[0]
    return end


@kernel()
def _take_behind_result(desk, game, at):
    """Take another result, or begin the next game; or go on with this one, if that was no result."""
    data = desk.data
    result, end = spelled_result(data, at, False)
    feeds = _feeds(data, game[_RESULT_END], at)
    if result:
        if feeds < 2 and game[RESULT] == UNKNOWN_OUTCOME:
            game[RESULT] = result
        elif feeds < 2 and result != UNKNOWN_OUTCOME and result != game[RESULT]:
            _put(desk, game, BAD, at, end, SECOND_RESULT)
        return end
    number, end = _number_at(data, at, False) if DIGIT[data[at]] else (-1, at)
    last = word_end(data, at)
    if last >= len(data) - PADDING and not desk.final:
        return -MORE
    is_word = number < 0 and last > at
    is_new = feeds > 1 or (feeds == 1 and is_word and not (game[_NUMBERED] or game[TAGS]))
    is_new |= number >> 3 == 2 and number & 7 < 2 and (game[TAGS] == 0 or game[MOVETEXT] & _HAS_WORD != 0)
    if is_new or (is_word and not _may_be_move(data, at, last)):
        game[_CLOSED] = 1
        return at
    _put(desk, game, BAD, at, end if number >= 0 else max(last, at + 1), BEHIND_RESULT)
    game[RESULT] = NO_RESULT
    return at
