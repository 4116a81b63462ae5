"""Boards for tests."""

import re
from collections.abc import Iterable

import chess


def board_after(moves: str | Iterable[str], fen: str = chess.STARTING_FEN) -> chess.Board:
    """The board after some moves, each in SAN or UCI notation."""
    board = chess.Board(fen)
    for move in moves.split() if isinstance(moves, str) else moves:
        board.push(board.parse_uci(move) if re.fullmatch("([a-h][1-8]){2}[nbrq]?", move) else board.parse_san(move))
    return board
