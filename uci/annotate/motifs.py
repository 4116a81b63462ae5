"""How a line of moves wins material: by rules, each of which explains the capture that decides the
line.

In each rule the attacker is the side that makes the first move of the line, the defender the other
one.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import chess

from engine.board.notation import board_after
from engine.board.worth import WORTH, captured, worth_on, worth_taken
from uci.annotate.material import ONE_PIECE, Balance, Moves, listed, on_square, so_many
from uci.language import _, later

_SLIDERS = (chess.BISHOP, chess.ROOK, chess.QUEEN)
_TIMES = (
    "",
    later("once"),
    later("twice"),
    later("three times"),
    later("four times"),
    later("five times"),
)


# ---- tactics -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Win:
    """A line, and the capture that decides it."""

    boards: Sequence[chess.Board]  # before each move of the line, and at its end
    line: Moves
    at: int  # the deciding capture's number in the line; even, for the attacker makes it

    @property
    def capture(self) -> chess.Move:
        """The deciding capture."""
        return self.line[self.at]

    @property
    def square(self) -> chess.Square:
        """Where the deciding capture takes."""
        return self.capture.to_square

    @property
    def before(self) -> chess.Board:
        """The position before the deciding capture."""
        return self.boards[self.at]

    @property
    def defender(self) -> chess.Color:
        """Whose piece is taken."""
        return not self.before.turn

    @property
    def preparations(self) -> range:
        """The attacker's moves before the capture, the nearest first."""
        return range(self.at - 2, -1, -2)

    def stood_there(self, since: int) -> bool:
        """Whether the piece that is taken stood on its square already at this position of the
        line.
        """
        return all(move.to_square != self.square for move in self.line[since : self.at])


HANGING = "hangingPiece"


class Motif(NamedTuple):
    """Words for how a line wins, and its name among Lichess's themes; "" for none."""

    text: str
    theme: str = ""

    @property
    def is_tactic(self) -> bool:
        """Whether it is a tactic, as a fork, and not the state of a piece."""
        return self.theme in TACTICS


NO_MOTIF = Motif("")


def motif(board: chess.Board, line: Moves, gain: Balance | None = None) -> Motif:
    """How the side to move wins material by a line: `a fork of king and rook by the knight on c7`;
    "" if no rule fits.

    Where the `gain` is given, the capture that is explained must be a part of it.
    """
    boards, gains = [board.copy(stack=False)], []
    for move in line:
        worth = worth_taken(boards[-1], move)
        if boards[-1].turn != board.turn:
            worth = -worth
        gains.append(worth)
        boards.append(board_after(boards[-1], move))
    at = _deciding(gains)
    if at is not None and (gain is None or gains[at] in {WORTH[kind] for kind in gain.won}):
        for theme, rule in TACTICS.items():
            if text := rule(_Win(boards, line, at)):
                return Motif(text, theme)
    is_named = bool(line) and (gain is None or captured(boards[0], line[0]) in gain.won)
    if is_named and (text := _hanging(_Win(boards, line, 0))):
        return Motif(text, HANGING)
    return NO_MOTIF


def _deciding(gains: Sequence[int]) -> int | None:
    """Return the attacker's first capture after which at least half of a line's gain is never given
    back.
    """
    gained = list(itertools.accumulate(gains))
    for at in range(0, len(gains), 2):
        if gains[at] and gained[-1] > 0 and 2 * min(gained[at:]) >= gained[-1]:
            return at
    return None


def _fork(won: _Win) -> str:
    """One piece attacks two that are worth taking, and later takes one of them."""
    square = won.capture.from_square
    for step in won.preparations:
        if won.line[step].to_square == square and won.stood_there(step):
            after = won.boards[step + 1]
            attacker = worth_on(after, square)
            targets = after.attacks(square) & after.occupied_co[won.defender]
            prey = [target for target in targets if _is_prey(after, target, attacker)]
            if len(prey) > 1 and won.square in prey:
                kinds = [after.piece_type_at(target) or 0 for target in prey]
                return fork_text(after, square, kinds)
    return ""


