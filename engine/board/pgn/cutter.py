"""Cuts streams of text into games and their tokens by kernels (grammar: `docs/what-aino-reads.md`)."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

import chess
import chess.pgn
import numpy as np

from engine.board import layout
from engine.board.convert import row_from_board
from engine.board.fen import parse_fen
from engine.board.pgn.letters import PADDING
from engine.board.pgn.scan_buffers import (
    BROKEN,
    DEEPEST_LINE,
    FULL,
    GAME_TYPE,
    KIND,
    LINE_TYPE,
    MORE,
    MOST_GAME_PLIES,
    OWN_START,
    STANDARD,
    TAG_TYPE,
    TOKEN_TYPE,
    VALUE_TEXT,
    CutGame,
    ScanBuffers,
    Token,
    numbers,
)
from engine.board.pgn.token_kernels import cut_text
from engine.errors import DataError, FenError, message
from engine.files.text import texts_of, utf8_pieces

LONGEST_TEXT = 1 << 25  # bytes in memory at which a game is cut
AT_ONCE = 1024  # most games of one call
_TOKENS = 1 << 16
_MOVES = 16 * MOST_GAME_PLIES
_STANDARD_NAMES = {
    name.lower(): name
    for name in ("Event", "Site", "Date", "Round", "White", "Black", "Result", "FEN", "SetUp", "Variant", "WhiteElo",
                 "BlackElo")
}  # fmt: skip
_BROKEN_FEN = re.compile(rb"\[\s*FEN\s*\"", re.IGNORECASE)
_VARIANT_NAMES = dict.fromkeys(
    ("", "std", "standard", "regular", "normal", "classical", "orthodox", "fromposition"), "Standard"
) | dict.fromkeys(
    (
        "960", "fischerandom", "fischerrandom", "960fischerrandom", "freestyle", "frc", "dfrc", "doublefischerrandom",
        "wildfr",
    ),
    "Chess960",
)  # fmt: skip


class GameText:
    """The text of a stream of games, as much of it as is needed: UTF-8 whose lines end in a line
    feed.

    Attributes:
        data: the text from the line of `at` on, and some before.
        at: where the next game begins in `data`.
        line: the line of `at`, from 1.
        dropped: bytes of the text before `data`.
        final: whether `data` ends with the text, or with one of an archive's texts.
    """

    def __init__(self, stream: IO[bytes], size: int = 1 << 20) -> None:
        self._texts = texts_of(stream)
        self._size = size
        self._pieces: Iterator[bytes] = iter(())
        self.begin_next()
        self.data = b""
        self.at = 0
        self.line = 1
        self.dropped = 0

    def begin_next(self) -> bool:
        """Begin the next text of the stream, if it is an archive with another one."""
        text = next(self._texts, None)
        if text is None:
            return False
        self._pieces = utf8_pieces(text, self._size)
        self.final = False
        return True

    def more(self) -> None:
        """Append a piece, without the lines before that of `at`; a large game is doubled before it
        is read again.
        """
        pieces = list[bytes]()
        needed = len(self.data) - self.at
        while not self.final and (not pieces or sum(len(piece) for piece in pieces) < needed):
            piece = next(self._pieces, None)
            if piece is None:
                self.final = True
                break
            pieces.append(piece)
        begin = self.data.rfind(b"\n", 0, self.at) + 1
        self.dropped, self.at = self.dropped + begin, self.at - begin
        self.data = b"".join([self.data[begin:], *pieces])

    def skip(self, count: int) -> None:
        """Go on `count` bytes."""
        end = self.at + count
        self.line += self.data.count(b"\n", self.at, end)
        self.at = end

    def skip_to(self, place: int) -> None:
        """Go on to a place in the stream's text, in bytes from its beginning."""
        while self.dropped + len(self.data) < place and (not self.final or self.begin_next()):
            self.skip(len(self.data) - self.at)
            self.more()
        self.skip(max(0, min(len(self.data), place - self.dropped) - self.at))

    def place_of(self, at: int) -> tuple[int, int]:
        """Line and column, from 1, of a place in `data` from `at` on."""
        letters = self.data[self.data.rfind(b"\n", 0, at) + 1 : at].decode(errors="replace")
        return self.line + self.data.count(b"\n", self.at, at), 1 + len(letters)


@dataclass
class Start:
    """The first position of a game; why it cannot be played, "" if it can, and the name of the tag
    to blame.
    """

    board: chess.Board = field(default_factory=chess.Board)
    fault: str = ""
    tag: str = "FEN"
    is_told: bool = False  # whether the tags have a position


