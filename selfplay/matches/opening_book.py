"""The openings of matches and runs: positions of an EPD or FEN file, or the first plies of the games of a PGN file.

Either file may be inside a zip archive. A collection may be large, so loading only splits it into lines or games; each
is parsed when it is played. An opening is one line in UCI's form, `FEN` or `FEN moves e2e4 e7e5 ...`, so that engines
that use the game's history receive it.
"""

from __future__ import annotations

import functools
import importlib.resources
import io
import itertools
import logging
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import chess
import numpy as np

from engine.board import layout
from engine.board.convert import board_from_row, decode_move
from engine.board.fen import parse_fen
from engine.board.makemove import push
from engine.board.pgn.game_reader import GameText
from engine.board.pgn.main_lines import MainLine, main_lines
from engine.errors import DataError, FenError
from engine.files.atomic import atomic_write
from engine.files.text import decode_text, open_unpacked

# What comes with Aino; `aino-train openings` draws such sets: balanced openings, and endings.
SHIPPED = ("openings", "endings-won", "endings-held", "endings-small")
DEFAULT_PLIES = 16  # plies taken from a PGN game: eight moves, the length of most opening collections

LARGEST_BOOK = 1 << 28  # limit in bytes for a file in an archive: an archive may claim any size

_ZIP_ERRORS = (
    OSError, ValueError, EOFError, RuntimeError, zlib.error, lzma.LZMAError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
MOST_UNREADABLE = 20  # A book with more unreadable openings in a row is not what it was taken for.

log = logging.getLogger(__name__)


class OpeningBook(Sequence[str]):
    """Openings parsed on demand. Asking for an unreadable entry raises DataError, which names its place."""

    def __init__(self, name: str, entries: Sequence[tuple[int, Any]], read: Callable[[Any, str], str]) -> None:
        self._name = name
        self._entries = entries  # (number, line of an EPD file or game of a PGN file)
        self._read = read

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: Any) -> Any:  # an int; a book cannot be sliced
        number, entry = self._entries[index]
        return self._read(entry, f"{self._name}:{number}")


def load_book(path: Path | None = None, plies: int = DEFAULT_PLIES, chess960: bool = False) -> OpeningBook:
    """Load the openings of a file, or of a shipped set by its name in SHIPPED; Aino's own openings by default.

    A .pgn file gives the first `plies` plies of each game; any other file gives one position per line. Raises DataError
    when the file is unreadable or empty.
    """
    name, text = _read_text(path)
    entries: Sequence[tuple[int, Any]]
    if ".pgn" in [suffix.lower() for suffix in Path(name).suffixes]:
        entries = [(game.line, game) for game in main_lines(GameText(io.BytesIO(text.encode())))]

        def read(entry: Any, place: str) -> str:
            return _pgn_opening(entry, place, plies, chess960)
    else:
        lines = enumerate(text.splitlines(), 1)
        entries = [(number, line) for number, line in lines if line.strip() and not line.startswith("#")]

        def read(entry: Any, place: str) -> str:
            return parse_position(entry, place, chess960).fen()

    if not entries:
        raise DataError(f"{name}: no openings in it")
    return OpeningBook(name, entries, read)


def load_openings(path: Path | None = None) -> Sequence[chess.Board]:
    """All positions after the openings of a file, or of Aino's own set; arguments and errors as `load_book`."""
    return _default_openings() if path is None else [opening_board(opening) for opening in load_book(path)]


@functools.cache  # each phase of a run needs them, and parsing takes about a second
def _default_openings() -> Sequence[chess.Board]:
    return [opening_board(opening) for opening in load_book()]


def readable(
    openings: Sequence[str], numbers: Iterable[int], note: Callable[[DataError], None] = lambda error: None
) -> Iterator[str]:
    """The openings of these numbers, without unreadable ones, of which `note` is told.

    Raises DataError where MOST_UNREADABLE in a row cannot be read, or all of them.
    """
    found, failed = 0, 0
    fault = DataError("no openings")
    for number in numbers:
        try:
            opening = openings[number]
        except DataError as error:
            fault, failed = error, failed + 1
            if failed == MOST_UNREADABLE:
                raise
            note(error)
        else:
            found, failed = found + 1, 0
            yield opening
    if not found:
        raise fault


