"""Kernels that take tags and comments off a text."""

from __future__ import annotations

from engine.board.pgn import desks
from engine.board.pgn.desks import feeds, line_end, put_token
from engine.board.pgn.letters import (
    BLANK,
    DIGIT,
    LETTER,
    PADDING,
    SPACE,
    skip_spaces,
    spelled_result,
)
from engine.native.jit import kernel

_FEED, _QUOTE, _PERCENT, _STAR, _COLON, _EQUALS, _OPEN_TAG, _BACKSLASH, _CLOSE_TAG = b'\n"%*:=[\\]'
_OPEN_BRACE, _CLOSE_BRACE = b"{}"
_MOST_COMPARED = 1000  # tokens of tags
_NO_TAG, _BEGUN_TAG, _WHOLE_TAG = range(3)


# ---- tags ----------------------------------------------------------------------------------------


@kernel()
def take_tag(desk, game, at):
    """Take a tag, or a bracket that begins none; returns the place behind it."""
    data, tag = desk.data, desk.tag
    found = _find_tag(data, at, tag)
    if not desk.final and found != _WHOLE_TAG and line_end(data, at) >= len(data) - PADDING:
        return -desks.MORE
    if found != _WHOLE_TAG:
        before = at
        while before > 0 and data[before - 1] != _FEED and BLANK[data[before - 1]]:
            before -= 1
        is_cut = found == _BEGUN_TAG or not game[desks.MOVETEXT]
        is_cut = is_cut or (game[desks.RESULT] and LETTER[data[at + 1]])
        if not (is_cut and (before == 0 or data[before - 1] == _FEED)):
            if game[desks.RESULT] and not game[desks.VARIATIONS]:
                return -desks.NO_TAG
            put_token(desk, game, desks.BROKEN, at, at, desks.STRAY_BRACKET)
            return at + 1
    if _begins_next_game(desk, game, at, found):
        game[desks.CLOSED] = 1
        return at
    game[desks.ADJACENT] |= game[desks.TAGS] and feeds(data, game[desks.TAG_END], at) < 2
    if found != _WHOLE_TAG:
        game[desks.TAG_END] = _next_tag(data, at + 1)
        put_token(desk, game, desks.BROKEN, at, game[desks.TAG_END], desks.BAD_TAG)
        return game[desks.TAG_END]
    name, end = tag[desks.NAME], tag[desks.NAME_END]
    game[desks.HAS_START] |= _is_word(data, name, end, b"fen") or _is_word(
        data, name, end, b"setup"
    )
    if _is_word(data, name, end, b"variant"):
        game[desks.HAS_START] |= not _is_word(
            data, tag[desks.VALUE], tag[desks.VALUE_END], b"standard"
        )
    if _is_word(data, name, end, b"result"):
        begin = tag[desks.VALUE]
        game[desks.TAG_RESULT], last = spelled_result(data, begin, True)
        is_whole = game[desks.TAG_RESULT] and last == tag[desks.VALUE_END]
        is_usual = is_whole and (DIGIT[data[begin]] or data[begin] == _STAR)
        game[desks.OUTCOME] = begin
        game[desks.OUTCOME_END] = begin if is_usual else tag[desks.VALUE_END]
    game[desks.TAGS] += 1
    game[desks.TAG_END] = tag[desks.BEHIND]
    put_token(desk, game, desks.TAG, name, end, at)
    put_token(
        desk, game, desks.VALUE_TEXT, tag[desks.VALUE], tag[desks.VALUE_END], tag[desks.IS_RAW]
    )
    return game[desks.TAG_END]


@kernel()
def _find_tag(data, at, tag):
    """Look whether a tag stands at a bracket, is begun by a name and a quote, or not; note its
    places.
    """
    at = tag[desks.NAME] = skip_spaces(data, at + 1)
    while LETTER[data[at]] or DIGIT[data[at]] or (at > tag[desks.NAME] and _is_in_names(data[at])):
        at += 1
    tag[desks.NAME_END] = at
    at = skip_spaces(data, at)
    if tag[desks.NAME_END] == tag[desks.NAME] or data[at] != _QUOTE:
        return _NO_TAG
    tag[desks.VALUE] = at + 1
    inner = -1
    # A backslash keeps the next quote in the value, unless no other quote ends it.
    for is_raw in range(2):
        at = tag[desks.VALUE]
        while data[at] != _FEED:
            bracket = skip_spaces(data, at + 1) if data[at] == _QUOTE else at
            if data[at] == _QUOTE and data[bracket] == _CLOSE_TAG:
                tag[desks.VALUE_END] = at
                tag[desks.BEHIND] = bracket + 1
                tag[desks.IS_RAW] = is_raw
                return _WHOLE_TAG
            inner = _next_tag(data, tag[desks.VALUE]) if inner < 0 and data[at] == _QUOTE else inner
            if 0 <= inner < at:  # The text was cut before that tag.
                return _BEGUN_TAG
            is_escape = data[at] == _BACKSLASH and (
                data[at + 1] == _QUOTE or data[at + 1] == _BACKSLASH
            )
            at += 2 if is_escape and not is_raw else 1
    return _BEGUN_TAG


