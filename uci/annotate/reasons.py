"""Why a move is bad, in a sentence, as far as the lines that are shown prove it.

What costs most is told first. Mates come first. Then the material of the two lines decides what is
said: what the played line loses, or what the better one wins, at the first quiet point where that
explains the cost. A motif only tells how. Where material explains nothing, what the answer or the
better move attacks may. An exposed king, or what is prevented or developed, comes last, and never
explains a blunder.
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
    is_sacrifice,
    listed,
    offers,
    on_square,
    pawns_of,
    unrest,
)
from uci.annotate.motifs import HANGING, TACTICS, mate_pattern, motif
from uci.annotate.move_marks import BLUNDER
from uci.annotate.move_purposes import developing, prey, purpose_of, threat
from uci.annotate.move_review import (
    MATERIAL_KIND,
    NO_REASON,
    POSITION,
    MoveReason,
    MoveReview,
)
from uci.language import _, later, shown_moves, shows_own_letters, spoken

SHOWN_PLIES = 12  # of a better line, and of what follows a move; nothing beyond them is a reason
_HORIZONS = (8, SHOWN_PLIES)  # plies in which material is looked for, the nearer one first
# Centipawns of the evaluation for each pawn that is named, set by hand on 20 games: a move that
# costs less than the first has compensation, and one that costs more than the second does something
# worse. Far behind, scores lie wider.
_COST_CP = (65, 360)
_FAR_BEHIND_CP = -300
_COST_BEHIND_CP = 100
_MOST_COUNTED = 5  # pawns; what is lost beyond them moves the evaluation little. Set by hand.
# Scores end at ten pawns, so that a lost side cannot lose what its pieces are worth. To lose this
# share of what is left to lose is enough.
_WORST_CP = -1000
_SHARE_LEFT = 0.7
_LEAST_EN_PRISE = 3  # pawns, a piece
# Pawns by which the farther horizon must name more than the nearer one, to be told.
_MUCH_MORE = 2
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
    played: Moves  # with the move itself
    better: Moves
    mate_played: int | None = None
    mate_better: int | None = None
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
        move, *answers = self.played[:2]
        if not answers or answers[0].to_square != move.to_square:
            return False
        won = gain_on(self.answered, move.to_square) - worth_taken(self.board, move)
        _start, *settled = balances(self.board, self.played, _HORIZONS[0]).values()
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
        near_pawns, near = _material_within(self, _HORIZONS[0])
        far_pawns, far = _material_within(self, _HORIZONS[1])
        if near.text and far_pawns < near_pawns + _MUCH_MORE:
            return near
        return far if far.text else near

    @property
    def answered(self) -> chess.Board:
        """The position after the move."""
        return board_after(self.board, *self.played[:1])

    def costs(self, balance: Balance) -> bool:
        """Whether the move costs about what a balance gains."""
        if self.cost_cp is None or balance.pawns <= 0:
            return balance.pawns > 0
        most_cp = _COST_CP[1] * max(balance.pawns, pawns_of(balance.won))
        return self.least_cp(balance.pawns) <= self.cost_cp <= most_cp

    def least_cp(self, pawns: int) -> float:
        """Return what a move costs at least that loses so many pawns."""
        best_cp = self.best_cp or 0.0
        each_cp = _COST_BEHIND_CP if best_cp <= _FAR_BEHIND_CP else _COST_CP[0]
        return min(each_cp * min(pawns, _MOST_COUNTED), _SHARE_LEFT * (best_cp - _WORST_CP))


def reason_of(move: MoveReview) -> MoveReason:
    """Return why a move is worse than the best one; without a text
    where no rule knows. It takes some hundredths of a second, once in each language and its letters.
    """
    told_in = spoken(), shows_own_letters()
    if told_in not in move.reasons:
        move.reasons[told_in] = find_reason(_lines_of(move))
    return move.reasons[told_in]


def _lines_of(move: MoveReview) -> Lines:
    before = move.before.seen_by_white(move.mover)
    after = move.after.seen_by_white(move.mover)
    return Lines(
        # Each copy of it copies its history, too.
        move.board.copy(stack=False),
        move.played_line,
        move.best_line,
        mate_played=after.mate,
        mate_better=before.mate,
        cost_cp=before.score_cp - after.score_cp,
        best_cp=before.score_cp,
        taken=move.taken,
        is_blunder=move.mark == BLUNDER,
    )


def find_reason(lines: Lines) -> MoveReason:
    """Return why the move is worse, without a full stop: `loses a rook to a fork of king and
    rook by the knight on c7`. It has no text where no rule fits.
    """
    if lines.mate_better or lines.mate_played:
        is_far = -(lines.mate_played or 0) > _LONG_MATE and not lines.mate_better
        if is_far and (lines.cost_cp or 0) < _DEAR_CP:
            return NO_REASON
        return _mates(lines)
    rules = _RULES if lines.is_blunder else (*_RULES, *_POSITIONAL_RULES)
    for rule in rules:
        reason = rule(lines)
        if reason.text:
            return reason
    return NO_REASON


def point_of(move: MoveReview) -> str:
    """Return what a brilliant move leads to."""
    line = told_line(move.answered, move.reply_line)
    moves = move.after.seen_by_white(move.mover).mate or 0
    if moves > 0 and line:
        mate = mate_text(move.board, move.played_line, moves)
        return _("The point is {line}: {mate}.", line=line, mate=mate)
    points = balances(move.board, move.played_line, 1 + SHOWN_PLIES)
    gain = points[max(points)]
    if gain.pawns > 0 and gain.won:
        return _("The point is {line}, which wins {material}.", line=line, material=gain.text)
    return _("The point is {line}.", line=line) if line else ""


def _wrong_taker(lines: Lines) -> MoveReason:
    move, better = lines.played[0], lines.better[0]
    is_same = move.to_square == better.to_square and move.from_square != better.from_square
    is_told = bool(lines.material.text) and not lines.material.is_missed
    if is_told or not (is_same and lines.board.is_capture(move)):
        return NO_REASON
    piece = on_square(lines.board, move.to_square)
    return MoveReason(_("takes {piece} with the wrong piece", piece=piece), MATERIAL_KIND)


def _mates(lines: Lines) -> MoveReason:
    misses = (lines.mate_better or 0) > 0 >= (lines.mate_played or 0)
    allows = (lines.mate_played or 0) < 0 <= (lines.mate_better or 0)
    parts = []
    if misses:
        won = mate_text(lines.board, lines.better, lines.mate_better or 0, SHOWN_PLIES)
        parts.append(_("misses {mate}", mate=won))
    if allows:
        lost = mate_text(lines.board, lines.played, -(lines.mate_played or 0), 1 + SHOWN_PLIES)
        parts.append(_("allows {mate}", mate=lost))
    return MoveReason(listed(parts), "mate", is_missed=not allows)


def mate_text(board: chess.Board, line: Moves, moves: int, plies: int = SHOWN_PLIES) -> str:
    """Return what mate a line leads to: `a back-rank mate in 2`."""
    named = {"back-rank mate": later("a back-rank mate in {moves}"),
             "smothered mate": later("a smothered mate in {moves}")}  # fmt: skip
    return _(named.get(mate_pattern(board, line[:plies]), later("mate in {moves}")), moves=moves)


def _sacrifice(lines: Lines) -> MoveReason:
    """Return the answer that is a sacrifice, and what follows if it is taken."""
    answers = lines.played[1:]
    after = lines.answered
    if not answers or lines.is_dropped or not offers(after, answers[0]):
        return NO_REASON
    move = told_line(after, answers[:1])
    if not lines.taken:
        return MoveReason(_("runs into the sacrifice {move}", move=move), "sacrifice")
    acceptance = told_line(board_after(after, answers[0]), lines.taken)
    text = later("runs into the sacrifice {move}; if it is taken, {line}")
    return MoveReason(_(text, move=move, line=acceptance), "sacrifice")


def _tactic(lines: Lines) -> MoveReason:
    """Return the material that a tactic against the mover wins."""
    reason = lines.material
    return reason if reason.kind in TACTICS and not reason.is_missed else NO_REASON


def _material(lines: Lines) -> MoveReason:
    """Return what the played line loses or the better one wins."""
    return lines.material


def _material_within(lines: Lines, horizon: int) -> tuple[int, MoveReason]:
    """Return what is lost or missed at the first point where the difference is the cost, with its
    worth in pawns.
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


