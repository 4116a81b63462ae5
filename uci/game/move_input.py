"""Moves as people type them, and answers that help when a move cannot be played."""

from __future__ import annotations

import re

import chess

from engine.errors import MoveError
from uci.language import _, later, several

_UCI_FORM = re.compile(r"[a-h][1-8][a-h][1-8][nbrqNBRQ]?")
_SHORT, _LONG = "O-O", "O-O-O"
_WINGS = dict.fromkeys(("short", "kingside", "king", "k"), _SHORT) | dict.fromkeys(
    ("long", "queenside", "queen", "q"), _LONG
)
_MOST_NAMED = 12  # a longer list of moves would be no help
_YOURS = {chess.PAWN: later("Your pawn on {square}"), chess.KNIGHT: later("Your knight on {square}"),
          chess.BISHOP: later("Your bishop on {square}"), chess.ROOK: later("Your rook on {square}"),
          chess.QUEEN: later("Your queen on {square}"), chess.KING: later("Your king on {square}")}  # fmt: skip


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
        found = _list_moves(board, _same_target(board, cleaned))
        raise MoveError(_("{move} is ambiguous: {moves}", move=text, moves=found))
    if all(isinstance(error, chess.InvalidMoveError) for error in errors):
        raise MoveError(_("cannot read {text}: write e4, Nf3, exd5, O-O, e8=Q or e2e4", text=repr(text)))
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
        raise MoveError(_("castle which way? O-O is short, O-O-O is long"))
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
        raise MoveError(_("{move} promotes a pawn: add the piece, as in {example}", move=text, example=f"{uci}q"))
    raise MoveError(_why_illegal(board, text, uci))


def _why_illegal(board: chess.Board, text: str, cleaned: str) -> str:
    if _UCI_FORM.fullmatch(cleaned):
        source = chess.parse_square(cleaned[:2])
        piece = board.piece_at(source)
        if piece is None:
            return _("{move} is illegal: {square} is empty", move=text, square=cleaned[:2])
        if piece.color != board.turn:
            return _("{move} is illegal: the piece on {square} is not yours", move=text, square=cleaned[:2])
        moves = [move for move in board.legal_moves if move.from_square == source]
        if moves and not board.is_check():
            return _reach(text, _(_YOURS[piece.piece_type], square=cleaned[:2]), 1, moves)
    if board.is_check():
        found = _list_moves(board, list(board.legal_moves))
        return _("{move} is illegal: you are in check. You can play {moves}", move=text, moves=found)
    near = _same_target(board, cleaned)
    if near:
        found = _list_moves(board, near)
        return _("{move} is illegal. To that square you can play {moves}", move=text, moves=found)
    kind = _named_piece(cleaned)
    moves = [move for move in board.legal_moves if board.piece_type_at(move.from_square) == kind]
    if moves and kind != chess.PAWN:
        count = len({move.from_square for move in moves})
        return _reach(text, _your_pieces(kind, count), count, moves)
    return _("{move} is illegal", move=text)


def _your_pieces(kind: chess.PieceType, count: int) -> str:
    return {
        chess.KNIGHT: lambda: several("Your knight", "Your knights", count),
        chess.BISHOP: lambda: several("Your bishop", "Your bishops", count),
        chess.ROOK: lambda: several("Your rook", "Your rooks", count),
        chess.QUEEN: lambda: several("Your queen", "Your queens", count),
        chess.KING: lambda: _("Your king"),
    }[kind]()


def _reach(text: str, pieces: str, count: int, moves: list[chess.Move]) -> str:
    """Say that a move is illegal, and where the pieces, so many, can go."""
    *first, last = sorted({chess.square_name(move.to_square) for move in moves})
    if len(first) >= _MOST_NAMED:
        squares = _("{squares} and other squares", squares=", ".join(first[:_MOST_NAMED]))
        one = many = later("{move} is illegal. {pieces} can move to {squares}")
    else:
        squares = _("{first} or {last}", first=", ".join(first), last=last) if first else last
        one = many = later("{move} is illegal. {pieces} can only move to {squares}")
    return several(one, many, count, move=text, pieces=pieces, squares=squares)


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
    text = ", ".join(names[:_MOST_NAMED])
    return _("{moves} and others", moves=text) if len(names) > _MOST_NAMED else text
