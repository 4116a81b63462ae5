"""What a move does beside winning material: it attacks, pins or develops something."""

import chess

from engine.board.notation import board_after
from engine.board.worth import worth_on
from uci.annotate.material import Moves, gain_on, listed, on_square
from uci.annotate.motifs import fork_text, opened
from uci.language import _


def purpose_of(
    board: chess.Board, line: Moves, explains_much: bool = False, is_blunder: bool = False
) -> str:
    """Return what a line's first move does, as `which attacks the queen on b3`; "" where no rule
    knows.

    An attack on pawns alone does not explain much, and one on a piece that moves away no blunder.
    """
    if not line:
        return ""
    move = line[0]
    after = board_after(board, move)
    side = board.turn
    answers = line[1:2]  # a piece that is taken at once does nothing more
    fresh = prey(after, side) - prey(board, side)
    for _from, at in opened(board, after, move):
        if at in fresh and not (explains_much and after.pawns & chess.BB_SQUARES[at]):
            return _("which uncovers an attack on {piece}", piece=on_square(after, at))
    if answers and answers[0].to_square == move.to_square:
        return ""
    attacked = after.attacks(move.to_square) & fresh
    if explains_much or board.is_capture(move) or after.is_check():
        attacked &= ~after.pawns
    driven = _driven(after, attacked, answers)
    if driven and is_blunder:
        return ""
    return driven or _attacked(after, attacked) or _pinned(board, move)


def _driven(after: chess.Board, attacked: chess.SquareSet, answers: Moves) -> str:
    """Return which attacked piece the answer moves away, if no other one is attacked."""
    for answer in answers:
        is_alone = attacked & ~after.pawns == chess.SquareSet([answer.from_square])
        if is_alone and not after.is_capture(answer):
            return _("which drives {piece} away", piece=on_square(after, answer.from_square))
    return ""


def _attacked(after: chess.Board, attacked: chess.SquareSet) -> str:
    """Return the two dearest of the attacked pieces."""
    if not attacked:
        return ""
    dearest = sorted(attacked, key=lambda at: -worth_on(after, at))[:2]
    pieces = listed([on_square(after, at) for at in dearest])
    return _("which attacks {pieces}", pieces=pieces)


def _pinned(board: chess.Board, move: chess.Move) -> str:
    """Return the piece, no pawn, that a move pins."""
    after = board_after(board, move)
    opponent = after.turn
    for at in after.attacks(move.to_square) & after.occupied_co[opponent] & ~after.pawns:
        if after.is_pinned(opponent, at) and not board.is_pinned(opponent, at):
            return _("which pins {piece}", piece=on_square(after, at))
    return ""


def threat(board: chess.Board, move: chess.Move) -> str:
    """Return the fork that a move threatens, as `which threatens a fork of knight and bishop by the
    pawn on e4`; "" where it threatens none that its side had not already, or may be taken.
    """
    moved = board_after(board, move)
    after = _passed(moved)
    if after is None or gain_on(moved, move.to_square):
        return ""
    legal_before = set(board.legal_moves)
    for threatened in after.legal_moves:
        if threatened in legal_before or after.is_capture(threatened):
            continue
        if fork := _forked(after, threatened):
            return _("which threatens {motif}", motif=fork)
    return ""


def _passed(board: chess.Board) -> chess.Board | None:
    """Return a position in which the side to move has passed; None where it is in check."""
    if board.is_check():
        return None
    return board_after(board, chess.Move.null())


def _forked(board: chess.Board, move: chess.Move) -> str:
    """Return the fork of a safe move, "" where it makes none."""
    after = board_after(board, move)
    side = board.turn
    aims = after.attacks(move.to_square) & after.occupied_co[not side] & ~after.pawns
    if len(aims) < 2 or gain_on(after, move.to_square):
        return ""
    kinds = [after.piece_type_at(at) or 0 for at in aims & (prey(after, side) | after.kings)]
    if len(kinds) < 2:
        return ""
    return fork_text(after, move.to_square, kinds)


def developing(board: chess.Board, move: chess.Move) -> str:
    """Return that a move castles, or brings a knight or bishop out; "" otherwise."""
    if board.is_castling(move):
        return _("which brings the king to safety")
    square = move.from_square
    is_minor = board.piece_type_at(square) in (chess.KNIGHT, chess.BISHOP)
    is_at_home = board.piece_at(square) == chess.Board().piece_at(square)
    if not (is_minor and is_at_home) or board.is_capture(move):
        return ""
    return _("which develops {piece}", piece=on_square(board, square))


def prey(board: chess.Board, side: chess.Color) -> chess.SquareSet:
    """Return the squares on which a side would win something, if it were to move."""
    view = board.copy(stack=False)
    view.turn = side
    view.ep_square = None
    enemies = chess.SquareSet(view.occupied_co[not side] & ~view.kings)
    return chess.SquareSet(at for at in enemies if gain_on(view, at))