def _points(lines: Lines, shown: int) -> list[tuple[int, Balance, Balance]]:
    """Return the balances of both lines after each number of plies at which the played one is calm,
    and at their ends, so many plies after the move and within the better line.
    """
    played = balances(lines.board, lines.played, 1 + shown, 1 + SHOWN_PLIES)
    better = balances(lines.board, lines.better, shown, SHOWN_PLIES)
    points = [
        (ply, played[ply], better[max(calm_ply for calm_ply in better if calm_ply <= ply)])
        for ply in played
    ]
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
    named = played.reversed() if played.pawns < 0 else gap
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
    moves = told_line(after, line)
    return MoveReason(
        _("loses {material} after {line}", material=lost.text, line=moves), MATERIAL_KIND
    )


def _missed(lines: Lines, plies: int, played: Balance, better: Balance) -> MoveReason:
    """Return what the better line wins, for a move that wins less."""
    if played.pawns > 0:
        text = later("wins only {material} instead of {better}")
        return MoveReason(
            _(text, material=played.text, better=better.text), MATERIAL_KIND, is_missed=True
        )
    how = motif(lines.board, lines.better[: min(plies, SHOWN_PLIES)], better)
    if how.is_tactic:
        text = later("misses a chance to win {material} through {motif}")
        sentence = _(text, material=better.text, motif=how.text)
        return MoveReason(sentence, how.theme, is_missed=True)
    sentence = _("misses a chance to win {material}", material=better.text)
    return MoveReason(sentence, how.theme or MATERIAL_KIND, is_missed=True)


