"""Kernels that cut a text into games and their tokens, and find the moves among them (grammar: `engine.board.pgn`)."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from engine.board.layout import KING
from engine.board.makemove import copy_row, make
from engine.board.pgn.letters import (
    DOTS,
    NO_RESULT,
    PADDING,
    UNKNOWN_OUTCOME,
    ends_word,
    is_blank,
    is_digit,
    is_letter,
    skip_blank,
    skip_spaces,
    spelled_result,
    symbol,
    word_end,
)
from engine.board.pgn.san_kernels import read_san_move
from engine.board.pgn.tag_kernels import (
    BEGUN_TAG,
    IS_RAW,
    NAME,
    NAME_END,
    NO_TAG,
    TAG_BEHIND,
    VALUE,
    VALUE_END,
    WHOLE_TAG,
    find_tag,
    is_word,
    rating_of,
    result_of_tag,
)
from engine.native.jit import kernel

# Why `read_games` stopped; as a negative place, why a part of it did.
MORE: Final = 1  # the text ends inside a game
RARE: Final = 2  # only main lines are read, and this one needs its tokens
OWN_START: Final = 3  # a start position or variant in its tags
FULL: Final = 4  # no room for another game

# Columns of a game. Places are bytes; ratings are -1 if unknown; results are codes of `letters`.
(BEGIN, END, FIRST_MOVE, LAST_MOVE, FIRST_TOKEN, LAST_TOKEN, RESULT, TAG_RESULT, WHITE_ELO, BLACK_ELO, HAS_START, TAGS,
 TOKENS, MOVETEXT, FAULTS, _ODD, _CLOSED, _DEPTH, _RESULT_END, _TAG_END, _LAST_PLACE, _ADJACENT, _HAS_EVENT, _NUMBERED,
 _PARENTHESIS, _OUTCOME, _OUTCOME_END, COLUMNS) = range(28)  # fmt: skip

# Columns and kinds of tokens. A tag is two: its name, and its VALUE_TEXT with whether backslashes mean themselves.
KIND, PLACE, TILL, ATTRIBUTE, TOKEN_COLUMNS = range(5)
TAG, VALUE_TEXT, MOVE, CASTLE, WORD, NUMBER, NAG, OPEN, CLOSE, COMMENT, LINE_COMMENT, ESCAPE, FAULT = range(13)
# The attribute of a number is 8 * (number + 1) + dots, without digits the dots alone.
# The attribute of a fault is its reason, and the result before it: reason + 16 * code.
(NO_TOKEN, SECOND_RESULT, BEHIND_RESULT, NO_VARIATION, OPEN_VARIATION, STRAY_BRACKET, BAD_TAG, PROSE, INSIDE_WORD,
 OPEN_COMMENT) = range(10)  # fmt: skip

# Columns of a line of moves by its depth: the row with its position, whether that is known, plies, token of its (.
_ROW, _KNOWN, _PLIES, _OPENED, LINE_COLUMNS = range(5)
DIAGRAM: Final = 220  # the NAG of (D)
DEEPEST: Final = 60  # variations in variations whose moves are found here
STANDARD: Final = 2 * DEEPEST + 2  # the row of the standard position, behind two of each depth
LONGEST_COMMENT: Final = 1 << 20  # bytes in which a comment must end
LONGEST_GAME: Final = 65_536  # plies of a main line

_LINE_FEED, _DOLLAR, _PERCENT, _OPEN_LINE, _CLOSE_LINE, _STAR, _DASH, _DOT, _SLASH, _ZERO, _ONE, _COLON, _SEMICOLON = b"\n$%()*-./01:;"
_EXCLAMATION, _EQUALS, _QUESTION, _BIG_D, _OPEN_TAG, _CLOSE_TAG, _SMALL_O, _OPEN_BRACE, _CLOSE_BRACE = b"!=?D[]o{}"
_HAS_MORE, _HAS_WORD = 1, 2  # bits of MOVETEXT


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
    lines: np.ndarray  # int64 [DEEPEST + 1, LINE_COLUMNS], scratch
    rows: np.ndarray  # uint64 [STANDARD + 1, 16], scratch but for the standard position
    legal: np.ndarray  # uint16 [218], scratch
    tag: np.ndarray  # int64 [TAG_PARTS], scratch


@kernel()
def read_games(desk, at):
    """Read games from a place on; returns (number of games, where the next one begins, why it stopped)."""
    count, tokens, moves = 0, 0, 0
    while True:
        at = skip_blank(desk.data, at)
        if at >= len(desk.data) - PADDING:
            return count, at, MORE
        if count == len(desk.games) or len(desk.moves) - moves < LONGEST_GAME:
            return count, at, FULL
        game = desk.games[count]
        for column in range(COLUMNS):
            game[column] = 0
        game[BEGIN] = game[_RESULT_END] = game[_TAG_END] = at
        game[FIRST_TOKEN] = game[LAST_TOKEN] = tokens
        game[FIRST_MOVE] = game[LAST_MOVE] = moves
        game[WHITE_ELO] = game[BLACK_ELO] = -1
        copy_row(desk.start if at == desk.start_at else desk.rows[STANDARD], desk.rows[0])
        line = desk.lines[0]
        line[_ROW], line[_KNOWN], line[_PLIES] = 0, desk.rows[0, KING] != 0, 0
        end = _read_game(desk, game, at)
        if end < 0:
            return count, at, -end
        game[END] = at = end
        tokens, moves = game[LAST_TOKEN], game[LAST_MOVE]
        count += 1


@kernel()
def _read_game(desk, game, at):
    """Read a game; returns where the next one begins, or why it cannot."""
    data, own_start = desk.data, False
    size = len(data) - PADDING
    while not game[_CLOSED]:
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
        elif byte == _OPEN_BRACE:
            at = _take_braces(desk, game, at)
        elif byte == _SEMICOLON or (byte == _PERCENT and (at == 0 or data[at - 1] == _LINE_FEED)):
            at = _take_line_comment(desk, game, at)
        elif game[RESULT] and not game[_DEPTH]:
            at = _take_behind_result(desk, game, at)
        elif game[HAS_START] and game[BEGIN] != desk.start_at:
            own_start = True
            break
        elif is_letter(byte):
            at = _take_move(desk, game, at)
        else:
            at = _take_sign(desk, game, at)
        if at < 0:
            return at
        if game[_ODD] and not desk.whole:
            return -RARE
    if own_start or (game[HAS_START] and game[BEGIN] != desk.start_at):
        return -OWN_START
    if game[HAS_START] and not desk.whole and desk.start[KING] == 0:
        return -RARE
    if game[_DEPTH]:
        game[FAULTS] += 1
        if not desk.whole:
            return -RARE
        token = desk.tokens[desk.lines[1, _OPENED]]
        token[KIND], token[ATTRIBUTE] = FAULT, OPEN_VARIATION
    return at


@kernel()
def _put(desk, game, kind, place, till, attribute):
    """Note a token."""
    game[TOKENS] += 1
    game[_LAST_PLACE] = place
    if desk.whole or kind <= VALUE_TEXT:
        token = desk.tokens[game[LAST_TOKEN]]
        token[KIND], token[PLACE], token[TILL], token[ATTRIBUTE] = kind, place, till, attribute
        game[LAST_TOKEN] += 1


@kernel()
def _put_fault(desk, game, reason, place, till):
    _put(desk, game, FAULT, place, till, reason + 16 * game[RESULT])
    game[FAULTS] += 1
    game[_ODD] = 1
    if game[_DEPTH] <= DEEPEST:
        desk.lines[game[_DEPTH], _KNOWN] = 0


@kernel()
def _line_feeds(data, begin, end):
    count = 0
    for place in range(begin, end):
        count += data[place] == _LINE_FEED
    return count


# ---- tags ---------------------------------------------------------------------------------------------------------


@kernel()
def _line_end(data, at):
    while data[at] != _LINE_FEED:
        at += 1
    return at


@kernel()
def _begins_line(data, at):
    while at > 0 and data[at - 1] != _LINE_FEED and is_blank(data[at - 1]):
        at -= 1
    return at == 0 or data[at - 1] == _LINE_FEED


@kernel()
def _take_tag(desk, game, at):
    data, tag = desk.data, desk.tag
    found = find_tag(data, at, tag)
    if not desk.final and found != WHOLE_TAG and _line_end(data, at) >= len(data) - PADDING:
        return -MORE
    if found != WHOLE_TAG:
        is_cut = found == BEGUN_TAG or not (game[MOVETEXT] or game[TOKENS] > 2 * game[TAGS])
        is_cut |= game[RESULT] != 0 and is_letter(data[at + 1])
        if not (is_cut and _begins_line(data, at)):
            if game[RESULT] and not game[_DEPTH]:
                return _take_behind_result(desk, game, at)
            _put_fault(desk, game, STRAY_BRACKET, at, at)
            return at + 1
    if _ends_game(desk, game, at, found):
        game[_CLOSED] = 1
        return at
    game[_ADJACENT] |= game[TAGS] and _line_feeds(data, game[_TAG_END], at) < 2
    if found == WHOLE_TAG:
        _note_tag(data, game, tag)
        _put(desk, game, TAG, tag[NAME], tag[NAME_END], at)
        _put(desk, game, VALUE_TEXT, tag[VALUE], tag[VALUE_END], tag[IS_RAW])
        game[_TAG_END] = tag[TAG_BEHIND]
    else:
        game[_TAG_END] = _line_end(data, at)
        _put_fault(desk, game, BAD_TAG, at, game[_TAG_END])
    return game[_TAG_END]


@kernel()
def _ends_game(desk, game, at, found):
    """Whether a tag belongs to the next game."""
    if game[RESULT] or game[MOVETEXT]:
        return True
    if not game[TAGS]:
        return False
    data, tag = desk.data, desk.tag
    is_named = found != NO_TAG
    if is_named and game[_HAS_EVENT] and is_word(data, tag[NAME], tag[NAME_END], b"event"):
        return True
    if _line_feeds(data, game[_TAG_END], at) < 2:
        return False
    if game[_ADJACENT]:
        return True
    for i in range(game[FIRST_TOKEN], game[LAST_TOKEN]):
        token = desk.tokens[i]
        if token[KIND] == TAG and is_named and _are_same(data, tag[NAME], tag[NAME_END], token[PLACE], token[TILL]):
            return True
    return False


@kernel()
def _are_same(data, begin, end, other, other_end):
    if end - begin != other_end - other:
        return False
    for i in range(end - begin):  # noqa: SIM110 - kernels have no generators
        if data[begin + i] != data[other + i]:
            return False
    return True


@kernel()
def _note_tag(data, game, tag):
    """Note what a tag tells about the game as a whole."""
    name, end = tag[NAME], tag[NAME_END]
    length = end - name
    game[TAGS] += 1
    if length == 3 or length == 7 or length == 5:
        game[_HAS_EVENT] |= is_word(data, name, end, b"event")
        game[HAS_START] |= is_word(data, name, end, b"fen") or is_word(data, name, end, b"setup")
        if is_word(data, name, end, b"variant"):
            game[HAS_START] |= not is_word(data, tag[VALUE], tag[VALUE_END], b"standard")
    elif length == 6 and is_word(data, name, end, b"result"):
        game[TAG_RESULT], is_plain = result_of_tag(data, tag)
        game[_OUTCOME], game[_OUTCOME_END] = tag[VALUE], tag[VALUE] if is_plain else tag[VALUE_END]
    elif length == 8 and is_word(data, name, end, b"whiteelo"):
        game[WHITE_ELO] = rating_of(data, tag)
    elif length == 8 and is_word(data, name, end, b"blackelo"):
        game[BLACK_ELO] = rating_of(data, tag)


# ---- comments -----------------------------------------------------------------------------------------------------


@kernel()
def _take_line_comment(desk, game, at):
    data = desk.data
    if game[RESULT] and _line_feeds(data, game[_RESULT_END], at) > 1:
        game[_CLOSED] = 1
        return at
    end = _line_end(data, at)
    if not desk.final and end >= len(data) - PADDING:
        return -MORE
    if data[at] == _SEMICOLON and at and _is_inside_word(data, at):
        _put_fault(desk, game, INSIDE_WORD, at, at)
    kind = ESCAPE if data[at] == _PERCENT else LINE_COMMENT
    _put(desk, game, kind, at + 1, end, game[RESULT] != 0)
    game[_ODD] = 1
    game[_RESULT_END] = end
    return end


@kernel()
def _is_inside_word(data, at):
    before = at - 1
    while before and data[before] & 0xC0 == 0x80:
        before -= 1
    byte = data[before]
    return not (
        symbol(data, before)[0] == 32 or byte == _LINE_FEED or byte == _CLOSE_LINE or byte == _CLOSE_BRACE or byte == _CLOSE_TAG
    )


@kernel()
def _take_braces(desk, game, at):
    """Take a comment to the brace with which all are closed, or else to the first that closes."""
    data = desk.data
    if game[RESULT] and _line_feeds(data, game[_RESULT_END], at) > 1:
        game[_CLOSED] = 1
        return at
    limit = min(len(data) - PADDING, at + LONGEST_COMMENT)
    depth, first, lost, place = 0, -1, -1, at
    while place < limit:
        byte = data[place]
        if byte == _OPEN_BRACE:
            depth += 1
            if first < 0 and lost >= 0:
                break
        elif byte == _CLOSE_BRACE:
            depth -= 1
            first = place if first < 0 else first
            if depth == 0:
                break
        elif byte == _LINE_FEED and lost < 0 and _is_lost_tag(data, place):
            lost = place
            if first >= 0:
                break
        place += 1
    if place >= limit and not desk.final and limit < at + LONGEST_COMMENT:
        return -MORE
    is_closed = first >= 0
    if not is_closed:
        _put_fault(desk, game, OPEN_COMMENT, at, at)
        if lost < 0:  # to the next empty line
            first = lost = _empty_line(data, at)
        else:
            first = lost
    inside_end = place if depth == 0 and is_closed else first
    hides = is_closed and depth != 0
    game[_ODD] |= hides
    if is_closed or inside_end > at + 1:
        _put(desk, game, COMMENT, at + 1, inside_end, 2 * hides * (game[RESULT] == 0))
    game[_RESULT_END] = inside_end + is_closed
    return inside_end + is_closed


@kernel()
def _is_lost_tag(data, at):
    """Whether an empty line and the begin of a tag follow the line that ends here."""
    at = skip_spaces(data, at + 1)
    if data[at] != _LINE_FEED:
        return False
    at = skip_spaces(data, at + 1)
    if data[at] != _OPEN_TAG or not is_letter(data[at + 1]):
        return False
    at += 1
    while is_letter(data[at]) or is_digit(data[at]):
        at += 1
    return data[skip_spaces(data, at)] == 34


@kernel()
def _empty_line(data, at):
    size = len(data) - PADDING
    while at < size and not (data[at] == _LINE_FEED and data[skip_spaces(data, at + 1)] == _LINE_FEED):
        at += 1
    return at


# ---- movetext -----------------------------------------------------------------------------------------------------


@kernel()
def _take_move(desk, game, at):
    """Take a word that begins with an English letter."""
    depth = game[_DEPTH]
    if (desk.whole or depth == 0) and depth <= DEEPEST and desk.lines[depth, _KNOWN]:
        line = desk.lines[depth]
        now = line[_ROW]
        move, end, castles = read_san_move(desk.data, at, desk.rows[now], desk.legal)
        if end > 0:
            if not desk.whole:
                if line[_PLIES] == LONGEST_GAME - 1:
                    return -RARE
                desk.moves[game[LAST_MOVE]] = move
                game[LAST_MOVE] += 1
            make(desk.rows[now], move, desk.rows[now ^ 1])
            line[_ROW] = now ^ 1
            line[_PLIES] += 1
            game[MOVETEXT] |= _HAS_WORD
            _put(desk, game, CASTLE if castles else MOVE, at, end, move)
            mark = _mark_before(desk.data, end)
            if mark and desk.whole:
                _put(desk, game, NAG, at, end, mark)
            return end
    return _take_word(desk, game, at)


@kernel()
def _mark_before(data, end):
    """Return the NAG of the ! and ? before a place, 0 for none."""
    last, before = data[end - 1] == _QUESTION, data[end - 2] == _QUESTION
    if not last and data[end - 1] != _EXCLAMATION:
        return 0
    if not before and data[end - 2] != _EXCLAMATION:
        return 1 + last
    return (4 if before else 5) if last else (6 if before else 3)


@kernel()
def _take_word(desk, game, at):
    """Take a word that is not found out here; behind it, the position of its line is not known."""
    data = desk.data
    size = len(data) - PADDING
    end = word_end(data, at)
    if end >= size and not desk.final:
        return -MORE
    if end == at:
        end += symbol(data, at)[1]
        _put_fault(desk, game, NO_TOKEN, at, end)
        return end
    if not game[_DEPTH] and game[_OUTCOME] < game[_OUTCOME_END]:
        last = at + game[_OUTCOME_END] - game[_OUTCOME]
        if last - at > 2 and last <= size and _are_same(data, at, last, game[_OUTCOME], game[_OUTCOME_END]):
            following = skip_blank(data, last)
            if following >= size and not desk.final:
                return -MORE
            if following >= size or data[following] == _OPEN_TAG:
                game[RESULT], game[_RESULT_END] = game[TAG_RESULT] or UNKNOWN_OUTCOME, last
                return last
    end = _without_result(data, at, end)
    if not (game[TAGS] or game[TOKENS] or looks_like_move(data, at, end)):
        last = _line_end(data, at)
        if last >= size and not desk.final:
            return -MORE
        _put_fault(desk, game, PROSE, at, end)
        game[_CLOSED] = 1
        return min(last, size)
    _put(desk, game, WORD, at, end, 0)
    game[MOVETEXT] |= _HAS_WORD
    if game[_DEPTH] <= DEEPEST:
        desk.lines[game[_DEPTH], _KNOWN] = 0
    game[_ODD] |= game[_DEPTH] == 0
    return end


@kernel()
def _without_result(data, at, end):
    """Return the end of a move that is glued to the result behind it, at the end of a line."""
    if data[skip_spaces(data, end)] != _LINE_FEED:
        return end
    for begin in range(at + 1, end):
        result, last = spelled_result(data, begin, False)
        if result and last == end:
            before = begin - 1 - (is_digit(data[begin - 1]) and begin - 2 >= at)
            byte = data[before]
            if not (is_digit(byte) or byte == _SLASH or byte == _COLON or byte == _DASH or byte >= 128):
                return begin
    return end


@kernel()
def looks_like_move(data, at, end):
    """Whether a word is a result or a move, perhaps behind its number, by its form alone."""
    if spelled_result(data, at, False)[0]:
        return True
    number = at
    while is_digit(data[number]):
        number += 1
    while number > at and number < end and (data[number] == _DOT or data[number] == _CLOSE_LINE):
        number += 1
        at = number
    first, second, third = data[at], symbol(data, at + 1)[0], data[min(end, at + 2)]
    is_o = first == _ZERO or first | 32 == _SMALL_O
    if end - at > 1 and (
        (second == _DASH and (is_o or first == _DASH)) or (first == 90 and second == _ZERO) or (first == 64 and second == 64)
    ):
        return True
    if end - at > 3 and first == _ZERO and second == _ZERO and third == _ZERO:
        return True
    letters = 0
    for place in range(at, min(end - 1, at + 12)):
        byte = data[place]
        if 97 <= byte | 32 <= 104 and 49 <= data[place + 1] <= 56:
            return end - place < 16
        letters += is_letter(byte) and not 97 <= byte <= 104 and byte != 120
        if letters > 2 or not (byte >= 128 or is_letter(byte) or 49 <= byte <= 56 or byte == _DASH or byte == _COLON):
            return False
    return False


@kernel()
def _take_sign(desk, game, at):
    """Take what begins with no letter: numbers, results, marks, and the brackets of variations."""
    data = desk.data
    byte = data[at]
    if byte == _DOLLAR and is_digit(data[at + 1]):
        return _take_nag(desk, game, at)
    if byte == _OPEN_LINE:
        if data[at + 2] == _CLOSE_LINE and data[at + 1] == _BIG_D:
            _put(desk, game, NAG, at, at + 3, DIAGRAM)
            return at + 3
        if data[at + 2] == _CLOSE_LINE and data[at + 1] == _EQUALS:
            _put(desk, game, COMMENT, at, at + 3, 0)
            return at + 3
        return _open_variation(desk, game, at)
    if byte == _CLOSE_LINE:
        if not game[_DEPTH]:
            _put_fault(desk, game, NO_VARIATION, at, at + 1)
            return at + 1
        _put(desk, game, CLOSE, at, at + 1, 0)
        game[_DEPTH] -= 1
        return at + 1
    if not (is_digit(byte) or byte == _DOT or byte == _STAR or byte >= 128):
        return _take_word(desk, game, at)
    may_be_result = not is_digit(byte) or (byte <= _ONE and not is_digit(data[at + 1]))
    if may_be_result and not (game[_OUTCOME] < game[_OUTCOME_END] and data[at] == data[game[_OUTCOME]]):
        result, end = spelled_result(data, at, False)
        if result:
            if not game[_DEPTH] and (game[TAGS] or game[TOKENS]):
                game[RESULT], game[_RESULT_END] = result, end
            return end
    number, end = _number_at(data, at, game[_DEPTH] and not game[_PARENTHESIS])
    return _take_number(desk, game, at, end, number) if number >= 0 else _take_word(desk, game, at)


@kernel()
def _take_nag(desk, game, at):
    value, place = 0, at + 1
    while is_digit(desk.data[place]) and place < at + PADDING - 1:
        value = min(10 * value + int(desk.data[place]) - _ZERO, 1000)
        place += 1
    game[_ODD] |= value > 255 and game[_DEPTH] == 0
    _put(desk, game, NAG, at, place, value if value <= 255 else -1)
    return place


@kernel()
def _open_variation(desk, game, at):
    depth = game[_DEPTH]
    game[_DEPTH] += 1
    game[MOVETEXT] |= _HAS_MORE
    if depth == 0:
        game[_ODD] |= desk.lines[0, _PLIES] == 0
    if depth < DEEPEST:
        line, inner = desk.lines[depth], desk.lines[depth + 1]
        inner[_ROW], inner[_PLIES], inner[_OPENED] = 2 * depth + 2, 0, game[LAST_TOKEN]
        inner[_KNOWN] = line[_KNOWN] and line[_PLIES] and desk.whole
        if inner[_KNOWN]:
            copy_row(desk.rows[line[_ROW] ^ 1], desk.rows[2 * depth + 2])
    _put(desk, game, OPEN, at, at + 1, 0)
    return at + 1


@kernel()
def _number_at(data, at, closes):
    """Return (attribute, place behind it) of a number or of dots; -1 if there is none. `closes`: a ) is not of it."""
    place, number = at, 0
    while is_digit(data[place]):
        number = min(10 * number + int(data[place]) - _ZERO, 1_000_000)
        place += 1
    digits = place - at
    following = symbol(data, place)[0]
    if following == _SLASH or following == _COLON or (digits == 4 and number == 0):
        return -1, at
    if following == _DASH:
        behind = data[place + symbol(data, place)[1]]
        if is_digit(behind) or behind | 32 == _SMALL_O:
            return -1, at
    end, has_bracket = place, digits and data[place] == _CLOSE_LINE and not closes
    dot = skip_spaces(data, place + has_bracket) if digits else place
    dots = 0
    while data[dot] == _DOT or symbol(data, dot)[0] == DOTS:
        dots += 1 if data[dot] == _DOT else 3
        dot += symbol(data, dot)[1]
        end = dot
    if dots == 1 and is_digit(data[end]) and _is_fraction(data, end):
        return -1, at
    if digits and (dots or has_bracket or ends_word(data, place) or data[place] == _DOLLAR):
        return 8 * (number + 1) + min(dots, 7), end if dots else place + has_bracket
    return (min(dots, 7), end) if dots > 1 else (-1, at)


@kernel()
def _is_fraction(data, at):
    """Whether digits behind a dot are no castling or pass with zeros."""
    dash, width = symbol(data, at + 1)
    return not (data[at] == _ZERO and ((dash == _DASH and data[at + 1 + width] == _ZERO) or dash == _ZERO))


@kernel()
def _take_number(desk, game, at, end, attribute):
    data = desk.data
    if attribute >= 8:
        is_one = attribute >> 3 == 2
        if (
            is_one
            and game[MOVETEXT] & _HAS_WORD
            and not (game[TAGS] or game[_DEPTH] or attribute & 7 > 1)
            and _line_feeds(data, game[_LAST_PLACE], at)
        ):
            game[_CLOSED] = 1  # games without tags and results, each of which has its own lines
            return at
        game[_PARENTHESIS] |= data[end - 1] == _CLOSE_LINE or (end - at > 1 and data[at + 1] == _CLOSE_LINE)
        game[_NUMBERED] = 1
        game[MOVETEXT] |= _HAS_MORE
    _put(desk, game, NUMBER, at, end, attribute)
    if not (game[_DEPTH] or desk.whole):
        following = skip_blank(data, end)
        byte = data[following]
        is_usual = is_letter(byte) or byte == _OPEN_BRACE or spelled_result(data, following, False)[0]
        game[_ODD] |= not is_usual and following < len(data) - PADDING
    return end


@kernel()
def _take_behind_result(desk, game, at):
    """Take another result, or begin the next game; or go on with this one, if that was no result."""
    data = desk.data
    result, end = spelled_result(data, at, False)
    line_feeds = _line_feeds(data, game[_RESULT_END], at)
    if result:
        if line_feeds < 2 and game[RESULT] == UNKNOWN_OUTCOME:
            game[RESULT] = result
        elif line_feeds < 2 and result != UNKNOWN_OUTCOME and result != game[RESULT]:
            _put_fault(desk, game, SECOND_RESULT, at, end)
        return end
    number, end = _number_at(data, at, False) if is_digit(data[at]) else (-1, at)
    last = word_end(data, at)
    if last >= len(data) - PADDING and not desk.final:
        return -MORE
    is_word = number < 0 and last > at
    is_new = line_feeds > 1 or (line_feeds == 1 and is_word and not (game[_NUMBERED] or game[TAGS]))
    is_new |= number >> 3 == 2 and number & 7 < 2 and (game[TAGS] == 0 or game[MOVETEXT] & _HAS_WORD != 0)
    if is_new or (is_word and not looks_like_move(data, at, last)):
        game[_CLOSED] = 1
        return at
    _put_fault(desk, game, BEHIND_RESULT, at, end if number >= 0 else max(last, at + 1))
    game[RESULT] = NO_RESULT
    return at
