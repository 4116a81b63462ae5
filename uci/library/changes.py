"""Every change of a file of somebody's games: a game edited, replaced or appended, games deleted, a
file taken in.

An edit is spliced into the game's text. All bytes outside the game stay, in their encoding and with
their line ends. What an edit replaces and what is deleted is kept first: `earlier`, a folder beside
the games, has files of the same names for it. Nothing is written that is not read again as it
should be.
"""

import errno
import os
import re
import stat
from collections.abc import Generator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import chess.pgn

from engine.board.pgn.annotations import is_told
from engine.board.pgn.game_splices import NAMING_TAGS, are_same_games, game_splices
from engine.board.pgn.game_writer import game_text
from engine.errors import DataError
from engine.files.atomic import append, atomic_write, replace, sync_folder, write_file
from engine.files.source_text import SourceText, Splice
from engine.files.text import open_unpacked, printable, reading, texts_of, utf8_pieces
from uci.game.game_file import REVIEWED, REVIEWS, SavedGame, TextPlace, games_folder, owning
from uci.language import _
from uci.library.game_files import (
    FoundGame,
    Surroundings,
    check_unchanged,
    digest_of,
    find_games,
    game_at,
    game_equality,
    games_in,
)

EARLIER = "earlier"  # the folder of texts of games that were replaced or deleted
_RESULT_AT_END = re.compile(rb"(?:1-0|0-1|1/2-1/2|\*)\s*\Z")


@dataclass(frozen=True)
class FileChange:
    """What became of a file: how it was, and how it is; None where nothing is left of it."""

    before: os.stat_result
    after: os.stat_result | None


def edit(
    path: Path, place: TextPlace, around: Surroundings, game: chess.pgn.Game
) -> tuple[TextPlace, FileChange]:
    """Write what was changed in a game into its text at a place; return its place then.

    Raises DataError where another text stands there or it was not read wholly, where tags or moves
    of the main line are others, or where the file's encoding lacks a character. Then nothing
    changes.
    """
    with owning(path.parent), reading(path):
        file = _ChangedFile(path, around)
        text = file.text_at(place)
        splices = game_splices(text, game)
        lost = list[bytes]()
        moved = []
        for begin, end, words in splices:
            moved.append(Splice(place.begin + begin, place.begin + end, words))
            if begin < end:
                lost = [text]
        change = file.change(moved, lost)
        end = place.end + file.shift
        return TextPlace(place.begin, end, digest_of(file.new_text(place.begin, end))), change


def delete(path: Path, places: Sequence[TextPlace], around: Surroundings) -> FileChange:
    """Remove the texts at places, which stand in order; what stands before a game stays. A file
    with nothing left goes, unless it is a link.

    Raises DataError where another text stands at one of them. Then nothing changes.
    """
    with owning(path.parent), reading(path):
        file = _ChangedFile(path, around)
        texts = [file.text_at(place) for place in places]
        splices = [Splice(place.begin, place.end, "") for place in places]
        return file.change(splices, texts, {place.begin - around.begin for place in places})


class _ChangedFile:
    """A file whose games are changed in a part of it. Raises OSError and DataError.

    Attributes:
        shift: how far what stands behind has moved.
    """

    def __init__(self, path: Path, around: Surroundings) -> None:
        self._path = path
        self._around = around
        self._source = SourceText(path, around.begin, around.end)
        self._before = path.stat()
        self._new = self._source.text
        self.shift = 0

    def text_at(self, place: TextPlace) -> bytes:
        """Return the text at a place. Raises DataError where another one stands there."""
        text = self._source.words_at(place.begin, place.end)
        check_unchanged(text, self._path, place)
        return text

    def new_text(self, begin: int, end: int) -> bytes:
        """Return what stands between two places now."""
        return self._new[begin - self._source.begin : end - self._source.begin]

    def change(
        self, splices: Sequence[Splice], lost: Sequence[bytes], deleted: Set[int] = frozenset()
    ) -> FileChange:
        """Splice words into the file, after keeping the texts that are lost. `deleted`: where the
        games that go begin in the part.
        """
        if not splices:
            return FileChange(self._before, self._before)
        around = self._around
        lines = self._source.spliced(splices)
        self.shift = len(lines.text) - len(self._new)
        games = games_in(self.new_text(around.begin, around.end))
        edited = set[int]()
        if not deleted:
            edited = {splice.begin for splice in splices}
        staying = [game for game in games if game.place.begin not in deleted]
        self._new = lines.text
        games = games_in(self.new_text(around.begin, around.end + self.shift))
        facts_of = partial(_facts, origin=around.begin, edited=edited)
        if list(map(facts_of, staying)) != list(map(facts_of, games)):
            raise DataError(
                _("what stands around this game would be read as a part of another one")
            )
        try:
            if lost:
                _keep(self._path, lost, self._before)
            self._source.write(lines)
        except OSError as error:
            reason = f"{printable(error.filename or self._path)}: {error.strerror}"
            raise DataError(_("nothing can be changed: {error}", error=reason)) from error
        return FileChange(self._before, self._path.stat() if self._path.exists() else None)


