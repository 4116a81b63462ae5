"""Read the positions and games that a user names: a FEN, a PGN file and a ply, or standard
input.
"""

import argparse
import io
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import chess
import chess.pgn

from engine.board.epd import position_lines
from engine.board.notation import board_after
from engine.board.pgn.game_reader import ReadGame, read_game_file, read_games
from engine.board.pgn.move_words import typed_position
from engine.errors import ConfigError, DataError, FenError
from engine.files.text import (
    GAMES,
    POSITIONS,
    kind_of,
    kind_of_file,
    unpacked_text,
    utf8_pieces,
    wanted_kind,
)
from uci.language import _, translated

STDIN_WORD = "-"
_FILE_NAME = re.compile(r".*\.\w{1,5}")  # of a file that may not be there


@dataclass(frozen=True)
class Source:
    """A position with the earlier moves on its stack, a title, and what was read otherwise than it
    was written.
    """

    board: chess.Board
    name: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BadLine:
    """A line of a text without a readable position: its number, counted from 1, and the reason."""

    number: int
    error: FenError


def add_source_flags(parser: argparse.ArgumentParser, text: str) -> None:
    """Add the words that `read_sources` reads, with `text` as their help, and --game and --ply."""
    parser.add_argument("position", nargs="*", metavar="POSITION", help=text)
    parser.add_argument(
        "--game", type=int, default=1, metavar="N", help="use game number N of a PGN (default 1)"
    )
    parser.add_argument(
        "--ply", type=int, metavar="N", help="take the position after N plies (default: the end)"
    )


def read_sources(
    words: Sequence[str], game: int = 1, ply: int | None = None, chess960: bool = False
) -> Iterator[Source | BadLine]:
    """Yield the positions that command-line words name: a FEN (quoted or not) or `startpos`, with
    `moves` behind it or without, a game in PGN, a file, or `-`.

    A PGN gives the position after `ply` half-moves of its `game`-th game (default: the last
    position). A file and standard input may hold a PGN or one position per line, FEN or EPD. A line
    without a readable position gives a BadLine; comments as in suites give none. Raises FenError,
    DataError, ConfigError.
    """
    text = " ".join(words).strip()
    if text == STDIN_WORD:
        yield from _sources_of_text(_standard_input(), game, ply, chess960, "standard input")
    elif (
        text
        and len(words) == 1
        and not kind_of(text)
        and (Path(text).exists() or _FILE_NAME.fullmatch(text))
    ):
        if kind_of_file(Path(text), GAMES, POSITIONS) == POSITIONS:
            yield from _sources_of_lines(unpacked_text(Path(text)), chess960)
        else:
            yield _source_of_game(read_game(Path(text), game), ply)
    elif kind_of(text) == GAMES:
        yield from _sources_of_text(text, game, ply, chess960, "POSITION")
    elif text:
        yield _source_of_fen(text, chess960)
    else:
        raise ConfigError(
            f"no position: give a FEN, a file, 'startpos', or {STDIN_WORD!r} for standard input"
        )


def read_source(
    words: Sequence[str], game: int = 1, ply: int | None = None, chess960: bool = False
) -> Source:
    """Return the first position of `read_sources`. Raises the same errors, and also the error of a
    bad line.
    """
    source = next(iter(read_sources(words, game, ply, chess960)))
    if isinstance(source, BadLine):
        raise source.error
    return source


def _standard_input() -> str:
    if isinstance(sys.stdin, io.TextIOWrapper):
        return b"".join(utf8_pieces(sys.stdin.buffer)).decode()
    return sys.stdin.read()


def _sources_of_text(
    text: str, game: int, ply: int | None, chess960: bool, name: str
) -> Iterator[Source | BadLine]:
    kind = wanted_kind(kind_of(text), name, GAMES, POSITIONS)
    if kind == POSITIONS:
        yield from _sources_of_lines(text, chess960)
    else:
        yield _source_of_game(_nth(read_text_games(text, name), game, name), ply)


def _sources_of_lines(text: str, chess960: bool) -> Iterator[Source | BadLine]:
    for number, line in position_lines(text):
        try:
            yield _source_of_fen(line, chess960, f"line {number}: ")
        except FenError as error:
            yield BadLine(number, error)


def _source_of_fen(text: str, chess960: bool, place: str = "") -> Source:
    notes: list[str] = []
    board = typed_position(text, chess960, lambda note: notes.append(place + note))
    return Source(board, text, tuple(notes))


def _source_of_game(game: chess.pgn.Game, ply: int | None) -> Source:
    board = board_at(game, ply)
    players = f"{game.headers.get('White', '?')} - {game.headers.get('Black', '?')}"
    if not board.move_stack:
        return Source(board, f"{players}, at the start")
    before = board.copy()
    last = before.variation_san([before.pop()])
    return Source(board, f"{players}, after {last} (ply {len(board.move_stack)})")


def read_game(path: Path, number: int | None = 1) -> chess.pgn.Game:
    """One game of a PGN file, counted from 1, or the last (None). Faults beside its main line do
    not count.

    Raises DataError.
    """
    return _nth(read_every_game(path), number, str(path))


def _nth(games: Iterator[ReadGame], number: int | None, name: str) -> chess.pgn.Game:
    if number is not None and number < 1:
        raise ConfigError(f"game {number}: games are counted from 1")
    latest = next(games)
    for game in itertools.chain([latest], games):
        if game.number:
            latest = game
        if game.number == number:
            break
    if number not in (None, latest.number):
        raise DataError(f"{name}: expected {number} games or more, found {latest.number}")
    if latest.cut:
        raise DataError(f"{name}:{latest.cut}")
    return latest.game


def read_every_game(path: Path) -> Iterator[ReadGame]:
    """All games of a PGN file in order, including broken ones, and what stands between them and
    cannot be read.

    Raises DataError for an unreadable file, and for one without a game.
    """
    kind_of_file(path, GAMES)
    return _some(read_game_file(path), str(path))


def read_text_games(text: str, name: str) -> Iterator[ReadGame]:
    """`read_every_game` of a text, which errors call `name`."""
    wanted_kind(kind_of(text), name, GAMES)
    return _some(read_games(text), name)


def _some(games: Iterator[ReadGame], name: str) -> Iterator[ReadGame]:
    fault = ""
    count = 0
    for game in games:
        count += game.number > 0
        if game.faults and not fault:
            fault = f" ({translated(str(game.faults[0]))})"
        yield game
    if not count:
        raise DataError(_("{name}: no game in PGN format", name=name) + fault)


def odd_result(ending: ReadGame) -> str:
    """Return how the result of a game that can be played contradicts the board at its end; "" where
    it does not.
    """
    board = board_at(ending.game)
    tag = ending.game.headers.get("Result", "*")
    if ending.cut or any(board.legal_moves) or tag in ("*", board.result()):
        return ""
    return _("the result is {told}, but the board shows {shown}", told=tag, shown=board.result())


def board_at(game: chess.pgn.Game, ply: int | None = None) -> chess.Board:
    """Return the position after `ply` half-moves of the main line (None: all), with its move stack.

    Raises DataError.
    """
    moves = list(game.mainline_moves())
    if ply is not None and not 0 <= ply <= len(moves):
        raise DataError(f"ply {ply}: the game has {len(moves)}")
    return board_after(game.board(), *moves[:ply])
