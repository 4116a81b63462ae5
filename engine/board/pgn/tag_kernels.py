"""Kernels that read the tags of a game."""

from __future__ import annotations

from typing import Final

from engine.board.pgn.letters import NO_RESULT, is_digit, is_letter, skip_spaces, spelled_result
from engine.native.jit import kernel

NO_TAG, BEGUN_TAG, WHOLE_TAG = range(3)
NAME, NAME_END, VALUE, VALUE_END, TAG_BEHIND, IS_RAW, TAG_PARTS = range(7)  # places of a tag, and if \ means itself

_LINE_FEED, _QUOTE, _BACKSLASH, _CLOSE_TAG, _SMALL, _PLUS, _DASH, _EQUALS = b'\n"\\] +-='
_IN_NAMES: Final = b"_+#=:-"


@kernel()
def find_tag(data, at, tag):
    """Whether a tag stands at a bracket: NO_TAG, one that is BEGUN with a name and a quote, or a WHOLE one.

    tag int64 [TAG_PARTS] receives its places.
    """
    at = skip_spaces(data, at + 1)
    tag[NAME] = at
    while is_letter(data[at]) or is_digit(data[at]) or (at > tag[NAME] and _is_in_names(data[at])):
        at += 1
    tag[NAME_END] = at
    at = skip_spaces(data, at)
    if tag[NAME_END] == tag[NAME] or data[at] != _QUOTE:
        return NO_TAG
    tag[VALUE] = at + 1
    for is_raw in range(2):
        tag[IS_RAW] = is_raw
        if _find_value_end(data, tag):
            return WHOLE_TAG
    return BEGUN_TAG


@kernel()
def _is_in_names(byte):
    for sign in _IN_NAMES:  # noqa: SIM110 - kernels have no generators
        if byte == sign:
            return True
    return False


@kernel()
def _find_value_end(data, tag):
    """Find the quote with a bracket behind it. A backslash keeps the next quote in the value, unless it IS_RAW."""
    at = tag[VALUE]
    while data[at] != _LINE_FEED:
        if data[at] == _QUOTE:
            bracket = skip_spaces(data, at + 1)
            if data[bracket] == _CLOSE_TAG:
                tag[VALUE_END], tag[TAG_BEHIND] = at, bracket + 1
                return True
        elif data[at] == _BACKSLASH and not tag[IS_RAW] and (data[at + 1] == _QUOTE or data[at + 1] == _BACKSLASH):
            at += 1
        at += 1
    return False


@kernel()
def is_word(data, begin, end, word):
    """Whether the text between two places is a word in small letters, whatever the case of its own."""
    if end - begin != len(word):
        return False
    for i in range(len(word)):  # noqa: SIM110 - kernels have no generators
        if data[begin + i] | _SMALL != word[i]:
            return False
    return True


@kernel()
def rating_of(data, tag):
    """Return a tag's value as a rating of one to four digits; -1 for anything else."""
    rating = 0
    if not 1 <= tag[VALUE_END] - tag[VALUE] <= 4:
        return -1
    for place in range(tag[VALUE], tag[VALUE_END]):
        if not is_digit(data[place]):
            return -1
        rating = 10 * rating + int(data[place]) - 48
    return rating


@kernel()
def result_of_tag(data, tag):
    """Return (code of the result in a tag's value, whether it is all of the value, as in movetext)."""
    begin = tag[VALUE]
    result, end = spelled_result(data, begin, True)
    return result, result != NO_RESULT and end == tag[VALUE_END] and (data[begin] < _PLUS or data[begin] > _DASH) and data[begin] != _EQUALS
