"""Moves as people type them, and answers that help when a move cannot be played."""

from __future__ import annotations

import re

import chess

from engine.errors import MoveError

_UCI_FORM = re.compile(r"[a-h][1-8][a-h][1-8][nbrqNBRQ]?")
_SHORT, _LONG = "O-O", "O-O-O"
_WINGS = dict.fromkeys(("short", "kingside", "king", "k"), _SHORT) | dict.fromkeys(
    ("long", "queenside", "queen", "q"), _LONG
)
_MOST_NAMED = 12  # a longer list of moves would be no help


def read_human_move(board: chess.Board, text: str) -> chess.Move:
    """Return a legal move from SAN or UCI notation, forgiving case, zeros for castling, and marks such as `!?`.

    Raises MoveError whose message says what is wrong and what could be meant.
    """
    cleaned = _castling(board, text) or text.strip().rstrip("!?+#").replace("-", "")
    if _UCI_FORM.fullmatch(cleaned):
        return _from_squares(board, cleaned.lower(), text)
    errors: list[ValueError] = []
    for candidate in _san_candidates(cleaned):
        try:
            if move := board.parse_san(candidate):
                return move
            errors.append(chess.InvalidMoveError(text))  # python-chess reads a null move from Z0 and 0000
        except ValueError as error:
            errors.append(error)
    if any(isinstance(error, chess.AmbiguousMoveError) for error in errors):
        raise MoveError(f"{text} is ambiguous: {_list_moves(board, _same_target(board, cleaned))}")
    if all(isinstance(error, chess.InvalidMoveError) for error in errors):
        raise MoveError(f"cannot read {text!r}: write e4, Nf3, exd5, O-O, e8=Q or e2e4")
    raise MoveError(_why_illegal(board, text, cleaned))


def _castling(board: chess.Board, text: str) -> str:
    """Any spelling of castling as SAN, or "". Raises MoveError for the word castle alone where both ways are legal."""
    text = text.strip()
    match = re.fullmatch(r"[oO0]-?[oO0](-?[oO0])?[+#!?]*", text)
    if match is not None:
        return _LONG if match[1] else _SHORT
    words = text.lower().replace("-", " ").split()
    if words[:1] != ["castle"] and words[:1] != ["castles"]:
        return ""
    if words[1:] and words[1] in _WINGS:
        return _WINGS[words[1]]
    ways = [_LONG if board.is_queenside_castling(move) else _SHORT for move in board.generate_castling_moves()]
    if len(ways) > 1:
        raise MoveError("castle which way? O-O is short, O-O-O is long")
    return ways[0] if ways else _SHORT


def _san_candidates(text: str) -> list[str]:
    """`text` as it is; then with a capital piece letter (`nf3`), and with the promoted piece spelled out (`e8q`)."""
    candidates = [text]
    if text[:1] in set("nbrqk"):
        candidates.append(text[0].upper() + text[1:])
    promotion = re.fullmatch(r"(.*[a-h][18])=?\(?([nbrqNBRQ])\)?", text)
    if promotion:
        candidates.append(f"{promotion[1]}={promotion[2].upper()}")
    return candidates


def _from_squares(board: chess.Board, uci: str, text: str) -> chess.Move:
    try:
        return board.parse_uci(uci)
    except ValueError:
        pass
    if len(uci) == 4 and any(move.uci().startswith(uci) for move in board.legal_moves):
        raise MoveError(f"{text} promotes a pawn: add the piece, as in {uci}q")
    raise MoveError(_why_illegal(board, text, uci))


def _why_illegal(board: chess.Board, text: str, cleaned: str) -> str:
    if _UCI_FORM.fullmatch(cleaned):
        source = chess.parse_square(cleaned[:2])
        piece = board.piece_at(source)
        if piece is None:
            return f"{text} is illegal: {cleaned[:2]} is empty"
        if piece.color != board.turn:
            return f"{text} is illegal: the {chess.piece_name(piece.piece_type)} on {cleaned[:2]} is not yours"
        moves = [move for move in board.legal_moves if move.from_square == source]
        if moves and not board.is_check():
            return f"{text} is illegal. Your {chess.piece_name(piece.piece_type)} on {cleaned[:2]} {_reach(moves)}"
    if board.is_check():
        return f"{text} is illegal: you are in check. You can play {_list_moves(board, list(board.legal_moves))}"
    near = _same_target(board, cleaned)
    if near:
        return f"{text} is illegal. To that square you can play {_list_moves(board, near)}"
    kind = _named_piece(cleaned)
    moves = [move for move in board.legal_moves if board.piece_type_at(move.from_square) == kind]
    if moves and kind != chess.PAWN:
        several = len({move.from_square for move in moves}) > 1
        return f"{text} is illegal. Your {chess.piece_name(kind)}{'s' * several} {_reach(moves)}"
    return f"{text} is illegal"


def _reach(moves: list[chess.Move]) -> str:
    """Where a piece can go, in words."""
    squares = sorted({chess.square_name(move.to_square) for move in moves})
    if len(squares) > _MOST_NAMED:
        return f"can move to {', '.join(squares[:_MOST_NAMED])} and other squares"
    return "can only move to " + " or ".join(filter(None, (", ".join(squares[:-1]), squares[-1])))


def _same_target(board: chess.Board, cleaned: str) -> list[chess.Move]:
    """Legal moves to the last square named in the text; only of the piece that it names, if any of those exist."""
    squares = re.findall(r"[a-h][1-8]", cleaned)
    if not squares:
        return []
    moves = [move for move in board.legal_moves if move.to_square == chess.parse_square(squares[-1])]
    piece = _named_piece(cleaned)
    return [move for move in moves if board.piece_type_at(move.from_square) == piece] or moves


def _named_piece(cleaned: str) -> chess.PieceType:
    return chess.PIECE_SYMBOLS.index(cleaned[0].lower()) if cleaned[0].lower() in "nbrqk" else chess.PAWN


def _list_moves(board: chess.Board, moves: list[chess.Move]) -> str:
    names = sorted(board.san(move) for move in moves)
    return ", ".join(names[:_MOST_NAMED]) + (" and others" if len(names) > _MOST_NAMED else "")
