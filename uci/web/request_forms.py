"""The forms of the page's requests: what each of their fields must be, all of them bounded."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from engine.board.pgn.annotations import COLOURS
from engine.errors import DataError
from uci.library.explorer import KEPT_PLIES
from uci.library.game_files import is_key
from uci.library.glicko import MOST_RATING

# Characters that the page's fields take; a position may have a long game behind it.
LONGEST = {"pgn": 250_000, "position": 20_000, "comment": 250_000, "word": 40}
LONGEST_MESSAGE = 6 * LONGEST["pgn"] + 1000  # bytes; JSON writes some characters in six
_LONGEST_NAME = 255
_MOST_MOVES = 200
_MOST_KEYS = 10_000
_SIDES = ("white", "black", "random", "none")

Check = Callable[[Any], bool]
# What carries a request out, and what each of its fields, all of them required, must be.
Request = tuple[Callable[..., None], Mapping[str, Check]]


def text_of(longest: int) -> Check:
    """Return the check of a text that can be stored: JSON may hold halves of characters."""
    return lambda value: (
        isinstance(value, str) and len(value) <= longest and not re.search("[\ud800-\udfff]", value)
    )


def number_of(least: int, most: int) -> Check:
    return lambda value: (
        isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    )


is_word = text_of(LONGEST["word"])
is_position = text_of(LONGEST["position"])
is_comment = text_of(LONGEST["comment"])
is_pgn = text_of(LONGEST["pgn"])
is_name = text_of(_LONGEST_NAME)
is_line = text_of(6 * KEPT_PLIES)
is_uci = text_of(5)
is_node = number_of(0, 10**9)
is_square = number_of(0, 63)
is_rating = number_of(0, MOST_RATING)


def is_game_key(value: Any) -> bool:
    return isinstance(value, str) and is_key(value)


def are_game_keys(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MOST_KEYS and all(map(is_game_key, value))


def is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def is_side(value: Any) -> bool:
    return value in _SIDES


def is_colour(value: Any) -> bool:
    return value in COLOURS.values()


def is_moves(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MOST_MOVES and all(map(is_uci, value))


def read_request(
    text: str | bytes, requests: Mapping[str, Request]
) -> tuple[Callable[..., None], dict[str, Any]]:
    """Return what carries out a message from the page, and its fields. Raises DataError."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"expected a message in JSON: {error}") from error
    name = fields.pop("do", None) if isinstance(fields, dict) else None
    if not isinstance(name, str) or name not in requests:
        raise DataError('a message without a known "do"')
    action, checks = requests[name]
    if fields.keys() != checks.keys():
        raise DataError(f"{name}: expected the fields {sorted(checks)}, found {sorted(fields)}")
    for key, check in checks.items():
        if not check(fields[key]):
            raise DataError(f"{name}: bad value of {key}")
    return action, fields
