"""Reads positions: what a FEN must say, field by field, and what is corrected silently.

    placement side [castling [en passant [halfmove [fullmove]]]]

Refused, with a `FenError` naming the field: text outside the format; a side without exactly one king; pawns on the
first or last rank; more pieces than pawns could have promoted to; a king that could be captured at once; castling
rights without king and rook in place; an en passant square that no pawn can just have passed.

Corrected: white space around and between fields; missing castling, en passant and clocks ("-", "-", 0, 1), as in other
engines; castling letters in any order; move number 0 becomes 1. An en passant square on which no legal capture exists
does not change a position's key, but is kept for the network's history planes.

Castling may be written as in FEN and X-FEN (KQkq: the outermost rook on that side of the king) or Shredder-FEN (HAha:
the rook's file). Outside Chess960 the king must stand on e1 or e8, and the rook in its corner.

A position need not be reachable in a game: impossible checks and pawn structures are accepted.
"""

from __future__ import annotations

import re
from typing import NoReturn

import chess

from engine.errors import FenError

_FIELDS = ("placement", "side", "castling", "en passant", "halfmove", "fullmove")
_DEFAULTS = ("-", "-", "0", "1")  # castling, en passant, halfmove, fullmove
_LONGEST_QUOTE = 100  # characters of the offending text that a message quotes
_LARGEST_CLOCK = 9_999  # the longest possible game has about 5,900 moves
_PIECES_AT_START = {chess.KNIGHT: 2, chess.BISHOP: 2, chess.ROOK: 2, chess.QUEEN: 1}


def parse_fen(text: str, chess960: bool = False) -> chess.Board:
    """Read a FEN, X-FEN or Shredder-FEN by this module's rules. Raises FenError naming the field and the reason."""
    fields = text.split()
    try:
        if len(fields) > len(_FIELDS):
            _refuse("fullmove", f"{len(fields) - len(_FIELDS)} more fields after it")
        if fields:
            _check_placement_text(fields[0])
        if len(fields) < 2:
            _refuse(_FIELDS[len(fields)], "missing")
        fields += _DEFAULTS[len(fields) - 2 :]
        if fields[1] not in ("w", "b"):
            _refuse("side", f"{_quote(fields[1])} is neither 'w' nor 'b'")
        board = chess.Board(f"{fields[0]} {fields[1]} - - 0 1", chess960=chess960)
        check_playable(board)
        board.castling_rights = _castling_rooks(board, fields[2])
        board.ep_square = _en_passant_square(board, fields[3])
        board.halfmove_clock = _number("halfmove", fields[4])
        board.fullmove_number = max(1, _number("fullmove", fields[5]))
    except FenError as error:
        raise FenError(f"FEN {_quote(text)}: {error}", error.field) from None
    return board


def check_playable(board: chess.Board) -> None:
    """Refuse boards on which the kernels cannot play: wrong kings, pawns or piece counts, or a king that can be taken.

    Clocks that no game reaches are refused too. Promotions must explain the piece counts, which also bounds the number
    of legal moves by 218. Raises FenError.
    """
    for field, clock in (("halfmove", board.halfmove_clock), ("fullmove", board.fullmove_number)):
        if not 0 <= clock <= _LARGEST_CLOCK:
            _refuse(field, f"not a number from 0 to {_LARGEST_CLOCK}")
    for color, name in ((chess.WHITE, "White"), (chess.BLACK, "Black")):
        count = {kind: chess.popcount(board.pieces_mask(kind, color)) for kind in chess.PIECE_TYPES}
        if count[chess.KING] != 1:
            _refuse("placement", f"{name} has {count[chess.KING] or 'no'} king{'s' * (count[chess.KING] > 1)}")
        if count[chess.PAWN] > 8:
            _refuse("placement", f"{name} has {count[chess.PAWN]} pawns")
        promoted = sum(max(0, count[kind] - number) for kind, number in _PIECES_AT_START.items())
        if promoted > 8 - count[chess.PAWN]:
            _refuse("placement", f"{name} has at least {promoted} promoted beside {count[chess.PAWN]} pawns")
    if board.pawns & chess.BB_BACKRANKS:
        square = chess.square_name(chess.lsb(board.pawns & chess.BB_BACKRANKS))
        _refuse("placement", f"a pawn on {square}")
    if board.was_into_check():
        waiting = "Black" if board.turn == chess.WHITE else "White"
        _refuse("side", f"{waiting}'s king is attacked and it is not {waiting}'s move")


