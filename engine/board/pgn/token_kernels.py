"""Kernels that cut a text into games and their tokens, and find the moves among them (grammar:
`docs/pgn.md`).
"""

from __future__ import annotations

from engine.board.layout import KING
from engine.board.makemove import copy_row, make
from engine.board.pgn import desks, letters
from engine.board.pgn.desks import feeds, line_end, put_token
from engine.board.pgn.letters import (
    ends_word,
    skip_blank,
    skip_spaces,
    spelled_result,
    symbol,
    word_end,
)
from engine.board.pgn.san_kernels import read_san_move
from engine.board.pgn.tag_kernels import are_same, take_comment, take_tag
from engine.native.jit import kernel

_FEED, _DOLLAR, _PERCENT, _OPEN_LINE, _CLOSE_LINE, _STAR, _DOT, _SLASH, _ZERO, _ONE, _COLON = (
    b"\n$%()*./01:"
)
_SEMICOLON, _EQUALS, _BIG_D, _OPEN_TAG, _SMALL_O, _OPEN_BRACE = b";=D[o{"
MOST_NAG = 10**9  # larger numbers of marks count as this


@kernel()
def cut_text(desk, at):
    """Cut games from a place on; returns (number of games, where the next one begins, why it
    stopped).
    """
    count = 0
    tokens = 0
    moves = 0
    while True:
        at = skip_blank(desk.data, at)
        if at >= len(desk.data) - letters.PADDING:
            return count, at, desks.MORE
        if count == len(desk.games) or len(desk.moves) - moves < desks.MOST_GAME_PLIES:
            return count, at, desks.FULL
        game = desk.games[count]
        end = -desks.RARE
        for whole in range(desk.whole, 2):
            if end == -desks.RARE:
                _begin_game(desk, game, at, tokens, moves)
                game[desks.KEPT_WHOLE] = whole
                end = _cut_game(desk, game, at)
        if end < 0:
            return count, at, -end
        game[desks.END] = at = end
        tokens, moves = game[desks.LAST_TOKEN], game[desks.LAST_MOVE]
        count += 1


@kernel()
def _begin_game(desk, game, at, tokens, moves):
    """Set up the columns of a game, and its line of moves."""
    line = desk.lines[0]
    for column in range(desks.COLUMNS):
        game[column] = 0
    game[desks.BEGIN] = game[desks.RESULT_END] = game[desks.TAG_END] = at
    game[desks.FIRST_TOKEN] = game[desks.LAST_TOKEN] = tokens
    game[desks.FIRST_MOVE] = game[desks.LAST_MOVE] = moves
    copy_row(desk.start if at == desk.start_at else desk.rows[desks.STANDARD], desk.rows[0])
    line[desks.ROW] = 0
    line[desks.KNOWN] = desk.rows[0, KING] != 0
    line[desks.OWN_PLIES] = 0


@kernel()
def _cut_game(desk, game, at):
    """Cut a game off; returns where the next one begins, or why it cannot."""
    data = desk.data
    looks_for_start = False
    size = len(data) - letters.PADDING
    while not (game[desks.CLOSED] or looks_for_start):
        at = skip_blank(data, at)
        if not desk.final and at + letters.PADDING > size:
            return -desks.MORE
        if at >= size:
            break
        if len(desk.tokens) - game[desks.LAST_TOKEN] < 4:
            return -desks.FULL
        byte = data[at]
        if byte == _OPEN_TAG:
            behind = take_tag(desk, game, at)
            at = _take_behind_result(desk, game, at) if behind == -desks.NO_TAG else behind
        elif byte in (_OPEN_BRACE, _SEMICOLON) or (
            byte == _PERCENT and (at == 0 or data[at - 1] == _FEED)
        ):
            at = take_comment(desk, game, at)
        elif game[desks.RESULT] and not game[desks.VARIATIONS]:
            at = _take_behind_result(desk, game, at)
        elif game[desks.HAS_START] and game[desks.BEGIN] != desk.start_at:
            looks_for_start = True
        else:
            at = _take_move(desk, game, at) if letters.LETTER[byte] else _take_sign(desk, game, at)
        if at < 0:
            return at
        if game[desks.ODD] and not game[desks.KEPT_WHOLE]:
            return -desks.RARE
    if game[desks.HAS_START] and game[desks.BEGIN] != desk.start_at:
        return -desks.OWN_START
    if not game[desks.KEPT_WHOLE] and (
        game[desks.VARIATIONS] or (game[desks.HAS_START] and desk.start[KING] == 0)
    ):
        return -desks.RARE
    if game[desks.VARIATIONS]:
        token = desk.tokens[desk.lines[1, desks.OPENED]]
        token[desks.KIND], token[desks.ATTRIBUTE] = desks.BROKEN, desks.OPEN_VARIATION
        game[desks.FAULT_COUNT] += 1
    return at


# ---- movetext ------------------------------------------------------------------------------------


