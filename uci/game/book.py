"""Aino's first moves in games against people: known openings by chance, so that no game is like the one before."""

from __future__ import annotations

import random

import chess

from uci.terminal.opening_names import named_lines_beyond

_LONGEST_PLIES = 8
_LEAST_LINES = 2  # named openings that a move must lead to; a curiosity has one


def book_move(board: chess.Board, rng: random.Random) -> chess.Move | None:
    """A move into a named opening, the likelier the more known ones come after it; None where no move has several."""
    if len(board.move_stack) >= _LONGEST_PLIES or board.root() != chess.Board():
        return None
    counts: dict[chess.Move, int] = {}
    for move in board.legal_moves:
        board.push(move)
        lines = named_lines_beyond(board)
        board.pop()
        if lines >= _LEAST_LINES:
            counts[move] = lines
    return rng.choices(list(counts), list(counts.values()))[0] if counts else None
