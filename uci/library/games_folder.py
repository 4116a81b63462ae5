"""A folder of one's own games: its files and reviews are the truth, and the catalogue follows
them.
"""

import contextlib
import os
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import chess.pgn

from engine.errors import DataError
from engine.files.text import printable
from uci.game.game_file import REVIEWS, ListedGame, owning
from uci.language import _, later, several, translated
from uci.library import changes
from uci.library.catalogue import Catalogue
from uci.library.cooperative import finish
from uci.library.folder_reader import FolderReader, OnGames
from uci.library.game_files import WISH, game_at
from uci.library.game_records import Game, GamesFile
from uci.library.own_names import OwnNames
from uci.library.reviews import KeptReview, Reviews

_PART = 16 << 20  # bytes of a file's text in which games are deleted at once


@dataclass
class Deletion:
    """What is said of games that were deleted, and the keys of the puzzles that went with them."""

    sentences: list[str] = field(default_factory=list)
    puzzles: set[str] = field(default_factory=set)


class GamesFolder:
    """A folder and what is known of it, for one thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.own_names = OwnNames(folder)
        self.catalogue = Catalogue()
        self.reviews = Reviews(folder, self.catalogue)
        self._reader = FolderReader(folder, self.catalogue)
        with contextlib.suppress(OSError):  # nothing can be written there
            (folder / REVIEWS).mkdir(parents=True, exist_ok=True)

    def refresh(self) -> list[str]:
        """Do all steps of `refreshing` at once."""
        return finish(self.refreshing())

    def refreshing(
        self, on_games: OnGames = lambda read, left: None, imported: str = ""
    ) -> Generator[None, None, list[str]]:
        """Read what is new in the folder; return what was unreadable, of a file just `imported` in
        variations, too.

        `on_games` hears how many games were read so far, and about how many are left. Others may
        use this between two steps.
        """
        problems = self.own_names.read()
        self.catalogue.set_own(self.own_names.all)
        problems += yield from self._reader.refreshing(on_games, imported)
        yield from self.reviews.refreshing()
        place = self.folder / REVIEWS
        if not (place.is_dir() and os.access(place, os.W_OK)):
            text = later("Nothing can be written in {folder}: reviews and puzzles are not kept.")
            problems.append(_(text, folder=printable(self.folder)))
        return problems

    def add_name(self, name: str, mine: bool = True) -> None:
        """Note that a name is one's own, or is not, and find the own side in all games anew. Raises
        OSError.

        Of nobody's name, "", it is only noted that the question was answered.
        """
        self.own_names.change(name, mine)
        self.catalogue.set_own(self.own_names.all)

    # ---- games -----------------------------------------------------------------------------------

    def known(self, key: str) -> Game:
        """Return what is known of the game of a key or a line; what is not in the list yet is
        looked for. Raises DataError.
        """
        with contextlib.suppress(DataError):
            return self.catalogue.game(key)
        self.refresh()
        return self.catalogue.game(key)

    def game(self, key: str) -> chess.pgn.Game:
        """Return the game of a key or a line from its file. Raises DataError where another text
        stands there now.
        """
        game = self.known(key)
        return game_at(self.path_of(game), game.place)

    def path_of(self, game: Game) -> Path:
        """Return the file of a game."""
        return self.folder / game.file.name

    def delete(self, keys: Iterable[str]) -> Deletion:
        """Remove games from their files, each of which is written once, a large one a few times.

        The review goes with the last game of its line.
        """
        deletion = Deletion()
        gone = list[Game]()
        games = dict[GamesFile, list[Game]]()
        for key in dict.fromkeys(keys):
            try:
                game = self.catalogue.game(key)
            except DataError as error:
                deletion.sentences.append(translated(str(error)))
            else:
                games.setdefault(game.file, []).append(game)
        for file, own in games.items():
            for neighbours in _parts(own):
                try:
                    self._delete_from(file, neighbours)
                except DataError as error:
                    deletion.sentences.append(translated(str(error)))
                else:
                    gone += neighbours
        equal_games = self.catalogue.equal_games(gone)
        with owning(self.folder):
            for game in gone:
                self._note_gone(game, equal_games[game.equality], deletion)
        return deletion

    def _delete_from(self, file: GamesFile, games: Sequence[Game]) -> None:
        is_known = self._reader.knows(file.name)
        self._reader.release(file.name)
        places = [game.place for game in games]
        around = self.catalogue.around(games)
        change = changes.delete(self.folder / file.name, places, around)
        self.catalogue.note_deletion(file, set(games), _time_of(change))
        self._note_change(file, is_known, change)

    def _note_gone(self, game: Game, equal_games: Sequence[Game], deletion: Deletion) -> None:
        if equal_games:
            singular = later("{count} equal game stays, in {file}.")
            plural = later("{count} equal games stay, one of them in {file}.")
            file = printable(equal_games[0].file.name)
            deletion.sentences.append(several(singular, plural, len(equal_games), file=file))
        if not self.catalogue.has_line(game.line):
            (self.folder / REVIEWS / f"{game.line}{WISH}").unlink(missing_ok=True)
            deletion.puzzles |= self.reviews.remove(game.line)

    def rewrite(self, key: str, edited: chess.pgn.Game) -> ListedGame:
        """Write what was changed in a game into its text; return it under its new key. Raises
        DataError.
        """
        game = self.catalogue.game(key)
        is_known = self._reader.knows(game.file.name)
        self._reader.release(game.file.name)
        path = self.path_of(game)
        place, change = changes.edit(path, game.place, self.catalogue.around([game]), edited)
        self.catalogue.note_edit(game, place, _time_of(change))
        self._note_change(game.file, is_known, change)
        return ListedGame(game.key, path)

    def _note_change(self, file: GamesFile, is_known: bool, change: changes.FileChange) -> None:
        if is_known:
            self._reader.note_change(file.name, change.before, change.after)

    def drop_known(self, file: str) -> bool:
        """Remove a file if all its games stand in other files, too, in the same words. Returns
        whether it went.

        Of a file that another program changes meanwhile, the catalogue knows nothing: it stays.
        """
        with owning(self.folder):
            if not (self._reader.knows(file) and self.catalogue.is_elsewhere(file)):
                return False
            (self.folder / file).unlink(missing_ok=True)
            self._reader.forget(file)
        return True

    # ---- reviews ---------------------------------------------------------------------------------

    def keep_review(self, line: str, review: KeptReview) -> None:
        """Keep a review, for the side that is one's own, as long as the folder has a game of its
        line. Raises DataError and OSError.
        """
        with owning(self.folder):
            self.game(line)
            side = self.catalogue.side(line)
            self.reviews.keep(line, replace(review, reader=side))

    def kept_review(self, key: str) -> KeptReview:
        """Return the review of a game as it stands in its file today. Raises DataError."""
        review = self.reviews.read(self.known(key).line)
        with contextlib.suppress(DataError):  # else of the game that was reviewed
            return replace(review, review=replace(review.review, game=self.game(key)))
        return review


def _parts(games: Iterable[Game]) -> list[list[Game]]:
    """Part games of a file by where they stand: what is between them is held in memory."""
    parts = dict[int, list[Game]]()
    for game in sorted(games, key=lambda game: game.place.begin):
        parts.setdefault(game.place.begin // _PART, []).append(game)
    return list(parts.values())


def _time_of(change: changes.FileChange) -> int:
    if change.after is None:
        return 0
    return change.after.st_mtime_ns
