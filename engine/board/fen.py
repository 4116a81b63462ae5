"""Reads positions: the one rule for every FEN, X-FEN, Shredder-FEN or EPD line that Aino is given.

    placement side [castling [en passant [halfmove [fullmove]]]] [operations]

A `FenError` naming the field refuses what cannot be played: text without 64 squares or a side to
move; a side without exactly one king; pawns on the first or last rank; more pieces than pawns could
have promoted to; a king that could be captured at once.

Everything else is accepted, reachable in a game or not, and `note` hears what had to be changed.
`docs/what-aino-reads.md` has the table. The operations `hmvc` and `fmvn` of EPD set the clocks.
"""

import re
from collections.abc import Callable
from typing import NoReturn

import chess

from engine.board.epd import DASHES, OPCODE, read_operations, split_epd
from engine.errors import FenError, TemplateMessage, message

Note = Callable[[str], None]

_FIELDS = ("placement", "side", "castling", "en passant", "halfmove", "fullmove")
_DEFAULTS = ("-", "-", "0", "1")  # castling, en passant, halfmove, fullmove
_LONGEST_QUOTE = 100  # characters of the offending text that a message quotes
_LARGEST_CLOCK = 9_999  # the longest possible game has about 5,900 moves
_CASTLING_LETTERS = "KQA-Hkqa-h"  # of a regular expression
_PIECES_AT_START = {chess.KNIGHT: 2, chess.BISHOP: 2, chess.ROOK: 2, chess.QUEEN: 1}


def parse_fen(text: str, chess960: bool = False, note: Note = lambda message: None) -> chess.Board:
    """Return the position of a text, by this module's rules. Raises FenError naming the field and
    the reason.

    chess960: write its castling as king takes rook, even where standard chess has the same rights.
    note: gets a sentence for each thing that was dropped or changed.
    """
    fields, rest = split_epd(text)
    try:
        if fields:
            _check_placement_text(fields[0])
        if len(fields) < 2:
            _refuse(_FIELDS[len(fields)], "missing")
        board = _board_of(fields[0], fields[1], chess960)
    except FenError as error:
        raise FenError(
            message("FEN {text}: {reason}", text=_quote(text), reason=str(error)), error.field
        ) from None
    castling, en_passant, *clocks = (*fields[2:], *_DEFAULTS[len(fields) - 2 :])
    operations = read_operations(rest)
    _set_castling(board, castling, note)
    board.ep_square = _en_passant_square(board, en_passant, note)
    board.halfmove_clock = _clock("halfmove", operations.get("hmvc") or clocks[0], 0, note)
    board.fullmove_number = max(1, _clock("fullmove", operations.get("fmvn") or clocks[1], 1, note))
    if rest and ";" not in rest and not OPCODE.match(rest):
        note(message("Aino ignores {text} after the position", text=_quote(rest)))
    return board


def _board_of(placement: str, side: str, chess960: bool) -> chess.Board:
    if side not in ("w", "b"):
        _refuse("side", "{text} is neither 'w' nor 'b'", text=_quote(side))
    placement = re.sub("[1-8]{2,}", lambda run: str(sum(map(int, run[0]))), placement)
    board = chess.Board(f"{placement} {side} - - 0 1", chess960=chess960)
    check_playable(board)
    return board


def check_playable(board: chess.Board) -> None:
    """Refuse boards on which the kernels cannot play: wrong kings, pawns or piece counts, or a king
    that can be taken.

    It also refuses clocks that no game reaches. Promotions must explain the piece counts, which
    also bounds the number of legal moves by 218. Raises FenError.
    """
    for field, clock in (("halfmove", board.halfmove_clock), ("fullmove", board.fullmove_number)):
        if not 0 <= clock <= _LARGEST_CLOCK:
            _refuse(field, "not a number from 0 to {most}", most=_LARGEST_CLOCK)
    _check_men(board, chess.WHITE, "White")
    _check_men(board, chess.BLACK, "Black")
    if board.pawns & chess.BB_BACKRANKS:
        square = chess.square_name(chess.lsb(board.pawns & chess.BB_BACKRANKS))
        _refuse("placement", "a pawn on {square}", square=square)
    if board.was_into_check():
        words = "{side}'s king is attacked and it is not {other}'s move"
        waiting = chess.COLOR_NAMES[not board.turn].title()
        _refuse("side", words, side=waiting, other=waiting)


