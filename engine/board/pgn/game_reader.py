"""Reads games with comments and variations one by one, from texts and files of any size.

The grammar is in `engine.board.pgn`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import chess.pgn

from engine.board.pgn.move_words import ENGLISH, other_readings
from engine.board.pgn.token_player import TokenPlayer
from engine.board.pgn.tokens import LONGEST_WORD, Cutter, Fault, Incomplete, RawGame, place_in
from engine.errors import DataError
from engine.files.text import open_unpacked, reading, utf8_pieces

LOOK = 1 << 14  # bytes that are looked at first for the end of a game
LONGEST_TEXT = 1 << 25  # bytes in memory at which a game is cut


@dataclass
class ReadGame:
    """A game of a text."""

    number: int  # the game's number in the text, from 1; 0 of a fault between games, of which `game` is empty
    line: int  # the line on which it begins, from 1
    game: chess.pgn.Game  # tags and moves, as far as they could be read; `game.errors` has the faults
    faults: list[Fault]  # what is wrong with it, in the order of the text
    start_fault: str = ""  # why it cannot be played at all: an impossible position or another variant; "" if it can
    letters: str = ENGLISH.name  # the language of the pieces' letters
    is_game: bool = True  # False of a fault between games


class GameText:
    """The text of a stream of games, as much of it as is needed: UTF-8 whose lines end in a line feed.

    Attributes:
        data: the text from `at` on and before.
        at: where the next game begins in `data`.
        line: the line of `at`, from 1.
        column: characters before `at` in its line.
        dropped: bytes of the text before `data`.
        final: whether `data` ends with the stream.
    """

    def __init__(self, stream: IO[bytes], size: int = 1 << 20) -> None:
        self._pieces = utf8_pieces(stream, size)
        self.data, self.at, self.line, self.column, self.dropped, self.final = b"", 0, 1, 0, 0, False

    def more(self) -> None:
        """Append a piece, without what is before `at`."""
        piece = next(self._pieces, None)
        if piece is None:
            self.final = True
            return
        if b"\r" in piece:
            piece = piece.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self.dropped += self.at
        self.data, self.at = self.data[self.at :] + piece, 0

    def skip(self, count: int) -> None:
        """Go on `count` bytes."""
        end = self.at + count
        newline = self.data.rfind(b"\n", self.at, end)
        rest = self.data[max(newline + 1, self.at) : end].decode(errors="replace")
        self.line += self.data.count(b"\n", self.at, end)
        self.column = len(rest) + (self.column if newline < 0 else 0)
        self.at = end

    def skip_to(self, place: int) -> None:
        """Go on to a place in the stream's text, in bytes from its beginning."""
        while self.dropped + len(self.data) < place and not self.final:
            self.skip(len(self.data) - self.at)
            self.more()
        self.skip(max(0, min(len(self.data), place - self.dropped) - self.at))

    def cut(self) -> tuple[str, RawGame]:
        """Return the next game's text and tokens; what is not yet complete makes the text longer.

        The text is not skipped.
        """
        size = LOOK
        while True:
            end = min(len(self.data), self.at + size)
            while end < len(self.data) and self.data[end] & 0xC0 == 0x80:  # not inside a character
                end += 1
            final = end == len(self.data) and (self.final or size > LONGEST_TEXT)
            text = self.data[self.at : end].decode(errors="replace")
            try:
                return text, Cutter(text, 0, final).cut()
            except Incomplete:
                if end < len(self.data):
                    size *= 2
                elif len(self.data) - self.at > LONGEST_TEXT:
                    size = 2 * len(self.data)
                else:
                    self.more()


def read_games(stream: IO[bytes] | str) -> Iterator[ReadGame]:
    """Yield all games of a text or binary stream in order, and the faults between them."""
    text = GameText(io.BytesIO(stream.encode(errors="replace")) if isinstance(stream, str) else stream)
    number = 0
    while (found := next_game(text)) is not None:
        _, game = found
        game.number = number + 1 if game.is_game else 0
        number += game.is_game
        yield game


def read_game_file(path: Path) -> Iterator[ReadGame]:
    """Yield the games of a file, packed or not, as `read_games` does. Raises DataError where it cannot be read."""
    with reading(path), open_unpacked(path) as (stream, _):
        yield from read_games(stream)


def next_game(text: GameText, main_line: bool = False) -> tuple[RawGame, ReadGame] | None:
    """Return the next game of a text, which is moved on behind it; None at the end. `main_line`: without variations."""
    while not (text.final and text.at == len(text.data)):
        cut, raw = text.cut()
        game = None if raw.is_nothing else interpret(cut, raw, (text.line, text.column), main_line)
        text.skip(len(cut[: raw.end].encode()))
        if game is not None:
            return raw, game
        if raw.end == 0 and text.at == len(text.data):
            text.more()
    return None


def interpret(text: str, raw: RawGame, place: tuple[int, int], main_line: bool = False) -> ReadGame:
    """Return the game of tokens, in English or in the only other language in which all its moves are legal.

    place: line, from 1, of the text's beginning, and the characters before it in that line.
    """
    game, letters = TokenPlayer(raw, ENGLISH, main_line), ENGLISH
    if game.has_foreign_word and not raw.faults:
        others = ((reading, TokenPlayer(raw, reading, main_line, whole_only=True)) for reading in other_readings())
        legal = [(reading, other) for reading, other in others if not other.faults]
        if legal and len({str(other.game) for _, other in legal}) == 1:
            letters, game = legal[0]
    places = sorted([*raw.faults, *game.faults])
    faults = [Fault(*place_in(text, at, *place), word[:LONGEST_WORD], reason) for at, word, reason in places]
    game.game.errors.extend(DataError(str(fault)) for fault in faults)
    begin = len(text[: raw.end]) - len(text[: raw.end].lstrip())
    is_game = bool(raw.tags or any(token.kind in ("word", "number", "open") for token in raw.tokens))
    return ReadGame(0, place_in(text, begin, *place)[0], game.game, faults, game.start_fault, letters.name, is_game)