@kernel()
def _next_tag(data, at):
    """Return the place of the next bracket, name and quote in the line, or the end of the line."""
    while data[at] != _FEED:
        name = at + 1
        while data[at] == _OPEN_TAG and LETTER[data[name]]:
            name += 1
        if name > at + 1 and data[skip_spaces(data, name)] == _QUOTE:
            break
        at += 1
    return at


@kernel()
def _is_in_names(byte):
    # + # = : - _.
    return byte == 43 or byte == 35 or byte == _EQUALS or byte == _COLON or byte == 45 or byte == 95


@kernel()
def _begins_next_game(desk, game, at, found):
    """Whether a tag belongs to the next game."""
    if game[desks.RESULT] or game[desks.MOVETEXT]:
        return True
    if found == _NO_TAG:  # it has no name that could be a game's second
        return False
    data = desk.data
    tag = desk.tag
    is_apart = feeds(desk.data, game[desks.TAG_END], at) > 1
    is_event = _is_word(data, tag[desks.NAME], tag[desks.NAME_END], b"event")
    if (is_apart and game[desks.ADJACENT]) or (
        is_event and game[desks.FAULT_COUNT] and not game[desks.TAGS]
    ):
        return True
    if is_apart or is_event or game[desks.FAULT_COUNT]:
        for i in range(
            game[desks.FIRST_TOKEN],
            min(game[desks.LAST_TOKEN], game[desks.FIRST_TOKEN] + _MOST_COMPARED),
        ):
            place = desk.tokens[i, desks.PLACE] + (desk.tokens[i, desks.KIND] == desks.BROKEN)
            end = place + tag[desks.NAME_END] - tag[desks.NAME]
            if data[skip_spaces(data, end)] == _QUOTE and are_same(
                data, tag[desks.NAME], tag[desks.NAME_END], place, end
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
def are_same(data, begin, end, other, other_end):
    """Whether the same text stands between two places and two others."""
    if end - begin != other_end - other:
        return False
    for i in range(end - begin):  # noqa: SIM110 - kernels have no generators
        if data[begin + i] != data[other + i]:
            return False
    return True


# ---- comments ------------------------------------------------------------------------------------


@kernel()
def take_comment(desk, game, at):
    """Take a comment; returns the place behind it."""
    data = desk.data
    if game[desks.RESULT] and feeds(data, game[desks.RESULT_END], at) > 1:
        game[desks.CLOSED] = 1
        return at
    if data[at] == _OPEN_BRACE:
        end, behind = _take_braces(desk, game, at)
    else:
        end = behind = line_end(data, at)
        if not desk.final and end >= len(data) - PADDING:
            return -desks.MORE
        kind = desks.ESCAPE if data[at] == _PERCENT else desks.LINE_COMMENT
        put_token(desk, game, kind, at + 1, end, game[desks.RESULT] != 0)
        game[desks.ODD] = 1
    game[desks.RESULT_END] = behind
    return behind


@kernel()
def _take_braces(desk, game, at):
    """Take a comment to the brace with which all are closed, or else the first; return its end and
    the place behind.

    Tags behind an empty line are lost in it, unless the next brace closes it: then it is not
    closed.
    """
    data = desk.data
    limit = min(len(data) - PADDING, at + desks.LONGEST_COMMENT)
    depth = 0
    first = -1
    lost = -1
    place = at
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
    if place >= limit and not desk.final and limit < at + desks.LONGEST_COMMENT:
        return -desks.MORE, -desks.MORE
    if first < 0:
        put_token(desk, game, desks.BROKEN, at, at, desks.OPEN_COMMENT)
        place = at if lost < 0 else lost
        if lost >= 0:
            while place > at and data[place - 1] != _FEED:
                place -= 1
            place = _next_tag(data, place)  # in this line, if the text was cut before it
        else:
            while place < len(data) - PADDING and not (
                data[place] == _FEED and data[skip_spaces(data, place + 1)] == _FEED
            ):
                place += 1
        return place, place
    game[desks.ODD] |= depth != 0
    end = place if depth == 0 else first
    put_token(
        desk,
        game,
        desks.TOLD,
        at + 1,
        end,
        desks.HIDES if depth != 0 and not game[desks.RESULT] else 0,
    )
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
