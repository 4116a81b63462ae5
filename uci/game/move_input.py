"""Moves as people type them, and answers that help when a move cannot be played."""

import contextlib
import re
from collections.abc import Collection, Iterable

import chess

from engine.board.epd import DASHES
from engine.board.pgn.move_words import FIGURINES, legal_move
from engine.errors import MoveError
from uci.language import _, later, own_letters, several, shown_moves, shows_own_letters

_SIGNS = FIGURINES | str.maketrans(dict.fromkeys(DASHES, "-") | {"×": "x", ":": "x"})
# A move's number, and what stands in it and behind it.
_NOISE = re.compile(r'^\s*\d+[.…)\s]+|[-\s"“”„,;]+|[.!?+#]+$')
_UCI_FORM = re.compile(r"[a-h][1-8][a-h][1-8][nbrqNBRQ]?")
_SHORT, _LONG = "O-O", "O-O-O"
_WINGS = dict.fromkeys(("short", "kingside", "king", "k"), _SHORT)
_WINGS |= dict.fromkeys(("long", "queenside", "queen", "q"), _LONG)
_MOST_NAMED = 12  # a longer list of moves would be no help
# By the number of the kind of piece, as `chess.PIECE_NAMES`.
_YOURS = ("", later("Your pawn on {square}"), later("Your knight on {square}"),
          later("Your bishop on {square}"), later("Your rook on {square}"),
          later("Your queen on {square}"), later("Your king on {square}"))  # fmt: skip
_ONE_OR_MANY = {chess.KNIGHT: (later("Your knight"), later("Your knights")),
                chess.BISHOP: (later("Your bishop"), later("Your bishops")),
                chess.ROOK: (later("Your rook"), later("Your rooks")),
                chess.QUEEN: (later("Your queen"), later("Your queens"))}  # fmt: skip


def read_human_move(board: chess.Board, text: str) -> chess.Move:
    """Return a legal move from UCI notation, or SAN in all forms that games in PGN have, and with
    its number.

    A text that is no legal move in English letters for pieces may be one in those of the language
    that is spoken here; these come first where they are shown. Raises MoveError whose message says
    what is wrong and what could be meant.
    """
    written = text.translate(_SIGNS)
    cleaned = _castling(board, written) or _NOISE.sub("", written)
    if _UCI_FORM.fullmatch(cleaned):
        return _from_squares(board, cleaned.lower(), text)
    readings = []
    for word in _words(cleaned, text):
        reading = _parsed(board, word)
        if not isinstance(reading, chess.InvalidMoveError):
            readings.append((word, reading))
    if not readings:
        with contextlib.suppress(MoveError):
            return legal_move(board, cleaned)
        raise MoveError(
            _("cannot read {text}: write e4, Nf3, exd5, O-O, e8=Q or e2e4", text=repr(text))
        )
    legal = (reading for reading in readings if not isinstance(reading[1], chess.IllegalMoveError))
    word, move = next(legal, readings[0])
    if isinstance(move, chess.AmbiguousMoveError):
        moves = _list_moves(board, _same_target(board, word))
        raise MoveError(_("{move} is ambiguous: {moves}", move=text, moves=moves))
    if isinstance(move, ValueError):
        raise MoveError(_why_illegal(board, text, word))
    if not _are_own_first(cleaned):
        meant = (reading for _word, reading in readings if isinstance(reading, chess.Move))
        _check_pieces(board, text, dict.fromkeys(meant))
    return move


def _words(cleaned: str, text: str) -> list[str]:
    """Return what a text may be as SAN, what is meant rather first."""
    letters = own_letters()
    if not FIGURINES.keys().isdisjoint(map(ord, text)):  # a figurine is no letter
        letters = {}
    english, own = _san_candidates(cleaned, {}), _san_candidates(cleaned, letters)
    if _are_own_first(cleaned):
        return own + english
    return english + own


def _are_own_first(cleaned: str) -> bool:
    """Whether letters for pieces are rather those of the language that is spoken here. A small
    first letter may be a pawn's file.
    """
    return shows_own_letters() and not cleaned[:1].islower()


def _check_pieces(board: chess.Board, text: str, moves: Collection[chess.Move]) -> None:
    """Raise MoveError where a letter stands for two pieces, both of which can move so: a rook's
    Rd1, in French the king's.
    """
    choices = []
    for move in moves:
        kind = board.piece_type_at(move.from_square) or chess.PAWN
        if kind == chess.PAWN:
            return
        choices.append(f"{_(chess.piece_name(kind))} {board.uci(move)}")
    if len(choices) > 1:
        raise MoveError(_("{move} is ambiguous: {moves}", move=text, moves=", ".join(choices)))


def _parsed(board: chess.Board, word: str) -> chess.Move | ValueError:
    """Return the move of a text in SAN, or what is wrong with it. A pinned pawn's `bxc3` cannot be
    meant otherwise.
    """
    try:
        # Python-chess reads a null move from Z0 and 0000.
        return board.parse_san(word) or chess.InvalidMoveError(word)
    except ValueError as error:
        capture = re.match(r"[a-h]x?([a-h][1-8])", word)
        if capture is None or not isinstance(error, chess.IllegalMoveError):
            return error
        pawns = board.pawns & chess.BB_FILES[chess.FILE_NAMES.index(word[0])]
        target = chess.BB_SQUARES[chess.parse_square(capture[1])]
        if any(board.generate_pseudo_legal_moves(pawns, target)):
            return ValueError(word)
        return error