def _en_prise(lines: Lines) -> MoveReason:
    """Return the dearest piece that the other side can take now, and not after the better move,
    where that is about what the move costs. What the line itself takes, it has shown to be paid
    for.
    """
    after = lines.answered
    best = board_after(lines.board, lines.better[0])
    shown = {move.to_square for move in lines.played[:2]}
    gains = dict[chess.Square, int]()
    for square in prey(after, after.turn) - chess.SquareSet(shown):
        gain = gain_on(after, square)
        if gain > gain_on(best, square):
            gains[square] = gain
    dearest = max(gains, key=lambda square: gains[square], default=None)
    if dearest is None or gains[dearest] < _LEAST_EN_PRISE or lines.cost_cp is None:
        return NO_REASON
    if lines.cost_cp < lines.least_cp(gains[dearest]):
        return NO_REASON
    piece = on_square(after, dearest)
    return MoveReason(_("leaves {piece} en prise", piece=piece), HANGING)


def _trade(lines: Lines) -> MoveReason:
    """Return that queens go off while the mover is behind, and stay on the board after the better
    move.
    """
    is_behind = (lines.best_cp or 0.0) < 0 and lead(lines.board, lines.board.turn) <= -SACRIFICE
    traded = board_after(lines.board, *lines.played[:_PLIES_TOLD])
    better = board_after(lines.board, *lines.better[:_PLIES_TOLD])
    had_queens = all(lines.board.pieces(chess.QUEEN, side) for side in chess.COLORS)
    if is_behind and had_queens and not traded.queens and better.queens:
        return MoveReason(_("trades queens while behind in material"), MATERIAL_KIND)
    return NO_REASON


def _answer(lines: Lines) -> MoveReason:
    """Return what the answer does, unless it does that after the better move, too."""
    after, answers = lines.answered, lines.played[1:]
    purpose = lines.does(after, answers)
    if not purpose or answers[0].to_square == lines.played[0].to_square:
        return NO_REASON
    best = board_after(lines.board, *lines.better[:1])
    is_there_anyway = best.is_legal(answers[0]) and lines.does(best, answers[:1]) in (
        purpose,
        lines.does(after, answers[:1]),
    )
    if is_there_anyway and not gain_on(board_after(best, answers[0]), answers[0].to_square):
        return NO_REASON
    return _runs_into(lines, 1, purpose)


def _better(lines: Lines) -> MoveReason:
    """Return what the better move does, unless the played one does it, too."""
    purpose = lines.does(lines.board, lines.better)
    played = lines.does(lines.board, lines.played[:1])
    if lines.does(lines.board, lines.better[:1]) == played:
        return NO_REASON
    return _misses(lines, 1, purpose)


def _threat(lines: Lines) -> MoveReason:
    """Return the fork that the answer or the better move threatens."""
    answers = lines.played[1:2]
    if answers and (purpose := threat(lines.answered, answers[0])):
        return _runs_into(lines, 1, purpose, "fork")
    return _misses(lines, 1, threat(lines.board, lines.better[0]), "fork")


def _plan(lines: Lines) -> MoveReason:
    """Return what the next move but one of the better line, or of the answers, does."""
    if purpose := _later_purpose(lines, lines.board, lines.better):
        return _misses(lines, _PLIES_TOLD, purpose)
    return _runs_into(lines, _PLIES_TOLD, _later_purpose(lines, lines.answered, lines.played[1:]))


def _capture(lines: Lines) -> MoveReason:
    """Return what the better move takes, where the played one takes nothing."""
    board, better = lines.board, lines.better[0]
    if board.is_capture(lines.played[0]) or not gain_on(board, better.to_square):
        return NO_REASON
    purpose = _("which takes {piece}", piece=on_square(board, better.to_square))
    return _misses(lines, 1, purpose, MATERIAL_KIND)


def _later_purpose(lines: Lines, board: chess.Board, line: Moves) -> str:
    if len(line) < _PLIES_TOLD or board.is_capture(line[0]):
        return ""
    purpose = lines.does(board_after(board, *line[:2]), line[2:])
    is_there = board.is_legal(line[2]) and lines.does(board, line[2:3])
    return "" if is_there else purpose