def fork_text(board: chess.Board, square: chess.Square, kinds: Sequence[chess.PieceType]) -> str:
    """Return `a fork of king and rook by the knight on c7`, for pieces of these kinds."""
    return _(
        "a fork of {pieces} by {attacker}",
        pieces=_all(sorted(kinds, reverse=True)),
        attacker=on_square(board, square, "of"),
    )


def _is_prey(board: chess.Board, square: chess.Square, attacker_worth: int) -> bool:
    """Whether a piece, no pawn, is worth taking for one of that worth: it is worth more, or nobody
    guards it.
    """
    kind = board.piece_type_at(square) or chess.PAWN
    guarded = bool(board.attackers(board.color_at(square) or False, square))
    return kind != chess.PAWN and (WORTH[kind] > attacker_worth or not guarded)


def _skewer(won: _Win) -> str:
    """Name a skewer: a line piece attacks a piece that steps aside, and takes what stood behind
    it.
    """
    step = won.at - 2
    square = won.capture.from_square
    if step < 0 or won.line[step].to_square != square or not won.stood_there(step):
        return ""
    after = won.boards[step + 1]
    front = won.line[step + 1].from_square
    kinds = [after.piece_type_at(square_behind) or 0 for square_behind in (front, won.square)]
    if (
        after.piece_type_at(square) in _SLIDERS
        and front in after.attacks(square)
        and front in chess.SquareSet.between(square, won.square)
        and WORTH[kinds[0]] >= WORTH[kinds[1]] > WORTH[chess.PAWN]
    ):
        return _(
            "a skewer of {pieces} by {attacker}",
            pieces=_all(kinds),
            attacker=on_square(after, square, "of"),
        )
    return ""


def _discovered(won: _Win) -> str:
    """Name a discovered attack: a piece opens the line of a bishop, rook or queen, and one of them
    then takes.
    """
    for step in (won.at, *won.preparations):
        move = won.line[step]
        before = won.boards[step]
        after = won.boards[step + 1]
        taker = won.capture.from_square
        if before.is_castling(move):
            continue
        for square, target in opened(before, after, move):
            if after.piece_type_at(target) == chess.KING:
                if step == won.at or taker == move.to_square:
                    return _("a discovered check")
            elif step == won.at - 2 and _is_prey(after, target, worth_on(after, square)):
                is_taken = (
                    won.square == target
                    and won.stood_there(step)
                    and taker in (square, move.to_square)
                )
                if is_taken or (
                    taker == move.to_square and won.line[step + 1].from_square == target
                ):
                    return _("a discovered attack on {piece}", piece=on_square(after, target))
    return ""


def opened(
    before: chess.Board, after: chess.Board, move: chess.Move
) -> Iterator[tuple[chess.Square, chess.Square]]:
    """Yield the lines from bishops, rooks and queens to enemy pieces that a move of their own side
    opens.
    """
    for kind in _SLIDERS:
        for square in after.pieces(kind, before.turn) - chess.SquareSet([move.to_square]):
            attacked = after.attacks(square) & ~before.attacks(square)
            for target in attacked & after.occupied_co[after.turn]:
                if move.from_square in chess.SquareSet.between(square, target):
                    yield square, target


def _pin(won: _Win) -> str:
    """Name a pin: a pinned piece is taken, or cannot take back."""
    board = won.before
    target = won.square
    defender = won.defender
    ply = max(0, won.at - 1)  # before the defender's last move
    pinned_in = won.boards[ply]
    is_piece = board.piece_type_at(target) not in (None, chess.PAWN)
    if is_piece and won.stood_there(ply) and pinned_in.is_pinned(defender, target):
        return _("a pin: {piece} is pinned to the king", piece=on_square(board, target, "subject"))
    guards = [*board.attackers(defender, target) & ~board.kings]
    are_pinned = all(board.is_pinned(defender, square) for square in guards)
    if guards and are_pinned and not _can_be_retaken(won):
        piece = on_square(board, guards[0], "subject")
        return _("a pin: {piece} is pinned to the king and cannot take back", piece=piece)
    if is_piece and won.stood_there(ply) and _shields_queen(pinned_in, won.capture):
        return _("a pin: {piece} is pinned to the queen", piece=on_square(board, target, "subject"))
    return ""


def _can_be_retaken(won: _Win) -> bool:
    return any(won.boards[won.at + 1].generate_legal_moves(to_mask=chess.BB_SQUARES[won.square]))