def _castling(board: chess.Board, text: str) -> str:
    """Any spelling of castling as SAN, or "". Raises MoveError for the word castle alone where both
    ways are legal.
    """
    noughts = re.fullmatch(r"[oO0]-?[oO0](-?[oO0])?[+#!?]*", text.strip())
    if noughts is not None:
        return _LONG if noughts[1] else _SHORT
    word, *wing = text.lower().replace("-", " ").split() or [""]
    if word not in ("castle", "castles"):
        return ""
    if wing and wing[0] in _WINGS:
        return _WINGS[wing[0]]
    moves = list(board.generate_castling_moves())
    if len(moves) > 1:
        raise MoveError(_("castle which way? O-O is short, O-O-O is long"))
    return _LONG if moves and board.is_queenside_castling(moves[0]) else _SHORT


def _san_candidates(text: str, letters: dict[str, str]) -> list[str]:
    """Return a text as SAN, and with a capital letter for its piece (`nf3`); `letters` for pieces
    are not SAN's.
    """
    promotion = re.fullmatch(r"(.*[a-h][18])=?\(?([^\W\d])\)?", text)
    if promotion:
        letter = promotion[2].upper()
        text = f"{promotion[1]}={letters.get(letter, letter)}"
    candidates = []
    for word in (text, text[:1].upper() + text[1:]):
        for letter in sorted(letters, key=len, reverse=True):
            if word.startswith(letter):
                word = letters[letter] + word.removeprefix(letter)
                break
        candidates.append(word.removeprefix("P"))
    return candidates


def _from_squares(board: chess.Board, uci: str, text: str) -> chess.Move:
    with contextlib.suppress(ValueError):
        return board.parse_uci(uci)
    if len(uci) == 4 and any(move.uci().startswith(uci) for move in board.legal_moves):
        sentence = later("{move} promotes a pawn: add the piece, as in {example}")
        raise MoveError(_(sentence, move=text, example=f"{uci}q"))
    raise MoveError(_why_illegal(board, text, uci))


def _why_illegal(board: chess.Board, text: str, cleaned: str) -> str:
    if _UCI_FORM.fullmatch(cleaned) and (reason := _why_not_from(board, text, cleaned[:2])):
        return reason
    if board.is_check():
        sentence = later("{move} is illegal: you are in check. You can play {moves}")
        return _(sentence, move=text, moves=_list_moves(board, board.legal_moves))
    if near := _same_target(board, cleaned):
        sentence = later("{move} is illegal. To that square you can play {moves}")
        return _(sentence, move=text, moves=_list_moves(board, near))
    kind = _named_piece(cleaned)
    moves = _moves_of(board, kind, board.legal_moves)
    if moves and kind != chess.PAWN:
        count = len({move.from_square for move in moves})
        pieces = _("Your king") if kind == chess.KING else several(*_ONE_OR_MANY[kind], count)
        return _reach(text, pieces, count, moves)
    return _("{move} is illegal", move=text)


def _why_not_from(board: chess.Board, text: str, square: str) -> str:
    """Return why nothing can be moved so from a square, "" where the square does not tell it."""
    source = chess.parse_square(square)
    piece = board.piece_at(source)
    if piece is None:
        return _("{move} is illegal: {square} is empty", move=text, square=square)
    if piece.color != board.turn:
        sentence = later("{move} is illegal: the piece on {square} is not yours")
        return _(sentence, move=text, square=square)
    moves = [move for move in board.legal_moves if move.from_square == source]
    if not moves or board.is_check():
        return ""
    return _reach(text, _(_YOURS[piece.piece_type], square=square), 1, moves)


def _reach(text: str, pieces: str, count: int, moves: list[chess.Move]) -> str:
    """Say that a move is illegal, and where the pieces, so many, can go."""
    *first, last = sorted({chess.square_name(move.to_square) for move in moves})
    squares = last
    sentence = later("{move} is illegal. {pieces} can only move to {squares}")
    if len(first) >= _MOST_NAMED:
        squares = _("{squares} and other squares", squares=", ".join(first[:_MOST_NAMED]))
        sentence = later("{move} is illegal. {pieces} can move to {squares}")
    elif first:
        squares = _("{first} or {last}", first=", ".join(first), last=last)
    return several(sentence, sentence, count, move=text, pieces=pieces, squares=squares)


def _same_target(board: chess.Board, cleaned: str) -> list[chess.Move]:
    """Legal moves to the last square named in the text; only of the piece that it names, if any of
    those exist.
    """
    squares = re.findall(r"[a-h][1-8]", cleaned)
    if not squares:
        return []
    target = chess.parse_square(squares[-1])
    moves = [move for move in board.legal_moves if move.to_square == target]
    return _moves_of(board, _named_piece(cleaned), moves) or moves


def _moves_of(
    board: chess.Board, kind: chess.PieceType, moves: Iterable[chess.Move]
) -> list[chess.Move]:
    """Return those of some moves that a kind of piece makes."""
    return [move for move in moves if board.piece_type_at(move.from_square) == kind]


def _named_piece(cleaned: str) -> chess.PieceType:
    letter = cleaned[0].lower()
    if letter not in "nbrqk":
        return chess.PAWN
    return chess.PIECE_SYMBOLS.index(letter)


def _list_moves(board: chess.Board, moves: Iterable[chess.Move]) -> str:
    names = sorted(shown_moves(board.san(move)) for move in moves)
    text = ", ".join(names[:_MOST_NAMED])
    if len(names) <= _MOST_NAMED:
        return text
    return _("{moves} and others", moves=text)
