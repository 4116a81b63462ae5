"""Kernels that cut a text into games and their tokens, and find the moves among them (grammar:
`docs/what-aino-reads.md`).
"""

from engine.board.layout import KING
from engine.board.makemove import copy_row, make
from engine.board.pgn.letters import (
    BIG_D,
    BIG_Z,
    BLANK,
    CLOSE_ROUND,
    COLON,
    DASH_SIGN,
    DIGIT,
    DIGIT_0,
    DIGIT_1,
    DOLLAR,
    DOT,
    DOTS,
    EQUALS,
    FILE_LETTER,
    LETTER,
    LINE_FEED,
    NO_RESULT,
    OPEN_BRACE,
    OPEN_ROUND,
    OPEN_SQUARE,
    PADDING,
    PERCENT,
    RANK,
    SEMICOLON,
    SLASH,
    SMALL_O,
    STAR,
    UNKNOWN_OUTCOME,
    ends_word,
    skip_blank,
    skip_spaces,
    spelled_result,
    symbol,
    word_end,
)
from engine.board.pgn.san_kernels import read_san_move
from engine.board.pgn.scan_buffers import (
    BEHIND_RESULT,
    BROKEN,
    CASTLE,
    CLOSE,
    DEEPEST_LINE,
    DIAGRAM,
    FULL,
    HAS_MORE,
    HAS_WORD,
    MORE,
    MOST_GAME_PLIES,
    NAG,
    NO_ELO,
    NO_TAG,
    NO_TOKEN,
    NO_VARIATION,
    NUMBER,
    OPEN_VARIATION,
    OPENING_BRACKET,
    OWN_START,
    PIECE_MOVE,
    PROSE,
    RARE,
    SECOND_RESULT,
    STANDARD,
    TOLD,
    WORD,
    clear_game,
    feeds,
    is_cut_off,
    line_end,
    put_token,
    read_digits,
)
from engine.board.pgn.tag_kernels import MOST_NUMBER, are_same_bytes, take_comment, take_tag
from engine.native.jit import kernel

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
        if at >= len(desk.data) - PADDING:
            return count, at, MORE
        if count == len(desk.games) or len(desk.moves) - moves < MOST_GAME_PLIES:
            return count, at, FULL
        game = desk.games[count]
        end = -RARE
        for whole in range(desk.whole, 2):
            if end == -RARE:
                _begin_game(desk, game, at, tokens, moves)
                game.kept_whole = whole
                end = _cut_game(desk, game, at)
        if end < 0:
            return count, at, -end
        game.end = at = end
        tokens, moves = game.last_token, game.last_move
        count += 1


@kernel()
def _begin_game(desk, game, at, tokens, moves):
    """Set up a game and its line of moves."""
    clear_game(game)
    game.begin = game.text_begin = game.result_end = game.tag_end = at
    game.first_token = game.last_token = tokens
    game.first_move = game.last_move = moves
    game.white_elo = game.black_elo = NO_ELO
    copy_row(desk.start if at == desk.start_at else desk.rows[STANDARD], desk.rows[0])
    line = desk.lines[0]
    line.row = 0
    line.is_known = desk.rows[0, KING] != 0
    line.own_plies = 0


@kernel()
def _cut_game(desk, game, at):
    """Cut a game off; returns where the next one begins, or why it cannot."""
    data = desk.data
    looks_for_start = False
    size = len(data) - PADDING
    while not (game.closed or looks_for_start):
        at = skip_blank(data, at)
        if not desk.final and at + PADDING > size:
            return -MORE
        if at >= size:
            break
        if len(desk.tokens) - game.last_token < 4:
            return -FULL
        byte = data[at]
        if byte == OPEN_SQUARE:
            behind = take_tag(desk, game, at)
            at = _take_behind_result(desk, game, at) if behind == -NO_TAG else behind
        elif byte in (OPEN_BRACE, SEMICOLON) or (
            byte == PERCENT and (at == 0 or data[at - 1] == LINE_FEED)
        ):
            at = take_comment(desk, game, at)
        elif game.result and not game.variations:
            at = _take_behind_result(desk, game, at)
        elif game.has_start and game.begin != desk.start_at:
            looks_for_start = True
        else:
            at = _take_move(desk, game, at) if LETTER[byte] else _take_sign(desk, game, at)
        if at < 0:
            return at
        if game.odd and not game.kept_whole:
            return -RARE
    if game.has_start and game.begin != desk.start_at:
        return -OWN_START
    if not game.kept_whole and (game.variations or (game.has_start and desk.start[KING] == 0)):
        return -RARE
    if game.variations:
        token = desk.tokens[desk.lines[1].opened]
        token.kind = BROKEN
        token.attribute = OPEN_VARIATION
        game.fault_count += 1
    return at


