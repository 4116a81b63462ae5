"""Why a move is bad, in a sentence, as far as the lines that are shown prove it.

What costs most is told first. Mates come first. Then the material of the two lines decides what is
said: what the played line loses, or what the better one wins, at the first quiet point where that
explains the cost. A motif only tells how. Where material explains nothing, what the answer or the
better move attacks may. An exposed king, or what is prevented or developed, comes last, and never
explains a blunder.
"""

import chess

from engine.board.notation import board_after
from engine.board.worth import lead
from uci.annotate.compared_lines import (
    NEAR_PLIES,
    PLIES_TOLD,
    SHOWN_PLIES,
    Lines,
    calm_points,
    told_line,
)
from uci.annotate.material import (
    SACRIFICE,
    Moves,
    gain_on,
    is_sacrifice,
    last_balance,
    listed,
    offers,
    on_square,
)
from uci.annotate.motifs import HANGING, TACTICS, mate_pattern
from uci.annotate.move_marks import BLUNDER
from uci.annotate.move_purposes import developing, prey, threat
from uci.annotate.move_review import (
    MATERIAL_KIND,
    NO_REASON,
    POSITION,
    MoveReason,
    MoveReview,
)
from uci.language import _, later, shows_own_letters, spoken

_LEAST_EN_PRISE = 3  # pawns, a piece
# Most in an ending; a won one has at least, an even one at most.
_ENDING_PIECES = 4
_DECIDED_CP = 200
_EVEN_CP = 125
# Moves of a mate that explains little, unless it costs so many centipawns.
_LONG_MATE, _DEAR_CP = (4, 450)


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
        mate_played=after.mate or 0,
        mate_better=before.mate or 0,
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
        is_far = -lines.mate_played > _LONG_MATE and not lines.mate_better
        if is_far and (lines.cost_cp or 0) < _DEAR_CP:
            return NO_REASON
        return _mates(lines)
    rules = [*_RULES]
    if not lines.is_blunder:
        rules += _POSITIONAL_RULES
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
    gain = last_balance(move.board, move.played_line, 1 + SHOWN_PLIES)
    if gain.pawns > 0 and gain.won:
        return _("The point is {line}, which wins {material}.", line=line, material=gain.text)
    if not line:
        return ""
    return _("The point is {line}.", line=line)


def _wrong_taker(lines: Lines) -> MoveReason:
    move, better = lines.move, lines.better[0]
    is_same = move.to_square == better.to_square and move.from_square != better.from_square
    is_told = bool(lines.material.text) and not lines.material.is_missed
    if is_told or not (is_same and lines.board.is_capture(move)):
        return NO_REASON
    piece = on_square(lines.board, move.to_square)
    return MoveReason(_("takes {piece} with the wrong piece", piece=piece), MATERIAL_KIND)


def _mates(lines: Lines) -> MoveReason:
    misses = lines.mate_better > 0 >= lines.mate_played
    allows = lines.mate_played < 0 <= lines.mate_better
    parts = []
    if misses:
        won = mate_text(lines.board, lines.better, lines.mate_better, SHOWN_PLIES)
        parts.append(_("misses {mate}", mate=won))
    if allows:
        lost = mate_text(lines.board, lines.played, -lines.mate_played, 1 + SHOWN_PLIES)
        parts.append(_("allows {mate}", mate=lost))
    return MoveReason(listed(parts), "mate", is_missed=not allows)


def mate_text(board: chess.Board, line: Moves, moves: int, plies: int = SHOWN_PLIES) -> str:
    """Return what mate a line leads to: `a back-rank mate in 2`."""
    named = {"back-rank mate": later("a back-rank mate in {moves}"),
             "smothered mate": later("a smothered mate in {moves}")}  # fmt: skip
    return _(named.get(mate_pattern(board, line[:plies]), later("mate in {moves}")), moves=moves)


