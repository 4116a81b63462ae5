"""The games in a folder's PGN files: found at the reader's speed, read again from their place, and removed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import chess
import chess.pgn

from engine.board.convert import codes_of
from engine.board.pgn.game_reader import GameText, next_game
from engine.board.pgn.main_lines import main_lines
from engine.errors import DataError, MoveError
from engine.files.atomic import atomic_write
from engine.files.text import open_unpacked, reading, utf8_pieces

_KEY_TAGS = ("White", "Black", "Date", "UTCTime")


@dataclass(frozen=True)
class FoundGame:
    """A game in a file: where it begins, in bytes of the text (UTF-8, lines end in line feeds), tags and moves."""

    place: int
    tags: Mapping[str, str]
    moves: bytes  # two bytes a ply, as `engine.board.layout` codes moves

    @property
    def key(self) -> str:
        """What tells the game from others, wherever it stands, and whatever is written into it."""
        tags = "\0".join(self.tags.get(name, "").strip("?.") for name in _KEY_TAGS)
        return hashlib.sha256(tags.encode() + b"\0" + self.moves).hexdigest()[:24]


def game_key(game: chess.pgn.Game) -> str:
    """Return the key of a game that was played or read."""
    return FoundGame(0, game.headers, _codes(game)).key


def find_games(path: Path) -> Iterator[FoundGame]:
    """All games of a file in order, without what cannot be played and what is no game. Raises DataError."""
    with reading(path), open_unpacked(path) as (stream, _):
        yield from (game for game in _found(GameText(stream)) if game.moves or game.tags.get("White", "?") != "?")


def _found(text: GameText) -> Iterator[FoundGame]:
    begin = 0
    for line in main_lines(text):
        if line.is_game and (len(line.moves) or not line.fault):
            tags = {"Result": line.result} if line.result else {}
            yield FoundGame(begin, {**tags, **line.read_tags()}, line.moves.tobytes())
        begin = line.end


def _codes(game: chess.pgn.Game) -> bytes:
    codes = list[int]()
    with contextlib.suppress(MoveError):  # of a pass
        codes.extend(codes_of(game.board(), game.mainline_moves()))
    return b"".join(code.to_bytes(2, "little") for code in codes)


def read_at(path: Path, place: int) -> chess.pgn.Game:
    """Return the game at a place in a file. Raises DataError."""
    return _game_at(path, place)[0]


def remove_at(path: Path, place: int) -> int:
    """Remove the game at a place from a file, and a file without games; the rest stays, as UTF-8.

    Returns the bytes of text that are gone. Raises DataError.
    """
    _, end = _game_at(path, place)
    with reading(path):
        with open_unpacked(path) as (stream, _), atomic_write(path) as out:
            at = kept = 0
            for piece in utf8_pieces(stream):
                text = piece.replace(b"\r\r\n", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
                for part in (text[: max(0, place - at)], text[max(0, end - at) :]):
                    kept += len(part.strip())
                    out.write(part)
                at += len(text)
        if not kept:
            path.unlink()
    return end - place


def _game_at(path: Path, place: int) -> tuple[chess.pgn.Game, int]:
    """Return the game at a place in a file, and the place behind it."""
    with reading(path), open_unpacked(path) as (stream, _):
        text = GameText(stream)
        text.skip_to(place)
        found = next_game(text)
        if found is None:
            raise DataError(f"{path}: no game at byte {place}")
        return found.game, found.end
