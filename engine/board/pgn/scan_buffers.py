"""The desk on which kernels lay a text and what they find in it: games, tokens, moves."""

from typing import NamedTuple

import numpy as np

from engine.board.pgn.letters import DIGIT, DIGIT_0, LINE_FEED, PADDING
from engine.native.aligned_arrays import record_type
from engine.native.jit import generated_kernel, kernel

# Why `cut_text` stopped; as a negative place, why a part of it did.
MORE = 1  # The text ends inside a game.
RARE = 2  # Only main lines are read, and all tokens must tell this one.
OWN_START = 3  # There is a start position or variant in the tags.
FULL = 4  # There is no room for another game.
NO_TAG = 5  # A bracket behind a result begins no tag.

# Kinds of tokens. A tag is two: its name, and its value.
TAG = 0
VALUE_TEXT = 1
PIECE_MOVE = 2
CASTLE = 3
WORD = 4
NUMBER = 5
NAG = 6
OPENING_BRACKET = 7
CLOSE = 8
TOLD = 9
LINE_COMMENT = 10
ESCAPE = 11
BROKEN = 12
MOVE_KINDS = (PIECE_MOVE, CASTLE, WORD)
COMMENT_KINDS = (TOLD, LINE_COMMENT, ESCAPE)

# Reasons of broken tokens.
NO_TOKEN = 0
SECOND_RESULT = 1
BEHIND_RESULT = 2
NO_VARIATION = 3
OPEN_VARIATION = 4
STRAY_BRACKET = 5
BAD_TAG = 6
PROSE = 7
OPEN_COMMENT = 8

HIDES = 2  # the attribute of a comment that may hide moves; 1 of one behind the result
HAS_MORE = 1  # bits of a game's `movetext`
HAS_WORD = 2
DEEPEST_LINE = 60  # variations in variations whose moves are found here
STANDARD = 2 * DEEPEST_LINE + 2  # the row of the standard position, behind two of each depth
LONGEST_COMMENT = 1 << 20  # bytes in which a comment must end
MOST_GAME_PLIES = 65_536
DIAGRAM = 220  # the NAG of (D)
NO_ELO = -1


class CutGame(NamedTuple):
    """A game in a text. Places are bytes, results codes of `letters`."""

    begin: int
    text_begin: int  # at its first tag, if it has tags: what stands before that is none of it
    end: int  # where the next game begins
    first_move: int  # in `ScanBuffers.moves`
    last_move: int  # behind its moves
    first_token: int  # in `ScanBuffers.tokens`
    last_token: int  # behind its tokens
    result: int  # behind the moves
    tag_result: int  # the one of the tags
    white_elo: int  # by the tags; NO_ELO for none
    black_elo: int
    tags: int  # how many there are
    movetext: int  # whether there are words (HAS_WORD), numbers or variations (HAS_MORE)
    fault_count: int
    kept_whole: int  # whether all tokens are noted, not tags alone


class _Notes(NamedTuple):
    """What kernels note of a game besides."""

    has_start: int  # whether a tag tells a start or a variant
    tokens: int  # how many there were, noted or not
    odd: int  # whether its main line must be told from all tokens
    closed: int  # whether it has ended
    variations: int  # how many are open
    result_end: int  # place behind the result, or behind a comment
    tag_end: int  # place behind the last tag
    last_place: int  # of the last token
    adjacent: int  # whether two tags had no empty line between them
    numbered: int  # whether a move has a number
    parenthesis: int  # whether a number has a closing one
    outcome: int  # places of the value of the tag Result, if that is unusual
    outcome_end: int


class Token(NamedTuple):
    """A token, and where it stands."""

    kind: int
    place: int
    till: int  # the place behind it
    # Of a tag's name the bracket's place, of its value whether backslashes mean themselves, of a
    # move its code, of a number 8 * (number + 1) + dots, of dots alone their count, of a fault its
    # reason + 16 * the result.
    attribute: int


class Line(NamedTuple):
    """A line of moves that is being read."""

    row: int  # the one with its position
    is_known: int  # whether that position is known
    own_plies: int
    opened: int  # the token of its bracket


class Tag(NamedTuple):
    """Where the parts of a tag stand."""

    name: int
    name_end: int
    value: int
    value_end: int
    behind: int
    is_raw: int  # whether backslashes mean themselves


_OF_A_GAME = CutGame._fields + _Notes._fields
GAME_TYPE = record_type(dict.fromkeys(_OF_A_GAME, np.int64))
TOKEN_TYPE = record_type(dict.fromkeys(Token._fields, np.int32))
LINE_TYPE = record_type(dict.fromkeys(Line._fields, np.int64))
TAG_TYPE = record_type(dict.fromkeys(Tag._fields, np.int64))

# Columns of tokens.
KIND = Token._fields.index("kind")
PLACE = Token._fields.index("place")


def numbers(records: np.ndarray) -> np.ndarray:
    """Return records as rows of their numbers, which NumPy copies and lists in a tenth of the time."""
    return records.view(records.dtype[0]).reshape(-1, len(records.dtype.names or ()))


class ScanBuffers(NamedTuple):
    """A text, and what is found in it."""

    data: np.ndarray  # uint8 [n + PADDING], line feeds behind n bytes of UTF-8
    final: int  # whether the text ends here
    whole: int  # whether all games are read whole, or main lines alone where these suffice
    start_at: int  # place of a game whose tags were looked at; -1 for none
    start: np.ndarray  # uint64 [16], its first position; zeros if it has none
    games: np.ndarray  # records [G], the fields of `CutGame`
    tokens: np.ndarray  # records [T], the fields of `Token`; tags alone of games not kept whole
    # Uint16 [M], main lines of games that are not kept whole, in codes of `layout`.
    moves: np.ndarray
    lines: np.ndarray  # records [DEEPEST_LINE + 1], the fields of `Line` by depth, scratch
    rows: np.ndarray  # uint64 [STANDARD + 1, 16], scratch but for the standard position
    legal: np.ndarray  # uint16 [218], scratch
    tag: np.ndarray  # record [1], the fields of `Tag`, scratch


_CLEARED = (f"game.{name} = 0" for name in _OF_A_GAME)
clear_game = generated_kernel("clear_game", "game", _CLEARED, {})


@kernel()
def put_token(desk, game, kind, place, till, attribute):
    """Note a token. A fault makes the position of its line unknown."""
    game.tokens += 1
    game.last_place = place
    if kind == BROKEN:
        attribute += 16 * game.result
        game.fault_count += 1
        game.odd = 1
    if kind in (BROKEN, WORD) and game.variations <= DEEPEST_LINE:
        desk.lines[game.variations].is_known = 0
    if game.kept_whole or kind <= VALUE_TEXT:
        token = desk.tokens[game.last_token]
        token.kind = kind
        token.place = place
        token.till = till
        token.attribute = attribute
        game.last_token += 1


@kernel()
def feeds(data, begin, end):
    """Count the line feeds between two places."""
    count = 0
    for place in range(begin, end):
        count += data[place] == LINE_FEED
    return count


@kernel()
def line_end(data, at):
    """Return the place of the next line feed."""
    while data[at] != LINE_FEED:
        at += 1
    return at


@kernel()
def is_cut_off(desk, at):
    """Whether the text ends before this place, and more of it may follow."""
    return not desk.final and at >= len(desk.data) - PADDING


@kernel()
def read_digits(data, at, most):
    """Return (number, place behind it) of the digits at a place; larger numbers count as `most`."""
    number = 0
    while DIGIT[data[at]]:
        number = min(10 * number + int(data[at]) - DIGIT_0, most)
        at += 1
    return number, at
