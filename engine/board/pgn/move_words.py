"""Words of movetext as moves and marks: every way of writing them, and the letters of pieces in
other languages.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import chess

from engine.board.convert import encode_move
from engine.board.epd import DASHES, split_epd
from engine.board.fen import Note, parse_fen
from engine.errors import FenError, MoveError, message

DASH = f"[{DASHES}]"
FIGURINES = str.maketrans("♔♕♖♗♘♚♛♜♝♞", "KQRBNKQRBN", "♙♟\ufe0e\ufe0f")
CAPITALS = "English in capitals"
# Language, and its letters for king, queen, rook, bishop, knight (and pawn). Readings that give the
# same game are one.
LANGUAGES = (
    ("English with P for pawns", "K Q R B N P"),
    (CAPITALS, ""),
    ("German or Swedish", "K D T L S"),
    ("French", "R D T F C"),
    ("Spanish or Italian", "R D T A C"),
    ("Portuguese", "R D T B C"),
    ("Dutch", "K D T L P"),
    ("Polish", "K H W G S"),
    ("Czech", "K D V S J"),
    ("Hungarian", "K V B F H"),
    ("Russian", "Кр Ф Л С К"),
)  # fmt: skip
SIGNS = {
    "!": 1, "?": 2, "!!": 3, "‼": 3, "??": 4, "⁇": 4, "!?": 5, "⁉": 5, "?!": 6, "⁈": 6, "□": 7, "▢": 7, "=": 10,
    "∞": 13, "⩲": 14, "+=": 14, "+/=": 14, "⩱": 15, "=+": 15, "=/+": 15, "±": 16, "+/-": 16, "∓": 17, "-/+": 17,
    "+-": 18, "+−": 18, "+–": 18, "-+": 19, "−+": 19, "–+": 19, "⊙": 22, "⨀": 22, "○": 26, "⟳": 32, "↑": 36, "→": 40,
    "⯹": 44, "=/∞": 44, "=∞": 44, "⇆": 132, "⇄": 132, "⊕": 138, "⨁": 138, "∆": 140, "△": 140, "⌓": 142, "RR": 145,
    "N": 146, "TN": 146, "D": 220, "(D)": 220,
}  # fmt: skip
BY_SIDE = (22, 26, 32, 36, 40, 44, 132, 138)  # the number after these is Black's
LONGEST_MOVE, LONGEST_GLUED = 16, 1000  # characters
LETTER_SIGNS = ("N", "D")  # may be pieces, too

_SIGN = "|".join(
    re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True) if not sign.isalpha()
)
_ONE_SIGN, _SIGNS = re.compile(_SIGN), re.compile(f"(?:{_SIGN})+")
_PIECES = (chess.KING, chess.QUEEN, chess.ROOK, chess.BISHOP, chess.KNIGHT, chess.PAWN)
_PASS = "-- Z0 0000 @@@@ <> null pass".split()
_TAIL = rf"(?P<ep>e\.?p\.?)?(?:\+\+(?![-−–/=])|\+(?![-−–/=])|[#†‡])?(?P<signs>(?:{_SIGN})*)"
_CASTLING = re.compile(rf"[O0oОо]{DASH}[O0oОо](?P<long>{DASH}[O0oОо])?{_TAIL}")
_CYRILLIC = str.maketrans("асе", "ace")
_DESCRIPTIVE = re.compile(rf"[KQ]?(?:Kt|[PNBRQK])(?:{DASH}|[x×])[KQ]?(?:Kt|[PNBRQK])\S*")


class Letters(NamedTuple):
    """How a language's moves are read."""

    name: str
    pieces: dict[str, int]
    pattern: re.Pattern[str]


class Word(NamedTuple):
    """A move that a word means, and the NAGs behind it."""

    move: chess.Move
    nags: tuple[int, ...]


class NoMoveError(ValueError):
    """The word is no move in this position."""


def letters_of(name: str, text: str) -> Letters:
    """Return the reading of a row of LANGUAGES."""
    names = text.split()
    pieces = dict(zip(names, _PIECES, strict=False))
    piece = "|".join(names) or "[KQRBN]"
    promoted = "|".join(re.escape(name) for name in names[1:5]) or "[QRBN]"
    pattern = re.compile(
        rf"(?P<piece>{piece})?(?P<file>[a-h])?(?P<rank>[1-8])?(?P<sign>[x:×X]|{DASH})?(?P<to>[a-h][1-8]):?"
        rf"(?:[=/]?(?P<p>\()?(?P<promotion>(?i:{promoted}))(?(p)\)))?{_TAIL}"
    )
    return Letters(name, pieces or dict(zip("KQRBN", _PIECES, strict=False)), pattern)


ENGLISH = letters_of("English", "K Q R B N")


def other_readings() -> Iterator[Letters]:
    """Yield all readings but English."""
    for name, text in LANGUAGES:
        yield letters_of(name, text)


def legal_move(board: chess.Board, text: str) -> chess.Move:
    """Return the one legal move that a word means, with a capital or a small letter for its piece.
    Raises MoveError.
    """
    for word, letters in (
        (text, ENGLISH),
        (text[:1].upper() + text[1:], ENGLISH),
        (text, letters_of(CAPITALS, "")),
    ):
        try:
            if move := _read_one(board, word, letters).move:
                return move
        except NoMoveError:
            continue
    raise MoveError(
        message("{move} is no legal move in {position}", move=repr(text), position=board.fen())
    )