def _check_men(board: chess.Board, color: chess.Color, name: str) -> None:
    count = {}
    for kind in chess.PIECE_TYPES:
        count[kind] = chess.popcount(board.pieces_mask(kind, color))
    if count[chess.KING] != 1:
        kings = "{side} has {count} kings" if count[chess.KING] else "{side} has no king"
        _refuse("placement", kings, side=name, count=count[chess.KING])
    if count[chess.PAWN] > 8:
        _refuse("placement", "{side} has {count} pawns", side=name, count=count[chess.PAWN])
    promoted = 0
    for kind, number in _PIECES_AT_START.items():
        promoted += max(0, count[kind] - number)
    if promoted > 8 - count[chess.PAWN]:
        words = "{side} has at least {count} promoted beside {pawns} pawns"
        _refuse("placement", words, side=name, count=promoted, pawns=count[chess.PAWN])


def _refuse(field: str, template: str, **values: object) -> NoReturn:
    raise FenError(_of_field(field, template, **values), field)


def _of_field(field: str, template: str, **values: object) -> TemplateMessage:
    return message(f"{field}: {{reason}}", reason=message(template, **values))


def _quote(text: str) -> str:
    if len(text) > _LONGEST_QUOTE:
        text = f"{text[:_LONGEST_QUOTE]}..."
    return repr(text)


def _check_placement_text(text: str) -> None:
    """Check that the text has eight ranks of eight squares, in piece letters and digits."""
    ranks = text.split("/")
    for number, rank in zip(range(8, 0, -1), ranks, strict=False):
        unknown = re.search(r"[^pnbrqkPNBRQK1-8]", rank)
        if unknown:
            words = "{letter} on rank {rank} is neither a piece nor a digit from 1 to 8"
            _refuse("placement", words, letter=repr(unknown[0]), rank=number)
        squares = len(rank)
        for digit in re.findall("[1-8]", rank):
            squares += int(digit) - 1
        if squares != 8:
            _refuse("placement", "rank {rank} has {count} squares", rank=number, count=squares)
    if len(ranks) != 8:
        words = "{count} rank instead of 8" if len(ranks) == 1 else "{count} ranks instead of 8"
        _refuse("placement", words, count=len(ranks))


def _set_castling(board: chess.Board, text: str, note: Note) -> None:
    """Give the board the rights that a text names and king and rook allow, and the rules of chess
    that know them.
    """
    if unknown := re.sub(f"[{_CASTLING_LETTERS}{DASHES}]", "", text):
        words = "{text} is neither KQkq nor a file from A to H or a to h, so Aino ignores it"
        note(_of_field("castling", words, text=_quote(unknown)))
    all_fit = True
    for letter in dict.fromkeys(re.findall(f"[{_CASTLING_LETTERS}]", text)):
        try:
            board.castling_rights |= chess.BB_SQUARES[_castling_rook(board, letter)]
        except FenError as error:
            note(message("{reason}, so Aino ignores this right", reason=str(error)))
            all_fit = False
    standard = board.clean_castling_rights()
    if standard == board.castling_rights:
        return
    if all_fit and _is_chess960(board):
        board.chess960 = True
        words = "standard chess does not know the rights {text}, so Aino takes this for Chess960"
        note(_of_field("castling", words, text=_quote(text)))
    else:
        lost = ", ".join(
            chess.SQUARE_NAMES[rook] for rook in chess.SquareSet(board.castling_rights & ~standard)
        )
        board.castling_rights = standard
        words = "standard chess does not allow it with the rook on {squares}, so Aino ignores it. Chess960 keeps it"
        note(_of_field("castling", words, squares=lost))


