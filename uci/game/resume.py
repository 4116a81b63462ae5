"""Reading a saved game back to continue it: position, sides, levels and clocks."""

from __future__ import annotations

import re

import chess
import chess.pgn

from engine.errors import ConfigError
from uci.game.clock import GameClock, GameTime
from uci.game.level import Level, parse_level
from uci.game.timed_game import PERSON, Setup
from uci.terminal.reading import board_at

_TIME_CONTROL = re.compile(r"(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?")


def saved_game(game: chess.pgn.Game, ply: int | None = None) -> Setup:
    """The game after `ply` half-moves (None: all), as the headers and clock comments tell it. Raises DataError.

    `levels` is None where its players are not a person and Aino, or Aino alone.
    """
    board = board_at(game, ply)
    names = {side: game.headers.get(name, "") for side, name in ((chess.WHITE, "White"), (chess.BLACK, "Black"))}
    levels = {side: level for side in chess.COLORS if (level := _level(names[side])) is not None}
    people = [side for side in chess.COLORS if names[side] == PERSON]
    is_ours = len(levels) + len(people) == len(names) and levels
    clock, clock_times = _clocks(game, board)
    return Setup(
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