def _shields_queen(board: chess.Board, capture: chess.Move) -> bool:
    """Whether the piece to be taken stands before its queen, on the line of another bishop or
    rook.
    """
    target = chess.SquareSet([capture.to_square])
    attacker = not board.color_at(capture.to_square)
    sliders = board.attackers(attacker, capture.to_square) & (board.bishops | board.rooks)
    for square in sliders - chess.SquareSet([capture.from_square]):
        for queen in board.pieces(chess.QUEEN, not attacker):
            if chess.SquareSet.between(square, queen) & board.occupied == target:
                return True
    return False


def _deflection(won: _Win) -> str:
    """Name a deflection: the move before the deciding capture takes or lures away the guard of what
    is taken.
    """
    step = won.at - 2
    target = won.square
    if step < 0 or not won.stood_there(step) or won.before.attackers(won.defender, target):
        return ""
    before, lured = won.boards[step], won.line[step + 1]
    guards = before.attackers(won.defender, target)
    lure = won.line[step]
    is_removed = lure.to_square in guards
    if not is_removed and (lured.from_square not in guards or lured.to_square != lure.to_square):
        return ""
    piece = on_square(before, target)
    if is_removed:
        guard = on_square(before, lure.to_square, "subject")
        return _("the removal of a guard: {guard} guarded {piece}", guard=guard, piece=piece)
    guard = on_square(before, lured.from_square, "subject")
    if before.is_capture(lure):
        text = later("an overload: {guard} guarded {other} and {piece}")
        return _(text, guard=guard, other=on_square(before, lure.to_square), piece=piece)
    return _("a deflection: {guard} guarded {piece}", guard=guard, piece=piece)


def _hanging(won: _Win) -> str:
    """Name a hanging piece: the first move takes a piece that too few guard, or takes with one that
    is worth less.
    """
    board = won.before
    target = won.square
    kind = board.piece_type_at(target)
    piece = board.piece_type_at(won.capture.from_square) or chess.PAWN
    if won.at > 0 or kind is None:
        return ""
    attackers, guards = board.attackers(board.turn, target), board.attackers(won.defender, target)
    if not guards and not _can_be_retaken(won):
        return _("{piece} is unguarded", piece=on_square(board, target, "subject"))
    if WORTH[piece] < WORTH[kind]:
        return _(
            "{attacker} attacks {piece}",
            attacker=_(ONE_PIECE[piece], "subject"),
            piece=on_square(board, target),
        )
    if 0 < len(guards) < len(attackers) < len(_TIMES):
        return _("{piece} is attacked {attacked} and guarded {guarded}", piece=on_square(board, target, "subject"),
                 attacked=_(_TIMES[len(attackers)]), guarded=_(_TIMES[len(guards)]))  # fmt: skip
    return ""


TACTICS = {
    "fork": _fork,
    "skewer": _skewer,
    "discoveredAttack": _discovered,
    "pin": _pin,
    "deflection": _deflection,
}


def _all(kinds: Sequence[chess.PieceType]) -> str:
    if len(kinds) == 2 and kinds[0] == kinds[1]:
        return so_many(kinds[0], 2)
    return listed([_(chess.piece_name(kind)) for kind in kinds])


# ---- mates ---------------------------------------------------------------------------------------


def mate_pattern(board: chess.Board, line: Moves) -> str:
    """Return `back-rank mate` or `smothered mate` where the line ends with one, else `mate`."""
    board = board_after(board, *line)
    king = board.king(board.turn)
    if not board.is_checkmate() or king is None:
        return "mate"
    own = chess.SquareSet(board.occupied_co[board.turn])
    neighbours = chess.SquareSet(chess.BB_KING_ATTACKS[king])
    checkers = board.checkers()
    if len(checkers) == 1 and checkers & board.knights and neighbours.issubset(own):
        return "smothered mate"
    home, in_front = chess.BB_RANK_1, neighbours & chess.BB_RANK_2
    if board.turn == chess.BLACK:
        home, in_front = chess.BB_RANK_8, neighbours & chess.BB_RANK_7
    is_at_home = chess.SquareSet([king, *checkers]).issubset(home)
    if is_at_home and in_front.issubset(own):
        return "back-rank mate"
    return "mate"
