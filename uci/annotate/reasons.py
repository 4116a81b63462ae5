"""Why a move is bad, in a sentence, as far as the lines that are shown prove it.

Mates come first. Then the material of the two lines decides what is said: what the played line
loses, or what the better one wins, at the first quiet point where that explains the cost. A motif
only tells how. Where material explains nothing, what the answer or the better move does may, and at
last an exposed king, or what is prevented or developed.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import chess

from engine.board.notation import board_after
from uci.annotate.deeds import deed, developing, prey
from uci.annotate.material import (
    Balance,
    Kinds,
    balances,
    captured,
    gain_on,
    lead,
    listed,
    on_square,
    pawns_of,
    unrest,
)
from uci.annotate.motifs import mate_pattern, motif
from uci.language import _, later, shown_moves

SHOWN_PLIES = 12  # of a better line, and of what follows a move; nothing beyond them is a reason
_HORIZONS = (8, SHOWN_PLIES)  # plies in which material is looked for, the nearer one first
_SACRIFICE = 2  # pawns; the exchange is the smallest sacrifice
# Centipawns of the evaluation for each pawn that is named, set by hand on 20 games: a move that
# costs less than the first has compensation, and one that costs more than the second does something
# worse. Far behind, scores lie wider.
_COST_CP = (65, 360)
_FAR_BEHIND_CP = -300
_COST_BEHIND_CP = 100
# The least that the evaluation gives for each pawn that a side is ahead, unless there is
# compensation.
_FELT_CP = 25
_SMALL_COST_CP = 150  # the most that an attack on a pawn or a trade can explain
_PLIES_TOLD = 3  # of a line within a sentence
# Most in an ending; a won one has at least, an even one at most.
_ENDING_PIECES = 4
_DECIDED_CP = 200
_EVEN_CP = 125
# Moves of a mate that explains little, unless it costs so many centipawns.
_LONG_MATE, _DEAR_CP = (4, 450)


@dataclass(frozen=True)
class Lines:
    """A move and its better alternative, as lines from the position before it.

    A mate is a number of moves in the mover's view, negative where the mover is mated, None without
    one.
    """

    board: chess.Board
    played: Sequence[chess.Move]  # with the move itself
    better: Sequence[chess.Move]
    mate_played: int | None = None
    mate_better: int | None = None
    cost_cp: float | None = None  # what the evaluation loses by the move, if known
    best_cp: float | None = None  # the mover's evaluation of the better move, if known
    is_own: bool | None = None  # letters for pieces as for `shown_moves`

    @property
    def answered(self) -> chess.Board:
        """The position after the move."""
        return board_after(self.board, *self.played[:1])

    def costs(self, balance: Balance) -> bool:
        """Whether the move costs about what a balance gains."""
        if self.cost_cp is None or balance.pawns <= 0:
            return balance.pawns > 0
        least = _COST_BEHIND_CP if (self.best_cp or 0) <= _FAR_BEHIND_CP else _COST_CP[0]
        return (
            least * balance.pawns
            <= self.cost_cp
            <= _COST_CP[1] * max(balance.pawns, pawns_of(balance.won))
        )


def reason(lines: Lines) -> str:
    """Why the move is worse, without a full stop: `loses a rook to a fork of king and rook by the
    knight on c7`.

    "" where no rule fits.
    """
    if not (lines.mate_better or lines.mate_played):
        move, better = lines.played[0], lines.better[0]
        is_same = move.to_square == better.to_square and move.from_square != better.from_square
        if is_same and lines.board.is_capture(move):
            return _(
                "takes {piece} with the wrong piece", piece=on_square(lines.board, move.to_square)
            )
        materials = (_material(lines, plies) for plies in _HORIZONS)
        return (
            next(filter(None, materials), "") or _quiet(lines) or _ending(lines) or _position(lines)
        )
    is_far = -(lines.mate_played or 0) > _LONG_MATE and not lines.mate_better
    return "" if is_far and (lines.cost_cp or 0) < _DEAR_CP else _mates(lines)


def _mates(lines: Lines) -> str:
    missed, allowed = lines.mate_better or 0, lines.mate_played or 0
    won = mate_text(lines.board, lines.better, missed, SHOWN_PLIES)
    lost = mate_text(lines.board, lines.played, -allowed, 1 + SHOWN_PLIES)
    misses, allows = [_("misses {mate}", mate=won)], [_("allows {mate}", mate=lost)]
    return listed(misses * (missed > 0 >= allowed) + allows * (allowed < 0 <= missed))


def mate_text(
    board: chess.Board, line: Sequence[chess.Move], moves: int, plies: int = SHOWN_PLIES
) -> str:
    """Return what mate a line leads to: `a back-rank mate in 2`."""
    named = {"back-rank mate": later("a back-rank mate in {moves}"),
             "smothered mate": later("a smothered mate in {moves}")}  # fmt: skip
    return _(named.get(mate_pattern(board, line[:plies]), later("mate in {moves}")), moves=moves)


def _material(lines: Lines, horizon: int) -> str:
    """Return what the played line loses or the better one wins, at the first point where the
    difference is the cost.
    """
    points = _points(lines, horizon) + _points(lines, 2 * horizon)[-1:]
    leads = [better.pawns - played.pawns for _plies, played, better in points]
    board, mover = lines.board, lines.board.turn
    for at, (plies, played, better) in enumerate(points[:-1]):
        is_kept = all(
            (played.pawns >= 0 or 2 * lost.pawns <= played.pawns)
            and (better.pawns <= 0 or 2 * won.pawns >= better.pawns)
            for _ply, lost, won in points[at:-1]
        )
        is_lasting = 2 * leads[-1] >= leads[at] > 0 and 2 * leads[at] >= max(leads[at:-1])
        unrests = (
            unrest(board, lines.played[:plies], mover),
            unrest(board, lines.better[:plies], not mover),
        )
        if (
            is_kept
            and is_lasting
            and max(unrests) < leads[at]
            and (text := _difference(lines, plies, played, better))
        ):
            return text
    return ""


def _points(lines: Lines, shown: int) -> list[tuple[int, Balance, Balance]]:
    """Return the balances of both lines after each number of plies at which the played one is calm,
    and at their ends, so many plies after the move and within the better line.
    """
    played = balances(lines.board, lines.played, 1 + shown)
    better = balances(lines.board, lines.better, shown)
    points = [
        (ply, played[ply], better[max(one for one in better if one <= ply)]) for ply in played
    ]
    return [*points, (1 + shown, played[max(played)], better[max(better)])]


def _difference(lines: Lines, plies: int, played: Balance, better: Balance) -> str:
    """Return the larger part of what lies between two balances, in words; "" where that is not what
    the move costs.
    """
    gap = Balance.of(
        played.lost + better.won, played.won + better.lost, better.promotions - played.promotions
    )
    if lines.costs(Balance(Kinds(), Kinds(), gap.promotions)):
        return (
            _("lets a pawn promote")
            if played.promotions < 0
            else _("misses the promotion of a pawn")
        )
    lost, missed = Balance.of(played.lost, better.lost), Balance.of(better.won, played.won)
    if missed.pawns > lost.pawns and better.pawns > 0:
        boards = list(itertools.accumulate(lines.better[:plies], board_after, initial=lines.board))
        first = next(
            (at for at, move in enumerate(lines.better[:plies]) if boards[at].is_capture(move)), 0
        )
        # The other side need not take first.
        is_gift = first % 2 == 1 and not prey(boards[first], lines.board.turn)
        ahead = lead(boards[-1], lines.board.turn)
        is_paid_for = lines.best_cp is not None and ahead > 0 and lines.best_cp < ahead * _FELT_CP
        is_won = lines.costs(better) and not is_gift and not is_paid_for
        return _missed(lines, plies, played, better) if is_won else ""
    named = played.reversed() if played.pawns < 0 else gap
    after = lines.answered
    line = lines.played[1:plies]
    is_other = named is gap and (gap.lost or not gap.won <= played.lost)
    if not line or named.promotions or not lines.costs(named) or is_other:
        return ""
    how = motif(after, line, named)
    taking = told_line(after, line[:1], lines.is_own)
    if how.is_tactic:
        return _("loses {material} to {motif}", material=named.text, motif=how.text)
    if how.text:
        return _(
            "loses {material} to {move}: {state}", material=named.text, move=taking, state=how.text
        )
    return _(
        "loses {material} after {line}",
        material=named.text,
        line=told_line(after, line, lines.is_own),
    )


def _missed(lines: Lines, plies: int, played: Balance, better: Balance) -> str:
    """Return what the better line wins, for a move that wins less."""
    if played.pawns > 0:
        return _(
            "wins only {material} instead of {better}", material=played.text, better=better.text
        )
    if captured(lines.board, lines.played[0]) in better.won:
        return ""
    how = motif(lines.board, lines.better[: min(plies, SHOWN_PLIES)], better)
    if how.is_tactic:
        return _(
            "misses a chance to win {material} through {motif}",
            material=better.text,
            motif=how.text,
        )
    return _("misses a chance to win {material}", material=better.text)


def _quiet(lines: Lines) -> str:
    """Return what the answer or the better move does."""
    board, after = lines.board, lines.answered
    does = functools.partial(deed, explains_much=(lines.cost_cp or 0) > _SMALL_COST_CP)
    answers = lines.played[1:]
    best = board_after(board, *lines.better[:1])
    if (told := does(after, answers)) and answers[0].to_square != lines.played[0].to_square:
        is_there_anyway = best.is_legal(answers[0]) and does(best, answers[:1]) in (
            told,
            does(after, answers[:1]),
        )
        if not is_there_anyway or gain_on(board_after(best, answers[0]), answers[0].to_square):
            return _(
                "runs into {move}, {deed}",
                move=told_line(after, answers[:1], lines.is_own),
                deed=told,
            )
    if (told := does(board, lines.better)) and does(board, lines.better[:1]) != does(
        board, lines.played[:1]
    ):
        return _(
            "misses {move}, {deed}",
            move=told_line(board, lines.better[:1], lines.is_own),
            deed=told,
        )
    plies, gained, kept = _points(lines, _HORIZONS[0])[1]
    if (
        board.is_capture(lines.played[0])
        and answers
        and plies <= _PLIES_TOLD
        and gained.pawns > max(0, kept.pawns)
    ):
        piece = on_square(board, lines.played[0].to_square)
        line = told_line(after, answers, lines.is_own)
        return _("takes {piece}, but {line} is worth more", piece=piece, line=line)
    return ""


def _ending(lines: Lines) -> str:
    """Return what becomes of an ending without queens."""
    board, best_cp = lines.board, lines.best_cp
    is_ending = (
        board.occupied & ~board.pawns & ~board.kings
    ).bit_count() <= _ENDING_PIECES and not board.queens
    if not is_ending or best_cp is None or not lines.played[1:]:
        return ""
    left_cp = best_cp - (lines.cost_cp or 0.0)
    line = told_line(lines.answered, lines.played[1:], lines.is_own)
    if best_cp >= _DECIDED_CP and abs(left_cp) <= _EVEN_CP:
        return _("turns a won ending into an even one after {line}", line=line)
    is_lost = abs(best_cp) <= _EVEN_CP and left_cp <= -_DECIDED_CP
    return _("turns an even ending into a lost one after {line}", line=line) if is_lost else ""


def _position(lines: Lines) -> str:
    """Return what exposes the king, or what the better move prevents or develops."""
    board = lines.board
    move = lines.played[0]
    better = lines.better[0]
    at = _exposing(board, lines.played)
    if (
        at
        and board.piece_type_at(better.from_square) != chess.KING
        and not _exposing(board, lines.better)
    ):
        before = board_after(board, *lines.played[:at])
        return _(
            "exposes the king to {move}",
            move=told_line(before, lines.played[at : at + 2], lines.is_own),
        )
    does = "" if board.is_capture(move) or developing(board, move) else developing(board, better)
    if _is_prevented(lines):
        does = _(
            "which prevents {move}", move=told_line(lines.answered, lines.played[1:2], lines.is_own)
        )
    return does and _(
        "misses {move}, {deed}", move=told_line(board, lines.better[:1], lines.is_own), deed=does
    )


def _exposing(board: chess.Board, line: Sequence[chess.Move]) -> int:
    """Return the other side's move, counted from 1, that makes the king move which may castle, or
    doubles a pawn beside the king, while there is a queen to attack it; 0 without one near enough.
    """
    for at in range(2, min(len(line), 1 + _HORIZONS[0]), 2):
        now = board_after(board, *line[:at])
        move = line[at]
        king = now.king(board.turn) or 0
        pawns = now.pieces(chess.PAWN, board.turn)
        is_stuck = (
            move.from_square == king
            and now.has_castling_rights(board.turn)
            and not now.is_castling(move)
        )
        is_shelter = move.from_square in pawns & chess.BB_KING_ATTACKS[king] and now.is_capture(
            move
        )
        is_doubled = is_shelter and bool(pawns & chess.BB_FILES[chess.square_file(move.to_square)])
        if (is_stuck or is_doubled) and now.pieces(chess.QUEEN, not board.turn):
            return at - 1
    return 0


def _is_prevented(lines: Lines) -> bool:
    """Whether the answer to the move is impossible after the better one, or loses material only
    there.
    """
    after = lines.answered
    best = board_after(lines.board, lines.better[0])
    answers = lines.played[1:2]
    is_forced = after.is_check() or best.is_check() or lines.board.is_capture(lines.better[0])
    if is_forced or not answers or answers[0].to_square == lines.played[0].to_square:
        return False
    return not best.is_legal(answers[0]) or (
        is_sacrifice(best, answers) and not is_sacrifice(after, answers)
    )


def told_line(board: chess.Board, line: Sequence[chess.Move], is_own: bool | None) -> str:
    """Return the first moves of a line as a sentence has them: `11...Na4 12. Qe5 Nxb2`."""
    return shown_moves(board.variation_san(line[:_PLIES_TOLD]), is_own)


def is_sacrifice(board: chess.Board, line: Sequence[chess.Move]) -> bool:
    """Whether a line's first move offers the moved piece, or lets another one be taken and does not
    win it back.
    """
    after = board_after(board, *line[:1])
    if (
        gain_on(after, line[0].to_square) - (lead(after, board.turn) - lead(board, board.turn))
        >= _SACRIFICE
    ):
        return True
    if len(line) < 3 or not after.is_capture(line[1]):
        return False
    # An answer may be taken back.
    answered = 4 if line[3:] and line[3].to_square == line[2].to_square else 3
    return (
        lead(board, board.turn) - lead(board_after(board, *line[:answered]), board.turn)
        >= _SACRIFICE
    )