@kernel()
def _take_move(desk, game, at):
    """Take a word that begins with an English letter."""
    depth = game[desks.VARIATIONS]
    if (
        (game[desks.KEPT_WHOLE] or depth == 0)
        and depth <= desks.DEEPEST_LINE
        and desk.lines[depth, desks.KNOWN]
    ):
        line = desk.lines[depth]
        now = line[desks.ROW]
        move, end, castles = read_san_move(desk.data, at, desk.rows[now], desk.legal)
        if end > 0:
            if not game[desks.KEPT_WHOLE]:
                if line[desks.OWN_PLIES] == desks.MOST_GAME_PLIES - 1:
                    return -desks.RARE
                desk.moves[game[desks.LAST_MOVE]] = move
                game[desks.LAST_MOVE] += 1
            make(desk.rows[now], move, desk.rows[now ^ 1])
            line[desks.ROW] = now ^ 1
            line[desks.OWN_PLIES] += 1
            game[desks.MOVETEXT] |= desks.HAS_WORD
            put_token(desk, game, desks.CASTLE if castles else desks.PIECE_MOVE, at, end, move)
            return end
    return _take_word(desk, game, at)


@kernel()
def _take_word(desk, game, at):
    """Take a word that is not found out here: the position behind it is not known."""
    data = desk.data
    size = len(desk.data) - letters.PADDING
    end = word_end(data, at)
    if end >= size and not desk.final:
        return -desks.MORE
    if end == at:
        end += symbol(data, at)[1]
        put_token(desk, game, desks.BROKEN, at, end, desks.NO_TOKEN)
        return end
    last = _told_result(desk, game, at)
    if last != at:
        return last
    if not (game[desks.TOKENS] or _may_be_move(data, at, end)):
        last = line_end(data, at)
        if last >= size and not desk.final:
            return -desks.MORE
        put_token(desk, game, desks.BROKEN, at, end, desks.PROSE)
        game[desks.CLOSED] = 1
        return min(last, size)
    put_token(desk, game, desks.WORD, at, end, 0)
    game[desks.MOVETEXT] |= desks.HAS_WORD
    game[desks.ODD] |= game[desks.VARIATIONS] == 0
    return end


@kernel()
def _told_result(desk, game, at):
    """Return the place behind a result at the end of a game that is spelled as in its tag, but not
    as usual.

    `at` where there is none.
    """
    data = desk.data
    size = len(desk.data) - letters.PADDING
    last = at + game[desks.OUTCOME_END] - game[desks.OUTCOME]
    if game[desks.VARIATIONS] or not at + 2 < last <= size:
        return at
    if not are_same(data, at, last, game[desks.OUTCOME], game[desks.OUTCOME_END]):
        return at
    following = skip_blank(data, last)
    if following >= size and not desk.final:
        return -desks.MORE
    if following < size and data[following] != _OPEN_TAG:
        return at
    game[desks.RESULT] = (
        game[desks.TAG_RESULT] if game[desks.TAG_RESULT] else letters.UNKNOWN_OUTCOME
    )
    game[desks.RESULT_END] = last
    return last


@kernel()
def _may_be_move(data, at, end):
    """Whether a word names a square within a few letters, or is castling or a pass, by its form
    alone.
    """
    first, second = data[at], symbol(data, at + 1)[0]
    if end - at > 24 or (
        second == letters.DASH_SIGN and (first in (_ZERO, second) or first | 32 == _SMALL_O)
    ):
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
    if byte == _DOLLAR and letters.DIGIT[data[at + 1]]:
        value = 0
        end = at + 1
        while letters.DIGIT[data[end]]:
            value = min(10 * value + int(data[end]) - _ZERO, MOST_NAG)
            end += 1
        put_token(desk, game, desks.NAG, at, end, value)
        return end
    if (
        byte == _OPEN_LINE
        and data[at + 2] == _CLOSE_LINE
        and (data[at + 1] == _BIG_D or data[at + 1] == _EQUALS)
    ):
        is_diagram = data[at + 1] == _BIG_D
        put_token(
            desk,
            game,
            desks.NAG if is_diagram else desks.TOLD,
            at,
            at + 3,
            desks.DIAGRAM if is_diagram else 0,
        )
        return at + 3
    if byte == _OPEN_LINE:
        return _open_variation(desk, game, at)
    if byte == _CLOSE_LINE:
        if game[desks.VARIATIONS]:
            put_token(desk, game, desks.CLOSE, at, at + 1, 0)
            game[desks.VARIATIONS] -= 1
        else:
            put_token(desk, game, desks.BROKEN, at, at + 1, desks.NO_VARIATION)
        return at + 1
    if not (letters.DIGIT[byte] or byte in (_DOT, _STAR) or byte >= 128):
        return _take_word(desk, game, at)
    if game[desks.OUTCOME] < game[desks.OUTCOME_END]:
        end = _told_result(desk, game, at)
        if end != at:
            return end
    if not letters.DIGIT[byte] or (byte <= _ONE and not letters.DIGIT[data[at + 1]]):
        result, end = spelled_result(data, at, False)
        if result:
            if not game[desks.VARIATIONS] and game[desks.TOKENS]:
                game[desks.RESULT], game[desks.RESULT_END] = result, end
            return end
    number, end = _number_at(data, at, game[desks.VARIATIONS] and not game[desks.PARENTHESIS])
    return _take_number(desk, game, at, end, number) if number >= 0 else _take_word(desk, game, at)


