"""What the terminal asks before a game, and what Tab completes in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import chess

from engine.errors import ConfigError
from uci.game.clock import parse_time_control
from uci.game.level import DEFAULT_NAME, levels_text, parse_level
from uci.play.typed_commands import TYPED_COMMANDS

DEFAULT_SIDE, NO_CLOCK = "white", "none"
_SIDES = ("white", "black", "random")
Read = TypeVar("Read")


def ask_choices(ask: Callable[[str], str], say: Callable[[str], None]) -> tuple[str, str, str]:
    """Side, level and clock ("" for none) of a new game; Enter takes what stands in brackets. Raises EOFError."""
    say(levels_text())
    side = _answer(ask, say, f"Your side: white, black or random [{DEFAULT_SIDE}]: ", _side, DEFAULT_SIDE)
    level = _answer(ask, say, f"Aino's level [{DEFAULT_NAME}]: ", lambda text: parse_level(text).text, DEFAULT_NAME)
    clock = _answer(ask, say, f"Clock, such as 10 or 5+3 [{NO_CLOCK}]: ", _clock, NO_CLOCK)
    return side, level, clock


def _answer(
    ask: Callable[[str], str], say: Callable[[str], None], question: str, read: Callable[[str], Read], default: str
) -> Read:
    while True:
        try:
            return read(ask(question).strip().lower() or default)
        except ConfigError as error:
            say(str(error))


def _side(text: str) -> str:
    found = [side for side in _SIDES if side.startswith(text)]
    if len(found) != 1:
        raise ConfigError(f"side {text!r}: expected white, black or random")
    return found[0]


def _clock(text: str) -> str:
    if text == NO_CLOCK:
        return ""
    parse_time_control(text)
    return text


def completions(board: chess.Board, begun: str) -> list[str]:
    """The commands and legal moves that begin so."""
    words = [*TYPED_COMMANDS, *(board.san(move) for move in board.legal_moves)]
    return sorted(word for word in words if word.startswith(begun))