# ---- movetext ------------------------------------------------------------------------------------


@kernel()
def _take_move(desk, game, at):
    """Take a word that begins with an English letter."""
    depth = game.variations
    if (game.kept_whole or depth == 0) and depth <= DEEPEST_LINE and desk.lines[depth].is_known:
        line = desk.lines[depth]
        now = line.row
        move, end, castles = read_san_move(desk.data, at, desk.rows[now], desk.legal)
        if end > 0:
            if not game.kept_whole:
                if line.own_plies == MOST_GAME_PLIES - 1:
                    return -RARE
                desk.moves[game.last_move] = move
                game.last_move += 1
            make(desk.rows[now], move, desk.rows[now ^ 1])
            line.row = now ^ 1
            line.own_plies += 1
            game.movetext |= HAS_WORD
            put_token(desk, game, CASTLE if castles else PIECE_MOVE, at, end, move)
            return end
    return _take_word(desk, game, at)


@kernel()
def _take_word(desk, game, at):
    """Take a word that is not found out here: the position behind it is not known."""
    data = desk.data
    end = word_end(data, at)
    if is_cut_off(desk, end):
        return -MORE
    if end == at:
        end += symbol(data, at)[1]
        put_token(desk, game, BROKEN, at, end, NO_TOKEN)
        return end
    last = _told_result(desk, game, at)
    if last != at:
        return last
    if not (game.tokens or _may_be_move(data, at, end)):
        last = line_end(data, at)
        if is_cut_off(desk, last):
            return -MORE
        put_token(desk, game, BROKEN, at, end, PROSE)
        game.closed = 1
        return min(last, len(data) - PADDING)
    put_token(desk, game, WORD, at, end, 0)
    game.movetext |= HAS_WORD
    game.odd |= game.variations == 0
    return end


@kernel()
def _told_result(desk, game, at):
    """Return the place behind a result at the end of a game that is spelled as in its tag, but not
    as usual.

    `at` where there is none.
    """
    data = desk.data
    size = len(desk.data) - PADDING
    last = at + game.outcome_end - game.outcome
    if game.variations or not at + 2 < last <= size:
        return at
    if not are_same_bytes(data, at, last, game.outcome, game.outcome_end):
        return at
    following = skip_blank(data, last)
    if is_cut_off(desk, following):
        return -MORE
    if following < size and data[following] != OPEN_SQUARE:
        return at
    game.result = game.tag_result or UNKNOWN_OUTCOME
    game.result_end = last
    return last


@kernel()
def _may_be_move(data, at, end):
    """Whether a word names a square within a few letters, or is castling or a pass, by its form
    alone.
    """
    first, second = data[at], symbol(data, at + 1)[0]
    if end - at > 24 or (
        second == DASH_SIGN and (first in (DIGIT_0, second) or first | 32 == SMALL_O)
    ):
        return end - at < 24
    for place in range(at, min(end - 1, at + 8)):
        if FILE_LETTER[data[place] | 32] and RANK[data[place + 1]]:
            return True
    return first in (BIG_Z, DIGIT_0) and second == DIGIT_0  # Z0, 0000


@kernel()
def _take_sign(desk, game, at):
    """Take what begins with no letter: numbers, results, marks, and the brackets of variations."""
    data = desk.data
    byte = data[at]
    if byte == DOLLAR and DIGIT[data[at + 1]]:
        value, end = read_digits(data, at + 1, MOST_NAG)
        put_token(desk, game, NAG, at, end, value)
        return end
    if (
        byte == OPEN_ROUND
        and data[at + 2] == CLOSE_ROUND
        and (data[at + 1] == BIG_D or data[at + 1] == EQUALS)
    ):
        is_diagram = data[at + 1] == BIG_D
        put_token(desk, game, NAG if is_diagram else TOLD, at, at + 3, DIAGRAM if is_diagram else 0)
        return at + 3
    if byte == OPEN_ROUND:
        return _open_variation(desk, game, at)
    if byte == CLOSE_ROUND:
        if game.variations:
            put_token(desk, game, CLOSE, at, at + 1, 0)
            game.variations -= 1
        else:
            put_token(desk, game, BROKEN, at, at + 1, NO_VARIATION)
        return at + 1
    if not (DIGIT[byte] or byte in (DOT, STAR) or byte >= 128):
        return _take_word(desk, game, at)
    if game.outcome < game.outcome_end:
        end = _told_result(desk, game, at)
        if end != at:
            return end
    if not DIGIT[byte] or (byte <= DIGIT_1 and not DIGIT[data[at + 1]]):
        result, end = spelled_result(data, at, False)
        if result:
            if not game.variations and game.tokens:
                game.result, game.result_end = result, end
            return end
    number, end = _number_at(data, at, game.variations and not game.parenthesis)
    return _take_number(desk, game, at, end, number) if number >= 0 else _take_word(desk, game, at)