@kernel()
def _open_variation(desk, game, at):
    depth = game[desks.VARIATIONS]
    game[desks.MOVETEXT] |= desks.HAS_MORE
    if depth == 0:
        game[desks.ODD] |= desk.lines[0, desks.OWN_PLIES] == 0
    if depth < desks.DEEPEST_LINE:
        line, inner = desk.lines[depth], desk.lines[depth + 1]
        inner[desks.ROW] = 2 * depth + 2
        inner[desks.OWN_PLIES] = 0
        inner[desks.OPENED] = game[desks.LAST_TOKEN]
        inner[desks.KNOWN] = line[desks.KNOWN] and line[desks.OWN_PLIES] and game[desks.KEPT_WHOLE]
        copy_row(desk.rows[line[desks.ROW] ^ 1], desk.rows[2 * depth + 2])
    put_token(desk, game, desks.OPEN, at, at + 1, 0)
    game[desks.VARIATIONS] += 1
    return at + 1


@kernel()
def _number_at(data, at, closes):
    """Return (attribute, place behind it) of a number or of dots; -1 if there is none. `closes`: a
    ) is not of it.
    """
    place = at
    number = 0
    while letters.DIGIT[data[place]]:
        number = min(10 * number + int(data[place]) - _ZERO, 1_000_000)
        place += 1
    if (
        number
        and data[place] == _DOT
        and (letters.BLANK[data[place + 1]] or letters.LETTER[data[place + 1]])
    ):
        return 8 * (number + 1) + 1, place + 1  # what follows takes longer than to read the moves
    digits = place - at
    (following, width) = symbol(data, place)
    if following in (_SLASH, _COLON) or (digits == 4 and number == 0):
        return -1, at
    if following == letters.DASH_SIGN and (
        letters.DIGIT[data[place + width]] or data[place + width] | 32 == _SMALL_O
    ):
        return -1, at
    has_bracket = digits > 0 and data[place] == _CLOSE_LINE and not closes
    end = place + has_bracket
    dot = skip_spaces(data, end) if digits else place
    dots = 0
    while data[dot] == _DOT or symbol(data, dot)[0] == letters.DOTS:
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
        is_bracketed = data[end - 1] == _CLOSE_LINE or (
            end - at > 1 and data[at + 1] == _CLOSE_LINE
        )
        is_first = (
            attribute >> 3 == 2 and attribute & 7 < 2 and game[desks.MOVETEXT] & desks.HAS_WORD
        )
        if (
            is_first
            and not (game[desks.TAGS] or game[desks.VARIATIONS])
            and feeds(data, game[desks.LAST_PLACE], at)
        ):
            # Games without tags and results, each of which has its own lines.
            game[desks.CLOSED] = 1
            return at
        game[desks.PARENTHESIS] |= is_bracketed
        game[desks.NUMBERED] = 1
        game[desks.MOVETEXT] |= desks.HAS_MORE
    put_token(desk, game, desks.NUMBER, at, end, attribute)
    following = skip_blank(data, end)
    if not (
        game[desks.VARIATIONS] or letters.LETTER[data[following]] or data[following] == _OPEN_BRACE
    ):
        game[desks.ODD] |= attribute & 7 == 0 or not spelled_result(data, following, False)[0]
    return end


@kernel()
def _take_behind_result(desk, game, at):
    """Take another result, or begin the next game; or go on with this one, if that was no result."""
    data = desk.data
    result, end = spelled_result(data, at, False)
    lines = feeds(data, game[desks.RESULT_END], at)
    if result:
        if lines < 2 and game[desks.RESULT] == letters.UNKNOWN_OUTCOME:
            game[desks.RESULT] = result
        elif lines < 2 and result != letters.UNKNOWN_OUTCOME and result != game[desks.RESULT]:
            put_token(desk, game, desks.BROKEN, at, end, desks.SECOND_RESULT)
        return end
    number, end = _number_at(data, at, False) if letters.DIGIT[data[at]] else (-1, at)
    last = word_end(data, at)
    if last >= len(data) - letters.PADDING and not desk.final:
        return -desks.MORE
    is_word = number < 0 and last > at
    is_new = lines > 1 or (
        lines == 1 and is_word and not (game[desks.NUMBERED] or game[desks.TAGS])
    )
    is_first = number >> 3 == 2 and number & 7 < 2
    is_new |= is_first and (game[desks.TAGS] == 0 or game[desks.MOVETEXT] & desks.HAS_WORD != 0)
    if is_new or (is_word and not _may_be_move(data, at, last)):
        game[desks.CLOSED] = 1
        return at
    put_token(
        desk, game, desks.BROKEN, at, end if number >= 0 else max(last, at + 1), desks.BEHIND_RESULT
    )
    game[desks.RESULT] = letters.NO_RESULT
    return at
