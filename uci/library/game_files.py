"""The games in a folder's PGN files: found at the reader's speed, and read again from their
place.
"""

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
from engine.board.pgn.game_reader import GameText, cut_games, read_games
from engine.board.pgn.letters import told_result
from engine.board.pgn.main_lines import main_lines
from engine.errors import DataError
from engine.files.text import open_unpacked, printable, reading
from uci.game.game_file import REVIEWS, TextPlace
from uci.language import _

_EQUAL_TAGS = ("Event", "Date", "Time", "UTCDate", "UTCTime", "Round", "White", "Black", "Result")
WISH = ".wanted"  # ends the name of a file that stands for the wish for a review
_KEY = re.compile("[0-9a-f]{24}")


@dataclass(frozen=True)
class FoundGame:
    """A game in a file: where it stands, tags and moves."""

    place: TextPlace
    tags: Mapping[str, str]
    start: str  # FEN; "" for the usual start
    moves: bytes  # two bytes a ply, as `engine.board.layout` codes moves; 0 is a pass

    @property
    def equality(self) -> str:
        """What equal games have in common, wherever they stand and whatever is written into
        them.
        """
        return _equality_of(self.tags, self.start, self.moves)

    @property
    def line(self) -> str:
        """What it shares with all games of the same start and moves, whoever played them."""
        return _line_of(self.start, self.moves)


@dataclass(frozen=True)
class Surroundings:
    """The part of a file in which games are changed: from the game before the first of them to the
    end of the one behind the last, bytes of the text.
    """

    begin: int
    end: int


def is_key(text: str) -> bool:
    """Whether a text has the form of a key or of a text's digest; only such a text may become part
    of a file name.
    """
    return _KEY.fullmatch(text) is not None


def place_key(file: str, digest: str, number: int) -> str:
    """Return the key of a place: of the text with a digest in a file, or of its copy there with a
    number.
    """
    return _key_of(f"{file}\n{digest}\n{number}".encode(errors="surrogateescape"))


def _key_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]


def digest_of(text: bytes) -> str:
    """Return what tells a game's text from others."""
    return _key_of(text.strip())


def game_equality(game: chess.pgn.Game) -> str:
    """Return what a game that was played or read has in common with equal ones.

    Games are equal if start, moves, players, times, event, round and result are. Where they were
    played and what is written into them may differ between two files. Training and matches ask
    less: whether start and moves are the same.
    """
    return _equality_of(game.headers, *_played(game))


def line_key(game: chess.pgn.Game) -> str:
    """Return what a game shares with all games of the same start and moves, as `FoundGame.line`."""
    return _line_of(*_played(game))


def _line_of(start: str, moves: bytes) -> str:
    return _key_of(f"{start}\n".encode() + moves)


def _equality_of(tags: Mapping[str, str], start: str, moves: bytes) -> str:
    with_result = {"Result": "*", **tags}
    facts = [" ".join(with_result.get(name, "").split()).strip("?.") for name in _EQUAL_TAGS]
    as_json = f"[{', '.join(map(encode_basestring_ascii, [start, *facts]))}]"
    return _key_of(as_json.encode() + moves)


def _played(game: chess.pgn.Game) -> tuple[str, bytes]:
    """Return the start of a game, as `FoundGame` has it, and its moves."""
    board = game.board()
    codes = []
    start = _start(board)
    for move in game.mainline_moves():
        codes.append(encode_move(board, move) if move else 0)
        board.push(move)
    return start, b"".join(code.to_bytes(2, "little") for code in codes)


def _start(board: chess.Board) -> str:
    fen = board.fen()
    if fen == chess.STARTING_FEN:
        return ""
    return fen


# ---- reviews -------------------------------------------------------------------------------------


def review_path(folder: Path, line: str) -> Path:
    """Return where the review of a line, which is the file's stem, is kept in a folder of games."""
    return folder / REVIEWS / f"{line}.json"


def review_files(folder: Path) -> list[Path]:
    """Return all reviews in a folder of games."""
    paths = sorted((folder / REVIEWS).glob("*.json"))
    return [path for path in paths if is_key(path.stem)]


# ---- reading -------------------------------------------------------------------------------------


