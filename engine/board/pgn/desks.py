"""The desk on which kernels lay a text and what they find in it: games, tokens, moves."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from engine.native.jit import kernel

# Why `cut_text` stopped; as a negative place, why a part of it did.
MORE: Final = 1  # the text ends inside a game
RARE: Final = 2  # only main lines are read, and all tokens must tell this one
OWN_START: Final = 3  # a start position or variant in its tags
FULL: Final = 4  # no room for another game
NO_TAG: Final = 5  # a bracket behind a result, which is none of a tag

# Columns of a game: places are bytes, results codes of `letters`. Those behind TOLD_COLUMNS are
# notes of the kernels.
(BEGIN, END, FIRST_MOVE, LAST_MOVE, FIRST_TOKEN, LAST_TOKEN, RESULT, TAG_RESULT, TAGS, MOVETEXT, FAULT_COUNT,
 KEPT_WHOLE, HAS_START, TOKENS, ODD, CLOSED, VARIATIONS, RESULT_END, TAG_END, LAST_PLACE, ADJACENT, NUMBERED,
 PARENTHESIS, OUTCOME, OUTCOME_END, COLUMNS) = range(26)  # fmt: skip
TOLD_COLUMNS: Final = KEPT_WHOLE + 1

# Columns and kinds of tokens. A tag is two: its name, and its VALUE_TEXT with whether backslashes
# mean themselves. The attribute of a number is 8 * (number + 1) + dots, of dots alone their count,
# of a fault reason + 16 * the result.
KIND, PLACE, TILL, ATTRIBUTE, TOKEN_COLUMNS = range(5)
(
    TAG,
    VALUE_TEXT,
    PIECE_MOVE,
    CASTLE,
    WORD,
    NUMBER,
    NAG,
    OPEN,
    CLOSE,
    TOLD,
    LINE_COMMENT,
    ESCAPE,
    BROKEN,
) = range(13)
(NO_TOKEN, SECOND_RESULT, BEHIND_RESULT, NO_VARIATION, OPEN_VARIATION, STRAY_BRACKET, BAD_TAG, PROSE,
 OPEN_COMMENT) = range(9)  # fmt: skip
HIDES: Final = 2  # the attribute of a comment that may hide moves; 1 of one behind the result

# Columns of a line of moves by its depth: the row with its position, whether that is known, plies,
# token of its (.
ROW, KNOWN, OWN_PLIES, OPENED, LINE_COLUMNS = range(5)
DEEPEST_LINE: Final = 60  # variations in variations whose moves are found here
STANDARD: Final = 2 * DEEPEST_LINE + 2  # the row of the standard position, behind two of each depth
LONGEST_COMMENT: Final = 1 << 20  # bytes in which a comment must end
MOST_GAME_PLIES: Final = 65_536
DIAGRAM: Final = 220  # the NAG of (D)
HAS_MORE, HAS_WORD = 1, 2  # bits of MOVETEXT
# Places of a tag, and if \ means itself.
NAME, NAME_END, VALUE, VALUE_END, BEHIND, IS_RAW, TAG_PARTS = range(7)


class Desk(NamedTuple):
    """A text, and what is found in it."""

    data: np.ndarray  # uint8 [n + PADDING], line feeds behind n bytes of UTF-8
    final: int  # whether the text ends here
    whole: int  # whether all games are read whole, or main lines alone where these suffice
    start_at: int  # place of a game whose tags were looked at; -1 for none
    start: np.ndarray  # uint64 [16], its first position; zeros if it has none
    games: np.ndarray  # int64 [G, COLUMNS]
    tokens: np.ndarray  # int32 [T, TOKEN_COLUMNS]; of a game that is not KEPT_WHOLE the tags alone
    # Uint16 [M], main lines of games that are not KEPT_WHOLE, in codes of `layout`.
    moves: np.ndarray
    lines: np.ndarray  # int64 [DEEPEST_LINE + 1, LINE_COLUMNS], scratch
    rows: np.ndarray  # uint64 [STANDARD + 1, 16], scratch but for the standard position
    legal: np.ndarray  # uint16 [218], scratch
    tag: np.ndarray  # int64 [TAG_PARTS], scratch


@kernel()
def put_token(desk, game, kind, place, till, attribute):
    """Note a token. A fault makes the position of its line unknown."""
    game[TOKENS] += 1
    game[LAST_PLACE] = place
    if kind == BROKEN:
        attribute += 16 * game[RESULT]
        game[FAULT_COUNT] += 1
        game[ODD] = 1
    if kind in (BROKEN, WORD) and game[VARIATIONS] <= DEEPEST_LINE:
        desk.lines[game[VARIATIONS], KNOWN] = 0
    if game[KEPT_WHOLE] or kind <= VALUE_TEXT:
        token = desk.tokens[game[LAST_TOKEN]]
        token[KIND] = kind
        token[PLACE] = place
        token[TILL] = till
        token[ATTRIBUTE] = attribute
        game[LAST_TOKEN] += 1


@kernel()
def feeds(data, begin, end):
    """Count the line feeds between two places."""
    count = 0
    for place in range(begin, end):
        count += data[place] == 10
    return count


@kernel()
def line_end(data, at):
    """Return the place of the next line feed."""
    while data[at] != 10:
        at += 1
    return at
