"""A folder of one's own games: its files and reviews are the truth, and the catalogue follows them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import chess.pgn

from engine.board.pgn.game_writer import game_text
from engine.errors import DataError
from engine.files.text import printable
from uci.game.game_file import REVIEWS, owning
from uci.language import _, later, several
from uci.library.catalogue import Catalogue, Copy
from uci.library.game_files import WISH, digest_of, game_key, read_at, replace_text
from uci.library.own_names import OwnNames
from uci.library.reading import FolderReader, OnGames
from uci.library.reviews import KeptReview, Reviews
from uci.library.steps import finish


class GamesFolder:
    """A folder and what is known of it, for one thread."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.own_names = folder, OwnNames(folder)
        self.catalogue = Catalogue()
        self.reviews = Reviews(folder, self.catalogue)
        self._reader = FolderReader(folder, self.catalogue)

    def refresh(self, on_games: OnGames = lambda read, left: None) -> list[str]:
        """Do all steps of `refreshing` at once."""
        return finish(self.refreshing(on_games))

    def refreshing(
        self, on_games: OnGames = lambda read, left: None
    ) -> Generator[object, None, list[str]]:
        """Read what is new in the folder; return what was unreadable.

        `on_games` hears how many games were read so far, and about how many are left. Others may
        use this between two steps.
        """
        problems = self.own_names.read()
        self.catalogue.set_own(self.own_names.all)
        problems += yield from self._reader.refreshing(on_games)
        yield from self.reviews.refreshing()
        place = self.folder / REVIEWS
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
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

    def game(self, key: str) -> chess.pgn.Game:
        """Return a game from its file. Raises DataError where that has changed meanwhile, or has no
        such game.
        """
        return self.game_text(key)[0]

    def game_text(self, key: str) -> tuple[chess.pgn.Game, str]:
        """Return a game from its file as `game` does, and the digest of its text there."""
        known = self.catalogue.game(key)
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
        with owning(self.folder):
            self._put(key, self.catalogue.copy(key, text), b"")
            if game.copies:
                stays = "{count} equal game stays, in {file}."
                stay = "{count} equal games stay, one of them in {file}."
                file = printable(game.fullest.file)
                return several(stays, stay, len(game.copies), file=file), set()
            if self.catalogue.has_line(game.line):
                return "", set()
            for name in (game.key, game.line):
                (self.folder / REVIEWS / f"{name}{WISH}").unlink(missing_ok=True)
            return "", self.reviews.remove(game.line)

    def rewrite(self, key: str, text: str, game: chess.pgn.Game) -> tuple[str, Path]:
        """Write a game of this key in place of its text with this digest; return the new one's, and
        the file.

        Raises DataError.
        """
        new = game_text(game).strip().encode()
        with owning(self.folder):
            path = self._put(key, self.catalogue.copy(key, text), new)
        return digest_of(new), path

    def _put(self, key: str, copy: Copy, new: bytes) -> Path:
        """Put a new text, or none, in the place of a copy; return the file."""
        path = self.folder / copy.file
        apart = new + b"\n\n" if new else b""
        is_known = self._reader.knows(copy.file)
        replace_text(path, copy.begin, copy.end, copy.digest, apart)
        self.catalogue.put(key, copy, len(apart), digest_of(new))
        if is_known:
            self._reader.note(copy.file)
        return path

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
        """Return the review of a game, with the tags that it has today. Raises DataError."""
        known = self.catalogue.game(key)
        kept = self.reviews.read(known.line)
        with contextlib.suppress(DataError):  # else with those that it had
            kept.review.game.headers = self.game(key).headers
        return kept
