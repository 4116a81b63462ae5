"""Plays the tokens of a game, in one language, into python-chess's tree of moves."""

import functools
import re
from dataclasses import dataclass
from typing import Any

import chess
import chess.pgn
import numpy as np

from engine.board.convert import moves_of_lines
from engine.board.layout import CASTLING_FLAG
from engine.board.pgn.cutter import (
    CutGames,
    Start,
    read_tags,
    tags_in,
    told_fen,
    with_known_variant,
)
from engine.board.pgn.letters import CODED_RESULTS, RESULT_PATTERN, result_of, told_result
from engine.board.pgn.move_words import (
    DASH,
    ENGLISH,
    LETTER_SIGNS,
    SIGNS,
    Letters,
    NoMoveError,
    nags_of,
    read_word,
)
from engine.board.pgn.scan_buffers import (
    BAD_TAG,
    BROKEN,
    CASTLE,
    CLOSE,
    COMMENT_KINDS,
    ESCAPE,
    HIDES,
    LINE_COMMENT,
    MOVE_KINDS,
    NAG,
    NUMBER,
    OPENING_BRACKET,
    VALUE_TEXT,
    CutGame,
)
from engine.errors import message

REASONS = (
    "belongs to no token",
    "a second result, after {result}",
    "follows the result {result}, but begins no new game",
    "no variation to close",
    "this variation is not closed",
    "an incomplete tag, or a stray bracket",
    'expected a tag, [Name "value"]',
    "neither a tag nor a move, so Aino skips this line",
    "this comment is not closed",
)
# Tokens that are lists of Python's numbers at once, which take much more memory than an array.
_PIECE = 1024
_NO_SPACES = re.compile(rb"\S*")
_LINE_REST = re.compile(rb"[^\S\n]*(?:\n|\Z)")
_BRACKET = ord(")")
_MARKS = b"!?"
_RESULT = re.compile(RESULT_PATTERN)
GLUED_RESULT = re.compile(rf"(.*?[^\d/:½](?<!{DASH})\d?)({RESULT_PATTERN})")
_MAY_BE_MOVE = re.compile(
    rf"{RESULT_PATTERN}|(?:\d+[.…)]+)?(?:\S{{0,7}}?[a-hA-H][1-8]|[O0oОо]{DASH}[O0oОо]|--|Z0|0000|@@@@)\S{{0,12}}"
)
_START = re.compile(rb"fen|setup|variant", re.IGNORECASE)
_EN_PASSANT = re.compile(r"e\.?p\.?")
_CHECKS = "+ ++ # † ‡".split()
_USUAL_NUMBER = 8 * 10_000  # the attribute of a number behind which any move may stand
_BEHIND_BARE_NUMBERS = MOVE_KINDS + COMMENT_KINDS


@dataclass(slots=True)
class _Line:
    """A main line or variation, at its last move."""

    node: chess.pgn.GameNode
    ply: int  # half-moves before the next one, by the board's number
    board: chess.Board | None = None  # the position; None until it is needed
    is_over: bool = False  # by a fault, or because the tree has not got the line
    plies: int = 0  # of this line
    starting: str = ""  # comment before the first move of a variation
    number: tuple[int, int, int] | None = None  # attribute and place of the number just read
    # A comment that may hide moves: a fault if the next number does not fit.
    hidden: tuple[int, int] | None = None
    hides_end: bool = False  # whether the comment is a fault if no number follows


