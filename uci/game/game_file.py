"""The PGN of a game against Aino, and the file that keeps it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import chess
import chess.pgn

from uci.terminal.opening_names import opening_name

__all__ = ["default_path", "game_from_board", "save"]


def default_path(now: datetime.datetime) -> Path:
    """A file name of the game's own in the current folder."""
    return Path(f"aino-{now:%Y%m%d-%H%M%S}.pgn")


def game_from_board(
    board: chess.Board,
    headers: Mapping[str, str],
    result: str = "*",
    clock_times: Mapping[int, float] | None = None,
) -> chess.pgn.Game:
    """The game on a board's move stack; `clock_times` are the mover's seconds left after each ply."""
    game = chess.pgn.Game.from_board(board)
    game.headers.update(Event="Terminal game", Site="-", Round="-", Result=result)
    game.headers.update(headers)
    name = opening_name(board)
    if name:
        game.headers["Opening"] = name
    for ply, node in enumerate(game.mainline(), 1):
        if clock_times and ply in clock_times:
            node.set_clock(max(0.0, round(clock_times[ply], 1)))
    return game


def save(game: chess.pgn.Game, path: Path) -> None:
    """Appends the game to a file, never touching what is there. Raises OSError."""
    with path.open("a", encoding="utf-8") as file:
        print(game, file=file, end="\n\n")
