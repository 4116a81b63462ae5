"""When an opponent that plays like people resigns: about as often as club players do whose position
is lost.
"""

import random

import chess

from engine.board.worth import lead
from engine.search.result import SearchResult

ROOK_BEHIND = -5  # pawns
QUEEN_BEHIND = -9
LOST_TURNS = 3  # of its own in a row at which it was a rook behind
# Of the turns from then on in 784 club games, so many were the last of the game: 56 of 2,148 a rook
# behind, 107 of 2,448 a queen behind. Games of five minutes or less do not differ.
ROOK_CHANCE = 0.026
QUEEN_CHANCE = 0.044
# The best move's value in [-1, 1] to which a position is lost, whatever is on the board. Set by hand.
HOPELESS = -0.8
# A clock of the other side that may yet fall, so nobody resigns. Set by hand.
SHORT_CLOCK_S = 30.0


def resigns(board: chess.Board, result: SearchResult, other_left_s: float | None) -> bool:
    """Whether the side to move, which has searched its position, resigns. The same position always
    has the same answer.

    other_left_s: what the other side's clock shows; None without clocks.
    """
    if other_left_s is not None and other_left_s < SHORT_CLOCK_S:
        return False
    if max((child.q for child in result.children), default=0.0) > HOPELESS:
        return False
    leads = [lead(earlier, board.turn) for earlier in _own_turns(board)]
    if len(leads) < LOST_TURNS or max(leads) > ROOK_BEHIND:
        return False
    chance = QUEEN_CHANCE if leads[0] <= QUEEN_BEHIND else ROOK_CHANCE
    return random.Random(board.fen()).random() < chance


def _own_turns(board: chess.Board) -> list[chess.Board]:
    """Return the positions of the last turns of the side to move, this one first."""
    position = board.copy(stack=2 * LOST_TURNS)
    turns = [position.copy(stack=False)]
    while len(turns) < LOST_TURNS and len(position.move_stack) >= 2:
        position.pop()
        position.pop()
        turns.append(position.copy(stack=False))
    return turns
