"""Positional reasons: what stands worse at a calm point of a move's line than at the same point of the better one.

There, one part of the worse position at a time, the pawns of a side or one of its pieces, is put as it stands in the
better one. A part is the reason where this wins back half of what the move lost, by the evaluator's own values.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import chess

from engine.board.notation import board_after
from uci.annotate.material import ON_SQUARE
from uci.language import _, later

Values = Callable[[chess.Board], float]  # winning chances of the side to move at first sight

_SHARE = 0.5  # of what a move loses, which a part must explain
_MOST_LOSS = 0.15  # winning chances; a blunder has no positional reason
_LAST_PLY = 12  # after which the lines are compared
_SHELTER = 2  # pawns beside a king that is not exposed


class Feature(NamedTuple):
    """What a part of the board is like: a sentence with a {piece} or its {file}, and perhaps a {better} square."""

    sentence: str
    piece: chess.PieceType
    square: chess.Square
    better: chess.Square | None = None

    @property
    def text(self) -> str:
        """The sentence in the language that is spoken here, without a full stop."""
        square, better = (chess.SQUARE_NAMES[at or 0] for at in (self.square, self.better))
        return _(self.sentence, piece=_(ON_SQUARE[self.piece], square=square), file=square[0], better=better)


def feature(
    board: chess.Board, played: Sequence[chess.Move], better: Sequence[chess.Move], loss: float, values: Values
) -> Feature | None:
    """Return what explains half of the winning chances that a move loses; None if no part of the position does.

    Both lines begin with their move.
    """
    for plies in range(2, min(_LAST_PLY, len(played), len(better)) + 1) if loss < _MOST_LOSS else ():
        worse, best = board_after(board, *played[:plies]), board_after(board, *better[:plies])
        if _is_calm(worse, played[plies:]) and _is_calm(best, better[plies:]) and _count(worse) == _count(best):
            sign, low = (1 if worse.turn == board.turn else -1), values(worse)
            gains = [(sign * (values(changed) - low), found) for found, changed in _parts(board, worse, best)]
            most, found = max(gains, key=lambda gain: gain[0], default=(0.0, None))
            if min(most, sign * (values(best) - low)) >= _SHARE * loss:
                return found
    return None


def _is_calm(board: chess.Board, rest: Sequence[chess.Move]) -> bool:
    return not board.is_check() and not (rest and board.is_capture(rest[0])) and any(board.legal_moves)


def _count(board: chess.Board) -> list[int]:
    return [len(board.pieces(kind, side)) for kind in chess.PIECE_TYPES for side in chess.COLORS]


def _parts(start: chess.Board, worse: chess.Board, best: chess.Board) -> Iterator[tuple[Feature, chess.Board]]:
    """Yield what a rule sees in a part of the worse position, and that position with the part of the better one."""
    for side, kind in itertools.product(chess.COLORS, chess.PIECE_TYPES):
        here, there = worse.pieces(kind, side), best.pieces(kind, side)
        gone, new = here - there, there - here
        if not gone or new & worse.occupied or (kind != chess.PAWN and len(gone) > 1):
            continue
        changed = worse.copy(stack=False)
        for square in gone:
            changed.remove_piece_at(square)
        for square in new:
            changed.set_piece_at(square, chess.Piece(kind, side))
        changed.castling_rights, changed.ep_square = changed.clean_castling_rights(), None
        found = _seen(start, worse, best, side, kind)
        if found is None and kind != chess.PAWN:
            found = Feature(_WORSE if side == start.turn else _BETTER, kind, min(gone), min(new))
        if found and not changed.was_into_check() and not changed.is_check() and any(changed.legal_moves):
            yield found, changed


def _seen(
    start: chess.Board, worse: chess.Board, best: chess.Board, side: chess.Color, kind: chess.PieceType
) -> Feature | None:
    """Return what a rule sees in more of a side's pieces in the worse position than in the better one and before."""
    for is_own, kinds, rule, sentence in _RULES:
        if is_own == (side == start.turn) and kind in kinds:
            now, otherwise, before = (rule(board, side) for board in (worse, best, start))
            if len(now) > max(len(otherwise), len(before)):
                square = min(now - before or now)
                return Feature(sentence, worse.piece_type_at(square) or kind, square)
    return None


# ---- rules: a side's pieces of which something is true --------------------------------------------------------------


def passed(board: chess.Board, side: chess.Color) -> chess.SquareSet:
    """Return a side's passed pawns."""
    return chess.SquareSet(pawn for pawn in board.pieces(chess.PAWN, side) if not _before(board, pawn, side))


def _before(board: chess.Board, pawn: chess.Square, side: chess.Color) -> chess.SquareSet:
    """Return the other side's pawns ahead of a pawn, on its file or beside it."""
    ranks = range(chess.square_rank(pawn) + 1, 8) if side == chess.WHITE else range(chess.square_rank(pawn))
    return chess.SquareSet(
        other
        for other in board.pieces(chess.PAWN, not side)
        if abs(chess.square_file(other) - chess.square_file(pawn)) <= 1 and chess.square_rank(other) in ranks
    )


def _isolated(board: chess.Board, side: chess.Color) -> chess.SquareSet:
    files = {chess.square_file(pawn) for pawn in board.pieces(chess.PAWN, side)}
    return chess.SquareSet(
        pawn
        for pawn in board.pieces(chess.PAWN, side)
        if not files & {chess.square_file(pawn) - 1, chess.square_file(pawn) + 1}
    )


def _on_open_file(board: chess.Board, side: chess.Color) -> chess.SquareSet:
    rooks = board.pieces(chess.ROOK, side)
    return chess.SquareSet(rook for rook in rooks if not board.pawns & chess.BB_FILES[chess.square_file(rook)])


def _exposed(board: chess.Board, side: chess.Color) -> chess.SquareSet:
    """Return the king with fewer than two pawns on the squares around it, where the other side has a queen."""
    king = board.king(side)
    is_exposed = king is not None and len(board.attacks(king) & board.pieces(chess.PAWN, side)) < _SHELTER
    return chess.SquareSet([king or 0] if is_exposed and board.pieces(chess.QUEEN, not side) else [])


_Squares = Callable[[chess.Board, chess.Color], chess.SquareSet]
_RULES: tuple[tuple[bool, Sequence[chess.PieceType], _Squares, str], ...] = (  # whether of the mover's, changed parts
    (True, (chess.KING, chess.PAWN), _exposed, later("exposes {piece}")),
    (True, (chess.PAWN,), _isolated, later("leaves {piece} isolated")),
    (False, (chess.PAWN,), passed, later("lets {piece} become a passed pawn")),
    (False, (chess.ROOK,), _on_open_file, later("leaves the open {file}-file to {piece}")),
)
_WORSE = later("leaves {piece} worse placed than on {better}")
_BETTER = later("lets {piece} stand better than on {better}")
