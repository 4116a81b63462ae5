"""Positions and games as people give them: a FEN, a PGN file and a ply, or standard input."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import chess
import chess.pgn

from engine.board.fen import check_playable, parse_fen
from engine.board.pgn import GameBuilder
from engine.errors import ConfigError, DataError

__all__ = ["Source", "board_at", "read_game", "read_games", "read_sources"]

START_WORD = "startpos"
STDIN_WORD = "-"


@dataclass(frozen=True)
class Source:
    """A position with the moves before it on its stack, and how to call it."""

    board: chess.Board
    name: str


def read_sources(
    words: Sequence[str], game: int = 1, ply: int | None = None, chess960: bool = False
) -> Iterator[Source]:
    """The positions that the words of a command line name: a FEN (quoted or not), a PGN file, `startpos`, or `-`.

    A PGN gives the position after `ply` half-moves of its `game`-th game (default: the last one). Standard input may
    hold a PGN or one FEN a line. Raises FenError, DataError, ConfigError.
    """
    text = " ".join(words).strip()
    if text == STDIN_WORD:
        yield from _sources_of_text(sys.stdin.read(), game, ply, chess960)
    elif text == START_WORD:
        yield Source(chess.Board(), "start position")
    elif len(words) == 1 and (text.lower().endswith(".pgn") or Path(text).is_file()):
        yield _source_of_game(read_game(Path(text), game), ply)
    elif text:
        yield Source(parse_fen(text, chess960), text)
    else:
        raise ConfigError(f"no position: give a FEN, a PGN file, {START_WORD!r}, or {STDIN_WORD!r} for standard input")


def _sources_of_text(text: str, game: int, ply: int | None, chess960: bool) -> Iterator[Source]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError("standard input is empty: expected a PGN, or one FEN a line")
    if lines[0].startswith("[") or "/" not in lines[0]:
        yield _source_of_game(_nth(_games(io.StringIO(text), "standard input"), game, "standard input"), ply)
        return
    for line in lines:
        yield Source(parse_fen(line, chess960), line)


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
    return _nth(read_games(path), number, str(path))


def _nth(games: Iterator[chess.pgn.Game], number: int, name: str) -> chess.pgn.Game:
    if number < 1:
        raise ConfigError(f"game {number}: games are counted from 1")
    count = 0
    for count, game in enumerate(games, 1):
        if count == number:
            return game
    raise DataError(f"{name}: expected {number} games or more, found {count}")


def read_games(path: Path, strict: bool = True) -> Iterator[chess.pgn.Game]:
    """All games of a PGN file, in order, each read when it is wanted.

    Raises DataError for a file that cannot be read, for a game of another variant or from an impossible position, and
    for a move that cannot be played, unless not `strict`: then the main line or variation ends before that move, and
    the game's `errors` tell.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            yield from _games(file, str(path), strict)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def _games(file: TextIO, name: str, strict: bool = True) -> Iterator[chess.pgn.Game]:
    number = 0
    while (game := _next_game(file, name)) is not None and not _is_nothing(game):
        number += 1
        if strict and game.errors:
            raise DataError(f"{name}, game {number}: {game.errors[0]}")
        _check_start(game, f"{name}, game {number}")
        yield game
    if number == 0:
        raise DataError(f"{name}: no game in PGN format")


def _next_game(file: TextIO, name: str) -> chess.pgn.Game | None:
    try:
        return chess.pgn.read_game(file, Visitor=GameBuilder)
    except ValueError as error:  # a number too long for Python
        raise DataError(f"{name}: not readable as PGN: {error}") from error


def _check_start(game: chess.pgn.Game, name: str) -> None:
    """Refuses games that begin where no chess can be played, or that are of another variant than Chess960."""
    try:
        board = game.board()
        check_playable(board)
    except ValueError as error:
        raise DataError(f"{name}: {error}") from error
    if type(board) is not chess.Board:
        raise DataError(f"{name}: Aino does not play the variant {board.uci_variant!r}")


def _is_nothing(game: chess.pgn.Game) -> bool:
    """What python-chess makes of text that is no PGN: a game without moves, headers and errors."""
    return game.next() is None and not game.errors and game.headers == chess.pgn.Game().headers


def board_at(game: chess.pgn.Game, ply: int | None = None) -> chess.Board:
    """The position after `ply` half-moves of the main line, None for all, moves on the stack. Raises DataError."""
    board = game.board()
    moves = list(game.mainline_moves())
    if ply is not None and not 0 <= ply <= len(moves):
        raise DataError(f"ply {ply}: the game has {len(moves)}")
    for move in moves[:ply]:
        board.push(move)
    return board
