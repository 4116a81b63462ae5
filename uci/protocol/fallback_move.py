"""A move without a search, for a GUI that must get one whatever failed."""

import math
from collections.abc import Sequence

import chess

from engine.board.notation import board_after
from engine.board.worth import WORTH, worth_on, worth_taken
from uci.protocol.words import NO_MOVE


def fallback_answer(board: chess.Board, searchmoves: Sequence[chess.Move] = ()) -> str:
    """Return the answer to a `go` that failed: a move without a search, of `searchmoves` where there are any."""
    moves = list(searchmoves or board.legal_moves)
    move = fallback_move(board.copy(stack=False), moves)
    if move is None:
        return NO_MOVE
    return f"bestmove {board.uci(move)}"


def fallback_move(board: chess.Board, moves: list[chess.Move]) -> chess.Move | None:
    """Choose a move without a search: a mate, else one that allows none and gains most, or loses
    least.

    What a move gains is what it takes less the best that the answer takes. Returns None only for no
    moves.
    """
    return max(moves, key=lambda move: _gain(board, move), default=None)


def _gain(board: chess.Board, move: chess.Move) -> float:
    after = board_after(board, move)
    if after.is_checkmate():
        return math.inf
    gain = worth_taken(board, move) + WORTH[move.promotion or chess.PAWN] - 1
    if any(board_after(after, reply).is_checkmate() for reply in after.legal_moves):
        return gain - 100.0
    return gain - max(
        (_exchanged(after, reply) for reply in after.generate_legal_captures()), default=0
    )


def _exchanged(board: chess.Board, move: chess.Move) -> int:
    """Return what a capture gains, if taking a protected piece costs the one that takes."""
    protected = board.is_attacked_by(not board.turn, move.to_square)
    taker = worth_on(board, move.from_square)
    return max(0, worth_taken(board, move) - protected * taker)
