"""A move that was played and a better one, as lines: what the first loses of material and what the
second wins, as far as they are shown, and how.
"""

import functools
import itertools
from dataclasses import dataclass

import chess

from engine.board.notation import board_after
from engine.board.worth import lead, worth_taken
from uci.annotate.material import (
    SACRIFICE,
    Balance,
    Kinds,
    Moves,
    balances,
    gain_on,
    pawns_of,
    unrest,
)
from uci.annotate.motifs import HANGING, motif
from uci.annotate.move_purposes import prey, purpose_of
from uci.annotate.move_review import MATERIAL_KIND, NO_REASON, MoveReason
from uci.language import _, later, shown_moves

SHOWN_PLIES = 12  # of a better line, and of what follows a move; nothing beyond them is a reason
NEAR_PLIES = 8  # in which material is looked for first; then in all that are shown
PLIES_TOLD = 3  # of a line within a sentence
# Centipawns of the evaluation for each pawn that is named, set by hand on 20 games: a move that
# costs less has compensation, and one that costs more does something worse. Far behind, scores lie
# wider.
_LEAST_COST_CP = 65
_MOST_COST_CP = 360
_FAR_BEHIND_CP = -300
_COST_BEHIND_CP = 100
_MOST_COUNTED = 5  # pawns; what is lost beyond them moves the evaluation little. Set by hand.
# Scores end at ten pawns, so that a lost side cannot lose what its pieces are worth. To lose this
# share of what is left to lose is enough.
_WORST_CP = -1000
_SHARE_LEFT = 0.7
# Pawns by which all shown plies must name more than the near ones, to be told.
_MUCH_MORE = 2
# The least that the evaluation gives for each pawn that a side is ahead, unless there is
# compensation.
_FELT_CP = 25
_SMALL_COST_CP = 150  # the most that an attack on a pawn or a trade can explain


@dataclass(frozen=True)
class Lines:
    """A move and its better alternative, as lines from the position before it.

    A mate is a number of moves in the mover's view, negative where the mover is mated, 0 without
    one.
    """

    board: chess.Board
    played: Moves  # with the move itself
    better: Moves
    mate_played: int = 0
    mate_better: int = 0
    cost_cp: float | None = None  # what the evaluation loses by the move, if known
    best_cp: float | None = None  # the mover's evaluation of the better move, if known

    # Of an answer that is a sacrifice: the capture, and what follows.
    taken: Moves = ()
    is_blunder: bool = False

    @functools.cached_property
    def is_dropped(self) -> bool:
        """Whether the answer takes the piece that has moved, and wins more by it than that took and
        than the mover takes next.
        """
        if not self.answers or self.answers[0].to_square != self.move.to_square:
            return False
        won = gain_on(self.answered, self.move.to_square) - worth_taken(self.board, self.move)
        _start, *settled = balances(self.board, self.played, NEAR_PLIES).values()
        is_paid_back = bool(settled) and settled[0].pawns >= 0
        return won >= SACRIFICE and not is_paid_back

    def does(self, board: chess.Board, line: Moves) -> str:
        """Return what a line's first move does, of what explains the cost."""
        explains_much = self.is_blunder or (self.cost_cp or 0) > _SMALL_COST_CP
        return purpose_of(board, line, explains_much, is_blunder=self.is_blunder)

    @functools.cached_property
    def material(self) -> MoveReason:
        """What the played line loses or the better one wins, within the nearer horizon unless much
        more falls behind it.
        """
        near_pawns, near = _material_within(self, NEAR_PLIES)
        far_pawns, far = _material_within(self, SHOWN_PLIES)
        is_much_more = far_pawns >= near_pawns + _MUCH_MORE
        if far.text and (is_much_more or not near.text):
            return far
        return near

    @property
    def move(self) -> chess.Move:
        """The move that was played."""
        return self.played[0]

    @property
    def answers(self) -> Moves:
        """What follows the move."""
        return self.played[1:]

    @property
    def answered(self) -> chess.Board:
        """The position after the move."""
        return board_after(self.board, self.move)

    @property
    def improved(self) -> chess.Board:
        """The position after the better move."""
        return board_after(self.board, self.better[0])

    def costs(self, balance: Balance) -> bool:
        """Whether the move costs about what a balance gains."""
        if self.cost_cp is None or balance.pawns <= 0:
            return balance.pawns > 0
        most_cp = _MOST_COST_CP * max(balance.pawns, pawns_of(balance.won))
        return self.least_cp(balance.pawns) <= self.cost_cp <= most_cp

    def least_cp(self, pawns: int) -> float:
        """Return what a move costs at least that loses so many pawns."""
        best_cp = self.best_cp or 0.0
        each_cp = _COST_BEHIND_CP if best_cp <= _FAR_BEHIND_CP else _LEAST_COST_CP
        return min(each_cp * min(pawns, _MOST_COUNTED), _SHARE_LEFT * (best_cp - _WORST_CP))


def told_line(board: chess.Board, line: Moves) -> str:
    """Return the first moves of a line as a sentence has them: `11...Na4 12. Qe5 Nxb2`."""
    return shown_moves(board.variation_san(line[:PLIES_TOLD]))


