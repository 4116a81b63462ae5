"""What the two sides win and lose in a line of moves, and words for it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import chess

from engine.board.notation import board_after
from engine.board.worth import WORTH, lead, worth_on, worth_taken
from uci.language import _, later

# Nouns are objects of their sentences, unless the context is "subject" or "of": German has other
# forms there. What is told of a kind of piece stands at its number, as in `chess.PIECE_NAMES`.
NUMBERS = ("", "", later("two"), later("three"), later("four"), later("five"), later("six"), later("seven"),
           later("eight"), later("nine"), later("ten"))  # fmt: skip
ONE_PIECE = ("", later("a pawn"), later("a knight"), later("a bishop"), later("a rook"),
             later("the queen"))  # fmt: skip
MANY_PIECES = ("", later("pawns"), later("knights"), later("bishops"), later("rooks"),
               later("queens"))  # fmt: skip
ON_SQUARE = ("", later("the pawn on {square}"), later("the knight on {square}"),
             later("the bishop on {square}"), later("the rook on {square}"),
             later("the queen on {square}"), later("the king on {square}"))  # fmt: skip
Kinds = Counter[chess.PieceType]
Moves = Sequence[chess.Move]  # a line, from some position
SACRIFICE = 2  # pawns; the exchange is the smallest sacrifice
_QUIET_SACRIFICE = 3  # of a move that takes nothing, which otherwise offers a trade


@dataclass(frozen=True)
class Balance:
    """The kinds of pieces that a side wins and loses; equal ones, and bishops and knights, cancel
    out.
    """

    won: Kinds
    lost: Kinds
    promotions: int = 0  # more than the other side's

    @classmethod
    def of(cls, won: Kinds, lost: Kinds, promotions: int = 0) -> Balance:
        """Return the balance of some captures."""
        won, lost = won - lost, lost - won
        for ours, theirs in ((chess.BISHOP, chess.KNIGHT), (chess.KNIGHT, chess.BISHOP)):
            equal = min(won[ours], lost[theirs])
            won, lost = won - Counter({ours: equal}), lost - Counter({theirs: equal})
        return cls(won, lost, promotions)

    @property
    def pawns(self) -> int:
        """The gain in pawns; a loss is negative."""
        return (
            pawns_of(self.won)
            - pawns_of(self.lost)
            + self.promotions * (WORTH[chess.QUEEN] - WORTH[chess.PAWN])
        )

    def reversed(self) -> Balance:
        """Return the other side's view."""
        return Balance(self.lost, self.won, -self.promotions)

    @property
    def text(self) -> str:
        """What is won, in words: `the queen for a rook`, `the exchange`, `two pawns`."""
        if self.won == Counter([chess.ROOK]) and self.lost in (
            Counter([chess.BISHOP]),
            Counter([chess.KNIGHT]),
        ):
            return _("the exchange")
        won, lost = _pieces_text(self.won), _pieces_text(self.lost)
        if not lost:
            return won
        return _("{won} for {lost}", won=won, lost=lost)


def pawns_of(kinds: Kinds) -> int:
    """Return the worth of some pieces in pawns."""
    return sum(WORTH[kind] * count for kind, count in kinds.items())


def _pieces_text(pieces: Kinds) -> str:
    return listed([so_many(kind, pieces[kind]) for kind in sorted(+pieces, reverse=True)])


def so_many(kind: chess.PieceType, count: int) -> str:
    """Return `a rook`, or `two rooks`."""
    if count == 1:
        return _(ONE_PIECE[kind])
    return _("{number} {pieces}", number=_(NUMBERS[count]), pieces=_(MANY_PIECES[kind]))


def on_square(board: chess.Board, square: chess.Square, context: str = "") -> str:
    """Return `the pawn on e4`."""
    kind = board.piece_type_at(square) or chess.PAWN
    return _(ON_SQUARE[kind], context, square=chess.square_name(square))


def listed(words: Sequence[str]) -> str:
    """Return `a rook, a knight and two pawns`."""
    first = ", ".join(words[:-1])
    last = "".join(words[-1:])
    if not first:
        return last
    return _("{first} and {last}", first=first, last=last)


