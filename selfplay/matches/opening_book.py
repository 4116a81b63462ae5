"""The openings of matches and runs: positions of an EPD or FEN file, or the first plies of the
games of a PGN file.

Either file may be packed. A collection may be large, so loading only splits it into lines or games;
each is parsed when it is played. An opening is one line in UCI's form, `FEN` or `FEN moves e2e4
e7e5 ...`, so that engines that use the game's history receive it.
"""

import functools
import importlib.resources
import io
import itertools
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import chess
import numpy as np

from engine.board.convert import board_from_row, move_of_code, row_from_board, stack_from_board
from engine.board.epd import position_lines
from engine.board.layout import KEY, MAX_MOVES, ROW_WORDS
from engine.board.makemove import push
from engine.board.movegen import generate
from engine.board.pgn.game_reader import GameText
from engine.board.pgn.main_lines import MainLine, main_lines
from engine.board.pgn.move_words import typed_position
from engine.errors import DataError, FenError
from engine.files.text import GAMES, LOOKED_AT, POSITIONS, kind_of, unpacked_text, wanted_kind
from engine.native.jit import kernel
from selfplay.records.endings import game_ending

# What comes with Aino: balanced openings, and endings.
SHIPPED_BOOKS = ("openings", "endings-won", "endings-held", "endings-small")
# Plies taken from a PGN game: eight moves, the length of most opening collections.
DEFAULT_PLIES = 16

RANDOM_BOOK = re.compile(r"random:(.*)")
RANDOM_OPENINGS = 5_000
MOST_RANDOM_PLIES = 40

MOST_UNREADABLE = 20  # A book with more unreadable openings in a row is not what it was taken for.

log = logging.getLogger(__name__)


class OpeningBook(Sequence[str]):
    """Openings parsed on demand. Asking for an unreadable entry raises DataError, which names its
    place.
    """

    def __init__(
        self, name: str, entries: Sequence[tuple[int, Any]], read: Callable[[Any, str], str]
    ) -> None:
        self._name = name
        self._entries = entries  # (number, line of an EPD file or game of a PGN file)
        self._read = read

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: Any) -> Any:  # an int; a book cannot be sliced
        return self._read(self._entries[index][1], self.place(index))

    def place(self, index: int) -> str:
        """Where an entry stands: the file, and the number of its line or game."""
        return f"{self._name}:{self._entries[index][0]}"


def load_book(
    path: Path | None = None, plies: int = DEFAULT_PLIES, chess960: bool = False
) -> OpeningBook:
    """Load the openings of a file, or of a shipped set by its name in SHIPPED_BOOKS; Aino's own
    openings by default.

    A PGN, by its name or its begin, gives the first `plies` plies of each game; any other file one
    position per line. Raises DataError when the file is unreadable or empty.
    """
    name, text = _read_text(path)
    kind = wanted_kind(kind_of(text[:LOOKED_AT]), name, GAMES, POSITIONS)
    if kind == GAMES or (not kind and ".pgn" in name.lower()):
        entries: Sequence[tuple[int, Any]] = [
            (game.line, game) for game in main_lines(GameText(io.BytesIO(text.encode())))
        ]
        read: Callable[[Any, str], str] = functools.partial(
            _pgn_opening, plies=plies, chess960=chess960
        )
    else:
        entries = list(position_lines(text))
        read = functools.partial(_position_opening, chess960=chess960)
    if not entries:
        raise DataError(f"{name}: no openings in it")
    return OpeningBook(name, entries, read)


class OpeningRows(Sequence[np.ndarray]):
    """Start rows uint64[16] of openings without faults, each made when it is drawn.

    A phase draws a few of thousands.
    """

    def __init__(self, openings: Sequence[str]) -> None:
        self.openings = openings

    def __len__(self) -> int:
        return len(self.openings)

    def __getitem__(self, number: Any) -> Any:  # an int; rows cannot be sliced
        return row_from_board(opening_board(self.openings[number]))


def load_openings(path: Path | None = None) -> Sequence[str]:
    """Return the openings of a file, or of Aino's own set, that a game can go on from.

    `random:PLIES` in place of a file: `random_openings`. Other arguments as `load_book`, errors as
    `playable`.
    """
    if random := RANDOM_BOOK.fullmatch(str(path)):
        if not (random[1].isdecimal() and 1 <= int(random[1]) <= MOST_RANDOM_PLIES):
            raise DataError(f"openings {path}: expected 1 to {MOST_RANDOM_PLIES} random moves")
        return random_openings(int(random[1]))
    if path is None:
        return _default_openings()
    book = load_book(path)
    return list(playable(book, range(len(book))))


@functools.cache
def _default_openings() -> Sequence[str]:
    """Return Aino's own openings. A test holds that games can go on from each, so nothing is
    checked.
    """
    _, text = _read_text(None)
    # The first four fields of an EPD line are a FEN without its clocks.
    return [" ".join(line.split()[:4]) for _, line in position_lines(text)]


@functools.cache
def random_openings(plies: int) -> Sequence[str]:
    """Return openings of `plies` random legal moves from the start that are not the end of a game,
    each to another position.

    They need nothing but the rules. At most RANDOM_OPENINGS of them, always the same.
    """
    rng = np.random.default_rng(plies)
    chances = rng.integers(2**63, size=(RANDOM_OPENINGS, plies))
    stack = np.zeros((plies + 1, ROW_WORDS), np.uint64)
    stack[0] = row_from_board(chess.Board())
    codes = np.zeros(plies, np.uint16)
    openings: dict[int, str] = {}
    for game in chances:
        plies_made = make_random_moves(stack, codes, game)
        if plies_made == plies and game_ending(stack[plies], plies, sys.maxsize) is None:
            moves = " ".join(move_of_code(int(code)).uci() for code in codes)
            openings[int(stack[plies, KEY])] = f"{chess.STARTING_FEN} moves {moves}"
    return tuple(openings.values())


