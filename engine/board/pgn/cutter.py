"""Cuts streams of text into games and their tokens by kernels (grammar: `docs/what-aino-reads.md`)."""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, NamedTuple

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
    PLACE,
    STANDARD,
    TAG_TYPE,
    TOKEN_TYPE,
    VALUE_TEXT,
    CutGame,
    ScanBuffers,
    numbers,
)
from engine.board.pgn.token_kernels import cut_text
from engine.errors import DataError, FenError, message
from engine.files.text import texts_of, utf8_pieces

LONGEST_TEXT = 1 << 25  # bytes in memory at which a game is cut
AT_ONCE = 1024  # most games of one call
_TOKENS = 1 << 16
_MOVES = 16 * MOST_GAME_PLIES
_TAG_NAMES = "Event Site Date Round White Black Result FEN SetUp Variant WhiteElo BlackElo".split()
_STANDARD_NAMES = dict(zip(map(str.lower, _TAG_NAMES), _TAG_NAMES, strict=True))
_BROKEN_FEN = re.compile(rb"\[\s*FEN\s*\"", re.IGNORECASE)
_USUAL_VARIANT = "std standard regular normal classical orthodox fromposition".split()
_CHESS960 = (
    "960 fischerandom fischerrandom 960fischerrandom freestyle frc dfrc doublefischerrandom wildfr"
).split()
_VARIANT_NAMES = {
    **dict.fromkeys(["", *_USUAL_VARIANT], "Standard"),
    **dict.fromkeys(_CHESS960, "Chess960"),
}


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
        begin = self.data.rfind(b"\n", 0, self.at) + 1
        pieces = [self.data[begin:]]
        needed = max(1, len(self.data) - self.at)
        for piece in self._pieces:
            pieces.append(piece)
            needed -= len(piece)
            if needed <= 0:
                break
        else:
            self.final = True
        self.data = b"".join(pieces)
        self.dropped += begin
        self.at -= begin

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


class PlacedTag(NamedTuple):
    """A tag, and where its bracket stands."""

    name: str
    value: str
    place: int


def read_tags(data: bytes, tokens: np.ndarray) -> list[PlacedTag]:
    """Return all tags among the tokens of a game."""
    tags = list[PlacedTag]()
    rows = tokens[tokens[:, KIND] <= VALUE_TEXT].tolist()
    for (_, begin, end, place), (_, first, last, is_raw) in zip(rows[::2], rows[1::2], strict=True):
        name = data[begin:end].decode()
        value = data[first:last].decode(errors="replace")
        if not is_raw and "\\" in value:
            value = re.sub(r'\\(["\\])', r"\1", value)
        tags.append(PlacedTag(_STANDARD_NAMES.get(name.lower(), name), value, place))
    return tags


