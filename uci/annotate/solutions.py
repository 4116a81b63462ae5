"""The moves that solve a puzzle: as long as one move is better than all others by far, the line
goes on.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import chess

from engine.board.notation import board_after
from uci.annotate.material import Moves

ONLY = 0.15  # winning chances by which every other move must be worse
STILL_WON = 0.3  # winning chances that the solution must leave
LONGEST_SOLUTION = 11  # plies of a solution, which ends with a move of one's own


class Candidate(NamedTuple):
    """A move with the line that it begins, and the mover's winning chances."""

    line: Moves
    chances: float


# Returns the two best moves of a position, or the only one.
Look = Callable[[chess.Board], Sequence[Candidate]]


def is_puzzle(chances: float, gap: float) -> bool:
    """Whether a best move with these winning chances, so much better than all others, makes a
    position a puzzle.
    """
    return gap >= ONLY and chances >= STILL_WON


def only_line(choices: Sequence[Candidate]) -> Moves:
    """Return the line of the best move if this is the only good one, else ()."""
    best, *second_best = choices
    gap = best.chances
    if second_best:
        gap -= second_best[0].chances
    if is_puzzle(best.chances, gap):
        return best.line
    return ()


def solution(board: chess.Board, line: Moves, look: Look) -> Moves:
    """Return the moves that solve a puzzle whose best line begins so, with the answers to them."""
    moves = [*line[:1]]
    while len(line) > 1 and len(moves) < LONGEST_SOLUTION:
        answer = line[1]
        answered = board_after(board, *moves, answer)
        if answered.is_game_over():
            break
        line = only_line(look(answered))
        if line:
            moves += [answer, line[0]]
    return tuple(moves)
