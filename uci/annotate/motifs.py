"""Tactical motifs of a line of moves, by rules: a motif is named only where the line itself carries it out.

In each rule the attacker is the side that makes the first move of the line, the defender the other one.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import chess

from uci.terminal.notation import board_after

WORTH = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9, chess.KING: 100}
_SLIDERS = (chess.BISHOP, chess.ROOK, chess.QUEEN)
_LOOKED_AT = 3  # moves of the attacker in which a motif may begin or win something
_NUMBERS = ("no", "a", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_TYPES = (chess.QUEEN, chess.ROOK, chess.BISHOP, chess.KNIGHT, chess.PAWN)


# ---- material -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Balance:
    """The kinds of pieces that a side wins and loses in a line; equal captures cancel out."""

    won: Counter[chess.PieceType]
    lost: Counter[chess.PieceType]
    promotions: int = 0  # more than the other side's

    @property
    def pawns(self) -> int:
        """The gain in pawns; a loss is negative."""
        won, lost = (sum(WORTH[kind] * count for kind, count in part.items()) for part in (self.won, self.lost))
        return won - lost + self.promotions * (WORTH[chess.QUEEN] - WORTH[chess.PAWN])

    def reversed(self) -> Balance:
        """The other side's view."""
        return Balance(self.lost, self.won, -self.promotions)

    @property
    def text(self) -> str:
        """What is won, in words: `the queen for a rook`, `the exchange`, `two pawns`."""
        won, lost = self.won.copy(), self.lost.copy()
        for kinds in ((chess.BISHOP, chess.KNIGHT), (chess.KNIGHT, chess.BISHOP)):
            equal = min(won[kinds[0]], lost[kinds[1]])
            won[kinds[0]] -= equal
            lost[kinds[1]] -= equal
        won, lost = +won, +lost
        if won == Counter([chess.ROOK]) and lost in (Counter([chess.BISHOP]), Counter([chess.KNIGHT])):
            return "the exchange"
        return f"{_pieces_text(won)} for {_pieces_text(lost)}" if lost else _pieces_text(won)


def _pieces_text(pieces: Counter[chess.PieceType]) -> str:
    words = []
    for kind in _TYPES:
        if pieces[kind] > 1:
            words.append(f"{_NUMBERS[pieces[kind]]} {chess.piece_name(kind)}s")
        elif pieces[kind]:
            words.append(f"{'the' if kind == chess.QUEEN else 'a'} {chess.piece_name(kind)}")
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def balance(board: chess.Board, line: Sequence[chess.Move]) -> Balance:
    """What the side to move wins and loses by a line, up to the last position in which no exchange is going on.

    If the line ends with a capture that can be retaken, the recapture is counted, too.
    """
    side, board = board.turn, board.copy(stack=False)
    won, lost = Counter[chess.PieceType](), Counter[chess.PieceType]()
    promoted: dict[chess.Square, int] = {}  # squares of promoted pieces, 1 for those of `side` and -1
    settled = Balance(won, lost)
    for move, following in itertools.zip_longest(line, line[1:]):
        gains, losses = (won, lost) if board.turn == side else (lost, won)
        kind = _captured(board, move)
        if kind:
            gains.update([chess.PAWN if promoted.pop(move.to_square, 0) else kind])
        if move.promotion:
            promoted[move.to_square] = 1 if board.turn == side else -1
        elif move.from_square in promoted:
            promoted[move.to_square] = promoted.pop(move.from_square)
        board.push(move)
        if following is None and kind and any(board.generate_legal_moves(to_mask=chess.BB_SQUARES[move.to_square])):
            is_pawn = promoted.pop(move.to_square, 0)
            losses.update([chess.PAWN if is_pawn else board.piece_type_at(move.to_square) or chess.PAWN])
        if following is None or not (board.is_check() or board.is_capture(following) or following.promotion):
            settled = Balance(won - lost, lost - won, sum(promoted.values()))
    return settled


def gain_on(board: chess.Board, square: chess.Square) -> int:
    """What the side to move wins on one square, in pawns, if both take with their cheapest piece or stop."""
    takers = list(board.generate_legal_captures(to_mask=chess.BB_SQUARES[square]))
    if not takers:
        return 0
    move = min(takers, key=lambda taker: WORTH[board.piece_type_at(taker.from_square) or chess.PAWN])
    return max(0, WORTH[_captured(board, move) or chess.PAWN] - gain_on(board_after(board, move), square))


def _captured(board: chess.Board, move: chess.Move) -> chess.PieceType | None:
    """The kind of piece that a move takes."""
    if board.is_en_passant(move):
        return chess.PAWN
    return board.piece_type_at(move.to_square) if board.is_capture(move) else None


