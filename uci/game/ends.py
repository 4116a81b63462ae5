"""How games end."""

from dataclasses import dataclass

import chess

from uci.common.evaluation import Evaluation
from uci.language import later

DRAW_FROM_PLY = 30  # by the number of the move: Aino does not agree to a draw earlier in a game
TOO_EARLY = later("Draw declined: ask again after move 15.")  # half of these plies
DECLINED = later("Draw declined: Aino prefers its position.")
_DRAW_ENOUGH = 0.5  # Aino accepts a draw when its expected points are at most this


@dataclass(frozen=True)
class GameEnd:
    """How a game ended: PGN result and the reason in English words, as PGN has it."""

    result: str
    reason: str


UNFINISHED = GameEnd("*", later("unterminated"))
DRAW_AGREED = GameEnd("1/2-1/2", later("draw agreed"))


def end_on_board(board: chess.Board) -> GameEnd | None:
    """Mate, stalemate, dead position, third repetition or fifty moves; None while the game goes
    on.
    """
    outcome = board.outcome()
    if outcome is not None:
        return GameEnd(outcome.result(), outcome.termination.name.lower().replace("_", " "))
    if board.is_repetition(3):
        return GameEnd("1/2-1/2", later("threefold repetition"))
    if board.is_fifty_moves():
        return GameEnd("1/2-1/2", later("fifty moves"))
    return None


def end_by_flag(board: chess.Board) -> GameEnd:
    """Return the end of a game whose side to move has used up its time."""
    if board.has_insufficient_material(not board.turn):
        return GameEnd("1/2-1/2", later("time ran out, but the other side cannot mate"))
    reasons = {chess.WHITE: later("White lost on time"), chess.BLACK: later("Black lost on time")}
    return GameEnd(_win_against(board.turn), reasons[board.turn])


def end_by_resigning(human: chess.Color) -> GameEnd:
    """Return the end of a game that the person gives up."""
    return GameEnd(_win_against(human), later("you resigned"))


def end_by_giving_up(side: chess.Color) -> GameEnd:
    """Return the end of a game that Aino, which has this side, gives up."""
    return GameEnd(_win_against(side), later("Aino resigned"))


def _win_against(loser: chess.Color) -> str:
    return "0-1" if loser == chess.WHITE else "1-0"


def accepts_draw(offerer: Evaluation) -> bool:
    """Whether Aino agrees to a draw in a position with this verdict, from the side of the person
    who offers it.
    """
    return 1.0 - offerer.expected <= _DRAW_ENOUGH