def find_games(
    path: Path, faults: list[str] | None = None, with_variations: bool = False
) -> Iterator[FoundGame]:
    """Yield all games of a file in order; `faults` takes up where the text has what cannot be read
    or played, and why, one of a game. Variations take long: most readers leave them out.

    Raises DataError.
    """
    if faults is None:
        faults = []
    with reading(path), open_unpacked(path) as (stream, _share):
        for game in games_of_text(_KeptText(stream), faults, with_variations):
            white, event = game.tags.get("White", ""), game.tags.get("Event", "")
            if game.moves or game.start or is_told(white) or is_told(event):
                yield game


def games_in(text: bytes) -> list[FoundGame]:
    """Return all games of a text, those without moves, too."""
    return list(games_of_text(_KeptText(io.BytesIO(text)), []))


class _KeptText(GameText):
    """A text that keeps what was read since the end of the latest game that was taken from it."""

    _kept = b""
    _since = 0

    def more(self) -> None:
        self._kept += self.data[max(0, self._since - self.dropped) : self.at]
        self._since = max(self._since, self.dropped + self.at)
        super().more()

    def take(self, begin: int, end: int) -> tuple[TextPlace, bytes]:
        """Return the place of the game between two, and its text."""
        rest = self.data[max(0, self._since - self.dropped) : end - self.dropped]
        text = self._kept + rest
        text = text[len(text) - (end - begin) :]
        self._kept = b""
        self._since = end
        return TextPlace(begin, end, digest_of(text)), text


def games_of_text(
    text: _KeptText, faults: list[str], with_variations: bool = False
) -> Iterator[FoundGame]:
    """Yield the games of a text; of those whose main line has a fault, the whole grammar tells what
    they are.
    """
    for line in main_lines(text):
        place, own = text.take(line.begin, line.end)
        if line.fault:  # or a pass
            own_faults = list[str]()
            for game in _read_slowly(own, own_faults):
                yield replace(game, place=place)
            if own_faults:
                faults.append(line.fault)
        elif line.is_game:
            if with_variations and b"(" in own:
                first_line, _column = text.place_of(place.begin - text.dropped)
                faults.extend(_first_fault(own, first_line))
            tags = {"Result": "*", **line.read_tags()}
            if result := told_result(line.tag_result, line.result):
                tags["Result"] = result
            start = ""
            if line.has_start:
                start = _start(board_from_row(line.start, line.chess960))
            yield FoundGame(place, tags, start, line.moves.tobytes())


def _first_fault(text: bytes, first_line: int) -> list[str]:
    """Return the first fault of a game with its variations, whose text begins on a line of its
    file.
    """
    for read in read_games(io.BytesIO(text)):
        for fault in read.faults:
            return [str(replace(fault, line=first_line + fault.line - 1))]
    return []


def _read_slowly(text: bytes, faults: list[str]) -> Iterator[FoundGame]:
    for read in cut_games(GameText(io.BytesIO(text)), main_line=True):
        faults.extend(map(str, read.faults))
        if read.is_game and not read.start_fault:
            place = TextPlace(read.begin, read.end, "")
            yield FoundGame(place, dict(read.game.headers), *_played(read.game))


def text_at(path: Path, place: TextPlace) -> str:
    """Return the text at a place of a file. Raises DataError where another one stands there."""
    with reading(path), open_unpacked(path) as (stream, _share):
        text = GameText(stream)
        text.skip_to(place.begin)
        while text.dropped + len(text.data) < place.end:
            if text.final and not text.begin_next():
                break
            text.more()
        words = text.data[text.at : place.end - text.dropped]
    check_unchanged(words, path, place)
    return words.decode(errors="replace")


def check_unchanged(words: bytes, path: Path, place: TextPlace) -> None:
    """Raise DataError where these words, found at a place of a file, are others than before."""
    if digest_of(words) != place.digest:
        raise DataError(_("{path} has changed; open My games again", path=printable(path)))


def game_at(path: Path, place: TextPlace) -> chess.pgn.Game:
    """Return the game at a place of a file. Raises DataError where another text stands there."""
    return next(read.game for read in read_games(text_at(path, place)) if read.is_game)
