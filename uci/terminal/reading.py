"""Read the positions and games that a user names: a FEN, a PGN file and a ply, or standard input."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import chess
import chess.pgn

from engine.board.fen import check_playable, parse_fen
from engine.board.pgn import GameBuilder
from engine.errors import ConfigError, DataError, FenError, why_unreadable
from engine.files.text import decode_text
from uci.terminal.notation import board_after

START_WORD = "startpos"
STDIN_WORD = "-"
COMMENT = "#"
TAG_LINE = re.compile(r'\[\w+\s+"')


@dataclass(frozen=True)
class Source:
    """A position with the earlier moves on its stack, a title, and what was read otherwise than it was written."""

    board: chess.Board
    name: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BadLine:
    """A line of standard input without a readable position: its number, counted from 1, and the reason."""

    number: int
    error: FenError


def add_source_flags(parser: argparse.ArgumentParser, text: str) -> None:
    """Adds the words that `read_sources` reads, with `text` as their help, and --game and --ply."""
    parser.add_argument("position", nargs="*", metavar="POSITION", help=text)
    parser.add_argument("--game", type=int, default=1, metavar="N", help="use game number N of a PGN (default 1)")
    parser.add_argument("--ply", type=int, metavar="N", help="take the position after N plies (default: the end)")


def read_sources(
    words: Sequence[str], game: int = 1, ply: int | None = None, chess960: bool = False
) -> Iterator[Source | BadLine]:
    """The positions that command-line words name: a FEN (quoted or not), a PGN file, `startpos`, or `-`.

    A PGN gives the position after `ply` half-moves of its `game`-th game (default: the last position). Standard input
    may hold a PGN or one FEN per line. It skips blank lines and lines that begin with #; only a line without a
    readable position gives a BadLine. Raises FenError, DataError, ConfigError.
    """
    text = " ".join(words).strip()
    if text == STDIN_WORD:
        yield from _sources_of_text(_standard_input(), game, ply, chess960)
    elif text == START_WORD:
        yield Source(chess.Board(), "start position")
    elif len(words) == 1 and (text.lower().endswith(".pgn") or Path(text).is_file()):
        yield _source_of_game(read_game(Path(text), game), ply)
    elif text:
        yield _source_of_fen(text, chess960)
    else:
        raise ConfigError(f"no position: give a FEN, a PGN file, {START_WORD!r}, or {STDIN_WORD!r} for standard input")


def read_source(words: Sequence[str], game: int = 1, ply: int | None = None, chess960: bool = False) -> Source:
    """The first position of `read_sources`. Raises the same errors, and also the error of a bad line."""
    source = next(iter(read_sources(words, game, ply, chess960)))
    if isinstance(source, BadLine):
        raise source.error
    return source


def _standard_input() -> str:
    return decode_text(sys.stdin.buffer.read()) if isinstance(sys.stdin, io.TextIOWrapper) else sys.stdin.read()


def _sources_of_text(text: str, game: int, ply: int | None, chess960: bool) -> Iterator[Source | BadLine]:
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith(COMMENT)]
    if not lines:
        raise DataError("standard input is empty: expected a PGN, or one FEN a line")
    if _is_pgn([line for _, line in lines]):
        yield _source_of_game(_nth(_playable(io.StringIO(text), "standard input"), game, "standard input"), ply)
        return
    for number, line in lines:
        try:
            yield _source_of_fen(line, chess960, f"line {number}: ")
        except FenError as error:
            yield BadLine(number, error)


def _source_of_fen(text: str, chess960: bool, place: str = "") -> Source:
    notes: list[str] = []
    board = parse_fen(text, chess960, lambda note: notes.append(place + note))
    return Source(board, text, tuple(notes))


def _is_pgn(lines: Sequence[str]) -> bool:
    """Whether the lines are PGN: one is a tag, or no line looks like a FEN."""
    return any(TAG_LINE.match(line) for line in lines) or (
        "/" not in lines[0] and not any(line.split()[0].count("/") == len(chess.RANK_NAMES) - 1 for line in lines)
    )


def _source_of_game(game: chess.pgn.Game, ply: int | None) -> Source:
    board = board_at(game, ply)
    players = f"{game.headers.get('White', '?')} - {game.headers.get('Black', '?')}"
    if not board.move_stack:
        return Source(board, f"{players}, at the start")
    before = board.copy()
    last = before.variation_san([before.pop()])
    return Source(board, f"{players}, after {last} (ply {len(board.move_stack)})")


def read_game(path: Path, number: int = 1) -> chess.pgn.Game:
    """One game of a PGN file, counted from 1. Raises DataError."""
    return _nth(read_pgn_games(path), number, str(path))


def _nth(games: Iterator[chess.pgn.Game], number: int, name: str) -> chess.pgn.Game:
    if number < 1:
        raise ConfigError(f"game {number}: games are counted from 1")
    count = 0
    for count, game in enumerate(games, 1):
        if count == number:
            return game
    raise DataError(f"{name}: expected {number} games or more, found {count}")


def read_pgn_games(path: Path) -> Iterator[chess.pgn.Game]:
    """All games of a PGN file in order, each read on demand.

    Raises DataError for an unreadable file, and for the first game with a fault: another variant, an impossible
    position, or an illegal move.
    """
    with _pgn_file(path) as file:
        yield from _playable(file, str(path))


def read_every_game(path: Path) -> Iterator[tuple[chess.pgn.Game, DataError | None]]:
    """All games of a PGN file in order, including broken ones.

    A game of another variant or from an impossible position cannot be played, and comes with an error that says why. A
    line with an illegal move ends before that move, and the game's `errors` describe it. Raises DataError for an
    unreadable file.
    """
    with _pgn_file(path) as file:
        yield from read_games(file, str(path))


@contextmanager
def _pgn_file(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            yield file
    except OSError as error:
        raise DataError(f"{path}: {why_unreadable(error)}") from error


def _playable(file: TextIO, name: str) -> Iterator[chess.pgn.Game]:
    for number, (game, fault) in enumerate(read_games(file, name), 1):
        if fault is not None:
            raise DataError(f"{name}, game {number}: {fault}")
        if game.errors:
            raise DataError(f"{name}, game {number}: {game.errors[0]}")
        yield game


def read_games(file: TextIO, name: str) -> Iterator[tuple[chess.pgn.Game, DataError | None]]:
    """All games of an open PGN, as `read_every_game` gives those of a file; errors call it `name`."""
    count = 0
    while (game := _next_game(file, name)) is not None and not _is_nothing(game):
        count += 1
        yield game, _fault_of_start(game)
    if count == 0:
        raise DataError(f"{name}: no game in PGN format")


def _next_game(file: TextIO, name: str) -> chess.pgn.Game | None:
    try:
        return chess.pgn.read_game(file, Visitor=GameBuilder)
    except ValueError as error:  # python-chess raises it for an overlong number
        raise DataError(f"{name}: not readable as PGN: {error}") from error


def _fault_of_start(game: chess.pgn.Game) -> DataError | None:
    """The error of a game that starts from an impossible position or has a variant other than Chess960, or None."""
    try:
        board = game.board()
        check_playable(board)
    except ValueError as error:
        return DataError(str(error))
    if type(board) is not chess.Board:
        return DataError(f"Aino does not play the variant {board.uci_variant!r}")
    return None


def _is_nothing(game: chess.pgn.Game) -> bool:
    """Whether the game has no moves, headers or errors: python-chess reads that from text that is not PGN."""
    return game.next() is None and not game.errors and game.headers == chess.pgn.Game().headers


def board_at(game: chess.pgn.Game, ply: int | None = None) -> chess.Board:
    """The position after `ply` half-moves of the main line (None: all), with its move stack. Raises DataError."""
    moves = list(game.mainline_moves())
    if ply is not None and not 0 <= ply <= len(moves):
        raise DataError(f"ply {ply}: the game has {len(moves)}")
    return board_after(game.board(), *moves[:ply])
