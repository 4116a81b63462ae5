"""Cuts the text of one game into tokens, and finds where it ends (grammar: `engine.board.pgn`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.board.epd import DASHES
from engine.errors import message

LONGEST_COMMENT = 1 << 20  # characters in which a comment must end
LONGEST_WORD = 40  # characters of a faulty word that are quoted

DASH = f"[{DASHES}]"
RESULT_WORDS = {
    "1-0": "1-0",
    "0-1": "0-1",
    "1/2-1/2": "1/2-1/2",
    "1/2": "1/2-1/2",
    "½-½": "1/2-1/2",
    "½": "1/2-1/2",
    "*": "*",
}
RESULT_PATTERN = rf"(?:1(?:{DASH}|:)0|0(?:{DASH}|:)1|1/2(?:(?:{DASH}|:)1/2)?|½(?:(?:{DASH}|:)½)?|\*)"
BLANK = r"[\s_\ufeff\u200b\x1a]"
_TAG_NAME = r"\[[^\S\n]*(?P<{0}>[A-Za-z0-9][A-Za-z0-9_+#=:-]*)[^\S\n]*"
_TAG_END = r'"[^\S\n]*\]'
TAG = re.compile(
    _TAG_NAME.format("name") + rf'"(?P<value>(?:\\["\\]|[^"\\\n]|\\(?!["\\])|"(?![^\S\n]*\]))*){_TAG_END}'
    rf'|{_TAG_NAME.format("plain")}"(?P<raw>[^\n]*?){_TAG_END}'
)
TAG_BEGIN = re.compile(r'\[[^\S\n]*[A-Za-z0-9][A-Za-z0-9_+#=:-]*[^\S\n]*"')
EMPTY_LINE = re.compile(r"\n[^\S\n]*\n")
LOST_TAGS = re.compile(r'\n[^\S\n]*\n[^\S\n]*\[\w+\s*"')  # an empty line, and a tag
TOKEN = re.compile(
    rf"""(?P<blank>{BLANK}+)
    |(?P<comment>[{{;]|(?<=\n)%|\A%)
    |(?P<result>{RESULT_PATTERN})(?={BLANK}|[{{}};()\[]|\Z)
    |(?P<number>(?!0000(?!\d))\d+(?![\d/:])(?!{DASH}[\dOo])(?:\)?[^\S\n]*[.…]+|\)|(?={BLANK}|[{{}};()$]|\Z)))
    |(?P<dots>\.\.+|…+)
    |(?P<nag>\$\d+)
    |(?P<mark>\(D\))
    |(?P<offer>\(=\))
    |(?P<open>\()
    |(?P<close>\))
    |(?P<tag>\[)
    |(?P<word>[^\s_{{}}();\[\]$\ufeff\u200b\x1a]+(?:\([^\W\d_]\)[^\s_{{}}();\[\]$]*)?)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
# What ends a game after a double forfeit, and the like. 0-0 may be castling.
_BOTH_LOSE = re.compile(rf"(?:0{DASH}0|(?:1/2|½){DASH}0|0{DASH}(?:1/2|½))(?={BLANK}*(?P<end>\Z|\[))")
_GLUED_RESULT = re.compile(rf"(?P<move>.*?[^\d/:½](?<!{DASH})\d?)(?P<result>{RESULT_PATTERN})")


class Incomplete(Exception):
    """The text ends before it is known where the game ends."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a text, and where: line and column from 1, and the word there."""

    line: int
    column: int
    word: str
    reason: str

    def __str__(self) -> str:
        values = {"line": self.line, "column": self.column, "word": repr(self.word), "reason": self.reason}
        return message("{line}:{column}: {word}: {reason}", **values)


class Token(NamedTuple):
    """A token of movetext: its kind as in TOKEN, its text (of comments the inside), and its place in the text."""

    kind: str
    text: str
    place: int
    hides: bool = False  # a comment that may hide moves
    is_glued: bool = False  # a comment that begins without white space


@dataclass
class RawGame:
    """A game's tags and tokens; (place, word, reason) of faults that need no board to be seen.

    The places are characters from the beginning of the text that was cut; `end` is where the next game begins.
    """

    begin: int
    tags: dict[str, str] = field(default_factory=dict)
    tag_places: dict[str, int] = field(default_factory=dict)
    tokens: list[Token] = field(default_factory=list)
    faults: list[tuple[int, str, str]] = field(default_factory=list)
    result: str = ""
    end: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether the text holds neither tags nor moves nor faults."""
        return not (self.tags or self.faults or any(token.kind in ("word", "number") for token in self.tokens))


class Cutter:
    """Cuts one game off a text. `cut` raises Incomplete if the game may go on behind a text that is not `final`."""

    def __init__(self, text: str, begin: int, final: bool) -> None:
        self._text, self._at, self._final = text, begin, final
        self._game = RawGame(begin)
        self._open: list[int] = []  # places of the variations that are open
        self._result_end = begin  # where the result, or a comment behind it, ended
        self._tag_end = begin  # where the last tag ended
        self._adjacent = False  # whether two tags followed each other without an empty line
        self._has_numbers = False
        self._parenthesis = False  # whether numbers are written as 1)
        self._is_closed = False  # whether the game is known to end here

    def cut(self) -> RawGame:
        text, game = self._text, self._game
        while self._at < len(text) and not self._is_closed:
            match = TOKEN.match(text, self._at)
            assert match is not None
            self._take(match.lastgroup or "other", match)
        if not (self._is_closed or self._final):
            raise Incomplete
        for place in self._open[:1]:
            self._fault(place, "(", "this variation is not closed")
        game.end = self._at
        return game

    def _take(self, kind: str, match: re.Match[str]) -> None:
        game, word, place = self._game, match[0], self._at
        if kind == "tag":
            self._take_tag(place)
            return
        if kind == "comment":
            self._take_comment(word)
            return
        self._at = match.end()
        if kind == "blank":
            return
        if game.result and not self._open:
            if kind != "result":
                self._after_result(kind, word, place)
            elif not self._is_empty_line_between(self._result_end, place):
                self._take_second_result(word, place)
            return
        if kind == "result":
            if self._open:
                return
            if not (game.tags or game.tokens):
                return  # a result between games
            self._result_end = match.end()
            game.result = _result_of(word)
        elif kind == "word":
            self._take_word(word, place)
        elif kind == "close" and not self._open:
            self._fault(place, ")", "no variation to close")
        elif kind == "other":
            self._fault(place, word, "belongs to no token")
        elif kind == "offer":
            game.tokens.append(Token("comment", word, place))
        else:
            if kind == "open":
                self._open.append(place)
            elif kind == "close":
                self._open.pop()
            elif kind == "number":
                if self._begins_game(word, place):
                    self._at, self._is_closed = place, True
                else:
                    self._split_number(match)
                return
            game.tokens.append(Token(kind, word, place))

    def _take_second_result(self, word: str, place: int) -> None:
        """Another result right behind the first, which may have been `*`."""
        game = self._game
        if game.result == "*":
            game.result = _result_of(word)
        elif _result_of(word) not in ("*", game.result):
            self._fault(place, word, message("a second result, after {result}", result=game.result))

    def _begins_game(self, number: str, place: int) -> bool:
        """Whether number 1 begins the next of games without tags and results, each of which has its own lines."""
        game = self._game
        last = game.tokens[-1] if game.tokens else None
        return (
            last is not None
            and not (game.tags or self._open or number.count(".") > 1)
            and number.rstrip(".…) \t") == "1"
            and any(token.kind == "word" for token in game.tokens)
            and "\n" in self._text[last.place : place]
        )

    def _split_number(self, match: re.Match[str]) -> None:
        """Take a `)` behind a number for the end of a variation, unless numbers are written so."""
        word, place = match[0], self._at - len(match[0])
        digits = re.match(r"\d+", word)
        assert digits is not None
        if word[digits.end() :].startswith(")"):
            if self._open and not self._parenthesis:
                self._at = place + digits.end()
                word = digits[0]
            self._parenthesis |= not self._open
        self._has_numbers = True
        self._game.tokens.append(Token("number", word, place))

    def _take_word(self, word: str, place: int) -> None:
        game = self._game
        both_lose = _BOTH_LOSE.match(self._text, place)
        if both_lose is not None and both_lose[0] == game.tags.get("Result"):
            if not (both_lose["end"] or self._final):
                raise Incomplete
            self._result_end, game.result = self._at, "*"
            return
        glued = _GLUED_RESULT.fullmatch(word)
        if glued is not None and not re.match(rf"{BLANK}*\Z|[^\S\n]*\n", self._text[self._at : self._at + 100]):
            glued = None
        if glued is not None:
            self._at = place + glued.end("move")
            word = glued["move"]
        if not (game.tags or game.tokens) and not looks_like_moves(word):
            end = self._text.find("\n", place)
            if end < 0 and not self._final:
                raise Incomplete
            self._at = end if end >= 0 else len(self._text)
            self._fault(place, word, "neither a tag nor a move, so Aino skips this line")
            self._is_closed = True
            return
        game.tokens.append(Token("word", word, place))

    def _after_result(self, kind: str, word: str, place: int) -> None:
        """Begin the next game after a result, or go on with this one if that was no result."""
        game = self._game
        lines = self._text.count("\n", self._result_end, place)
        is_new = lines > 1 or (lines == 1 and kind == "word" and not self._has_numbers and not game.tags)
        is_first = kind == "number" and word.rstrip(".…) \t") == "1"
        is_first &= not game.tags or any(token.kind == "word" for token in game.tokens)
        if is_new or is_first or (kind == "word" and not looks_like_moves(word)):
            self._at = place
            self._is_closed = True
            return
        self._fault(place, word, message("follows the result {result}, but begins no new game", result=game.result))
        game.result, self._at = "", place

    # ---- tags -----------------------------------------------------------------------------------------------------

    def _take_tag(self, place: int) -> None:
        game, match = self._game, TAG.match(self._text, self._at)
        line_end = self._text.find("\n", place)
        if line_end < 0 and not self._final:
            raise Incomplete
        begins_line = not self._text[self._text.rfind("\n", 0, place) + 1 : place].strip()
        is_cut = TAG_BEGIN.match(self._text, place) is not None or not game.tokens
        is_cut |= game.result != "" and re.match("[A-Za-z]", self._text[place + 1 : place + 2]) is not None
        if match is None and not (begins_line and is_cut):
            self._at += 1
            if game.result:
                self._after_result("other", "[", place)
            else:
                self._fault(place, _word_at(self._text, place), "an incomplete tag, or a stray bracket")
            return
        name = "" if match is None else match["name"] or match["plain"]
        if self._ends_game(name, place):
            self._is_closed = True
            return
        self._adjacent |= bool(game.tags) and not self._is_empty_line_between(self._tag_end, place)
        if match is None:
            self._at = line_end if line_end >= 0 else len(self._text)
            self._fault(place, self._text[place : self._at].strip(), 'expected a tag, [Name "value"]')
        else:
            name, game.tags[name] = read_tag(match)
            game.tag_places[name] = place
            self._at = match.end()
        self._tag_end = self._at

    def _ends_game(self, name: str, place: int) -> bool:
        """Whether a tag here belongs to a next game."""
        game = self._game
        if game.result or any(token.kind in ("word", "number", "open") for token in game.tokens):
            return True
        if not game.tags:
            return False
        return name == "Event" in game.tags or (
            self._is_empty_line_between(self._tag_end, place) and (self._adjacent or name in game.tags)
        )

    def _is_empty_line_between(self, end: int, begin: int) -> bool:
        return self._text.count("\n", end, begin) > 1

    # ---- comments -------------------------------------------------------------------------------------------------

    def _take_comment(self, word: str) -> None:
        text, place, game = self._text, self._at, self._game
        if game.result and self._is_empty_line_between(self._result_end, place):
            self._is_closed = True
            return
        hides = False
        if word == "{":
            inside, self._at, hides = self._braces(place)
        else:
            if word == ";" and place and not re.match(rf"{BLANK}|[)}}\]]", text[place - 1]):
                self._fault(place, _word_at(text, place), "a comment that begins inside a word")
            end = text.find("\n", place)
            if end < 0 and not self._final:
                raise Incomplete
            self._at = end if end >= 0 else len(text)
            inside = text[place + 1 : self._at]
            hides = word == "%" or any(map(looks_like_moves, inside.split()))
        self._result_end = self._at
        kind = {"{": "comment", ";": "line comment", "%": "escape"}[word]
        game.tokens.append(Token(kind, inside.strip(), place, hides and not game.result, not inside[:1].isspace()))

    def _braces(self, place: int) -> tuple[str, int, bool]:
        """Inside and end of a comment in braces, and whether it has a brace too many."""
        text = self._text
        end = text.find("}", place)
        lost = LOST_TAGS.search(text, place, end if end >= 0 else len(text))
        if lost is not None:
            brace = re.compile(r"[{}]").search(text, lost.end())
            if brace is None and not self._final and len(text) - place < LONGEST_COMMENT:
                raise Incomplete
            if brace is None or brace[0] == "{":
                self._fault(place, _word_at(text, place), "this comment is not closed")
                return text[place + 1 : lost.start()], lost.start(), False
        if end < 0:
            if not self._final and len(text) - place < LONGEST_COMMENT:
                raise Incomplete
            self._fault(place, _word_at(text, place), "this comment is not closed")
            empty = EMPTY_LINE.search(text, place)
            return "", empty.start() if empty else len(text), False
        if "{" not in text[place + 1 : end]:
            return text[place + 1 : end].strip(), end + 1, False
        return self._nested_braces(place, end)

    def _nested_braces(self, place: int, first_end: int) -> tuple[str, int, bool]:
        text, depth = self._text, 0
        lost = LOST_TAGS.search(text, place)
        limit = min(lost.start() if lost else len(text), place + LONGEST_COMMENT)
        for brace in re.compile(r"[{}]").finditer(text, place, limit):
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                return text[place + 1 : brace.start()].strip(), brace.end(), False
        if limit == len(text) and not self._final:
            raise Incomplete
        return text[place + 1 : first_end].strip(), first_end + 1, True

    def _fault(self, place: int, word: str, reason: str) -> None:
        self._game.faults.append((place, word, reason))


STANDARD_NAMES = {
    name.lower(): name
    for name in ("Event", "Site", "Date", "Round", "White", "Black", "Result", "FEN", "SetUp", "Variant", "WhiteElo",
                 "BlackElo")
}  # fmt: skip
_MOVES = re.compile(
    rf"(?:\d+{BLANK}*[.…)]*{BLANK}*)?(?:{RESULT_PATTERN}|(?:[^\W\d_]{{0,2}}[a-hA-H]?[1-8]?[-x:×]?[a-hA-H][1-8]|[♔-♟]"
    rf"|[O0oОо]{DASH}[O0oОо]|--|Z0|0000|@@@@)[^{BLANK[1:-1]}]{{0,12}})(?={BLANK}|\Z|[{{}};()])"
)


def read_tag(match: re.Match[str]) -> tuple[str, str]:
    """Return the name of a tag that TAG found, the standard's in its spelling, and the value."""
    name, value = match["name"] or match["plain"], match["raw"] if match["name"] is None else match["value"]
    if match["name"] and "\\" in value:
        value = re.sub(r'\\(["\\])', r"\1", value)
    return STANDARD_NAMES.get(name.lower(), name), value


def _result_of(word: str) -> str:
    return RESULT_WORDS[re.sub(f"{DASH}|:", "-", word)]


def looks_like_moves(text: str) -> bool:
    """Whether a text begins as movetext does, with a result, or a move with or without a number."""
    return _MOVES.match(text) is not None


def place_in(text: str, at: int, line: int, column: int) -> tuple[int, int]:
    """Line and column, from 1, of a place in a text that begins in the line `line`, behind `column` characters."""
    newline = text.rfind("\n", 0, at)
    return line + text.count("\n", 0, at), at - newline + (column if newline < 0 else 0)


def _word_at(text: str, place: int) -> str:
    match = re.compile(r"\S*").match(text, place)
    assert match is not None
    return match[0]