def tags_in(tags: list[PlacedTag]) -> dict[str, str]:
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
        if game.begin == self.start_at:
            return self.start
        return _USUAL_START

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
        rows = layout.empty_stack(STANDARD + 1)
        rows[STANDARD] = standard_row()
        self._text = text
        self._of = b""  # the text that lies on the desk
        self._desk = ScanBuffers(
            data=np.frombuffer(b"\n" * PADDING, np.uint8),
            final=0,
            whole=int(whole),
            start_at=-1,
            start=standard_row(),
            games=np.empty(most, GAME_TYPE),
            tokens=np.empty(_TOKENS, TOKEN_TYPE),
            moves=np.empty(_MOVES, np.uint16),
            lines=np.zeros(DEEPEST_LINE + 1, LINE_TYPE),
            rows=rows,
            legal=np.zeros(layout.MAX_MOVES, np.uint16),
            tag=np.zeros(1, TAG_TYPE),
        )
        self._start = _USUAL_START  # of the game at the desk's `start_at`
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
            self._lay_text()
            count, place, reason = map(int, cut_text(self._desk, text.at))
            self._stop = (count, place, reason)
        return self._first_games(count)

    def _lay_text(self) -> None:
        """Lay the text on the desk."""
        text = self._text
        if self._of is not text.data:
            self._of = text.data
            data = np.frombuffer(text.data + b"\n" * PADDING, np.uint8)
            self._desk = self._desk._replace(data=data, start_at=-1)
        final = text.final or len(text.data) - text.at > LONGEST_TEXT
        self._desk = self._desk._replace(final=int(final))

    def _first_games(self, count: int) -> CutGames:
        """Return so many games from the desk. Without all tokens, the next call leaves them as they
        are.
        """
        desk = self._desk
        rows = numbers(desk.games[:count])[:, : len(CutGame._fields)]
        games = list(map(CutGame._make, rows.tolist()))
        tokens = numbers(desk.tokens[: games[-1].last_token])
        moves = desk.moves[: games[-1].last_move]
        if not desk.whole:
            tokens = tokens.copy()
            moves = moves.copy()
        return CutGames(self._of, games, tokens, moves, desk.start_at, self._start, desk.start)

    def _go_on(self, count: int, place: int, reason: int) -> None:
        """Move the text to where the last call stopped, and do what it stopped for."""
        text = self._text
        desk = self._desk
        if self._of is not text.data:  # nothing was read yet
            return
        text.skip(max(0, place - text.at))
        if reason == MORE:
            text.more()
            self._desk = desk._replace(start_at=-1)
        elif reason == OWN_START:
            self._start, row = self._start_of(desk.games[count])
            self._desk = desk._replace(start_at=place, start=row)
        elif reason == FULL and not count:
            self._desk = desk._replace(tokens=np.empty(2 * len(desk.tokens), TOKEN_TYPE))

    def _start_of(self, game: CutGame) -> tuple[Start, np.ndarray]:
        """Return the first position that a game's tags tell, and its row."""
        tokens = numbers(self._desk.tokens[game.first_token : game.last_token])
        tags = tags_in(read_tags(self._text.data, tokens))
        fen, variant, setup = (tags.get(name, "") for name in ("FEN", "Variant", "SetUp"))
        return _start_by_tags(fen, variant, setup, self._has_broken_fen(tokens))

    def _has_broken_fen(self, tokens: np.ndarray) -> bool:
        """Whether a tag of the position is not closed in its line."""
        places = tokens[tokens[:, KIND] == BROKEN, PLACE]
        return any(_BROKEN_FEN.match(self._text.data, place) for place in places.tolist())


@functools.lru_cache(1000)
def _start_by_tags(fen: str, variant: str, setup: str, is_broken: bool) -> tuple[Start, np.ndarray]:
    """Return the first position that tags tell, and its row: zeros where it cannot be played."""
    texts = {"FEN": fen, "Variant": variant, "SetUp": setup}
    tags = {name: text for name, text in texts.items() if text}
    row = np.zeros(layout.ROW_WORDS, np.uint64)
    try:
        if is_broken:
            raise DataError("the FEN tag is not closed in its line")
        start = Start(start_of(tags), is_told=bool(told_fen(tags)))
        row = row_from_board(start.board)
    except (DataError, FenError) as error:
        start = Start(fault=str(error))
        for name in ("Variant", "SetUp"):
            if name.lower() in start.fault.lower():
                start.tag = name
                break
    row.flags.writeable = False  # As `standard_row`: kernels are compiled for one kind of array.
    return start, row


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
    if fen in ("?", "-", "startpos"):
        return ""
    return fen


def with_known_variant(tags: dict[str, str]) -> dict[str, str]:
    """Return the tags with a name of the variant that python-chess knows, if we know it by another
    name.
    """
    name = re.sub(r"[\W_]|chess", "", tags.get("Variant", "none").lower())
    if name not in _VARIANT_NAMES:
        return tags
    return tags | {"Variant": _VARIANT_NAMES[name]}