# ---- tactics --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Step:
    """One move of the attacker: the positions around it, and the attacker's captures from it on."""

    start: chess.Board  # before the line
    before: chess.Board
    move: chess.Move
    after: chess.Board
    reply: chess.Move | None
    captures: tuple[tuple[chess.Board, chess.Move], ...]  # with the position before each; this move's own first

    @property
    def piece(self) -> chess.PieceType:
        """The piece that moves."""
        return self.after.piece_type_at(self.move.to_square) or chess.PAWN

    @property
    def later(self) -> tuple[tuple[chess.Board, chess.Move], ...]:
        """The captures after this move."""
        return tuple(capture for capture in self.captures if capture[1] != self.move or capture[0] != self.before)


def motif(board: chess.Board, line: Sequence[chess.Move]) -> str:
    """How the side to move wins material by a line: `a fork of king and rook by the knight on c7`; "" if no rule fits.

    The rules are tried in order, each on the attacker's first moves.
    """
    for rule in (_fork, _skewer, _discovered, _pin, _deflection, _hanging):
        for step in _steps(board, line):
            if text := rule(step):
                return text
    return ""


def _steps(board: chess.Board, line: Sequence[chess.Move]) -> Iterator[_Step]:
    boards = [board.copy(stack=False)]
    for move in line:
        boards.append(board_after(boards[-1], move))
    own = list(range(0, len(line), 2))[:_LOOKED_AT]
    for at in own:
        captures = tuple(
            (boards[other], line[other]) for other in own if other >= at and boards[other].is_capture(line[other])
        )
        yield _Step(
            boards[0], boards[at], line[at], boards[at + 1], line[at + 1] if at + 1 < len(line) else None, captures
        )


def _fork(step: _Step) -> str:
    """One piece attacks two that are worth taking, and later takes one of them."""
    square, defender = step.move.to_square, step.after.turn
    targets = [
        target
        for target in step.after.attacks(square) & step.after.occupied_co[defender]
        if _is_prey(step.after, target, WORTH[step.piece])
    ]
    taken = [move for _, move in step.later if move.from_square == square and move.to_square in targets]
    if len(targets) < 2 or not taken:
        return ""
    kinds = sorted((step.after.piece_type_at(target) or 0 for target in targets), reverse=True)
    return f"a fork of {_both(kinds)} by the {_at(step.after, square)}"


def _is_prey(board: chess.Board, square: chess.Square, attacker_worth: int) -> bool:
    """Whether a piece, no pawn, is worth taking for one of that worth: it is worth more, or nobody guards it."""
    kind = board.piece_type_at(square) or chess.PAWN
    guarded = bool(board.attackers(board.color_at(square) or False, square))
    return kind != chess.PAWN and (WORTH[kind] > attacker_worth or not guarded)


def _skewer(step: _Step) -> str:
    """A line piece attacks a piece that steps aside, and takes what stood behind it."""
    square = step.move.to_square
    if step.piece not in _SLIDERS or step.reply is None or step.reply.from_square not in step.after.attacks(square):
        return ""
    front = step.reply.from_square
    for _, move in step.later[:1]:
        behind = move.to_square
        if (
            move.from_square == square
            and front in chess.SquareSet.between(square, behind)
            and step.after.piece_at(behind)
        ):
            kinds = (step.after.piece_type_at(front) or 0, step.after.piece_type_at(behind) or 0)
            if WORTH[kinds[0]] >= WORTH[kinds[1]] and kinds[1] != chess.PAWN:
                return f"a skewer of {_both(kinds)} by the {_at(step.after, square)}"
    return ""


def _discovered(step: _Step) -> str:
    """A piece opens the line of a bishop, rook or queen, and one of the two then takes something."""
    defender = step.after.turn
    for square in (
        step.after.pieces(chess.BISHOP, not defender)
        | step.after.pieces(chess.ROOK, not defender)
        | step.after.pieces(chess.QUEEN, not defender)
    ):
        if square == step.move.to_square or step.before.is_castling(step.move):
            continue
        opened = step.after.attacks(square) & ~step.before.attacks(square) & step.after.occupied_co[defender]
        for target in opened:
            if step.move.from_square not in chess.SquareSet.between(square, target):
                continue
            if step.after.piece_type_at(target) == chess.KING:
                if any(move.from_square == step.move.to_square or move == step.move for _, move in step.captures):
                    return "a discovered check"
            elif _is_prey(step.after, target, WORTH[step.after.piece_type_at(square) or chess.PAWN]):
                taken = [move for _, move in step.later[:1]]
                own = (step.move.to_square, square)
                if (
                    taken
                    and taken[0].from_square in own
                    and (taken[0].to_square == target or _moved(step.reply, target))
                ):
                    return f"a discovered attack on the {_at(step.after, target)}"
    return ""


