"""Perft: the number of legal move sequences of a given length, the standard test of move
generation.
"""

import chess
import numpy as np

from engine.board.convert import decode_move, row_from_board
from engine.board.layout import MAX_MOVES, empty_stack
from engine.board.makemove import make
from engine.board.movegen import generate
from engine.native.jit import kernel


@kernel()
def _count(stack, moves, level, depth, bulk):
    """Return the number of leaves below `stack[level]`; `moves` holds one move list per level."""
    number = generate(stack[level], moves[level])
    if depth == 1 and bulk:
        return number
    total = 0
    for i in range(number):
        make(stack[level], moves[level, i], stack[level + 1])
        total += 1 if depth == 1 else _count(stack, moves, level + 1, depth - 1, bulk)
    return total


def perft(board: chess.Board, depth: int, bulk: bool = True) -> int:
    """Return the number of legal move sequences of `depth` plies; `bulk` only counts the last ply's
    moves.
    """
    if depth <= 0:
        return 1
    stack = empty_stack(depth + 1)
    stack[0] = row_from_board(board)
    return int(_count(stack, np.empty((depth, MAX_MOVES), np.uint16), 0, depth, bulk))


def divide(board: chess.Board, depth: int) -> dict[str, int]:
    """Perft of each root move, keyed by UCI text in alphabetical order."""
    row = row_from_board(board)
    moves = np.empty(MAX_MOVES, np.uint16)
    counts = {}
    for move in moves[: generate(row, moves)]:
        after = board.copy(stack=False)
        played = decode_move(row, int(move), board.chess960)
        after.push(played)
        counts[played.uci()] = perft(after, depth - 1)
    return dict(sorted(counts.items()))