# Where nearly all games begin. Whoever plays on its board copies it.
_USUAL_START = Start()


def read_tags(data: bytes, tokens: np.ndarray) -> list[tuple[str, str, int]]:
    """Return name, value and place of all tags among the tokens of a game."""
    tags = list[tuple[str, str, int]]()
    rows = tokens[tokens[:, KIND] <= VALUE_TEXT].tolist()
    for (_, begin, end, place), (_, first, last, is_raw) in zip(rows[::2], rows[1::2], strict=True):
        name = data[begin:end].decode()
        value = data[first:last].decode(errors="replace")
        if not is_raw and "\\" in value:
            value = re.sub(r'\\(["\\])', r"\1", value)
        tags.append((_STANDARD_NAMES.get(name.lower(), name), value, place))
    return tags


def tags_in(tags: list[tuple[str, str, int]]) -> dict[str, str]:
    """Return the values of tags by their names. One of the standard's has the last value; another
    one that is repeated has all of them.
    """
    last_values = {name: value for name, value, _ in tags}
    if len(last_values) == len(tags):
        return last_values
    # As a set in order.
    values = dict[str, dict[str, None]]()
    for name, value, _ in tags:
        if name.lower() not in _STANDARD_NAMES:
            values.setdefault(name, {})[value] = None
    return last_values | {name: "; ".join(texts) for name, texts in values.items()}


@dataclass
class CutGames:
    """Games that lie in a text one behind the other. Places are bytes of `data`."""

    data: bytes
    games: list[CutGame]
    tokens: np.ndarray  # int32 [T, 4], as `Token`; of games that are not kept whole only the tags
    # Uint16 [plies], main lines of games that are not kept whole, in codes of `layout`.
    moves: np.ndarray
    start_at: int  # place of the game that has a first position of its own; -1 for none
    start: Start
    row: np.ndarray  # uint64 [16], that position

    def start_of(self, game: CutGame) -> Start:
        """Return the first position of a game."""
        return self.start if game.begin == self.start_at else _USUAL_START

    def tokens_of(self, game: CutGame) -> np.ndarray:
        """Return the tokens of a game."""
        return self.tokens[game.first_token : game.last_token]

    def tags_of(self, game: CutGame) -> dict[str, str]:
        """Return the tags of a game: names, the standard's in its spelling, and values."""
        return tags_in(read_tags(self.data, self.tokens_of(game)))


