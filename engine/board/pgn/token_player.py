"""Plays the tokens of a game, in one language, into python-chess's tree of moves."""

from __future__ import annotations

import re
from dataclasses import dataclass

import chess
import chess.pgn

from engine.board.fen import parse_fen
from engine.board.pgn.move_words import LETTER_SIGNS, Letters, NoMoveError, nags_of, read_word
from engine.board.pgn.tokens import RESULT_WORDS, RawGame, Token, looks_like_moves
from engine.errors import DataError, FenError, message

_DIAGRAM = 220
_EN_PASSANT = re.compile(r"e\.?p\.?")
_BEFORE_MOVES = ("word", "dots", "comment", "line comment", "escape")  # what may stand behind a number without dots
_AFTER_MOVES = ("number", "nag", "mark")
_OTHER_VARIANT_NAMES = dict.fromkeys(("", "std", "regular", "fromposition"), "Standard") | dict.fromkeys(
    (
        "960", "chess960", "fischerandom", "fischerrandom", "fischerrandomchess", "chess960fischerrandom", "freestyle",
        "freestylechess", "frc", "dfrc", "doublefischerrandom", "wildfr",
    ),
    "Chess960",
)  # fmt: skip
_CHECKS = ("+", "++", "#", "†", "‡")


@dataclass
class _Line:
    """A main line or variation: its position, with its own moves on the board's stack.

    `over` is set by a fault, `built` is whether the tree has the line, and `hidden` is a comment that may hide moves:
    a fault if the next number does not fit.
    """

    board: chess.Board
    over: bool = False
    built: bool = True
    hidden: Token | None = None
    hides_end: bool = False  # whether the comment is a fault if no number follows

    def before(self) -> chess.Board:
        """Return the position before the last move."""
        board = self.board.copy(stack=1)
        board.pop()
        return board


def with_known_variant(tags: dict[str, str]) -> dict[str, str]:
    """Return the tags with a name of the variant that python-chess knows, if we know it by another name."""
    name = re.sub(r"[\W_]", "", tags.get("Variant", "Standard")).lower()
    return tags | {"Variant": _OTHER_VARIANT_NAMES[name]} if name in _OTHER_VARIANT_NAMES else tags


def start_of(tags: dict[str, str]) -> chess.Board:
    """Return the position from which a game with these tags begins.

    Raises DataError, also for variants but Chess960.
    """
    headers = chess.pgn.Headers(with_known_variant(tags))
    try:
        variant = headers.variant()
    except ValueError:
        variant = None
    chess960 = headers.is_chess960()
    if not chess960 and variant is not chess.Board:
        raise DataError(message("Aino does not play the variant {name}", name=repr(tags["Variant"])))
    fen = tags.get("FEN", "").strip()
    if not fen:
        if tags.get("SetUp", "").strip() == "1":
            raise DataError("SetUp is 1, but there is no FEN")
        return chess.Board(chess960=chess960)
    try:
        return parse_fen(fen, chess960)
    except FenError:
        if chess960:
            raise
        return parse_fen(fen, chess960=True)


