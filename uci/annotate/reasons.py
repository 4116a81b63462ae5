"""Why a move is bad, in a sentence, as far as lines show it: mates and material, allowed and missed, and how."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import chess

from uci.annotate.motifs import WORTH, Balance, balance, gain_on, mate_pattern, motif
from uci.terminal.notation import board_after

_LEAST_DIFFERENCE = 1  # pawns between two lines; less is no reason
_SACRIFICE = 2  # pawns; the exchange is the smallest sacrifice
_LEAST_COST_CP = 50  # that the evaluation must lose for each pawn named; material that has compensation is no reason
_SETTLED_PLIES = 8  # of a line; what comes later is seldom forced


@dataclass(frozen=True)
class Lines:
    """A move and its better alternative, as lines from the position before it; mates are in the mover's view.

    A mate is a number of moves, negative where the mover is mated, None without one.
    """

    board: chess.Board
    played: Sequence[chess.Move]  # with the move itself
    better: Sequence[chess.Move]
    mate_played: int | None = None
    mate_better: int | None = None
    cost_cp: float = math.inf  # what the evaluation loses by the move


def reason(lines: Lines) -> str:
    """Why the move is worse, without a full stop: `loses a rook to a fork of king and rook by the knight on c7`.

    "" where no rule fits.
    """
    return _mates(lines) or _material(lines) or _structure(lines)


def _mates(lines: Lines) -> str:
    missed, allowed = lines.mate_better or 0, lines.mate_played or 0
    words = []
    if missed > 0 >= allowed:
        words.append(f"misses {_mate_text(lines.board, lines.better, missed)}")
    if allowed < 0 <= missed:
        words.append(f"allows {_mate_text(lines.board, lines.played, -allowed)}")
    return " and ".join(words)


def _mate_text(board: chess.Board, line: Sequence[chess.Move], moves: int) -> str:
    pattern = mate_pattern(board, line)
    return f"{'a ' * (pattern != 'mate')}{pattern} in {moves}"


def _material(lines: Lines) -> str:
    played, better = (_settled(lines, line) for line in (lines.played, lines.better))
    difference = better.pawns - played.pawns
    if difference < _LEAST_DIFFERENCE or lines.cost_cp < _LEAST_COST_CP * difference:
        return ""
    if played.promotions < min(0, better.promotions):
        return "lets a pawn promote"
    if better.promotions > max(0, played.promotions):
        return "misses the promotion of a pawn"
    if played.pawns < 0 and -played.pawns >= better.pawns:
        after = board_after(lines.board, *lines.played[:1])
        return f"loses {played.reversed().text}{_how(' to ', after, lines.played[1:])}"
    if better.pawns > 0:
        how = motif(lines.board, lines.better)
        return f"misses {how}, which wins {better.text}" if _is_tactic(how) else f"misses a win of {better.text}"
    return ""


def _settled(lines: Lines, line: Sequence[chess.Move]) -> Balance:
    return balance(lines.board, line[: 1 + _SETTLED_PLIES])


def _how(link: str, board: chess.Board, line: Sequence[chess.Move]) -> str:
    text = motif(board, line)
    return f"{link}{text}" if _is_tactic(text) else f": {text}" if text else ""


def _is_tactic(text: str) -> bool:
    """Whether a motif can be won by, as a fork, and is no state of a piece."""
    return text.startswith(("a fork", "a skewer", "a discovered", "a pin", "the removal", "a deflection"))


def _structure(lines: Lines) -> str:
    """What the played line gives up and the better one keeps, beside material."""
    side = lines.board.turn
    if _settled(lines, lines.played).pawns != _settled(lines, lines.better).pawns:
        return ""
    played, better = (board_after(lines.board, *line[: 1 + _SETTLED_PLIES]) for line in (lines.played, lines.better))
    if all(_has_pair(board, side) for board in (lines.board, better)) and not _has_pair(played, side):
        return "gives up the bishop pair"
    passed = _passed_pawns(played, not side) - _passed_pawns(better, not side) - _passed_pawns(lines.board, not side)
    if passed:
        return f"gives the other side a passed pawn on {chess.square_name(min(passed))}"
    return ""


def _has_pair(board: chess.Board, side: chess.Color) -> bool:
    return len(board.pieces(chess.BISHOP, side)) >= 2


def _passed_pawns(board: chess.Board, side: chess.Color) -> set[chess.Square]:
    """Pawns of a side that no pawn of the other one can stop or take on its way."""
    ahead = 1 if side == chess.WHITE else -1
    enemies = [divmod(square, 8) for square in board.pieces(chess.PAWN, not side)]
    return {
        square
        for square in board.pieces(chess.PAWN, side)
        if not any(abs(file - square % 8) <= 1 and ahead * (rank - square // 8) > 0 for rank, file in enemies)
    }


def is_sacrifice(board: chess.Board, line: Sequence[chess.Move]) -> bool:
    """Whether a line's first move offers the moved piece, or lets another one be taken and does not win it back."""
    after = board_after(board, *line[:1])
    if gain_on(after, line[0].to_square) - (_lead(after, board.turn) - _lead(board, board.turn)) >= _SACRIFICE:
        return True
    if len(line) < 3 or not after.is_capture(line[1]):
        return False
    answered = 4 if line[3:] and line[3].to_square == line[2].to_square else 3  # an answer may be taken back
    return _lead(board, board.turn) - _lead(board_after(board, *line[:answered]), board.turn) >= _SACRIFICE


def _lead(board: chess.Board, side: chess.Color) -> int:
    """By how many pawns' worth of material a side is ahead."""
    return sum(WORTH[piece.piece_type] * (1 if piece.color == side else -1) for piece in board.piece_map().values())
