"""Moves as people type them, and answers that help when a move cannot be played."""

import contextlib
import re

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
_WINGS = dict.fromkeys(("short", "kingside", "king", "k"), _SHORT) | dict.fromkeys(
    ("long", "queenside", "queen", "q"), _LONG
)
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
    readings = list[tuple[str, chess.Move | ValueError]]()
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
        meant = dict.fromkeys(
            reading for _word, reading in readings if isinstance(reading, chess.Move)
        )
        _check_pieces(board, text, list(meant))
    return move


def _words(cleaned: str, text: str) -> list[str]:
    """Return what a text may be as SAN, what is meant rather first."""
    # A figurine is no letter.
    letters = own_letters() if FIGURINES.keys().isdisjoint(map(ord, text)) else {}
    english, own = _san_candidates(cleaned, {}), _san_candidates(cleaned, letters)
    return [*own, *english] if _are_own_first(cleaned) else [*english, *own]


def _are_own_first(cleaned: str) -> bool:
    """Whether letters for pieces are rather those of the language that is spoken here. A small
    first letter may be a pawn's file.
    """
    return shows_own_letters() and not cleaned[:1].islower()


def _check_pieces(board: chess.Board, text: str, moves: list[chess.Move]) -> None:
    """Raise MoveError where a letter stands for two pieces, both of which can move so: a rook's
    Rd1, in French the king's.
    """
    pieces = (board.piece_at(move.from_square) for move in moves)
    names = [chess.piece_name(piece.piece_type) for piece in pieces if piece is not None]
    if len(moves) > 1 and "pawn" not in names:
        meant = zip(names, moves, strict=True)
        choices = ", ".join(f"{_(name)} {board.uci(move)}" for name, move in meant)
        raise MoveError(_("{move} is ambiguous: {moves}", move=text, moves=choices))


def _parsed(board: chess.Board, word: str) -> chess.Move | ValueError:
    """Return the move of a text in SAN, or what is wrong with it. A pinned pawn's `bxc3` cannot be
    meant otherwise.
    """
    try:
        # Python-chess reads a null move from Z0 and 0000.
        return board.parse_san(word) or chess.InvalidMoveError(word)
    except ValueError as error:
        match = re.match(r"[a-h]x?([a-h][1-8])", word)
        if match is None or not isinstance(error, chess.IllegalMoveError):
            return error
        pawns = board.pawns & chess.BB_FILES[chess.FILE_NAMES.index(word[0])]
        target = chess.parse_square(match[1])
        return (
            ValueError(word)
            if any(board.generate_pseudo_legal_moves(pawns, chess.BB_SQUARES[target]))
            else error
        )


def _castling(board: chess.Board, text: str) -> str:
    """Any spelling of castling as SAN, or "". Raises MoveError for the word castle alone where both
    ways are legal.
    """
    match = re.fullmatch(r"[oO0]-?[oO0](-?[oO0])?[+#!?]*", text.strip())
    if match is not None:
        return _LONG if match[1] else _SHORT
    words = text.lower().replace("-", " ").split()
    if words[:1] != ["castle"] and words[:1] != ["castles"]:
        return ""
    if words[1:] and words[1] in _WINGS:
        return _WINGS[words[1]]
    ways = [
        _LONG if board.is_queenside_castling(move) else _SHORT
        for move in board.generate_castling_moves()
    ]
    if len(ways) > 1:
        raise MoveError(_("castle which way? O-O is short, O-O-O is long"))
    return ways[0] if ways else _SHORT


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
        own = next(
            (
                letter
                for letter in sorted(letters, key=len, reverse=True)
                if word.startswith(letter)
            ),
            "",
        )
        candidates.append(f"{letters.get(own, '')}{word.removeprefix(own)}".removeprefix("P"))
    return candidates


def _from_squares(board: chess.Board, uci: str, text: str) -> chess.Move:
    with contextlib.suppress(ValueError):
        return board.parse_uci(uci)
    if len(uci) == 4 and any(move.uci().startswith(uci) for move in board.legal_moves):
        raise MoveError(
            _(
                "{move} promotes a pawn: add the piece, as in {example}",
                move=text,
                example=f"{uci}q",
            )
        )
    raise MoveError(_why_illegal(board, text, uci))


def _why_illegal(board: chess.Board, text: str, cleaned: str) -> str:
    if _UCI_FORM.fullmatch(cleaned):
        reason = _why_not_from(board, text, cleaned[:2])
        if reason:
            return reason
    if board.is_check():
        moves_text = _list_moves(board, list(board.legal_moves))
        return _(
            "{move} is illegal: you are in check. You can play {moves}", move=text, moves=moves_text
        )
    near = _same_target(board, cleaned)
    if near:
        moves_text = _list_moves(board, near)
        return _(
            "{move} is illegal. To that square you can play {moves}", move=text, moves=moves_text
        )
    kind = _named_piece(cleaned)
    moves = [move for move in board.legal_moves if board.piece_type_at(move.from_square) == kind]
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
    if len(first) >= _MOST_NAMED:
        squares = _("{squares} and other squares", squares=", ".join(first[:_MOST_NAMED]))
        sentence = later("{move} is illegal. {pieces} can move to {squares}")
    else:
        squares = _("{first} or {last}", first=", ".join(first), last=last) if first else last
        sentence = later("{move} is illegal. {pieces} can only move to {squares}")
    return several(sentence, sentence, count, move=text, pieces=pieces, squares=squares)


def _same_target(board: chess.Board, cleaned: str) -> list[chess.Move]:
    """Legal moves to the last square named in the text; only of the piece that it names, if any of
    those exist.
    """
    squares = re.findall(r"[a-h][1-8]", cleaned)
    if not squares:
        return []
    moves = [
        move for move in board.legal_moves if move.to_square == chess.parse_square(squares[-1])
    ]
    piece = _named_piece(cleaned)
    return [move for move in moves if board.piece_type_at(move.from_square) == piece] or moves


def _named_piece(cleaned: str) -> chess.PieceType:
    return (
        chess.PIECE_SYMBOLS.index(cleaned[0].lower())
        if cleaned[0].lower() in "nbrqk"
        else chess.PAWN
    )


def _list_moves(board: chess.Board, moves: list[chess.Move]) -> str:
    names = sorted(shown_moves(board.san(move)) for move in moves)
    text = ", ".join(names[:_MOST_NAMED])
    return _("{moves} and others", moves=text) if len(names) > _MOST_NAMED else text
