"""Reads games with comments and variations one by one, from texts and files of any size.

The grammar is in `docs/what-aino-reads.md`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import chess.pgn

from engine.board.pgn.cutter import CutGames, Cutter, GameText
from engine.board.pgn.letters import CODED_RESULTS
from engine.board.pgn.move_words import ENGLISH, Letters, other_readings
from engine.board.pgn.scan_buffers import PROSE, CutGame
from engine.board.pgn.token_player import REASONS, TokenPlayer
from engine.errors import DataError, message
from engine.files.text import open_unpacked, reading

Player = TypeVar("Player", bound=TokenPlayer)

_COMMENT = re.compile(rb"(?m)^(?!%).*[{;]")
LONGEST_WORD = 40  # characters of a faulty word that are quoted


@dataclass
class ReadGame:
    """A game of a text."""

    line: int  # the line on which it begins, from 1
    # Tags and moves, as far as they could be read; `game.errors` has the faults.
    game: chess.pgn.Game
    faults: list[Fault]  # what is wrong with it, in the order of the text
    # The game's number in the text, from 1; 0 of a fault between games, of which `game` is empty.
    number: int = 0
    cut: Fault | None = None  # that of them at which the main line ends; None where it is whole
    # Why it cannot be played at all: an impossible position or another variant; "" if it can.
    start_fault: str = ""
    letters: str = ENGLISH.name  # the language of the pieces' letters
    is_game: bool = True  # False of a fault between games
    result: str = ""  # behind the moves; "" where there is none
    tag_result: str = ""  # that of the tags, in the same way
    # From its first tag on, and where the next game begins: bytes of the text from its beginning.
    begin: int = 0
    end: int = 0


@dataclass(frozen=True)
class Fault:
    """What is wrong with a text, and where: line and column from 1, and the word there."""

    line: int
    column: int
    word: str
    reason: str

    def __str__(self) -> str:
        return message(
            "{line}:{column}: {word}: {reason}",
            line=self.line,
            column=self.column,
            word=repr(self.word),
            reason=self.reason,
        )


def read_games(stream: IO[bytes] | str) -> Iterator[ReadGame]:
    """Yield all games of a text or binary stream in order, and the faults between them."""
    if isinstance(stream, str):
        stream = io.BytesIO(stream.encode(errors="replace"))
    number = 0
    for game in cut_games(GameText(stream)):
        if game.is_game:
            number += 1
            game.number = number
        yield game


def read_game_file(path: Path) -> Iterator[ReadGame]:
    """Yield the games of a file, packed or not, as `read_games` does. Raises DataError where it
    cannot be read.
    """
    with reading(path), open_unpacked(path) as (stream, _):
        yield from read_games(stream)


def cut_games(text: GameText, main_line: bool = False) -> Iterator[ReadGame]:
    """Yield the games of a text, which is moved on behind each; `main_line`: without variations."""
    cutter = Cutter(text, True)
    while (batch := cutter.cut()) is not None:
        for game in batch.games:
            yield from play_game(text, batch, game, main_line)


def play_game(
    text: GameText, batch: CutGames, game: CutGame, main_line: bool
) -> Iterator[ReadGame]:
    """Move a text on behind a game that was cut off, and yield it, unless it is a result alone, or
    a comment where only main lines are read.
    """
    read = None
    if game.tags or game.movetext or game.fault_count:
        read = _interpret(text, batch, game, main_line)
    elif not main_line:
        read = _lone_comment(text, batch.data[game.begin : game.end], game.begin)
    text.skip(game.end - text.at)
    if read is not None:
        read.end = text.dropped + text.at
        yield read


def play_tokens(
    batch: CutGames, game: CutGame, main_line: bool, player: Callable[..., Player]
) -> tuple[Player, Letters]:
    """Return the player of a game's tokens, and the reading of its letters.

    The main line decides on the letters: they are English if all its moves are legal in English,
    else those of the languages in which they are legal, if these read the same moves. Of several
    languages that read the main line alike, the one counts in which the variations are legal, too.
    """
    play = partial(player, batch, game)
    english = play(ENGLISH, main_line)
    if not english.has_foreign_word or game.fault_count:
        return english, ENGLISH
    is_english = english.cut is None
    lines = list[list[chess.Move]]()
    if is_english:
        lines.append(list(english.game.mainline_moves()))
    languages = list[Letters]()
    for letters in other_readings():
        main = play(letters, True, whole_only=True)
        line = list(main.game.mainline_moves())
        if not main.faults and (not is_english or line in lines):
            languages.append(letters)
            lines.append(line)
    if any(line != lines[0] for line in lines):
        return english, ENGLISH
    played = [(play(letters, main_line), letters) for letters in languages]
    legal = [reading for reading in played if not reading[0].faults]
    if len({str(player.game) for player, _ in legal}) == 1:
        return legal[0]
    if is_english or not played:
        return english, ENGLISH
    return played[0]


def _lone_comment(text: GameText, words: bytes, at: int) -> ReadGame | None:
    """Return the fault of comments that belong to no game; None where there are none."""
    if not _COMMENT.search(words):
        return None
    line, column = text.place_of(at)
    word = words.decode(errors="replace").strip()[:LONGEST_WORD]
    fault = Fault(line, column, word, REASONS[PROSE])
    return ReadGame(line, chess.pgn.Game(), [fault], is_game=False)


def _interpret(text: GameText, batch: CutGames, game: CutGame, main_line: bool) -> ReadGame:
    player, letters = play_tokens(batch, game, main_line, TokenPlayer)
    faults = list[Fault]()
    cut = None
    for placed_fault in sorted(player.faults):
        place, word, reason = placed_fault
        fault = Fault(*text.place_of(place), word[:LONGEST_WORD], reason)
        faults.append(fault)
        player.game.errors.append(DataError(str(fault)))
        if placed_fault == player.cut:
            cut = fault
    return ReadGame(
        line=text.place_of(game.begin)[0],
        begin=text.dropped + game.text_begin,
        game=player.game,
        faults=faults,
        cut=cut,
        start_fault=batch.start_of(game).fault,
        letters=letters.name,
        is_game=bool(game.tags or game.movetext),
        result=player.result,
        tag_result=CODED_RESULTS[game.tag_result],
    )