def _refuse(field: str, reason: str) -> NoReturn:
    raise FenError(f"{field}: {reason}", field)


def _quote(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "...")


def _check_placement_text(text: str) -> None:
    """Check that the text has eight ranks of eight squares, in piece letters and single digits."""
    ranks = text.split("/")
    for number, rank in zip(range(8, 0, -1), ranks, strict=False):
        unknown = re.search(r"[^pnbrqkPNBRQK1-8]", rank)
        if unknown:
            _refuse("placement", f"{unknown[0]!r} on rank {number} is neither a piece nor a digit from 1 to 8")
        if re.search(r"\d\d", rank):
            _refuse("placement", f"two digits in a row on rank {number}")
        squares = sum(int(letter) if letter.isdigit() else 1 for letter in rank)
        if squares != 8:
            _refuse("placement", f"rank {number} has {squares} squares")
    if len(ranks) != 8:
        _refuse("placement", f"{len(ranks)} rank{'s' * (len(ranks) > 1)} instead of 8")


def _castling_rooks(board: chess.Board, text: str) -> chess.Bitboard:
    """The rooks that may castle."""
    if text == "-":
        return chess.BB_EMPTY
    rooks = chess.BB_EMPTY
    sides: set[tuple[chess.Color, bool]] = set()
    for letter in text:
        if letter not in "KQABCDEFGHkqabcdefgh":
            _refuse("castling", f"{letter!r} is none of KQkq, a file from A to H, or a to h")
        color = letter.isupper()
        rook = _castling_rook(board, letter, color)
        king = board.king(color)
        assert king is not None
        if (color, rook > king) in sides:
            _refuse("castling", f"{letter!r} names a second rook on the same side of the king")
        sides.add((color, rook > king))
        rooks |= chess.BB_SQUARES[rook]
    return rooks


def _castling_rook(board: chess.Board, letter: str, color: chess.Color) -> chess.Square:
    """The square of the rook that a castling letter names."""
    king, home_rank = board.king(color), 0 if color == chess.WHITE else 7
    assert king is not None
    if chess.square_rank(king) != home_rank or not (board.chess960 or chess.square_file(king) == 4):
        _refuse("castling", f"{letter!r}, but the king stands on {chess.square_name(king)}")
    rooks = [rook for rook in board.pieces(chess.ROOK, color) if chess.square_rank(rook) == home_rank]
    if not board.chess960:
        rooks = [rook for rook in rooks if chess.square_file(rook) in (0, 7)]
    kind = letter.upper()
    if kind == "K":
        rooks = [rook for rook in rooks if rook > king][-1:]
    elif kind == "Q":
        rooks = [rook for rook in rooks if rook < king][:1]
    else:
        rooks = [rook for rook in rooks if chess.square_file(rook) == ord(kind) - ord("A")]
    if not rooks:
        _refuse("castling", f"{letter!r}, but there is no rook to castle with")
    return rooks[0]


def _en_passant_square(board: chess.Board, text: str) -> chess.Square | None:
    """The square that an enemy pawn just passed, or None for "-"."""
    if text == "-":
        return None
    if text not in chess.SQUARE_NAMES:
        _refuse("en passant", f"{_quote(text)} is neither a square nor '-'")
    square = chess.parse_square(text)
    forward = -8 if board.turn == chess.WHITE else 8  # the direction in which the pawn moved
    if chess.square_rank(square) != (5 if board.turn == chess.WHITE else 2):
        _refuse("en passant", f"{text} is not on the rank that the other side's pawns pass")
    if board.piece_at(square + forward) != chess.Piece(chess.PAWN, not board.turn):
        _refuse("en passant", f"no pawn on {chess.square_name(square + forward)} that could have passed {text}")
    for empty in (square, square - forward):
        if board.piece_at(empty):
            _refuse("en passant", f"a piece on {chess.square_name(empty)}, where the pawn came from or went through")
    return square


def _number(field: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text):
        _refuse(field, f"{_quote(text)} is no number from 0 to {_LARGEST_CLOCK}")
    return int(text)