class Cutter:
    """Cuts games off a text, at most `most` at once; `whole`: with all tokens, not main lines and
    tags alone.
    """

    def __init__(self, text: GameText, whole: bool, most: int = AT_ONCE) -> None:
        self._text, self._whole = text, whole
        self._padded = np.frombuffer(b"\n" * PADDING, np.uint8)
        self._of = b""
        self._games = np.empty(most, GAME_TYPE)
        self._tokens = np.empty(_TOKENS, TOKEN_TYPE)
        self._moves = np.empty(_MOVES, np.uint16)
        self._scratch = (
            np.zeros(DEEPEST_LINE + 1, LINE_TYPE),
            layout.empty_stack(STANDARD + 1),
            np.zeros(layout.MAX_MOVES, np.uint16),
            np.zeros(1, TAG_TYPE),
        )
        self._scratch[1][STANDARD] = standard_row()
        self._starts: dict[tuple[str, ...], tuple[Start, np.ndarray]] = {}
        self._start_at = -1
        self._start = (_USUAL_START, standard_row())
        self._stop = (0, text.at, 0)  # games of the last call, where it stopped, and why

    def cut(self) -> CutGames | None:
        """Return the games from `text.at` on; None at the end of the text.

        The text is moved behind them by the caller, or by the next call.
        """
        text = self._text
        count = 0
        while not count:
            self._go_on(*self._stop)
            self._stop = (0, text.at, 0)
            if text.final and text.at == len(text.data) and not text.begin_next():
                return None
            count, place, reason = map(int, cut_text(self._desk(), text.at))
            self._stop = (count, place, reason)
        return self._found(count)

    def _desk(self) -> ScanBuffers:
        text = self._text
        if self._of is not text.data:
            self._of = text.data
            self._padded = np.frombuffer(text.data + b"\n" * PADDING, np.uint8)
            self._start_at = -1
        final = text.final or len(text.data) - text.at > LONGEST_TEXT
        return ScanBuffers(
            self._padded, int(final), int(self._whole), self._start_at, self._start[1], self._games, self._tokens,
            self._moves, *self._scratch,
        )  # fmt: skip

    def _found(self, count: int) -> CutGames:
        """Return so many games from the desk. Without all tokens, the next call leaves them as they
        are.
        """
        rows = numbers(self._games[:count])[:, : len(CutGame._fields)]
        games = list(map(CutGame._make, rows.tolist()))
        tokens = numbers(self._tokens[: games[-1].last_token])
        moves = self._moves[: games[-1].last_move]
        if not self._whole:
            tokens = tokens.copy()
            moves = moves.copy()
        return CutGames(self._of, games, tokens, moves, self._start_at, *self._start)

    def _go_on(self, count: int, place: int, reason: int) -> None:
        """Move the text to where the last call stopped, and do what it stopped for."""
        text = self._text
        if self._of is not text.data:  # nothing was read yet
            return
        text.skip(max(0, place - text.at))
        if reason == MORE:
            text.more()
            self._start_at = -1
        elif reason == OWN_START:
            self._start_at, self._start = place, self._look_up(self._games[count])
        elif reason == FULL and not count:
            self._tokens = np.empty(2 * len(self._tokens), TOKEN_TYPE)

    def _look_up(self, game: CutGame) -> tuple[Start, np.ndarray]:
        """Return the first position that a game's tags tell, and its row: zeros where it cannot be
        played.
        """
        tokens = numbers(self._tokens[game.first_token : game.last_token])
        tags = tags_in(read_tags(self._text.data, tokens))
        is_broken = self._has_broken_fen(tokens)
        key = (tags.get("FEN", ""), tags.get("Variant", ""), tags.get("SetUp", ""), str(is_broken))
        if key not in self._starts:
            if len(self._starts) > 1000:
                self._starts.clear()
            start = _USUAL_START
            row = np.zeros(layout.ROW_WORDS, np.uint64)
            try:
                if is_broken:
                    raise DataError("the FEN tag is not closed in its line")
                start = Start(start_of(tags), is_told=bool(told_fen(tags)))
                row = row_from_board(start.board)
            except (DataError, FenError) as error:
                tag = next(
                    (name for name in ("Variant", "SetUp") if name.lower() in str(error).lower()),
                    "FEN",
                )
                start = Start(fault=str(error), tag=tag)
            # As `standard_row`: kernels are compiled for one kind of array.
            row.flags.writeable = False
            self._starts[key] = start, row
        return self._starts[key]

    def _has_broken_fen(self, tokens: np.ndarray) -> bool:
        """Whether a tag of the position is not closed in its line."""
        broken = tokens[tokens[:, KIND] == BROKEN]
        places = [Token._make(token).place for token in broken.tolist()]
        return any(_BROKEN_FEN.match(self._text.data, place) for place in places)


@functools.cache
def standard_row() -> np.ndarray:
    """Return the standard first position, uint64 [16]."""
    row = row_from_board(chess.Board())
    row.flags.writeable = False
    return row


def start_of(tags: dict[str, str]) -> chess.Board:
    """Return the position from which a game with these tags begins.

    Raises DataError, also for variants but Chess960.
    """
    headers = chess.pgn.Headers(with_known_variant(tags))
    try:
        variant = headers.variant()
    except ValueError:
        variant = None
    chess960 = headers.is_chess960()
    if not chess960 and variant is not chess.Board:
        raise DataError(
            message("Aino does not play the variant {name}", name=repr(tags["Variant"]))
        )
    fen = told_fen(tags)
    if not fen:
        if tags.get("SetUp", "").strip() == "1":
            raise DataError("SetUp is 1, but there is no FEN")
        return chess.Board(chess960=chess960)
    try:
        return parse_fen(fen, chess960)
    except FenError:
        if chess960:
            raise
        return parse_fen(fen, chess960=True)


def told_fen(tags: dict[str, str]) -> str:
    """Return the position that tags tell, "" for none."""
    fen = tags.get("FEN", "").strip()
    return "" if fen in ("?", "-", "startpos") else fen


def with_known_variant(tags: dict[str, str]) -> dict[str, str]:
    """Return the tags with a name of the variant that python-chess knows, if we know it by another
    name.
    """
    name = re.sub(r"[\W_]|chess", "", tags.get("Variant", "none").lower())
    return tags | {"Variant": _VARIANT_NAMES[name]} if name in _VARIANT_NAMES else tags
