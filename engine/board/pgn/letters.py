"""Which characters of PGN mean the same, what separates words, and how results are spelled, for
kernels.
"""

import re

import numpy as np

from engine.board.epd import DASHES
from engine.native.jit import kernel

# Codes of results.
NO_RESULT = 0
WHITE_WINS = 1
BLACK_WINS = 2
DRAWN_GAME = 3
UNKNOWN_OUTCOME = 4
CODED_RESULTS = ("", "1-0", "0-1", "1/2-1/2", "*")  # by code
PADDING = 64  # line feeds behind every text, so that kernels may look ahead

# What ½ and … mean, and all characters that mean nothing by themselves.
_HALF = 1
DOTS = 2
_OTHER = 3

# Bytes of ASCII.
LINE_FEED = 10  # line feed
SPACE = 32  # space
EXCLAMATION = 33  # !
QUOTE = 34  # "
HASH_SIGN = 35  # #
DOLLAR = 36  # $
PERCENT = 37  # %
OPEN_ROUND = 40  # (
CLOSE_ROUND = 41  # )
STAR = 42  # *
PLUS = 43  # +
COMMA = 44  # ,
DASH_SIGN = 45  # -
DOT = 46  # .
SLASH = 47  # /
DIGIT_0 = 48  # 0
DIGIT_1 = 49  # 1
COLON = 58  # :
SEMICOLON = 59  # ;
EQUALS = 61  # =
QUESTION = 63  # ?
BIG_D = 68  # D
BIG_O = 79  # O
BIG_Z = 90  # Z
OPEN_SQUARE = 91  # [
BACKSLASH = 92  # \
CLOSE_SQUARE = 93  # ]
SMALL_A = 97  # a
SMALL_O = 111  # o
SMALL_X = 120  # x
OPEN_BRACE = 123  # {
CLOSE_BRACE = 125  # }

# Spaces, and marks of direction.
_BLANKS = "\x85\xa0\xad\u1680\u205f\u3000\ufeff" + "".join(
    map(chr, (*range(0x2000, 0x2010), *range(0x2028, 0x2030), *range(0x2060, 0x2070)))
)
_MEANINGS = (
    dict.fromkeys(_BLANKS, SPACE) | dict.fromkeys(DASHES[1:], DASH_SIGN) | {"½": _HALF, "…": DOTS}
)
_CHARACTERS = np.array(list(map(ord, _MEANINGS)), np.int64)
_SYMBOLS = np.array(list(_MEANINGS.values()), np.int64)
_ENGLISH_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BLANK_ASCII = "\0\t\n\v\f\r\x1a\x1c\x1d\x1e\x1f _"


def _bytes_in(characters: str) -> np.ndarray:
    """Return which bytes stand for one of these characters, bool [256]."""
    return np.array([chr(byte) in characters for byte in range(256)])


BLANK = _bytes_in(_BLANK_ASCII)
WORD_ENDS = _bytes_in(_BLANK_ASCII + "{}();[")
DIGIT = _bytes_in("0123456789")
LETTER = _bytes_in(_ENGLISH_LETTERS)
FILE_LETTER = _bytes_in("abcdefgh")
RANK = _bytes_in("12345678")
IN_MOVES = _bytes_in("abcdefgh12345678x")  # in English, but for the piece and what is promoted
MOVE_ENDS = _bytes_in(_BLANK_ASCII + "{$)")  # what may follow a move at once
IN_NAMES = _bytes_in(_ENGLISH_LETTERS + "0123456789")  # of tags
BEHIND_NAMES = _bytes_in("+#=:-_")  # in names of tags, but not first

# A dash may be any other, a colon, or stand in spaces; a dot may be a comma. The longer of two
# spellings comes first.
_RESULTS = (
    ("1-0", WHITE_WINS), ("0-1", BLACK_WINS), ("1/2-1/2", DRAWN_GAME), ("1/2", DRAWN_GAME), ("½-½", DRAWN_GAME),
    ("½", DRAWN_GAME), ("0.5-0.5", DRAWN_GAME), (".5-.5", DRAWN_GAME), ("1.0-0.0", WHITE_WINS),
    ("0.0-1.0", BLACK_WINS), ("*", UNKNOWN_OUTCOME),
    ("+/-", WHITE_WINS), ("+--", WHITE_WINS), ("-/+", BLACK_WINS), ("--+", BLACK_WINS), ("=-=", DRAWN_GAME),
)  # fmt: skip
_IN_MOVETEXT = 11  # of these; the others are results only if the tag has them
_SPELLINGS = np.array(
    [list(f"{text:\0<8}".replace("½", chr(_HALF)).encode()) for text, _ in _RESULTS], np.int64
)
RESULT_PATTERN = "|".join(
    re.escape(text).replace(r"\-", f"[{DASHES}:]").replace(r"\.", "[.,]")
    for text, _ in _RESULTS[:_IN_MOVETEXT]
)
_CODES = np.array([code for _, code in _RESULTS], np.int64)