def _moved(reply: chess.Move | None, square: chess.Square) -> bool:
    return reply is not None and reply.from_square == square


def _pin(step: _Step) -> str:
    """A pinned piece is taken, or cannot take back."""
    for board, move in step.captures[:1]:
        defender, target = not board.turn, move.to_square
        if step.start.piece_at(target) != board.piece_at(target):
            return ""  # it came only in the line
        known = step.before if move == step.move and board == step.before else step.after  # pinned before the reply
        if known.is_pinned(defender, target) and board.piece_type_at(target) != chess.PAWN:
            return f"a pin: the {_at(board, target)} is pinned to the king"
        guards = [square for square in board.attackers(defender, target) if square != board.king(defender)]
        after = board_after(board, move)
        if guards and not any(after.generate_legal_moves(to_mask=chess.BB_SQUARES[target])):
            pinned = [square for square in guards if board.is_pinned(defender, square)]
            if len(pinned) == len(guards):
                return f"a pin: the {_at(board, pinned[0])} is pinned to the king and guards nothing"
        if board.piece_type_at(target) != chess.PAWN and _shields_queen(known, move):
            return f"a pin: the {_at(board, target)} is pinned to the queen"
    return ""


def _shields_queen(board: chess.Board, capture: chess.Move) -> bool:
    """Whether the piece to be taken stands before its queen, on the line of another bishop or rook."""
    target = capture.to_square
    attacker = not board.color_at(target)
    for square in board.attackers(attacker, target):
        if board.piece_type_at(square) in (chess.BISHOP, chess.ROOK) and square != capture.from_square:
            for queen in board.pieces(chess.QUEEN, not attacker):
                between = chess.SquareSet.between(square, queen)
                if target in between and len(between & chess.SquareSet(board.occupied)) == 1:
                    return True
    return False


def _deflection(step: _Step) -> str:
    """The first move takes or lures away the guard of what the second one takes."""
    if step.reply is None or not step.later:
        return ""
    board, second = step.later[0]
    target, defender = second.to_square, not board.turn
    if target == step.move.to_square or board.piece_at(target) != step.before.piece_at(target):
        return ""
    guards = step.before.attackers(defender, target)
    if not guards or board.attackers(defender, target):
        return ""
    if step.move.to_square in guards:
        return f"the removal of a guard: the {_at(step.before, step.move.to_square)} guarded the {_at(board, target)}"
    if step.reply.from_square in guards and step.reply.to_square == step.move.to_square:
        return f"a deflection: the {_at(step.before, step.reply.from_square)} guarded the {_at(board, target)}"
    return ""


def _hanging(step: _Step) -> str:
    """The first move takes a piece that nobody guards, or takes with one that is worth less."""
    if step.before != step.start or not step.before.is_capture(step.move) or step.before.is_en_passant(step.move):
        return ""
    target = step.move.to_square
    kind = step.before.piece_type_at(target) or chess.PAWN
    if not any(step.after.generate_legal_moves(to_mask=chess.BB_SQUARES[target])):
        return f"the {_at(step.before, target)} is unguarded"
    taker = step.before.piece_type_at(step.move.from_square) or chess.PAWN
    return f"a {chess.piece_name(taker)} attacks the {_at(step.before, target)}" if WORTH[taker] < WORTH[kind] else ""


def _at(board: chess.Board, square: chess.Square) -> str:
    return f"{chess.piece_name(board.piece_type_at(square) or chess.PAWN)} on {chess.square_name(square)}"


def _both(kinds: Sequence[chess.PieceType]) -> str:
    names = [chess.piece_name(kind) for kind in kinds]
    if len(names) == 2 and names[0] == names[1]:
        return f"two {names[0]}s"
    return f"{', '.join(names[:-1])} and {names[-1]}"


# ---- mates ----------------------------------------------------------------------------------------------------------


def mate_pattern(board: chess.Board, line: Sequence[chess.Move]) -> str:
    """`back-rank mate` or `smothered mate` where the line ends with one, else `mate`."""
    board = board_after(board, *line)
    king = board.king(board.turn)
    if not board.is_checkmate() or king is None:
        return "mate"
    own = chess.SquareSet(board.occupied_co[board.turn])
    neighbours = chess.SquareSet(chess.BB_KING_ATTACKS[king])
    checkers = [board.piece_type_at(square) for square in board.checkers()]
    if checkers == [chess.KNIGHT] and neighbours.issubset(own):
        return "smothered mate"
    rank = chess.square_rank(king)
    in_front = neighbours & chess.BB_RANKS[1 if board.turn == chess.WHITE else 6]
    on_rank = all(chess.square_rank(square) == rank for square in board.checkers())
    if rank == (0 if board.turn == chess.WHITE else 7) and on_rank and in_front.issubset(own):
        return "back-rank mate"
    return "mate"