def _runs_into(lines: Lines, plies: int, purpose: str, kind: str = POSITION) -> MoveReason:
    """Return what the answers do, where something is told of them."""
    if not purpose:
        return NO_REASON
    move = told_line(lines.answered, lines.played[1 : 1 + plies])
    return MoveReason(_("runs into {move}, {deed}", move=move, deed=purpose), kind)


def _misses(lines: Lines, plies: int, purpose: str, kind: str = POSITION) -> MoveReason:
    """Return what the better move does, where something is told of it; nothing where the played one
    drops a piece, which is worse.
    """
    if not purpose or lines.is_dropped:
        return NO_REASON
    move = told_line(lines.board, lines.better[:plies])
    return MoveReason(_("misses {move}, {deed}", move=move, deed=purpose), kind, is_missed=True)


def _greed(lines: Lines) -> MoveReason:
    """Return that the answers to a capture win more than it."""
    board, answers = lines.board, lines.played[1:]
    plies, gained, better = _points(lines, _HORIZONS[0])[1]
    is_greedy = board.is_capture(lines.played[0]) and gained.pawns > max(0, better.pawns)
    if not is_greedy or not answers or plies > _PLIES_TOLD:
        return NO_REASON
    piece = on_square(board, lines.played[0].to_square)
    line = told_line(lines.answered, answers)
    return MoveReason(
        _("takes {piece}, but {line} is worth more", piece=piece, line=line), MATERIAL_KIND
    )


def _ending(lines: Lines) -> MoveReason:
    """Return what becomes of an ending without queens."""
    board, best_cp = lines.board, lines.best_cp
    is_ending = (
        board.occupied & ~board.pawns & ~board.kings
    ).bit_count() <= _ENDING_PIECES and not board.queens
    if not is_ending or best_cp is None or not lines.played[1:]:
        return NO_REASON
    left_cp = best_cp - (lines.cost_cp or 0.0)
    line = told_line(lines.answered, lines.played[1:])
    if best_cp >= _DECIDED_CP and abs(left_cp) <= _EVEN_CP:
        return MoveReason(_("turns a won ending into an even one after {line}", line=line))
    is_lost = abs(best_cp) <= _EVEN_CP and left_cp <= -_DECIDED_CP
    if is_lost:
        return MoveReason(_("turns an even ending into a lost one after {line}", line=line))
    return NO_REASON


def _position(lines: Lines) -> MoveReason:
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
        line = told_line(before, lines.played[at : at + 2])
        return MoveReason(_("exposes the king to {move}", move=line))
    if _is_prevented(lines):
        answer = told_line(lines.answered, lines.played[1:2])
        return _misses(lines, 1, _("which prevents {move}", move=answer))
    if board.is_capture(move) or developing(board, move):
        return NO_REASON
    return _misses(lines, 1, developing(board, better))


def _exposing(board: chess.Board, line: Moves) -> int:
    """Return the other side's move, counted from 1, that makes the king move which may castle, or
    doubles a pawn beside the king, while a queen stays to attack it; 0 without one near enough.
    """
    if not board_after(board, *line[: 1 + _HORIZONS[0]]).pieces(chess.QUEEN, not board.turn):
        return 0
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
        if is_stuck or is_doubled:
            return at - 1
    return 0


def _is_prevented(lines: Lines) -> bool:
    """Whether the answer to the move is impossible after the better one, or loses material only
    there. To move an attacked piece away prevents nothing.
    """
    if lines.better[0].from_square in prey(lines.board, not lines.board.turn):
        return False
    after = lines.answered
    best = board_after(lines.board, lines.better[0])
    answers = lines.played[1:2]
    is_forced = after.is_check() or best.is_check() or lines.board.is_capture(lines.better[0])
    if is_forced or not answers or answers[0].to_square == lines.played[0].to_square:
        return False
    return not best.is_legal(answers[0]) or (
        is_sacrifice(best, answers) and not is_sacrifice(after, answers)
    )


def told_line(board: chess.Board, line: Moves) -> str:
    """Return the first moves of a line as a sentence has them: `11...Na4 12. Qe5 Nxb2`."""
    return shown_moves(board.variation_san(line[:_PLIES_TOLD]))


# A coach's order: what costs most comes first.
_RULES = (
    _tactic,
    _wrong_taker,
    _sacrifice,
    _material,
    _en_prise,
    _answer,
    _better,
    _greed,
    _threat,
    _ending,
    _trade,
    _capture,
)
_POSITIONAL_RULES = (_position, _plan)
