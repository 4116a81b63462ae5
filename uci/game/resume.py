"""Reading a saved game back to continue it: position, sides, levels and clocks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import chess
import chess.pgn

from engine.errors import ConfigError
from uci.game.clock import GameClock, GameTime
from uci.game.level import Level, parse_level
from uci.terminal.reading import board_at

PERSON = "You"  # the person's name in the headers
_TIME_CONTROL = re.compile(r"(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class SavedGame:
    """A game to continue. `levels` is None where its players are not a person and Aino, or Aino alone."""

    board: chess.Board
    human: chess.Color | None = None
    levels: Mapping[chess.Color, Level] | None = None  # Aino's level for each colour
    clock: GameClock | None = None  # None where the game has none
    clock_times: Mapping[int, float] = field(default_factory=dict)  # seconds left to the mover after each ply


def player_name(level: Level) -> str:
    """Aino's name in the headers."""
    return f"Aino ({level.text})"


def saved_game(game: chess.pgn.Game, ply: int | None = None) -> SavedGame:
    """The game after `ply` half-moves (None: all), as the headers and clock comments tell it. Raises DataError."""
    board = board_at(game, ply)
    names = {side: game.headers.get(name, "") for side, name in ((chess.WHITE, "White"), (chess.BLACK, "Black"))}
    levels = {side: level for side in chess.COLORS if (level := _level(names[side])) is not None}
    people = [side for side in chess.COLORS if names[side] == PERSON]
    is_ours = len(levels) + len(people) == len(names) and levels
    clock, clock_times = _clocks(game, board)
    return SavedGame(
        board=board,
        human=people[0] if people else None,
        levels={side: levels.get(side) or levels[not side] for side in chess.COLORS} if is_ours else None,
        clock=clock,
        clock_times=clock_times,
    )


def _level(name: str) -> Level | None:
    match = re.fullmatch(r"Aino \((.*)\)", name)
    try:
        return parse_level(match[1]) if match else None
    except ConfigError:
        return None


def _clocks(game: chess.pgn.Game, board: chess.Board) -> tuple[GameClock | None, dict[int, float]]:
    """The clock as it stood at the board's ply, and the times before; (None, {}) without a time control."""
    match = _TIME_CONTROL.fullmatch(game.headers.get("TimeControl", ""))
    if match is None or not float(match[1]):
        return None, {}
    clock = GameClock(GameTime(float(match[1]), float(match[2] or 0)))
    times: dict[int, float] = {}
    for ply, node in enumerate(game.mainline(), 1):
        left = node.clock()
        if ply <= len(board.move_stack) and left is not None:
            times[ply] = left
            clock.set_left(not node.turn(), left)
    if len(list(game.mainline())) == len(board.move_stack):
        clock.set_by_headers(game.headers)  # these know what the side to move had used
    return clock, times
