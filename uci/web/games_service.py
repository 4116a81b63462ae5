"""My games on the page: what it asks is done by the worker who owns the folder, the board apart."""

import contextlib
import functools
import os
import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import chess.pgn

from engine.files.atomic import LONGEST_NAME, remove_left_behind
from engine.files.text import GAMES, LOOKED_AT, PUZZLES, kind_of, open_unpacked, wanted_kind
from engine.native.locks import FileLock
from engine.pages.board import Tell
from engine.player import Engine
from engine.search.limits import Limits
from uci.game.game_file import REVIEWS, ListedGame
from uci.language import _, later, several, translated
from uci.library.changes import take_in
from uci.library.cooperative import Steps
from uci.library.game_files import line_key
from uci.library.game_query import GameQuery
from uci.library.games_folder import GamesFolder
from uci.library.review_queue import BackgroundReviews
from uci.library.reviews import KeptReview
from uci.library.worker import GamesWorker, failure
from uci.web.puzzle_service import PuzzleService

_UPLOAD = ".upload-"  # begins the names of files that are on their way here,
_IMPORT = ".import-"  # and of those that are here, and were not taken in yet
_MOST_ASKED = 10  # names in the question which are one's own


@dataclass(frozen=True)
class Exported:
    """A PGN that was made for the page."""

    name: str
    text: str