@kernel()
def symbol(data, at):
    """Return (meaning, bytes) of the character at a place of UTF-8: its ASCII code, or that of what
    it stands for.
    """
    byte = np.int64(data[at])
    if byte >= 128:
        return _wide_symbol(data, at)
    if BLANK[byte] and byte != LINE_FEED:
        return SPACE, 1
    return byte, 1


@kernel()
def _wide_symbol(data, at):
    byte = np.int64(data[at])
    width = 4
    if byte < 224:
        width = 2
    elif byte < 240:
        width = 3
    code = byte & (63 >> (width - 1))
    for i in range(1, width):
        code = code << 6 | np.int64(data[at + i]) & 63
    for i in range(len(_CHARACTERS)):
        if _CHARACTERS[i] == code:
            return _SYMBOLS[i], width
    return _OTHER, width


@kernel()
def skip_blank(data, at):
    """Return the place of the next character that is not blank, or the end of the text."""
    while at < len(data) - PADDING:
        if data[at] < 128:
            if not BLANK[data[at]]:
                break
            at += 1
        else:
            meaning, width = _wide_symbol(data, at)
            if meaning != SPACE:
                break
            at += width
    return at


@kernel()
def skip_spaces(data, at):
    """Return the place of the next character that is not blank, or the end of the line."""
    while True:
        meaning, width = symbol(data, at)
        if meaning != SPACE:
            return at
        at += width


@kernel()
def ends_word(data, at):
    """Whether numbers, results and most words may end before this place."""
    byte = data[at]
    if byte < 128:
        return WORD_ENDS[byte]
    return _wide_symbol(data, at)[0] == SPACE


@kernel()
def word_end(data, at):
    """Return the place behind a word; a promotion in brackets, as in a8(Q), belongs to it."""
    while not (ends_word(data, at) or data[at] == CLOSE_SQUARE or data[at] == DOLLAR):
        at += symbol(data, at)[1]
        if data[at] == OPEN_ROUND and (LETTER[data[at + 1]] or data[at + 1] >= 128):
            inside = at + 1 + symbol(data, at + 1)[1]
            if data[inside] == CLOSE_ROUND:
                at = inside + 1
    return at


@kernel()
def spelled_result(data, at, is_tag):
    """Return (code, place behind it) of the result at a place; NO_RESULT if none is spelled there."""
    spellings = _IN_MOVETEXT
    if is_tag:
        spellings = len(_SPELLINGS)
    for i in range(spellings):
        place = at
        sign = 0
        while _SPELLINGS[i, sign]:
            meaning, width = symbol(data, place)
            if meaning == COLON:
                meaning = DASH_SIGN
            elif meaning == COMMA:
                meaning = DOT
            if meaning == _SPELLINGS[i, sign]:
                sign += 1
            elif (
                meaning != SPACE
                or not sign
                or DASH_SIGN not in (_SPELLINGS[i, sign], _SPELLINGS[i, sign - 1])
            ):
                break
            place += width
        if not _SPELLINGS[i, sign] and (
            ends_word(data, place) or (is_tag and data[place] == QUOTE)
        ):
            return _CODES[i], place
    return NO_RESULT, at


def told_result(tag: str, behind: str) -> str:
    """Return a game's result, by the one in its tags and the one behind its moves, as in
    CODED_RESULTS.
    """
    if tag in ("", "*") and behind not in ("", "*"):
        return behind
    return tag


def result_of(word: str) -> str:
    """Return the result that a word spells in the standard's way; "" if it spells none."""
    data = np.frombuffer(word.encode(errors="replace") + b"\n" * PADDING, np.uint8)
    return CODED_RESULTS[spelled_result(data, 0, False)[0]]
