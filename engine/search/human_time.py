"""How long a limited level thinks by the clock, as a person would: long where several moves come to
mind, much can be taken or a check has to be met, and hardly where one takes back, opens the game or
has no choice.
"""

import random

from engine.search.move_choice import SearchRequest
from engine.search.result import SearchResult

# How many moves of its own a side has to come: 784 club games have 31 at the first move, 17 at the
# twentieth, and 14 from the thirtieth on.
MOVES_AT_FIRST = 31.0
FEWER_A_MOVE = 0.75
LEAST_TO_COME = 14.0
# Set by hand: the usual move takes its part of the clock and half of the increment, and no move more
# than half a minute or a quarter of what is left.
PACE_INCREMENT = 0.5
SLOWEST_S = 30.0
MOST_OF_LEFT = 0.25
OPENING_MOVES = 5  # of a game, which are known

# Set by hand, in parts of the usual time.
QUICK_SHARE = 0.2
OF_A_PLAUSIBLE_MOVE = 0.12
OF_A_CAPTURE = 0.12  # that is possible
OF_A_CHECK = 0.4
PLAUSIBLE = 0.1  # least probability of a move that comes to mind
CHANCE = 0.3  # by which a share goes up or down, the same way for a position


def pace_s(order: SearchRequest, result: SearchResult) -> float:
    """Return the least time from the start of a clock to the answer, in seconds."""
    board, limits = order.board, order.limits
    left_ms = max(0, limits.clock_ms(board.turn) or 0)
    part_ms = left_ms / _moves_to_come(board.fullmove_number)
    usual_ms = part_ms + PACE_INCREMENT * limits.increment_ms(board.turn)
    most_ms = min(1000 * SLOWEST_S, MOST_OF_LEFT * left_ms)
    if limits.movetime_ms is not None:
        most_ms = min(most_ms, limits.movetime_ms - order.options.move_overhead_ms)
    return max(0.0, min(_share(order, result) * usual_ms, most_ms)) / 1000


def _moves_to_come(number: int) -> float:
    """Return how many moves a side still has to make, on the mean, at its move of this number."""
    return max(LEAST_TO_COME, MOVES_AT_FIRST - FEWER_A_MOVE * (number - 1))


def _share(order: SearchRequest, result: SearchResult) -> float:
    """Return what part of the usual time the move takes."""
    board, move = order.board, result.best_move
    assert move is not None
    last = board.peek() if board.move_stack else None
    takes_back = last is not None and board.is_capture(move) and move.to_square == last.to_square
    share = QUICK_SHARE
    is_known = not result.children or board.fullmove_number <= OPENING_MOVES
    if not (takes_back or is_known or board.legal_moves.count() == 1):
        plausible = sum(child.prior >= PLAUSIBLE for child in result.children)
        captures = sum(1 for _capture in board.generate_legal_captures())
        share += OF_A_PLAUSIBLE_MOVE * plausible + OF_A_CAPTURE * captures
        share += OF_A_CHECK * board.is_check()
    return share * random.Random(board.fen()).uniform(1 - CHANCE, 1 + CHANCE)
