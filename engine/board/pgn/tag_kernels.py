"""Kernels that take tags and comments off a text."""

from engine.board.pgn.letters import (
    BACKSLASH,
    BEHIND_NAMES,
    BLANK,
    CLOSE_BRACE,
    CLOSE_SQUARE,
    COMMA,
    DIGIT,
    DOT,
    IN_NAMES,
    LETTER,
    LINE_FEED,
    OPEN_BRACE,
    OPEN_SQUARE,
    PADDING,
    PERCENT,
    QUOTE,
    SPACE,
    STAR,
    skip_spaces,
    spelled_result,
)
from engine.board.pgn.scan_buffers import (
    BAD_TAG,
    BROKEN,
    ESCAPE,
    HIDES,
    LINE_COMMENT,
    LONGEST_COMMENT,
    MORE,
    NO_ELO,
    NO_TAG,
    OPEN_COMMENT,
    STRAY_BRACKET,
    TAG,
    TOLD,
    VALUE_TEXT,
    feeds,
    is_cut_off,
    line_end,
    put_token,
    read_digits,
)
from engine.native.jit import kernel

MOST_NUMBER = 1_000_000  # larger numbers of moves and ratings count as this
_MOST_COMPARED = 1000  # tokens of tags
# What stands at a place.
_NO_TAG = 0
_BEGUN_TAG = 1
_WHOLE_TAG = 2


# ---- tags ----------------------------------------------------------------------------------------


@kernel()
def take_tag(desk, game, at):
    """Take a tag, or a bracket that begins none; returns the place behind it."""
    data = desk.data
    tag = desk.tag[0]
    form = _find_tag(data, at, tag)
    if form != _WHOLE_TAG and is_cut_off(desk, line_end(data, at)):
        return -MORE
    if form != _WHOLE_TAG:
        before = at
        while before > 0 and data[before - 1] != LINE_FEED and BLANK[data[before - 1]]:
            before -= 1
        is_cut = form == _BEGUN_TAG or not game.movetext
        is_cut = is_cut or (game.result and LETTER[data[at + 1]])
        if not (is_cut and (before == 0 or data[before - 1] == LINE_FEED)):
            if game.result and not game.variations:
                return -NO_TAG
            put_token(desk, game, BROKEN, at, at, STRAY_BRACKET)
            return at + 1
    if _begins_next_game(desk, game, at, form):
        game.closed = 1
        return at
    game.adjacent |= game.tags and feeds(data, game.tag_end, at) < 2
    if not (game.tags or game.fault_count):
        game.text_begin = at
    if form != _WHOLE_TAG:
        end = _next_tag(data, at + 1)
        if form == _BEGUN_TAG and data[end] == LINE_FEED:
            if is_cut_off(desk, line_end(data, end + 1)):
                return -MORE
            end = _second_line_end(data, end)
        game.tag_end = end
        if form == _BEGUN_TAG and _is_word(data, tag.name, tag.name_end, b"fen"):
            game.has_start = 1
        put_token(desk, game, BROKEN, at, end, BAD_TAG)
        return end
    _note_tag(data, game, tag)
    put_token(desk, game, TAG, tag.name, tag.name_end, at)
    put_token(desk, game, VALUE_TEXT, tag.value, tag.value_end, tag.is_raw)
    return game.tag_end


@kernel()
def _note_tag(data, game, tag):
    """Note what a tag says of its game."""
    name, end = tag.name, tag.name_end
    begin = tag.value
    if _is_word(data, name, end, b"fen") or _is_word(data, name, end, b"setup"):
        game.has_start = 1
    elif _is_word(data, name, end, b"variant"):
        game.has_start |= not _is_word(data, begin, tag.value_end, b"standard")
    elif _is_word(data, name, end, b"whiteelo"):
        game.white_elo = _rating(data, begin, tag.value_end)
    elif _is_word(data, name, end, b"blackelo"):
        game.black_elo = _rating(data, begin, tag.value_end)
    elif _is_word(data, name, end, b"result"):
        game.tag_result, last = spelled_result(data, begin, True)
        is_whole = game.tag_result and last == tag.value_end
        is_usual = is_whole and (DIGIT[data[begin]] or data[begin] == STAR)
        game.outcome = begin
        game.outcome_end = begin if is_usual else tag.value_end
    game.tags += 1
    game.tag_end = tag.behind


@kernel()
def _find_tag(data, at, tag):
    """Look whether a tag stands at a bracket, is begun by a name and a quote, or not; note its
    places.
    """
    at = tag.name = skip_spaces(data, at + 1)
    while IN_NAMES[data[at]] or (at > tag.name and BEHIND_NAMES[data[at]]):
        at += 1
    tag.name_end = at
    at = skip_spaces(data, at)
    if tag.name_end == tag.name or data[at] != QUOTE:
        return _NO_TAG
    tag.value = at + 1
    inner = -1
    # A backslash keeps the next quote in the value, unless no other quote ends it.
    for is_raw in range(2):
        at = tag.value
        while data[at] != LINE_FEED:
            bracket = skip_spaces(data, at + 1) if data[at] == QUOTE else at
            if data[at] == QUOTE and data[bracket] == CLOSE_SQUARE:
                tag.value_end = at
                tag.behind = bracket + 1
                tag.is_raw = is_raw
                return _WHOLE_TAG
            inner = _next_tag(data, tag.value) if inner < 0 and data[at] == QUOTE else inner
            if 0 <= inner < at:  # The text was cut before that tag.
                return _BEGUN_TAG
            is_escape = data[at] == BACKSLASH and data[at + 1] in (QUOTE, BACKSLASH)
            at += 2 if is_escape and not is_raw else 1
    return _BEGUN_TAG


