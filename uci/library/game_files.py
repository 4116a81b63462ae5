"""The games in a folder's PGN files: found at the reader's speed, and read again from their
place.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from json.encoder import encode_basestring_ascii
from pathlib import Path

import chess
import chess.pgn

from engine.board.convert import board_from_row, encode_move
from engine.board.pgn.annotations import is_told
from engine.board.pgn.game_reader import GameText, cut_games
from engine.board.pgn.letters import told_result
from engine.board.pgn.main_lines import main_lines
from engine.files.text import open_unpacked, reading
from uci.game.game_file import REVIEWS

_KEY_TAGS = ("Event", "Date", "Time", "UTCDate", "UTCTime", "Round", "White", "Black", "Result")
WISH = ".wanted"  # ends the name of a file that stands for the wish for a review
_KEY = re.compile("[0-9a-f]{24}")


@dataclass(frozen=True)
class FoundGame:
    """A game in a file: where it stands, in bytes of the text (UTF-8, lines end in line feeds),
    tags and moves.
    """

    place: int
    end: int
    digest: str  # of the text between them, without white space around it
    tags: Mapping[str, str]
    start: str  # FEN; "" for the usual start
    moves: bytes  # two bytes a ply, as `engine.board.layout` codes moves; 0 is a pass

    @property
    def key(self) -> str:
        """What tells the game from others, wherever it stands, and whatever is written into it."""
        return _key_of(self.tags, self.start, self.moves)

    @property
    def line(self) -> str:
        """What it shares with all games of the same start and moves, whoever played them."""
        return _line_of(self.start, self.moves)


def is_key(text: str) -> bool:
    """Whether a text has the form of a key or of a text's digest; only such a text may become part
    of a file name.
    """
    return _KEY.fullmatch(text) is not None


def game_key(game: chess.pgn.Game) -> str:
    """Return the key of a game that was played or read.

    Games are the same if start, moves, players, times, event, round and result are. Where they were
    played and what is written into them may differ between two files. Training and matches ask
    less: whether start and moves are the same.
    """
    return _key_of(game.headers, *_played(game))


def line_key(game: chess.pgn.Game) -> str:
    """Return what a game shares with all games of the same start and moves, as `FoundGame.line`."""
    return _line_of(*_played(game))


def _line_of(start: str, moves: bytes) -> str:
    return hashlib.sha256(f"{start}\n".encode() + moves).hexdigest()[:24]


def _key_of(tags: Mapping[str, str], start: str, moves: bytes) -> str:
    told = {"Result": "*", **tags}
    facts = [" ".join(told.get(name, "").split()).strip("?.") for name in _KEY_TAGS]
    told_as_json = f"[{', '.join(map(encode_basestring_ascii, [start, *facts]))}]"
    return hashlib.sha256(told_as_json.encode() + moves).hexdigest()[:24]


def _played(game: chess.pgn.Game) -> tuple[str, bytes]:
    """Return the start of a game, as `FoundGame` has it, and its moves."""
    board = game.board()
    codes = list[int]()
    start = _start(board)
    for move in game.mainline_moves():
        codes.append(encode_move(board, move) if move else 0)
        board.push(move)
    return start, b"".join(code.to_bytes(2, "little") for code in codes)


def _start(board: chess.Board) -> str:
    fen = board.fen()
    return "" if fen == chess.STARTING_FEN else fen


def find_games(path: Path, faults: list[str] | None = None) -> Iterator[FoundGame]:
    """All games of a file in order; `faults` takes up where the text has what cannot be read or
    played, and why.

    Raises DataError.
    """
    with reading(path), open_unpacked(path) as (stream, _):
        text = _KeptText(stream)
        faults = [] if faults is None else faults
        for game in _read_fast(text, faults):
            if (
                game.moves
                or game.start
                or any(is_told(game.tags.get(name, "")) for name in ("White", "Event"))
            ):
                yield game


def review_path(folder: Path, line: str) -> Path:
    """Return where the review of a line is kept in a folder of games."""
    return folder / REVIEWS / f"{line}.json"


def review_files(folder: Path) -> list[Path]:
    """Return all reviews in a folder of games."""
    paths = sorted((folder / REVIEWS).glob("*.json"))
    return [path for path in paths if is_key(path.stem)]


def line_of_review(path: Path) -> str:
    """Return the line of a review that is kept in a file."""
    return path.stem


def game_in(text: str) -> FoundGame:
    """Return the first game of a text. Raises StopIteration where there is none."""
    return next(_read_fast(_KeptText(io.BytesIO(text.encode())), []))


class _KeptText(GameText):
    """A text that keeps what was read since the end of the latest game that was taken from it."""

    _kept = b""
    _since = 0

    def more(self) -> None:
        gone = self.data[max(0, self._since - self.dropped) : self.at]
        self._kept = self._kept + gone if self._kept else gone.lstrip()
        super().more()

    def take(self, end: int) -> tuple[int, str, bytes]:
        """Return where the game begins that ends at a place, the digest of its text, and the
        text.
        """
        text = self._kept + self.data[max(0, self._since - self.dropped) : end - self.dropped]
        begin = self._since
        self._kept = b""
        self._since = end
        return begin, digest_of(text), text


def digest_of(text: bytes) -> str:
    """Return what tells a game's text from others."""
    return hashlib.sha256(text.strip()).hexdigest()[:24]


def _read_slowly(text: _KeptText, faults: list[str]) -> Iterator[FoundGame]:
    for found in cut_games(text, main_line=True):
        end = text.dropped + text.at
        begin, digest, _ = text.take(end)
        faults.extend(map(str, found.faults))
        if found.is_game and not found.start_fault:
            yield FoundGame(begin, end, digest, dict(found.game.headers), *_played(found.game))


def _read_fast(text: _KeptText, faults: list[str]) -> Iterator[FoundGame]:
    for line in main_lines(text):
        begin, digest, own = text.take(line.end)
        if line.fault:  # or a pass: the whole grammar tells what it is
            found = list[str]()
            for game in _read_slowly(_KeptText(io.BytesIO(own)), found):
                yield replace(game, place=begin, end=line.end, digest=digest)
            faults.extend([line.fault] if found else [])
        elif line.is_game:
            tags = {"Result": "*", **line.read_tags()}
            if told := told_result(line.tag_result, line.result):
                tags["Result"] = told
            start = _start(board_from_row(line.start, line.chess960)) if line.has_start else ""
            yield FoundGame(begin, line.end, digest, tags, start, line.moves.tobytes())


def read_at(path: Path, place: int) -> chess.pgn.Game | None:
    """Return the game at a place in a file, or None where none begins behind it any more. Raises
    DataError.
    """
    with reading(path), open_unpacked(path) as (stream, _):
        text = GameText(stream)
        text.skip_to(place)
        return next((found.game for found in cut_games(text, most=1) if found.is_game), None)