class TokenPlayer:
    """A game of tokens, played at once; `main_line`: without variations, `whole_only`: up to the
    first fault.

    Attributes:
        game: the tree; lines end at their faults.
        faults: (place, word, reason).
        cut: that of them at which the main line ends, or why there is no start; None where it is whole.
        result: the one behind the moves, "" where there is none.
        has_foreign_word: whether a word is no move, as in a game with the letters of another language, and all else is
            in order.
    """

    def __init__(
        self,
        batch: CutGames,
        cut: CutGame,
        letters: Letters,
        main_line: bool = False,
        whole_only: bool = False,
    ) -> None:
        start = batch.start_of(cut)
        self.faults: list[tuple[int, str, str]] = []
        self.cut: tuple[int, str, str] | None = None
        self.has_foreign_word = False
        self._data = batch.data
        self._tokens = batch.tokens_of(cut)
        self._letters = letters
        self._main_line = main_line
        self._whole_only = whole_only
        self._start = start.board
        self.result = CODED_RESULTS[cut.result]
        self._offset: int | None = None  # how far the text's numbers are ahead of the board's
        self._is_english = letters is ENGLISH
        self.game = chess.pgn.Game()
        self._take_tags(cut, start)
        self._lines = [_Line(self.game, start.board.ply())]
        if not start.fault:
            self._play()
        if result := told_result(CODED_RESULTS[cut.tag_result], self.result):
            self.game.headers["Result"] = result

    def _take_tags(self, cut: CutGame, start: Start) -> None:
        placed_tags = read_tags(self._data, self._tokens)
        tags = tags_in(placed_tags)
        headers = self.game.headers
        headers.update(with_known_variant(tags))
        if start.fault:
            place = next((tag.place for tag in placed_tags if tag.name == start.tag), cut.begin)
            self.cut = place, tags.get(start.tag, ""), start.fault
            self.faults.append(self.cut)
        elif told_fen(tags):
            headers["FEN"] = start.board.fen()
            if start.board.chess960 and not headers.is_chess960():
                headers["Variant"] = "Chess960"
        else:
            headers.pop("FEN", None)

    def _play(self) -> None:
        for first in range(0, len(self._tokens), _PIECE):
            for index, token in enumerate(self._tokens[first : first + _PIECE].tolist(), first):
                self._take(token, index)
                if self._whole_only and self.faults:
                    return
        self._end_line(self._lines[-1])

    def _take(self, token: tuple[int, int, int, int], index: int) -> None:
        kind, place, till, attribute = token
        line = self._lines[-1]
        number = line.number
        line.number = None
        if number is not None and not (
            kind in MOVE_KINDS and number[0] <= _USUAL_NUMBER
        ):  # a call for each number takes a tenth of the time
            self._check_number(line, number, kind, attribute)
        if kind > NAG:
            self._take_bracket_or_text(line, token)
        elif line.is_over or kind <= VALUE_TEXT:
            return
        elif kind == NUMBER:
            line.number = (attribute, place, till) if attribute >= 8 else None
            if line.hidden is not None or self._offset is None:
                self._compare_number(line, attribute)
        elif kind == NAG:
            line.node.nags.add(attribute)
        elif attribute and (self._is_english or self._data[place] > 96 or kind == CASTLE):
            self._push(line, _move(attribute, kind == CASTLE and not self._start.chess960))
            if self._data[till - 1] in _MARKS:
                self._mark(line.node, self._text(place, till))
        else:
            self._word(line, place, till, index, number is not None)

    def _take_bracket_or_text(self, line: _Line, token: tuple[int, int, int, int]) -> None:
        kind, place, till, attribute = token
        if kind == OPENING_BRACKET:
            self._begin_variation(line, place)
        elif kind == CLOSE:
            closed = self._lines.pop()
            self._end_line(closed)
            self._say(self._lines[-1].node, closed.starting)  # of a variation without a move
        elif kind == BROKEN:
            self._take_fault(line, place, till, attribute)
        elif not line.is_over:
            self._comment(line, kind, place, till, attribute)

    def _mark(self, node: chess.pgn.GameNode, text: str) -> None:
        """Note the mark behind a move, such as "!?"."""
        node.nags.add(SIGNS[text[len(text.rstrip("!?")) :]])

    def _push(self, line: _Line, move: chess.Move) -> None:
        line.node = chess.pgn.ChildNode(line.node, move)
        if line.starting:
            line.node.starting_comment = line.starting
            line.starting = ""
        line.ply += 1
        line.plies += 1
        if line.board is not None:
            line.board.push(move)

    def _board(self, line: _Line) -> chess.Board:
        """Return the position of a line, with the line's own moves on the stack."""
        if line.board is None:
            moves = list[chess.Move]()
            node = line.node
            while node.parent is not None and node.move is not None:
                moves.append(node.move)
                node = node.parent
            line.board = self._start.copy()
            for move in reversed(moves):
                line.board.push(move)
        return line.board

    # ---- variations ------------------------------------------------------------------------------

    def _begin_variation(self, line: _Line, place: int) -> None:
        if not (line.is_over or line.plies):
            self._fault(line, place, place + 1, "a variation without a move before it")
        if line.is_over or self._main_line or line.node.parent is None:
            self._lines.append(_Line(line.node, line.ply, is_over=True))
            return
        board = None if line.board is None else _before(line.board)
        self._lines.append(_Line(line.node.parent, line.ply - 1, board))

    def _end_line(self, line: _Line) -> None:
        if line.number is not None and not line.is_over:
            self._check_number(line, line.number, CLOSE, 0)
        if line.hides_end:
            self._tell_hidden(line)

    # ---- words -----------------------------------------------------------------------------------

    def _word(self, line: _Line, place: int, till: int, index: int, is_numbered: bool) -> None:
        text = self._text(place, till)
        white_moved = line.ply % 2 == 1
        glued = GLUED_RESULT.fullmatch(text) if _LINE_REST.match(self._data, till) else None
        if glued is not None:
            text = glued[1]
            if line is self._lines[0]:
                self.result = self.result or result_of(glued[2])
        nags = nags_of(text, white_moved) if line.plies else None
        if nags is not None and not (
            text in LETTER_SIGNS and self._is_split_move(line, text, index)
        ):
            if is_numbered:
                self._fault(line, place, till, "a mark without a move before it")
            line.node.nags.update(nags)
            return
        board = self._board(line)
        takes_en_passant = (
            _EN_PASSANT.fullmatch(text)
            and line.plies
            and _before(board).is_en_passant(board.peek())
        )
        if takes_en_passant or (line.plies and text in _CHECKS):
            return
        try:
            words = read_word(board, text, self._letters)
        except NoMoveError as error:
            self.has_foreign_word = True
            self._fault(line, place, till, str(error))
            return
        for word in words:
            self._push(line, word.move)
            line.node.nags.update(word.nags)

    def _is_split_move(self, line: _Line, letter: str, index: int) -> bool:
        """Whether a letter that may be a mark, and the next word, are a move with a space in it."""
        for kind, place, till, _ in self._tokens[index + 1 : index + 2].tolist():
            return kind in MOVE_KINDS and self._is_move(line, letter + self._text(place, till))
        return False

    def _is_move(self, line: _Line, text: str) -> bool:
        try:
            return bool(read_word(self._board(line), text, self._letters))
        except NoMoveError:
            return False

    # ---- numbers, and the comments that they may show to hide moves ------------------------------

    def _check_number(
        self, line: _Line, number: tuple[int, int, int], kind: int, attribute: int
    ) -> None:
        """Find a number behind which no move stands, but a token of this kind."""
        is_bare = not number[0] & 7 and self._data[number[2] - 1] != _BRACKET
        if line.is_over or kind == BROKEN:
            return
        is_cut_off = kind == NAG or (kind == NUMBER and attribute >= 8)
        if number[0] >> 3 > 100_000 or is_cut_off or (is_bare and kind not in _BEHIND_BARE_NUMBERS):
            self._fault(line, number[1], number[2], "a number without a move")

    def _compare_number(self, line: _Line, attribute: int) -> None:
        """Find out from a number how far the text's numbers are ahead, or whether a comment hides
        moves.
        """
        dots = attribute & 7
        number = attribute >> 3
        is_black = line.ply % 2
        fits = not (dots > 1 and not is_black)
        if number:
            ahead = number - 2 - line.ply // 2
            if self._offset is None:
                self._offset = ahead
            fits &= ahead == self._offset and not (dots == 1 and is_black)
        if fits and number:
            line.hidden = None
            line.hides_end = False
        elif not fits:
            self._tell_hidden(line)

    def _comment(self, line: _Line, kind: int, place: int, till: int, attribute: int) -> None:
        text = self._data[place:till].decode(errors="replace")
        if kind == LINE_COMMENT and self._is_inside_word(place - 1):
            self._fault(line, place - 1, place - 1, "a comment that begins inside a word")
            return
        words = text.split() if kind == LINE_COMMENT and not attribute else []
        hides = attribute == HIDES or (kind == ESCAPE and not attribute)
        if line.hidden is None and (hides or any(map(_MAY_BE_MOVE.fullmatch, words))):
            line.hidden = (place - 1, till)
            line.hides_end = kind != LINE_COMMENT or self._may_be_moves(line, text)
        text = text.strip()
        if not text or kind == ESCAPE:
            return
        if line.plies or line is self._lines[0]:
            self._say(line.node, text)
        else:
            line.starting = f"{line.starting} {text}".lstrip()

    def _is_inside_word(self, place: int) -> bool:
        before = self._data[max(0, place - 4) : place].decode(errors="ignore")[-1:]
        return not (before.isspace() or before in ")}]_\ufeff\u200b\x1a")

    def _say(self, node: chess.pgn.GameNode, text: str) -> None:
        node.comment = f"{node.comment} {text}".strip()

    def _may_be_moves(self, line: _Line, text: str) -> bool:
        """Whether a line's comment may be the end of the game: it begins with a move or ends with
        the result.
        """
        words = re.sub(r"^\d+(?:\s*[.…)]+\s*|\s+)", "", text.strip()).split()
        return (
            (not self.result and words[-1:] != [] and _RESULT.fullmatch(words[-1]) is not None)
            or (
                bool(words)
                and (_RESULT.fullmatch(words[0]) is not None or self._is_move(line, words[0]))
            )
            or (not text[:1].isspace() and all(map(_MAY_BE_MOVE.fullmatch, words[1:])))
        )

    def _tell_hidden(self, line: _Line) -> None:
        """Report a comment that may hide moves because the next move number does not fit."""
        if line.hidden is not None and not line.is_over:
            reason = "this comment seems to hide moves: the next move number does not fit"
            self._fault(line, *line.hidden, reason)

    # ---- faults ----------------------------------------------------------------------------------

    def _take_fault(self, line: _Line, place: int, till: int, attribute: int) -> None:
        before = line.is_over, self.cut
        number, result = attribute & 15, attribute >> 4
        self._fault(line, place, till, message(REASONS[number], result=CODED_RESULTS[result]))
        is_tag = number == BAD_TAG and not line.plies
        if is_tag and not _START.search(self._data, place, till):
            line.is_over, self.cut = before  # the moves do not depend on that tag

    def _fault(self, line: _Line, place: int, till: int, reason: str) -> None:
        self.faults.append((place, self._text(place, till), reason))
        if line is self._lines[0] and not line.is_over:
            self.cut = self.faults[-1]
        line.is_over = True

    def _text(self, place: int, till: int) -> str:
        """Return the text between two places; where they are one, to the next white space."""
        if till <= place:
            word = _NO_SPACES.match(self._data, place)
            till = word.end() if word else place
        return self._data[place:till].decode(errors="replace")


class PlacedPlayer(TokenPlayer):
    """A player that notes the node to which each token leads.

    Attributes:
        nodes: of each token, the latest node of the line that goes on behind it.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.nodes = list[chess.pgn.GameNode]()
        super().__init__(*arguments, **options)

    def _take(self, token: tuple[int, int, int, int], index: int) -> None:
        super()._take(token, index)
        self.nodes.append(self._lines[-1].node)


@functools.cache
def _move(code: int, castles: bool) -> chess.Move:
    """Return the move of a code, of castling the king's way in standard chess."""
    return moves_of_lines(np.array([code | CASTLING_FLAG if castles else code]))[0]


def _before(board: chess.Board) -> chess.Board:
    """Return the position before the last move."""
    before = board.copy(stack=1)
    before.pop()
    return before