def _sacrifice(lines: Lines) -> MoveReason:
    """Return the answer that is a sacrifice, and what follows if it is taken."""
    after = lines.answered
    if not lines.answers or lines.is_dropped or not offers(after, lines.answers[0]):
        return NO_REASON
    move = told_line(after, lines.answers[:1])
    if not lines.taken:
        return MoveReason(_("runs into the sacrifice {move}", move=move), "sacrifice")
    acceptance = told_line(board_after(after, lines.answers[0]), lines.taken)
    text = later("runs into the sacrifice {move}; if it is taken, {line}")
    return MoveReason(_(text, move=move, line=acceptance), "sacrifice")


def _tactic(lines: Lines) -> MoveReason:
    """Return the material that a tactic against the mover wins."""
    reason = lines.material
    if reason.kind in TACTICS and not reason.is_missed:
        return reason
    return NO_REASON


def _material(lines: Lines) -> MoveReason:
    """Return what the played line loses or the better one wins."""
    return lines.material


def _en_prise(lines: Lines) -> MoveReason:
    """Return the dearest piece that the other side can take now, and not after the better move,
    where that is about what the move costs. What the line itself takes, it has shown to be paid
    for.
    """
    after, best = lines.answered, lines.improved
    shown = chess.SquareSet([move.to_square for move in lines.played[:2]])
    most, dearest = 0, None
    for square in prey(after, after.turn) - shown:
        gain = gain_on(after, square)
        if gain > max(most, gain_on(best, square)):
            most, dearest = gain, square
    if dearest is None or most < _LEAST_EN_PRISE or lines.cost_cp is None:
        return NO_REASON
    if lines.cost_cp < lines.least_cp(most):
        return NO_REASON
    piece = on_square(after, dearest)
    return MoveReason(_("leaves {piece} en prise", piece=piece), HANGING)


def _trade(lines: Lines) -> MoveReason:
    """Return that queens go off while the mover is behind, and stay on the board after the better
    move.
    """
    is_behind = (lines.best_cp or 0.0) < 0 and lead(lines.board, lines.board.turn) <= -SACRIFICE
    traded = board_after(lines.board, *lines.played[:PLIES_TOLD])
    better = board_after(lines.board, *lines.better[:PLIES_TOLD])
    had_queens = all(lines.board.pieces(chess.QUEEN, side) for side in chess.COLORS)
    if is_behind and had_queens and not traded.queens and better.queens:
        return MoveReason(_("trades queens while behind in material"), MATERIAL_KIND)
    return NO_REASON


def _answer(lines: Lines) -> MoveReason:
    """Return what the answer does, unless it does that after the better move, too."""
    after, best = lines.answered, lines.improved
    answers = lines.answers
    purpose = lines.does(after, answers)
    if not purpose or answers[0].to_square == lines.move.to_square:
        return NO_REASON
    if best.is_legal(answers[0]):
        there = lines.does(best, answers[:1])
        is_there_anyway = there == purpose or there == lines.does(after, answers[:1])
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
    if lines.answers and (purpose := threat(lines.answered, lines.answers[0])):
        return _runs_into(lines, 1, purpose, "fork")
    return _misses(lines, 1, threat(lines.board, lines.better[0]), "fork")


def _plan(lines: Lines) -> MoveReason:
    """Return what the next move but one of the better line, or of the answers, does."""
    if purpose := _later_purpose(lines, lines.board, lines.better):
        return _misses(lines, PLIES_TOLD, purpose)
    return _runs_into(lines, PLIES_TOLD, _later_purpose(lines, lines.answered, lines.answers))


def _capture(lines: Lines) -> MoveReason:
    """Return what the better move takes, where the played one takes nothing."""
    board, better = lines.board, lines.better[0]
    if board.is_capture(lines.move) or not gain_on(board, better.to_square):
        return NO_REASON
    purpose = _("which takes {piece}", piece=on_square(board, better.to_square))
    return _misses(lines, 1, purpose, MATERIAL_KIND)


def _later_purpose(lines: Lines, board: chess.Board, line: Moves) -> str:
    if len(line) < PLIES_TOLD or board.is_capture(line[0]):
        return ""
    if board.is_legal(line[2]) and lines.does(board, line[2:3]):
        return ""
    return lines.does(board_after(board, *line[:2]), line[2:])