@kernel()
def _rating(data, begin, end):
    """Return the first number of one to four digits between two quotes that is no part of a longer
    one; NO_ELO where there is none.
    """
    at = begin
    while at < end:
        first = at
        number, at = read_digits(data, at, MOST_NUMBER)
        if 0 < at - first <= 4 and data[at] != COMMA and data[first - 1] not in (DOT, COMMA):
            return number
        at += 1
    return NO_ELO


@kernel()
def _next_tag(data, at):
    """Return the place of the next bracket, name and quote in the line, or the end of the line."""
    while data[at] != LINE_FEED:
        name = at + 1
        while data[at] == OPEN_SQUARE and LETTER[data[name]]:
            name += 1
        if name > at + 1 and data[skip_spaces(data, name)] == QUOTE:
            break
        at += 1
    return at


@kernel()
def _second_line_end(data, at):
    """Return the place behind a tag that ends in the next line, where no other one begins there;
    `at` where none ends.
    """
    place = skip_spaces(data, at + 1)
    if data[place] == OPEN_SQUARE:
        return at
    while data[place] != LINE_FEED:
        bracket = skip_spaces(data, place + 1)
        if data[place] == QUOTE and data[bracket] == CLOSE_SQUARE:
            return bracket + 1
        place += 1
    return at


@kernel()
def _begins_next_game(desk, game, at, form):
    """Whether a tag belongs to the next game."""
    if game.result or game.movetext:
        return True
    if form == _NO_TAG:  # it has no name that could be a game's second
        return False
    data = desk.data
    tag = desk.tag[0]
    is_apart = feeds(desk.data, game.tag_end, at) > 1
    is_event = _is_word(data, tag.name, tag.name_end, b"event")
    if (is_apart and game.adjacent) or (is_event and game.fault_count and not game.tags):
        return True
    if is_apart or is_event or game.fault_count:
        for i in range(game.first_token, min(game.last_token, game.first_token + _MOST_COMPARED)):
            place = desk.tokens[i].place + (desk.tokens[i].kind == BROKEN)
            end = place + tag.name_end - tag.name
            if data[skip_spaces(data, end)] == QUOTE and are_same_bytes(
                data, tag.name, tag.name_end, place, end
            ):
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
def are_same_bytes(data, begin, end, second, second_end):
    """Whether the same text stands between two places and two others."""
    if end - begin != second_end - second:
        return False
    for i in range(end - begin):  # noqa: SIM110 - kernels have no generators
        if data[begin + i] != data[second + i]:
            return False
    return True


# ---- comments ------------------------------------------------------------------------------------


@kernel()
def take_comment(desk, game, at):
    """Take a comment; returns the place behind it."""
    data = desk.data
    if game.result and feeds(data, game.result_end, at) > 1:
        game.closed = 1
        return at
    if data[at] == OPEN_BRACE:
        end, behind = _take_braces(desk, game, at)
    else:
        end = behind = line_end(data, at)
        if is_cut_off(desk, end):
            return -MORE
        kind = ESCAPE if data[at] == PERCENT else LINE_COMMENT
        put_token(desk, game, kind, at + 1, end, game.result != 0)
        game.odd = 1
    game.result_end = behind
    return behind


@kernel()
def _take_braces(desk, game, at):
    """Take a comment to the brace with which all are closed, or else the first; return its end and
    the place behind.

    Tags behind an empty line are lost in it, unless the next brace closes it: then it is not
    closed.
    """
    data = desk.data
    limit = min(len(data) - PADDING, at + LONGEST_COMMENT)
    depth = 0
    first = -1
    lost = -1
    place = at
    while place < limit:
        byte = data[place]
        if byte == OPEN_BRACE:
            depth += 1
            if first < 0 <= lost:
                break
        elif byte == CLOSE_BRACE:
            depth -= 1
            first = place if first < 0 else first
            if depth == 0:
                break
        elif byte == LINE_FEED and lost < 0 and _is_lost_tag(data, place):
            lost = place
            if first >= 0:
                break
        place += 1
    if place >= limit and not desk.final and limit < at + LONGEST_COMMENT:
        return -MORE, -MORE
    if first < 0:
        put_token(desk, game, BROKEN, at, at, OPEN_COMMENT)
        place = at if lost < 0 else lost
        if lost >= 0:
            while place > at and data[place - 1] != LINE_FEED:
                place -= 1
            place = _next_tag(data, place)  # in this line, if the text was cut before it
        else:
            while place < len(data) - PADDING and not (
                data[place] == LINE_FEED and data[skip_spaces(data, place + 1)] == LINE_FEED
            ):
                place += 1
        return place, place
    game.odd |= depth != 0
    end = place if depth == 0 else first
    put_token(desk, game, TOLD, at + 1, end, HIDES if depth != 0 and not game.result else 0)
    return end, end + 1


@kernel()
def _is_lost_tag(data, at):
    """Whether an empty line and the begin of a tag follow the line that ends here."""
    at = skip_spaces(data, at + 1)
    at = skip_spaces(data, at + 1) if data[at] == LINE_FEED else at
    if data[at] != OPEN_SQUARE or not LETTER[data[at + 1]]:
        return False
    at += 1
    while IN_NAMES[data[at]]:
        at += 1
    return data[skip_spaces(data, at)] == QUOTE