class TokenPlayer:
    """A game of tokens, played at once; `main_line`: without variations, `whole_only`: up to the first fault.

    Attributes:
        game: the tree; lines end at their faults.
        faults: (place, word, reason) of the faults that need a board to be seen.
        start_fault: why the game has no start; "" if it has.
        has_foreign_word: whether a word is no move, as in a game with the letters of another language.
    """

    def __init__(self, raw: RawGame, letters: Letters, main_line: bool = False, whole_only: bool = False) -> None:
        self.faults: list[tuple[int, str, str]] = []
        self.start_fault = ""
        self.has_foreign_word = False
        self._raw, self._letters, self._main_line, self._whole_only = raw, letters, main_line, whole_only
        self._offset: int | None = None  # how far the text's numbers are ahead of the board's
        self._build = chess.pgn.GameBuilder[chess.pgn.Game]()
        self._build.begin_game()
        self.game = self._build.game
        self._lines = [_Line(self._start())]
        if not self.start_fault:
            self._play()

    def _start(self) -> chess.Board:
        tags, headers = self._raw.tags, self.game.headers
        headers.update(with_known_variant(tags))
        if self._raw.result:
            self._build.visit_result(self._raw.result)
        try:
            start = start_of(tags)
        except (DataError, FenError) as error:
            self.start_fault = str(error)
            name = next((name for name in ("Variant", "SetUp") if name.lower() in str(error).lower()), "FEN")
            self.faults.append((self._raw.tag_places.get(name, self._raw.begin), tags.get(name, ""), str(error)))
            return chess.Board()
        if tags.get("FEN", "").strip():
            headers["FEN"] = start.fen()
            if start.chess960 and not headers.is_chess960():
                headers["Variant"] = "Chess960"
        else:
            headers.pop("FEN", None)
        return start

    def _play(self) -> None:
        places = sorted(place for place, _, _ in self._raw.faults)
        for index, token in enumerate(self._raw.tokens):
            while places and places[0] <= token.place:
                places.pop(0)
                self._lines[-1].over = True
            self._take(token, index)
            if self.faults and self._whole_only:
                return
        self._lines[-1].over |= bool(places)
        self._end_line(self._lines[-1])

    def _take(self, token: Token, index: int) -> None:
        line = self._lines[-1]
        if token.kind == "open":
            self._begin_variation(token)
        elif token.kind == "close":
            self._end_variation()
        elif not line.over:
            match token.kind:
                case "word":
                    self._word(line, token, index)
                case "number" | "dots":
                    self._number(line, token, index)
                case "nag":
                    self._marks(line, token, (int(token.text[1:5]),) if len(token.text) < 5 else None)
                case "mark":
                    self._marks(line, token, (_DIAGRAM,))
                case _:
                    self._comment(line, token)

    def _begin_variation(self, token: Token) -> None:
        line = self._lines[-1]
        if not (line.over or line.board.move_stack):
            self._fault(line, token, "a variation without a move before it")
        if line.over or self._main_line:
            self._lines.append(_Line(line.board, over=True, built=False))
        else:
            self._build.begin_variation()
            self._lines.append(_Line(line.before()))

    def _end_variation(self) -> None:
        line = self._lines.pop()
        self._end_line(line)
        if line.built:
            self._build.end_variation()
            self._build.in_variation, self._build.starting_comment = True, ""

    def _word(self, line: _Line, token: Token, index: int) -> None:
        text = token.text
        nags = nags_of(text, not line.board.turn) if line.board.move_stack else None
        if nags is not None and not (text in LETTER_SIGNS and self._is_split_move(line.board, text, index)):
            if self._raw.tokens[index - 1].kind == "number":
                self._fault(line, token, "a mark without a move before it")
            self._marks(line, token, nags)
            return
        if line.board.move_stack and (text in _CHECKS or self._is_en_passant(line, text)):
            return
        try:
            words = read_word(line.board, text, self._letters)
        except NoMoveError as error:
            self.has_foreign_word = True
            self._fault(line, token, str(error))
            return
        for word in words:
            self._build.visit_move(line.board, word.move)
            for nag in word.nags:
                self._build.visit_nag(nag)
            line.board.push(word.move)

    def _is_split_move(self, board: chess.Board, letter: str, index: int) -> bool:
        """Whether a letter that may be a mark, and the next word, are a move with a space in it."""
        following = self._raw.tokens[index + 1 : index + 2]
        if not following or following[0].kind != "word":
            return False
        return _is_move(board, letter + following[0].text, self._letters)

    @staticmethod
    def _is_en_passant(line: _Line, text: str) -> bool:
        return bool(_EN_PASSANT.fullmatch(text) and line.before().is_en_passant(line.board.peek()))

    def _number(self, line: _Line, token: Token, index: int) -> None:
        dots = token.text.count(".") + 3 * token.text.count("…")
        digits = re.match(r"\d*", token.text)
        assert digits is not None
        fits = not (dots > 1 and line.board.turn == chess.WHITE)
        if digits[0]:
            following = self._raw.tokens[index + 1].kind if index + 1 < len(self._raw.tokens) else "end"
            is_bare = digits[0] == token.text
            if len(digits[0]) > 5 or following in _AFTER_MOVES or (is_bare and following not in _BEFORE_MOVES):
                self._fault(line, token, "a number without a move")
                return
            ahead = int(digits[0]) - line.board.fullmove_number
            self._offset = ahead if self._offset is None else self._offset
            fits &= ahead == self._offset and not (dots == 1 and line.board.turn == chess.BLACK)
        if fits and digits[0]:
            line.hidden, line.hides_end = None, False
        elif not fits:
            self._tell_hidden(line)

    def _marks(self, line: _Line, token: Token, nags: tuple[int, ...] | None) -> None:
        if nags is None or max(nags) > 255:
            self._fault(line, token, "expected $ and a number from 0 to 255")
            return
        for nag in nags:
            self._build.visit_nag(nag)

    def _comment(self, line: _Line, token: Token) -> None:
        if token.hides and line.hidden is None:
            line.hidden = token
            line.hides_end = token.kind != "line comment" or self._may_be_moves(line.board, token)
        if token.text and token.kind != "escape":
            self._build.visit_comment(token.text)

    def _may_be_moves(self, board: chess.Board, token: Token) -> bool:
        """Whether a line's comment may be the end of the game: it begins with a move or ends with the result."""
        words = re.sub(r"^\d+(?:\s*[.…)]+\s*|\s+)", "", token.text).split()
        return (
            (not self._raw.result and words[-1:] != [] and words[-1] in RESULT_WORDS)
            or (bool(words) and (words[0] in RESULT_WORDS or _is_move(board, words[0], self._letters)))
            or (token.is_glued and all(map(looks_like_moves, words[1:])))
        )

    def _tell_hidden(self, line: _Line) -> None:
        """Report a comment that may hide moves because the next move number does not fit."""
        if line.hidden is not None and not line.over:
            self._fault(line, line.hidden, "this comment seems to hide moves: the next move number does not fit")

    def _end_line(self, line: _Line) -> None:
        if line.hides_end:
            self._tell_hidden(line)

    def _fault(self, line: _Line, token: Token, reason: str) -> None:
        line.over = True
        self.faults.append((token.place, token.text, reason))


def _is_move(board: chess.Board, text: str, letters: Letters) -> bool:
    try:
        return bool(read_word(board, text, letters))
    except NoMoveError:
        return False
