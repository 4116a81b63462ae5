"""What the page may ask for: the forms of its messages, checked and bounded before anything acts on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import DataError

LONGEST_PGN = 250_000  # characters; the longest thing that a page sends
LONGEST_MESSAGE = 6 * LONGEST_PGN + 1000  # bytes; JSON writes some characters in six
_LONGEST_FEN = 200
_LONGEST_WORD = 40
_MOST_MOVES = 200

Check = Callable[[Any], bool]


def _text(longest: int) -> Check:
    return lambda value: isinstance(value, str) and len(value) <= longest


def _number(least: int, most: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _moves(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MOST_MOVES and all(map(_text(5), value))


_WORD = _text(_LONGEST_WORD)
_SIDE: Check = lambda value: value in ("white", "black", "random", "none")  # noqa: E731 - a row of the table, like the others
_START = {"side": _SIDE, "level": _WORD, "clock": _WORD}

# Name of a wish -> its fields, all of them required, and what each must be.
WISHES: dict[str, Mapping[str, Check]] = {
    # a game
    "new": {**_START, "fen": _text(_LONGEST_FEN), "chess960": _text(3)},
    "play_from_here": _START,
    "again": {"swap": _flag},
    "move": {"uci": _text(5)},
    "type": {"text": _WORD},
    "take_back": {},
    "hint": {},
    "offer_draw": {},
    "resign": {},
    "level": {"level": _WORD},
    # analysis
    "analyse": {"on": _flag},
    "look": {"variation": _flag, "ply": _number(0, 10_000)},
    "explore": {"moves": _moves},
    "drop_variation": {},
    "lines": {"on": _flag, "count": _number(1, 5)},
    "position": {"fen": _text(_LONGEST_FEN)},
    "load": {"text": _text(LONGEST_PGN), "game": _number(1, 100_000)},
    "review": {},
    "stop_review": {},
    # one's own games
    "games_refresh": {},
    "games_find": {"text": _text(_LONGEST_FEN), "result": _WORD, "side": _WORD, "offset": _number(0, 10**7)},
    "games_progress": {},
    "games_name": {"name": _text(_LONGEST_FEN)},
    "games_open": {"key": _WORD},
    "games_continue": {"key": _WORD},
    "games_delete": {"key": _WORD},
    "games_review": {"key": _WORD},
    "games_stop": {},
    # puzzles
    "puzzles_next": {},
    "puzzles_move": {"uci": _text(5)},
    "puzzles_answer": {},
    # the tab
    "take_over": {},
}


def read_wish(text: str | bytes) -> tuple[str, dict[str, Any]]:
    """The name and the fields of a message from the page. Raises DataError."""
    try:
        wish = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"expected a message in JSON: {error}") from error
    if not isinstance(wish, dict) or not isinstance(wish.get("do"), str) or wish["do"] not in WISHES:
        raise DataError('a message without a known "do"')
    name = wish.pop("do")
    fields = WISHES[name]
    if wish.keys() != fields.keys():
        raise DataError(f"{name}: expected the fields {sorted(fields)}, found {sorted(wish)}")
    for key, check in fields.items():
        if not check(wish[key]):
            raise DataError(f"{name}: bad value of {key}")
    return name, wish