# ---- material -----------------------------------------------------------------------------------


def _material_within(lines: Lines, horizon: int) -> tuple[int, MoveReason]:
    """Return what is lost or missed at the first point where the difference is the cost, with its
    worth in pawns.
    """
    points = calm_points(lines, horizon) + calm_points(lines, 2 * horizon)[-1:]
    leads = [better.pawns - played.pawns for _plies, played, better in points]
    board, mover = lines.board, lines.board.turn
    for at, (plies, played, better) in enumerate(points[:-1]):
        is_kept = all(
            (played.pawns >= 0 or 2 * lost.pawns <= played.pawns)
            and (better.pawns <= 0 or 2 * won.pawns >= better.pawns)
            for _ply, lost, won in points[at:-1]
        )
        is_lasting = 2 * leads[-1] >= leads[at] > 0 and 2 * leads[at] >= max(leads[at:-1])
        if not (is_kept and is_lasting):
            continue
        unrests = (
            unrest(board, lines.played[:plies], mover),
            unrest(board, lines.better[:plies], not mover),
        )
        if max(unrests) < leads[at]:
            reason = _difference(lines, plies, played, better)
            if reason.text:
                return leads[at], reason
    return 0, NO_REASON


def calm_points(lines: Lines, shown: int) -> list[tuple[int, Balance, Balance]]:
    """Return the balances of both lines after each number of plies at which the played one is calm,
    and at their ends, so many plies after the move and within the better line.
    """
    played = balances(lines.board, lines.played, 1 + shown, 1 + SHOWN_PLIES)
    better = balances(lines.board, lines.better, shown, SHOWN_PLIES)
    points = []
    for ply, balance in played.items():
        latest = max(calm_ply for calm_ply in better if calm_ply <= ply)
        points.append((ply, balance, better[latest]))
    return [*points, (1 + shown, played[max(played)], better[max(better)])]


def _difference(lines: Lines, plies: int, played: Balance, better: Balance) -> MoveReason:
    """Return the larger part of what lies between two balances, in words; none where that is not
    what the move costs.
    """
    gap = Balance.of(
        played.lost + better.won, played.won + better.lost, better.promotions - played.promotions
    )
    if lines.costs(Balance(Kinds(), Kinds(), gap.promotions)):
        if played.promotions < 0:
            return MoveReason(_("lets a pawn promote"), MATERIAL_KIND)
        return MoveReason(_("misses the promotion of a pawn"), MATERIAL_KIND, is_missed=True)
    lost, missed = Balance.of(played.lost, better.lost), Balance.of(better.won, played.won)
    if missed.pawns > lost.pawns and better.pawns > 0 and not lines.is_dropped:
        if lines.costs(better) and not _is_given(lines, plies):
            return _missed(lines, plies, played, better)
        return NO_REASON
    named = gap
    if played.pawns < 0:
        named = played.reversed()
    line = lines.played[1:plies]
    is_other = named is gap and (gap.lost or not gap.won <= played.lost)
    if not line or named.promotions or not lines.costs(named) or is_other:
        return NO_REASON
    return _lost(lines, line, named)


def _is_given(lines: Lines, plies: int) -> bool:
    """Whether the better line wins what the other side need not give, or has given something
    for.
    """
    boards = list(itertools.accumulate(lines.better[:plies], board_after, initial=lines.board))
    captures = (at for at, move in enumerate(lines.better[:plies]) if boards[at].is_capture(move))
    first = next(captures, 0)
    is_gift = first % 2 == 1 and not prey(boards[first], lines.board.turn)
    ahead = lead(boards[-1], lines.board.turn)
    is_paid_for = lines.best_cp is not None and ahead > 0 and lines.best_cp < ahead * _FELT_CP
    return is_gift or is_paid_for


def _lost(lines: Lines, line: Moves, lost: Balance) -> MoveReason:
    """Return what the answers win, and how."""
    after = lines.answered
    how = motif(after, line, lost)
    if how.is_tactic:
        text = _("loses {material} to {motif}", material=lost.text, motif=how.text)
        return MoveReason(text, how.theme)
    if how.text:
        taking = told_line(after, line[:1])
        text = later("loses {material} to {move}: {state}")
        return MoveReason(_(text, material=lost.text, move=taking, state=how.text), HANGING)
    text = _("loses {material} after {line}", material=lost.text, line=told_line(after, line))
    return MoveReason(text, MATERIAL_KIND)


def _missed(lines: Lines, plies: int, played: Balance, better: Balance) -> MoveReason:
    """Return what the better line wins, for a move that wins less."""
    if played.pawns > 0:
        text = _(
            "wins only {material} instead of {better}", material=played.text, better=better.text
        )
        return MoveReason(text, MATERIAL_KIND, is_missed=True)
    how = motif(lines.board, lines.better[: min(plies, SHOWN_PLIES)], better)
    text = later("misses a chance to win {material}")
    if how.is_tactic:
        text = later("misses a chance to win {material} through {motif}")
    sentence = _(text, material=better.text, motif=how.text)
    return MoveReason(sentence, how.theme or MATERIAL_KIND, is_missed=True)