def typed_position(
    text: str, chess960: bool = False, note: Note = lambda message: None
) -> chess.Board:
    """Return the position of a text as `parse_fen`, after the moves behind its word `moves`, which
    are on the stack.

    Raises FenError, for an illegal move, too.
    """
    fields, rest = split_epd(text)
    name, *moves = rest.split() or [""]
    if name != "moves":
        return parse_fen(text, chess960, note)
    board = parse_fen(" ".join(fields), chess960, note)
    try:
        for word in moves:
            board.push(legal_move(board, word))
    except MoveError as error:
        raise FenError(error.args[0], "moves") from error
    return board


def read_word(board: chess.Board, word: str, letters: Letters) -> list[Word]:
    """Return the moves that a word means: one, or several written without space. Raises NoMoveError
    with the reason.
    """
    try:
        return [_read_one(board, word, letters)]
    except NoMoveError as error:
        if len(word) > LONGEST_GLUED or letters.name == CAPITALS:  # B5f5 is a bishop's move
            raise
        for cut in range(min(len(word) - 2, LONGEST_MOVE), 1, -1):
            try:
                first = _read_one(board, word[:cut], letters)
                after = board.copy(stack=False)
                after.push(first.move)
                return [first, *read_word(after, word[cut:], letters)]
            except NoMoveError:
                continue
        raise error from None


def nags_of(text: str, side: chess.Color) -> tuple[int, ...] | None:
    """Return the NAGs of a word of signs behind a move of `side`; None if it is none."""
    if text in SIGNS:
        return (_number(text, side),)
    if _SIGNS.fullmatch(text):
        return tuple(_number(sign, side) for sign in _ONE_SIGN.findall(text))
    return None


def _number(sign: str, side: chess.Color) -> int:
    number = SIGNS[sign]
    if side == chess.BLACK and number in BY_SIDE:
        number += 1
    return number


def _read_one(board: chess.Board, word: str, letters: Letters) -> Word:
    if not word.isascii():
        word = word.translate(FIGURINES)
    if letters.name == "Russian":
        word = word.translate(_CYRILLIC)
    elif letters.name == CAPITALS:
        word = re.sub("[A-H](?=[1-8])|[AC-H](?=[X:])", lambda letter: letter[0].lower(), word)
    body = word.rstrip("!?")
    if body in _PASS:
        move = _pass(board)
        signs = word[len(body) :]
    elif castling := _CASTLING.fullmatch(word):
        move = _castling(board, castling["long"] is not None)
        signs = castling["signs"]
    elif match := letters.pattern.fullmatch(word):
        move = _find(board, match, letters)
        signs = match["signs"]
    elif _DESCRIPTIVE.fullmatch(word):
        raise NoMoveError("descriptive notation, which Aino does not read: write e4 for P-K4")
    else:
        raise NoMoveError("neither a move nor another word of PGN")
    return Word(move, nags_of(signs, board.turn) or ())


def _pass(board: chess.Board) -> chess.Move:
    if board.is_check():
        raise NoMoveError("a pass in check")
    return chess.Move.null()


def _castling(board: chess.Board, is_long: bool) -> chess.Move:
    for move in board.generate_castling_moves():
        if board.is_queenside_castling(move) == is_long:
            return move
    raise NoMoveError(_illegal(board, "illegal castling"))


def _find(board: chess.Board, match: re.Match[str], letters: Letters) -> chess.Move:
    target = chess.parse_square(match["to"])
    promotion = _promotion(match, letters)
    origins = _origins(board, match, letters)
    there = list(board.generate_legal_moves(origins, chess.BB_SQUARES[target]))
    candidates = [
        move for move in there if move.promotion == promotion and not board.is_castling(move)
    ]
    if not candidates and match["file"] and match["rank"]:
        castling = board.generate_castling_moves(origins)
        candidates = [
            move for move in castling if target in (move.to_square, encode_move(board, move) >> 6)
        ]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        squares = " and ".join(chess.square_name(move.from_square) for move in candidates)
        raise NoMoveError(
            message("ambiguous: the pieces on {squares} can go there", squares=squares)
        )
    promotions = [move.promotion for move in there]
    if promotion and None in promotions:
        raise NoMoveError("a promotion of a piece that is not promoted there")
    if promotion is None and any(promotions):
        raise NoMoveError("a promotion that does not say to which piece")
    raise NoMoveError(_illegal(board, "illegal move"))


def _promotion(match: re.Match[str], letters: Letters) -> chess.PieceType | None:
    if not match["promotion"]:
        return None
    kinds = {name.casefold(): kind for name, kind in letters.pieces.items()}
    return kinds[match["promotion"].casefold()]


def _origins(board: chess.Board, match: re.Match[str], letters: Letters) -> chess.Bitboard:
    """Return the squares from which a word lets a piece move."""
    piece = letters.pieces.get(match["piece"])
    from_file, from_rank = match["file"], match["rank"]
    if not (piece or from_file) and (from_rank or match["sign"]):
        raise NoMoveError(message("does not say which piece goes to {square}", square=match["to"]))
    origins = chess.BB_ALL
    if from_file:
        origins &= chess.BB_FILES[chess.FILE_NAMES.index(from_file)]
    if from_rank:
        origins &= chess.BB_RANKS[chess.RANK_NAMES.index(from_rank)]
    if piece is not None or not (from_file and from_rank):
        origins &= board.pieces_mask(piece or chess.PAWN, board.turn)
    if piece in (None, chess.PAWN) and not (from_file or match["sign"]):
        origins &= chess.BB_FILES[chess.FILE_NAMES.index(match["to"][0])]
    return origins


def _illegal(board: chess.Board, what: str) -> str:
    if not any(board.generate_legal_moves()):
        return "a move after the end of the game"
    return message(f"{what} in {{fen}}", fen=board.fen())
