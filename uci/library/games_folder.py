"""A folder of one's own games: its files and reviews are the truth, and the catalogue follows
them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from pathlib import Path

import chess.pgn

from engine.errors import DataError
from engine.files.text import printable
from uci.game.game_file import REVIEWS, owning
from uci.language import _, later, several
from uci.library import changes
from uci.library.catalogue import Catalogue, Copy, Game
from uci.library.cooperative import finish
from uci.library.folder_reader import FolderReader, OnGames
from uci.library.game_files import WISH, game_key, read_at
from uci.library.own_names import OwnNames
from uci.library.reviews import KeptReview, Reviews


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

    def refresh(self, on_games: OnGames = lambda read, left: None) -> list[str]:
        """Do all steps of `refreshing` at once."""
        return finish(self.refreshing(on_games))

    def refreshing(
        self, on_games: OnGames = lambda read, left: None
    ) -> Generator[None, None, list[str]]:
        """Read what is new in the folder; return what was unreadable.

        `on_games` hears how many games were read so far, and about how many are left. Others may
        use this between two steps.
        """
        problems = self.own_names.read()
        self.catalogue.set_own(self.own_names.all)
        problems += yield from self._reader.refreshing(on_games)
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
        """Return what is known of a game, or of one of a line; what is not in the list yet is
        looked for. Raises DataError.
        """
        with contextlib.suppress(DataError):
            return self.catalogue.game(key)
        self.refresh()
        return self.catalogue.game(key)

    def game(self, key: str) -> chess.pgn.Game:
        """Return a game from its file. Raises DataError where that has changed meanwhile, or has no
        such game.
        """
        return self.game_text(key)[0]

    def game_text(self, key: str) -> tuple[chess.pgn.Game, str]:
        """Return a game from its file as `game` does, and the digest of its text there."""
        known = self.known(key)
        copy = known.fullest
        path = self.folder / copy.file
        game = read_at(path, copy.begin)
        if game is None or game_key(game) != known.key:
            raise DataError(_("{path} has changed; open My games again", path=printable(path)))
        return game, copy.digest

    def delete(self, key: str, text: str = "") -> tuple[str, set[str]]:
        """Remove a game from its file, if its text there is the one with this digest ("": the
        fullest).

        The review goes with the last game of its line. Returns a sentence on the copies that stay,
        "" where none does, and the keys of the puzzles that go. Raises DataError.
        """
        game = self.catalogue.game(key)
        copy = self.catalogue.copy(key, text)
        self._change(key, copy, changes.delete)
        if game.copies:
            one = later("{count} equal game stays, in {file}.")
            many = later("{count} equal games stay, one of them in {file}.")
            file = printable(game.fullest.file)
            return several(one, many, len(game.copies), file=file), set()
        with owning(self.folder):
            if self.catalogue.has_line(game.line):
                return "", set()
            (self.folder / REVIEWS / f"{game.line}{WISH}").unlink(missing_ok=True)
            return "", self.reviews.remove(game.line)

    def rewrite(self, key: str, text: str, game: chess.pgn.Game) -> tuple[str, Path]:
        """Write what was changed in a game of this key into its text with this digest; return the
        new one's, and the file.

        Raises DataError.
        """
        copy = self.catalogue.copy(key, text)
        change = self._change(key, copy, partial(changes.edit, game=game))
        return change.digest, self.folder / copy.file

    def _change(
        self, key: str, copy: Copy, act: Callable[[Path, int, int, str], changes.Change]
    ) -> changes.Change:
        """Change the text of a copy, and what the catalogue knows of its file."""
        is_known = self._reader.knows(copy.file)
        change = act(self.folder / copy.file, copy.begin, copy.end, copy.digest)
        self.catalogue.put(key, copy, change.end - copy.begin, change.digest)
        if is_known:
            self._reader.note_change(copy.file, change.before, change.after)
        return change

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

    def keep_review(self, line: str, kept: KeptReview) -> None:
        """Keep a review, for the side that is one's own, as long as the folder has a game of its
        line. Raises DataError and OSError.
        """
        with owning(self.folder):
            self.game(line)
            side = self.catalogue.side(line)
            self.reviews.keep(line, replace(kept, reader=side))

    def kept_review(self, key: str) -> KeptReview:
        """Return the review of a game as it stands in its file today. Raises DataError."""
        known = self.known(key)
        kept = self.reviews.read(known.line)
        with contextlib.suppress(DataError):  # else of the game that was reviewed
            kept = replace(kept, review=replace(kept.review, game=self.game(key)))
        return kept