def _facts(game: FoundGame, origin: int, edited: Set[int]) -> tuple[object, ...]:
    """Return what stays of a game of a part that begins at an origin: its words and names, too,
    unless places in it are edited.
    """
    tags = {name: value for name, value in game.tags.items() if is_told(value)}
    for name in NAMING_TAGS:
        tags.pop(name, None)
    digest = game.place.digest
    if any(game.place.begin <= place - origin <= game.place.end for place in edited):
        digest = ""
    return tags, game.start, game.moves, digest


def _keep(path: Path, texts: Sequence[bytes], status: os.stat_result) -> None:
    """Keep what is about to go, for those who may read it now, unless the latest that was kept is
    just this. Raises OSError, also where it cannot be replaced.
    """
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    earlier = path.parent / EARLIER / path.name
    earlier.parent.mkdir(exist_ok=True)
    if not earlier.exists():
        earlier.touch(stat.S_IMODE(status.st_mode))
    # Behind a part of a game, which a program that was killed has left, an end of its own.
    entry = "".join(f"\n\n{text.decode().strip()}\n" for text in texts)
    if not _ends_with(earlier, entry):
        append(earlier, entry)


def _ends_with(path: Path, text: str) -> bool:
    """Whether this is the end of a file. Raises OSError."""
    data = text.encode()
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - len(data)))
        return stream.read() == data


# ---- games of one's own --------------------------------------------------------------------------


def save_game(game: chess.pgn.Game, path: Path, saved: SavedGame | None = None) -> SavedGame:
    """Append a game to a file, for good, or put it where it was `saved`, whatever another program
    has made of the form of that. Raises OSError and DataError.
    """
    # The games' own folder has the lock for files in folders without one.
    is_own = games_folder() in (path.parent, path.parent.parent) or (path.parent / REVIEWS).is_dir()
    path.parent.mkdir(parents=True, exist_ok=True)  # or say why there is none
    with owning(path.parent if is_own else games_folder()):
        text = game_text(game).strip()
        place = None
        if saved is not None and saved.path == path:
            place = _place_now(saved)
        if place is None:
            begin = _append(path, text)
        else:
            begin = place.begin
            source = SourceText(path, begin, place.end)
            words = source.words_at(begin, place.end)
            end = begin + len(words.rstrip())
            source.write(source.spliced([Splice(begin, end, text)]))
        data = text.encode()
        return SavedGame(game, path, TextPlace(begin, begin + len(data), digest_of(data)))


def _append(path: Path, text: str) -> int:
    """Append a text to a file; return where it begins. Raises OSError and DataError."""
    if not path.exists():  # A failure leaves no empty file.
        write_file(path, f"{text}\n\n")
        return 0
    size = SourceText(path, 0, 0).size
    gap = ""  # between games, though a last line of others' may have no end
    if size and not _ends_with(path, "\n\n"):
        gap = "\n\n"
    append(path, f"{gap}{text}\n\n")
    return size + len(gap)


def _place_now(saved: SavedGame) -> TextPlace | None:
    """Return where a game stands that was saved; None where it is gone, or another program has
    changed its moves or its words.
    """
    if not saved.path.is_file():
        return None
    source = SourceText(saved.path, saved.place.begin, saved.place.end)
    if digest_of(source.words_at(saved.place.begin, saved.place.end)) == saved.place.digest:
        return saved.place
    equality = game_equality(saved.game)
    for candidate in find_games(saved.path):
        if candidate.equality == equality:
            game = game_at(saved.path, candidate.place)
            if not game.errors and are_same_games(game, saved.game):
                return candidate.place
    return None


# ---- files that are taken in ---------------------------------------------------------------------


def take_in(upload: Path, name: str) -> Generator[None, None, str]:
    """Make a file of games one of the folder that it lies in, in steps: plain UTF-8 under a free
    name, which is returned. `name` is its name without what marks it as an upload. What marks it as
    a review beside its games goes, so that it is listed.

    It is here or there whenever the program is killed: taken in twice, what was deleted meanwhile
    would come back. Raises OSError and DataError.
    """
    folder = upload.parent
    stem = name.replace(REVIEWED, "")
    stem = re.sub(r"(\.pgn)?(\.(gz|bz2|xz|zst|zip))?$", "", stem, flags=re.IGNORECASE) or "games"
    plain = upload.with_name(upload.name.removesuffix(name) + f"{stem}.pgn")
    # Closed before its name is taken: Windows replaces no open file.
    with atomic_write(plain) as out, open_unpacked(upload) as (stream, _share):
        last = b""
        for text in texts_of(stream):
            if last and not _RESULT_AT_END.search(last):
                out.write(b" *")  # a game without a result would go on in the next text
            if last:
                out.write(b"\n\n")
            for piece in utf8_pieces(text):
                out.write(piece)
                last = piece
                yield
    if plain != upload:
        upload.unlink()
    with owning(folder):
        target = _free_path(folder, stem)
        replace(plain, target)
        sync_folder(folder)
    return target.name


def _free_path(folder: Path, stem: str) -> Path:
    """Return where no file is, whatever capitals its name has."""
    names = {path.name.lower() for path in folder.iterdir()}
    target = folder / f"{stem}.pgn"
    number = 1
    # A file system may know an accent in two spellings.
    while target.name.lower() in names or os.path.lexists(target):
        number += 1
        target = folder / f"{stem}-{number}.pgn"
    return target