class OpeningOrder:
    """Which opening a pair of games plays: all readable ones in random order, again and again."""

    def __init__(self, openings: Sequence[str], seed: int) -> None:
        numbers = np.random.default_rng(seed).permutation(len(openings))
        self._left = readable(openings, numbers.tolist(), lambda error: log.warning("opening left out: %s", error))
        self._taken: list[str] = []

    def __getitem__(self, pair: int) -> str:
        self._taken.extend(itertools.islice(self._left, max(0, pair + 1 - len(self._taken))))
        return self._taken[pair % len(self._taken)]


def opening_board(opening: str, chess960: bool = False) -> chess.Board:
    """The position after an opening, with its moves on the stack."""
    fen, _, moves = opening.partition(" moves ")
    board = chess.Board(fen, chess960=chess960)
    for move in moves.split():
        board.push_uci(move)
    return board


def parse_position(line: str, place: str, chess960: bool = False) -> chess.Board:
    """Parse an EPD or FEN line. A bad line raises DataError, which names it by `place`."""
    fields = line.split(";")[0].split()
    clocks = fields[4:6] if len(fields) >= 6 and fields[4].isdigit() and fields[5].isdigit() else ["0", "1"]
    try:
        board = parse_fen(" ".join(fields[:4] + clocks), chess960)
    except FenError as error:
        raise DataError(f"{place}: {error}") from error
    if not any(board.legal_moves):
        raise DataError(f"{place}: no legal move in {board.fen()!r}")
    return board


def write_openings(path: Path, openings: Iterable[tuple[chess.Board, int]]) -> None:
    """Write an EPD file with the centipawn evaluation `ce` of each position."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as stream:
        for board, score_cp in openings:
            stream.write(f"{board.epd()} ce {score_cp};\n".encode())


def _read_text(path: Path | None) -> tuple[str, str]:
    """Name and text of a file. A zip archive must hold exactly one file, which is returned."""
    if path is None or str(path) in SHIPPED:
        name = f"{path or SHIPPED[0]}.epd"
        return name, (importlib.resources.files("selfplay") / "sets" / name).read_text(encoding="utf-8")
    try:
        if path.suffix.lower() != ".zip":
            with open_unpacked(path) as (stream, _):
                return str(path), decode_text(stream.read())
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if len(names) != 1:
                raise DataError(f"{path}: expected one file in the archive, found {len(names)}")
            if archive.getinfo(names[0]).file_size > LARGEST_BOOK:
                raise DataError(f"{path}: over {LARGEST_BOOK:,} bytes when unpacked")
            return f"{path}/{names[0]}", decode_text(archive.read(names[0]))
    except _ZIP_ERRORS as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _pgn_opening(game: MainLine, place: str, plies: int, chess960: bool) -> str:
    if game.fault:
        raise DataError(f"{place.rpartition(':')[0]}:{game.fault}")
    if game.chess960 != chess960:
        raise DataError(f"{place}: not a game of {'Chess960' if chess960 else 'standard chess'}")
    if not len(game.moves) and not game.has_start:
        raise DataError(f"{place}: no moves")
    stack = layout.empty_stack(len(game.moves[:plies]) + 1)
    stack[0] = game.start
    board = board_from_row(game.start, chess960)
    start = board.fen()
    for ply, code in enumerate(game.moves[:plies]):
        board.push(decode_move(stack[ply], code, chess960))
        push(stack, ply, code)
    if board.is_game_over():
        raise DataError(f"{place}: the game is over after {len(board.move_stack)} plies")
    return f"{start} moves {' '.join(move.uci() for move in board.move_stack)}" if board.move_stack else start