@kernel()
def make_random_moves(stack, codes, chances):
    """Make a legal move for each of the numbers, int64 [n], and write it to codes; returns how many
    until the game was over.

    stack: uint64 [n + 1, 16], which begins with the start.
    """
    moves = np.empty(MAX_MOVES, np.uint16)
    for ply in range(chances.size):
        count = generate(stack[ply], moves)
        if count == 0:
            return ply
        codes[ply] = moves[chances[ply] % count]
        push(stack, ply, codes[ply])
    return chances.size


def playable(
    openings: Sequence[str],
    numbers: Iterable[int],
    chess960: bool = False,
    longest: int | None = None,
) -> Iterator[str]:
    """Return the openings of these numbers that games can go on from, and log a warning for each of
    the others.

    The others are unreadable, end the game by the rules, or have `longest` plies or more. Raises
    DataError as `readable`.
    """

    def why_over(opening: str) -> str:
        board = opening_board(opening, chess960)
        end = game_ending(
            stack_from_board(board)[-1], len(board.move_stack), longest or sys.maxsize
        )
        if end is None:
            return ""
        return f"the game is over before an engine moves: {end[0].words}"

    return readable(
        openings, numbers, lambda error: log.warning("skipping an opening: %s", error), why_over
    )


def readable(
    openings: Sequence[str],
    numbers: Iterable[int],
    note: Callable[[DataError], None] = lambda error: None,
    why_not: Callable[[str], str] = lambda opening: "",
) -> Iterator[str]:
    """Yield the openings of these numbers, without unreadable ones and those that `why_not` has a
    reason against.

    `note` hears of these. Raises DataError where MOST_UNREADABLE in a row cannot be read, or none
    is left.
    """
    n_readable = 0
    failed = 0
    fault = DataError("no openings")
    for number in numbers:
        try:
            opening = openings[number]
        except DataError as error:
            fault = error
            failed += 1
            if failed == MOST_UNREADABLE:
                raise
            note(error)
            continue
        failed = 0
        if reason := why_not(opening):
            place = f"opening {number + 1}"
            if isinstance(openings, OpeningBook):
                place = openings.place(number)
            fault = DataError(f"{place}: {reason}")
            note(fault)
        else:
            n_readable += 1
            yield opening
    if not n_readable:
        raise fault


class OpeningOrder:
    """Which opening a pair of games plays: all playable ones (see there) in random order, again and
    again.
    """

    def __init__(
        self, openings: Sequence[str], seed: int, chess960: bool = False, longest: int | None = None
    ) -> None:
        numbers = np.random.default_rng(seed).permutation(len(openings))
        self._left = playable(openings, numbers.tolist(), chess960, longest)
        self._taken: list[str] = []

    def __getitem__(self, pair: int) -> str:
        self._taken.extend(itertools.islice(self._left, max(0, pair + 1 - len(self._taken))))
        return self._taken[pair % len(self._taken)]


def opening_board(opening: str, chess960: bool = False) -> chess.Board:
    """Return the position after an opening, with its moves on the stack."""
    fen, _, moves = opening.partition(" moves ")
    board = chess.Board(fen, chess960=chess960)
    for move in moves.split():
        board.push_uci(move)
    return board


def _position_opening(line: str, place: str, chess960: bool) -> str:
    """Return the opening of a line of FEN or EPD. Raises DataError, which names its place, for a
    bad one.
    """
    try:
        board = typed_position(
            line, chess960, lambda message: log.warning("%s: %s", place, message)
        )
    except FenError as error:
        raise DataError(f"{place}: {error}") from error
    if board.chess960 != chess960:
        raise DataError(f"{place}: a position of Chess960: {board.fen()!r}")
    if not any(board.legal_moves):
        raise DataError(f"{place}: no legal move in {board.fen()!r}")
    return _opening(board)


def _read_text(path: Path | None) -> tuple[str, str]:
    """Name and text of a file, or of a shipped set."""
    if path is None or str(path) in SHIPPED_BOOKS:
        name = f"{path or SHIPPED_BOOKS[0]}.epd"
        return name, (importlib.resources.files("selfplay") / "sets" / name).read_text(
            encoding="utf-8"
        )
    return str(path), unpacked_text(path)


def _pgn_opening(game: MainLine, place: str, plies: int, chess960: bool) -> str:
    if game.fault:
        raise DataError(f"{place.rpartition(':')[0]}:{game.fault}")
    if game.chess960 != chess960:
        variant = "Chess960" if chess960 else "standard chess"
        raise DataError(f"{place}: not a game of {variant}")
    if not len(game.moves) and not game.has_start:
        raise DataError(f"{place}: no moves")
    board = board_from_row(game.start, chess960)
    for code in game.moves[:plies]:
        board.push(move_of_code(int(code)))
    return _opening(board)


def _opening(board: chess.Board) -> str:
    """Return the opening that a board with its moves on the stack is."""
    start = board.root().fen()
    if not board.move_stack:
        return start
    return f"{start} moves {' '.join(map(chess.Move.uci, board.move_stack))}"
