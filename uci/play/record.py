"""The PGN of a terminal game."""

from __future__ import annotations

import datetime
from pathlib import Path

import chess
import chess.pgn

__all__ = ["default_path", "game_from_board", "save"]


def default_path(now: datetime.datetime) -> Path:
    """A file name of the game's own in the current folder."""
    return Path(f"aino-{now:%Y%m%d-%H%M%S}.pgn")


def game_from_board(
    board: chess.Board, names: dict[chess.Color, str], result: str, termination: str, started: datetime.datetime
) -> chess.pgn.Game:
    """The game on a board's move stack, with its headers; result "*" for a game broken off."""
    game = chess.pgn.Game.from_board(board)
    game.headers.update(
        Event="Terminal game",
        Site="-",
        Date=f"{started:%Y.%m.%d}",
        Round="-",
        White=names[chess.WHITE],
        Black=names[chess.BLACK],
        Result=result,
        Termination=termination,
    )
    return game


def save(game: chess.pgn.Game, path: Path) -> None:
    """Appends the game to a file, never touching what is there. Raises OSError."""
    with path.open("a", encoding="utf-8") as file:
        print(game, file=file, end="\n\n")