def _is_chess960(board: chess.Board) -> bool:
    """Whether the castling rights look like those of one start of Chess960.

    The kings and rooks of both sides then stand on equal files, with no other rook between them, as
    after castling. A lone side with its king on the e-file has rather moved a rook in standard
    chess.
    """
    colors = set()
    kings = set()
    wings = set()
    for rook in chess.SquareSet(board.castling_rights):
        color = bool(board.occupied_co[chess.WHITE] & chess.BB_SQUARES[rook])
        king = board.king(color)
        assert king is not None
        if chess.between(king, rook) & board.rooks & board.occupied_co[color]:
            return False
        colors.add(color)
        kings.add(chess.square_file(king))
        wings.add((rook > king, chess.square_file(rook)))
    alike = len(kings) == 1 and len(wings) == len(dict(wings))
    return alike and (len(colors) == 2 or kings != {chess.square_file(chess.E1)})


def _castling_rook(board: chess.Board, letter: str) -> chess.Square:
    """Return the square of the rook that a castling letter names. Raises FenError where it cannot
    castle.
    """
    color = letter.isupper()
    king = board.king(color)
    assert king is not None
    home_rank = chess.BB_RANK_1 if color == chess.WHITE else chess.BB_RANK_8
    if not home_rank & chess.BB_SQUARES[king]:
        words = "{letter}, but the king stands on {square}"
        _refuse("castling", words, letter=repr(letter), square=chess.square_name(king))
    rooks = board.pieces(chess.ROOK, color) & home_rank
    kind = letter.lower()
    if kind == "k":
        rook = max(rooks, default=king)
    elif kind == "q":
        rook = min(rooks, default=king)
    else:
        rook = max(rooks & chess.BB_FILES[chess.FILE_NAMES.index(kind)], default=king)
    if rook == king or (kind == "k" and rook < king) or (kind == "q" and rook > king):
        _refuse("castling", "{letter}, but there is no rook to castle with", letter=repr(letter))
    for earlier in chess.SquareSet(board.castling_rights & board.occupied_co[color]):
        if earlier != rook and (earlier > king) == (rook > king):
            words = "{letter} names a second rook on the same side of the king"
            _refuse("castling", words, letter=repr(letter))
    return rook


def _en_passant_square(board: chess.Board, text: str, note: Note) -> chess.Square | None:
    """Return the square that an enemy pawn just passed, or None."""
    if not text.strip(DASHES):
        return None
    if text.lower() in chess.SQUARE_NAMES:
        square = chess.parse_square(text.lower())
        fault = why_not_passed(board, square)
        if fault is None:
            return square
    else:
        fault = message("{text} is neither a square nor '-'", text=_quote(text))
    note(_of_field("en passant", "{reason}, so there is none", reason=fault))
    return None


def why_not_passed(board: chess.Board, square: chess.Square) -> TemplateMessage | None:
    """Return why no pawn of the side that has just moved can have passed a square by a double step;
    None if one can.
    """
    name = chess.square_name(square)
    passed_rank, forward = 5, -8  # forward: the direction in which the pawn moved
    if board.turn == chess.BLACK:
        passed_rank, forward = 2, 8
    if chess.square_rank(square) != passed_rank:
        return message("{square} is not on the rank that the other side's pawns pass", square=name)
    if board.piece_at(square + forward) != chess.Piece(chess.PAWN, not board.turn):
        words = "no pawn on {square} that could have passed {passed}"
        return message(words, square=chess.square_name(square + forward), passed=name)
    for empty in (square, square - forward):
        if board.piece_at(empty):
            words = "a piece on {square}, where the pawn came from or went through"
            return message(words, square=chess.square_name(empty))
    return None


def _clock(field: str, text: str, default: int, note: Note) -> int:
    """Return the number of plies or moves that a text says, from 0 to _LARGEST_CLOCK."""
    if not text.strip(DASHES):
        return default
    nearest = default
    if re.fullmatch(r"[+-]?[0-9]+", text):
        number = int(text[:10])
        if 0 <= number <= _LARGEST_CLOCK:
            return number
        if number > 0:
            nearest = _LARGEST_CLOCK
    words = "{text} is not a number from 0 to {most}, so Aino uses {number}"
    note(_of_field(field, words, text=_quote(text), most=_LARGEST_CLOCK, number=nearest))
    return nearest