@kernel()
def _open_variation(desk, game, at):
    depth = game.variations
    game.movetext |= HAS_MORE
    if depth == 0:
        game.odd |= desk.lines[0].own_plies == 0
    if depth < DEEPEST_LINE:
        line, inner = desk.lines[depth], desk.lines[depth + 1]
        inner.row = 2 * depth + 2
        inner.own_plies = 0
        inner.opened = game.last_token
        inner.is_known = line.is_known and line.own_plies and game.kept_whole
        copy_row(desk.rows[line.row ^ 1], desk.rows[2 * depth + 2])
    put_token(desk, game, OPENING_BRACKET, at, at + 1, 0)
    game.variations += 1
    return at + 1


@kernel()
def _number_at(data, at, closes):
    """Return (attribute, place behind it) of a number or of dots; -1 if there is none. `closes`: a
    ) is not of it.
    """
    number, place = read_digits(data, at, MOST_NUMBER)
    if number and data[place] == DOT and (BLANK[data[place + 1]] or LETTER[data[place + 1]]):
        return 8 * (number + 1) + 1, place + 1  # what follows takes longer than to read the moves
    digits = place - at
    (following, width) = symbol(data, place)
    if following in (SLASH, COLON) or (digits == 4 and number == 0):
        return -1, at
    if following == DASH_SIGN and (
        DIGIT[data[place + width]] or data[place + width] | 32 == SMALL_O
    ):
        return -1, at
    has_bracket = digits > 0 and data[place] == CLOSE_ROUND and not closes
    end = place + has_bracket
    dot = skip_spaces(data, end) if digits else place
    dots = 0
    while data[dot] == DOT or symbol(data, dot)[0] == DOTS:
        dots += 1 if data[dot] == DOT else 3
        dot += symbol(data, dot)[1]
        end = dot
    if dots == 1 and DIGIT[data[end]] and data[end] != DIGIT_0:  # 2.5 is no number of a move
        return -1, at
    if digits and (dots or has_bracket or ends_word(data, place) or data[place] == DOLLAR):
        return 8 * (number + 1) + min(dots, 7), end
    return (min(dots, 7), end) if dots > 1 else (-1, at)


@kernel()
def _take_number(desk, game, at, end, attribute):
    data = desk.data
    if attribute >= 8:
        is_bracketed = data[end - 1] == CLOSE_ROUND or (
            end - at > 1 and data[at + 1] == CLOSE_ROUND
        )
        is_first = attribute >> 3 == 2 and attribute & 7 < 2 and game.movetext & HAS_WORD
        if is_first and not (game.tags or game.variations) and feeds(data, game.last_place, at):
            # Games without tags and results, each of which has its own lines.
            game.closed = 1
            return at
        game.parenthesis |= is_bracketed
        game.numbered = 1
        game.movetext |= HAS_MORE
    put_token(desk, game, NUMBER, at, end, attribute)
    following = skip_blank(data, end)
    if not (game.variations or LETTER[data[following]] or data[following] == OPEN_BRACE):
        game.odd |= attribute & 7 == 0 or not spelled_result(data, following, False)[0]
    return end


@kernel()
def _take_behind_result(desk, game, at):
    """Take another result, or begin the next game; or go on with this one, if that was no result."""
    data = desk.data
    result, end = spelled_result(data, at, False)
    lines = feeds(data, game.result_end, at)
    if result:
        if lines < 2 and game.result == UNKNOWN_OUTCOME:
            game.result = result
        elif lines < 2 and result != UNKNOWN_OUTCOME and result != game.result:
            put_token(desk, game, BROKEN, at, end, SECOND_RESULT)
        return end
    number, end = _number_at(data, at, False) if DIGIT[data[at]] else (-1, at)
    last = word_end(data, at)
    if is_cut_off(desk, last):
        return -MORE
    is_word = number < 0 and last > at
    is_new = lines > 1 or (lines == 1 and is_word and not (game.numbered or game.tags))
    is_first = number >> 3 == 2 and number & 7 < 2
    is_new |= is_first and (game.tags == 0 or game.movetext & HAS_WORD != 0)
    if is_new or (is_word and not _may_be_move(data, at, last)):
        game.closed = 1
        return at
    put_token(desk, game, BROKEN, at, end if number >= 0 else max(last, at + 1), BEHIND_RESULT)
    game.result = NO_RESULT
    return at