def balances(board: chess.Board, line: Moves, plies: int, most: int = 0) -> dict[int, Balance]:
    """Return what the side to move wins and loses by the first moves of a line, after each number
    of them that ends exchanges.

    Exchanges are going on where the line's next move takes or promotes. One that begins within the
    first moves is followed to its end, but not beyond `most` plies. If the line itself ends
    with a capture, a good recapture is counted, too; there is no balance where it wins only a part
    of what took, or where as much hangs elsewhere behind it.
    """
    now = board
    settled = {0: Balance(Kinds(), Kinds())}
    for ply, (move, following) in enumerate(itertools.zip_longest(line, line[1:]), 1):
        if ply > plies and (ply > most or max(settled) >= plies):
            break
        takes = now.is_capture(move)
        now = board_after(now, move)
        if following is not None and (now.is_capture(following) or following.promotion):
            continue
        if following is None and takes:
            recaptured = _recaptured(now, move.to_square)
            if recaptured is None:
                continue
            now = recaptured
        lost, ours = _gone(board, now, board.turn)
        won, theirs = _gone(board, now, not board.turn)
        settled[ply] = Balance.of(won, lost, ours - theirs)
    return settled


def last_balance(board: chess.Board, line: Moves, plies: int) -> Balance:
    """Return the last of the `balances`."""
    return [*balances(board, line, plies).values()][-1]


def _recaptured(board: chess.Board, square: chess.Square) -> chess.Board | None:
    """Return the position after a good recapture on a square, or the same one without any; None
    where it wins only a part of what took, or where as much hangs elsewhere behind it.
    """
    recapture = cheapest_capture(board, square)
    gain = gain_on(board, square)
    if recapture is None or gain == 0:
        return board
    after = board_after(board, recapture)
    if gain < worth_on(board, square) or most_to_win(after) >= gain:
        return None
    return after


def _gone(start: chess.Board, end: chess.Board, side: chess.Color) -> tuple[Kinds, int]:
    """Return the kinds of a side's pieces that are gone, and how many of its pawns are other pieces
    now.
    """
    before, after = _kinds(start, side), _kinds(end, side)
    promoted = (after - before).total()
    return before - after - Kinds({chess.PAWN: promoted}), promoted


def _kinds(board: chess.Board, side: chess.Color) -> Kinds:
    return Kinds({kind: len(board.pieces(kind, side)) for kind in chess.PIECE_TYPES})


def unrest(board: chess.Board, line: Moves, side: chess.Color) -> int:
    """Return what a side could win on one square at the end of a line, in pawns, now or by the move
    before.
    """
    before, after = board_after(board, *line[:-1]), board_after(board, *line)
    is_capture = bool(line) and before.is_capture(line[-1])
    if after.turn == side:
        return most_to_win(after)
    if is_capture or before.turn != side:
        return 0
    return most_to_win(before)  # what a quiet move passed by


def most_to_win(board: chess.Board) -> int:
    """Return what the side to move wins on one square at most, in pawns."""
    enemies = chess.SquareSet(board.occupied_co[not board.turn])
    return max(gain_on(board, square) for square in enemies)


def gain_on(board: chess.Board, square: chess.Square) -> int:
    """Return what the side to move wins on one square, in pawns, if both take with their cheapest
    piece or stop.
    """
    if (move := cheapest_capture(board, square)) is None:
        return 0
    return max(0, worth_taken(board, move) - gain_on(board_after(board, move), square))


def cheapest_capture(board: chess.Board, square: chess.Square) -> chess.Move | None:
    """Return the capture on a square by the piece of least worth, None without one."""
    if not board.is_attacked_by(board.turn, square):  # legal captures take fifty times as long
        return None
    takers = board.generate_legal_captures(to_mask=chess.BB_SQUARES[square])
    return min(takers, key=lambda taker: worth_on(board, taker.from_square), default=None)


def offers(board: chess.Board, move: chess.Move) -> bool:
    """Whether the moved piece may be taken for less than it is worth."""
    after = board_after(board, move)
    won = lead(after, board.turn) - lead(board, board.turn)
    least = SACRIFICE if won else _QUIET_SACRIFICE
    return gain_on(after, move.to_square) - won >= least


def is_sacrifice(board: chess.Board, line: Moves) -> bool:
    """Whether a line's first move offers the moved piece, or lets another one be taken and does not
    win it back.
    """
    if offers(board, line[0]):
        return True
    after = board_after(board, line[0])
    if len(line) < 3 or not after.is_capture(line[1]):
        return False
    plies = 3
    if line[3:] and line[3].to_square == line[2].to_square:  # an answer may be taken back
        plies = 4
    ahead = lead(board_after(board, *line[:plies]), board.turn)
    return lead(board, board.turn) - ahead >= SACRIFICE