def _runs_into(lines: Lines, plies: int, purpose: str, kind: str = POSITION) -> MoveReason:
    """Return what the answers do, where something is told of them."""
    if not purpose:
        return NO_REASON
    move = told_line(lines.answered, lines.answers[:plies])
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
    board, move = lines.board, lines.move
    plies, gained, better = calm_points(lines, NEAR_PLIES)[1]
    is_greedy = board.is_capture(move) and gained.pawns > max(0, better.pawns)
    if not is_greedy or not lines.answers or plies > PLIES_TOLD:
        return NO_REASON
    piece = on_square(board, move.to_square)
    line = told_line(lines.answered, lines.answers)
    text = _("takes {piece}, but {line} is worth more", piece=piece, line=line)
    return MoveReason(text, MATERIAL_KIND)


def _ending(lines: Lines) -> MoveReason:
    """Return what becomes of an ending without queens."""
    board, best_cp = lines.board, lines.best_cp
    pieces = (board.occupied & ~board.pawns & ~board.kings).bit_count()
    is_ending = pieces <= _ENDING_PIECES and not board.queens
    if not is_ending or best_cp is None or not lines.answers:
        return NO_REASON
    left_cp = best_cp - (lines.cost_cp or 0.0)
    line = told_line(lines.answered, lines.answers)
    if best_cp >= _DECIDED_CP and abs(left_cp) <= _EVEN_CP:
        return MoveReason(_("turns a won ending into an even one after {line}", line=line))
    if abs(best_cp) <= _EVEN_CP and left_cp <= -_DECIDED_CP:
        return MoveReason(_("turns an even ending into a lost one after {line}", line=line))
    return NO_REASON


def _position(lines: Lines) -> MoveReason:
    """Return what exposes the king, or what the better move prevents or develops."""
    board = lines.board
    better = lines.better[0]
    at = _exposing(board, lines.played)
    is_king_better = board.piece_type_at(better.from_square) == chess.KING
    if at and not is_king_better and not _exposing(board, lines.better):
        before = board_after(board, *lines.played[:at])
        line = told_line(before, lines.played[at : at + 2])
        return MoveReason(_("exposes the king to {move}", move=line))
    if _is_prevented(lines):
        answer = told_line(lines.answered, lines.answers[:1])
        return _misses(lines, 1, _("which prevents {move}", move=answer))
    if board.is_capture(lines.move) or developing(board, lines.move):
        return NO_REASON
    return _misses(lines, 1, developing(board, better))


def _exposing(board: chess.Board, line: Moves) -> int:
    """Return the other side's move, counted from 1, that makes the king move which may castle, or
    doubles a pawn beside the king, while a queen stays to attack it; 0 without one near enough.
    """
    if not board_after(board, *line[: 1 + NEAR_PLIES]).pieces(chess.QUEEN, not board.turn):
        return 0
    for at in range(2, min(len(line), 1 + NEAR_PLIES), 2):
        now = board_after(board, *line[:at])
        move = line[at]
        king = now.king(board.turn) or 0
        pawns = now.pieces(chess.PAWN, board.turn)
        if move.from_square == king:
            is_exposed = now.has_castling_rights(board.turn) and not now.is_castling(move)
        else:
            is_shelter = move.from_square in pawns & chess.BB_KING_ATTACKS[king]
            file = chess.BB_FILES[chess.square_file(move.to_square)]
            is_exposed = is_shelter and now.is_capture(move) and bool(pawns & file)
        if is_exposed:
            return at - 1
    return 0


def _is_prevented(lines: Lines) -> bool:
    """Whether the answer to the move is impossible after the better one, or loses material only
    there. To move an attacked piece away prevents nothing.
    """
    if lines.better[0].from_square in prey(lines.board, not lines.board.turn):
        return False
    after, best = lines.answered, lines.improved
    answers = lines.answers[:1]
    is_forced = after.is_check() or best.is_check() or lines.board.is_capture(lines.better[0])
    if is_forced or not answers or answers[0].to_square == lines.move.to_square:
        return False
    return not best.is_legal(answers[0]) or (
        is_sacrifice(best, answers) and not is_sacrifice(after, answers)
    )


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