class GamesService:
    """The games of a folder, for the page. `tell` sends it a message and `lay` puts what a
    request made on the board, both from any thread.

    `is_busy` tells whether Aino thinks there, and `load` makes the reviews' engine.
    """

    def __init__(
        self,
        folder: Path,
        load: Callable[[], Engine],
        tell: Tell,
        lay: Callable[..., None],
        is_busy: Callable[[], bool],
        limits: Limits,
    ) -> None:
        self.folder = folder
        self.tell = tell
        self.lay = lay
        self._keeper = FileLock(folder / REVIEWS / ".open")
        self._has_resumed = False
        self._is_reading = False
        self.exported: Exported | None = None  # the latest one
        self.asked = list[str]()  # names that may be one's own, until the question is answered
        # In the names of files that arrive while this program runs.
        self._mark = os.urandom(4).hex()
        self._worker = GamesWorker(
            folder, lambda text: tell({"do": "say", "text": text, "kind": "error"})
        )
        self.puzzles = PuzzleService(folder, tell)
        self.reviews = BackgroundReviews(self._worker, load, limits, self.tell_work, is_busy)

    def arrive(self) -> None:
        """Continue the imports and reviews that were left when the program ended: a page is
        there.
        """
        if self.folder.is_dir():
            self._worker.do(self._resume)

    def _resume(self, games: GamesFolder) -> Steps:
        self.puzzles.show()
        if not self._has_resumed and self._is_first():  # Else what it finds there may be at work.
            self._has_resumed = True
            remove_left_behind(self.folder)
            for left in self._left(f"{_UPLOAD}*"):
                left.unlink(missing_ok=True)
            for left in self._left(f"{_IMPORT}*"):
                yield from self._import(games, left)
        self._has_resumed = True
        if self.reviews.state["left"]:
            yield from games.refreshing()
            self.reviews.begin()

    def _left(self, form: str) -> list[Path]:
        """Return files of a form that another program made."""
        return [path for path in self.folder.glob(form) if self._mark not in path.name]

    def _is_first(self) -> bool:
        """Whether no other program has this folder open."""
        with contextlib.suppress(OSError):  # of a folder in which nothing can be written
            return self._keeper.try_acquire()
        return False

    def close(self) -> None:
        """Stop the work; it goes on the next time."""
        self.reviews.stop()
        self._worker.close(self._keeper.release)

    def ask(self, request: Callable[..., object], **fields: Any) -> None:
        """Let the worker carry out one of the requests of a page."""
        self._worker.do(lambda games: request(self, games, **fields))

    # ---- reading, on the worker's thread ------------------------------------------------------------

    def refresh(self, games: GamesFolder) -> Steps | None:
        """Read what is new in the folder, and tell the page."""
        if self._is_reading:
            return None
        self._is_reading = True
        return self._read(games)

    def _read(self, games: GamesFolder, imported: str = "") -> Steps:
        """Read it; `imported` names a file just taken in."""
        names, problems = list[str](), list[str]()
        try:
            problems = yield from games.refreshing(
                lambda read, left: self.tell({"do": "games_reading", "games": read, "left": left}),
                imported,
            )
            if imported:
                names, problems = self._told_import(games, imported, problems)
            if not (names or games.own_names.is_told):
                names = games.catalogue.likely_names()
        except Exception as error:  # noqa: BLE001 - the page waits for an end
            problems.append(failure(error))
        self._is_reading = self._is_reading and bool(imported)
        self.tell({"do": "games_read", "problems": problems})
        if names:
            self.ask_names(games, names)

    def _told_import(
        self, games: GamesFolder, file: str, problems: list[str]
    ) -> tuple[list[str], list[str]]:
        """Return names in an imported file that may be one's own, and what is said of it."""
        if games.drop_known(file):
            text = later("{file} has no game that Aino can play and does not have yet.")
            return [], [*problems, _(text, file=file)]
        _games, total = games.catalogue.find(GameQuery(file=file))
        text = several("{file}: {count} game.", "{file}: {count} games.", total, file=file)
        return games.catalogue.likely_names(file), [text, *problems]

    def ask_names(self, games: GamesFolder, likely: list[str]) -> None:
        """Ask which names are one's own: those that may be, with all that were not answered yet."""
        unanswered = [name for name in self.asked if name not in likely]
        self.asked = [*likely, *unanswered][:_MOST_ASKED]
        own = [games.catalogue.spelled(name) for name in games.own_names.told]
        self.tell({"do": "games_names", "own": own, "likely": self.asked})

    def tell_work(self) -> None:
        self.tell({"do": "games_work", **self.reviews.state})

    # ---- reviews ---------------------------------------------------------------------------------

    def keep(self, review: KeptReview) -> None:
        """Keep the board's review, if its game is one of the folder's, as it is now."""
        self._worker.do(lambda games: self._keep(games, review))

    def _keep(self, games: GamesFolder, review: KeptReview) -> Steps:
        yield from games.refreshing()
        line = line_key(review.review.game)
        if games.catalogue.has_line(line):
            games.keep_review(line, review)

    def kept_review(self, key: str) -> Future[KeptReview]:
        """Return a game's review. The future raises DataError where there is none."""
        return self._worker.call(lambda games: games.kept_review(key))

    def rewrite(self, key: str, game: chess.pgn.Game) -> Future[ListedGame]:
        """Write what was changed in a game into its file, as `GamesFolder.rewrite` does."""
        return self._worker.call(lambda games: games.rewrite(key, game))

    # ---- import ----------------------------------------------------------------------------------

    def upload_path(self, name: str) -> Path:
        """Where a file on its way here is written to. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # What no folder or system takes otherwise.
        name = re.sub(r"[^\w.-]+", "_", name)[-LONGEST_NAME:].lstrip(".-_")
        return self.folder / f"{_UPLOAD}{self._mark}{os.urandom(4).hex()}-{name}"

    def take_in(self, upload: Path) -> None:
        """Make an uploaded file one of the folder, plain UTF-8 under a free name, and read it.

        If the program is killed meanwhile, the next one does it. Raises OSError.
        """
        left = upload.replace(upload.with_name(upload.name.replace(_UPLOAD, _IMPORT, 1)))
        self._worker.do(lambda games: self._import(games, left))

    def _import(self, games: GamesFolder, upload: Path) -> Steps:
        name = upload.name.removeprefix(_IMPORT).partition("-")[2]
        try:
            with open_unpacked(upload) as (stream, _share):
                kind = wanted_kind(kind_of(stream.read(LOOKED_AT)), name, GAMES, PUZZLES)
            if kind == PUZZLES or (not kind and re.search(r"\.csv(\.\w+)?$", name, re.IGNORECASE)):
                report = yield from self.puzzles.training.stock.adding(upload, name)
                upload.unlink()
                self.tell({"do": "games_read", "problems": [report]})
            else:
                file = yield from take_in(upload, name)
                yield from self._read(games, file)
        except Exception as error:  # noqa: BLE001 - the page waits for an end
            upload.unlink(missing_ok=True)
            fault = translated(failure(error))
            if not fault.startswith(name):
                fault = f"{name}: {fault}"
            self.tell({"do": "games_read", "problems": [fault]})


class _Asking(Protocol):
    """What a request of the games needs of the session that has it carried out."""

    games: GamesService


def on_games(action: Callable[..., object]) -> Callable[..., None]:
    """Return a request that the worker of the games carries out."""

    @functools.wraps(action)
    def act(session: _Asking, **fields: Any) -> None:
        session.games.ask(action, **fields)

    return act
