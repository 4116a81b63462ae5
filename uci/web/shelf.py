"""My games on the page: the list, import, reviews in the background. What it asks is done here, the board apart."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import chess

from engine.errors import AinoError
from engine.files.atomic import atomic_write, remove_left_behind
from engine.files.text import PACKED_ERRORS, open_unpacked, utf8_pieces
from engine.native.locks import FileLock
from engine.player import Engine
from engine.search.limits import Limits, SearchJob
from uci.game.timed_game import Setup, saved_game
from uci.language import _
from uci.library.index import REVIEWS, GameIndex, Wanted
from uci.library.questions import IndexQuestions
from uci.library.review_queue import BackgroundReviews
from uci.library.training import Trainer
from uci.terminal.reading import board_at
from uci.web.puzzle_desk import PuzzleDesk

_UPLOAD = ".upload-"  # begins the names of files that are on their way here,
_IMPORT = ".import-"  # and of those that are here, and were not taken in yet

Tell = Callable[[dict[str, Any]], None]


class Shelf:
    """The games of a folder, for the page. `tell` sends a message to it and `lay` begins a game there, from any thread.

    `is_busy` tells whether Aino thinks there, and `load` makes the reviews' engine.
    """

    def __init__(
        self, folder: Path, load: Callable[[], Engine], tell: Tell, lay: Callable[[Setup], None],
        is_busy: Callable[[], bool], limits: Limits,
    ) -> None:  # fmt: skip
        self.folder = folder
        self._tell, self._lay = tell, lay
        self._reading: SearchJob[None] | None = None
        self._keeper = FileLock(folder / REVIEWS / ".open")
        self._importing, self._has_resumed = threading.Lock(), False
        self.puzzles = PuzzleDesk(folder, tell)
        self._questions = IndexQuestions(folder, lambda text: tell({"do": "say", "text": text, "kind": "error"}))
        self.reviews = BackgroundReviews(folder, load, limits, self.tell_work, is_busy)

    def arrive(self) -> None:
        """Continue the imports and reviews that were left when the program ended: a page is there."""
        if self.folder.is_dir():
            if not self._has_resumed and self._is_first():  # Else what it finds there may be at work.
                remove_left_behind(self.folder)
                for left in self.folder.glob(f"{_UPLOAD}*"):
                    left.unlink(missing_ok=True)
                for left in self.folder.glob(f"{_IMPORT}*"):
                    self._import(left)
            self.reviews.begin()
        self._has_resumed = True

    def _is_first(self) -> bool:
        """Whether no other program has this folder open."""
        with contextlib.suppress(OSError):  # of a folder in which nothing can be written
            (self.folder / REVIEWS).mkdir(exist_ok=True)
            return self._keeper.try_acquire()
        return False

    def close(self) -> None:
        """Stop the work; it goes on the next time."""
        self.reviews.stop()
        self._questions.close()
        self._keeper.release()

    # ---- requests ---------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read what is new in the folder, on a thread, and tell the page."""
        if self._reading is None or self._reading.done():
            self._reading = SearchJob[None]().start(lambda job: self._read())

    def _read(self, imported: str = "") -> None:
        """Read it on this thread; `imported` names a file just taken in."""
        names = list[str]()
        try:
            with contextlib.closing(GameIndex(self.folder)) as index:
                problems = index.refresh(lambda games: self._tell({"do": "games_reading", "games": games}))
                names = index.likely_names(imported) if imported else []
                if imported and not index.has_games_of(imported):
                    problems.append(_("{file} has no game that Aino can play and does not have yet.", file=imported))
                    (self.folder / imported).unlink(missing_ok=True)
        except (AinoError, OSError, sqlite3.Error) as error:
            problems = [str(error)]
        self._tell({"do": "games_read", "imported": imported, "names": names, "problems": problems})

    def find(self, text: str, result: str, side: str, offset: int) -> None:
        """Tell the page a part of the list."""
        wanted = Wanted(text, result, side)

        def answer(index: GameIndex) -> None:
            games, total = index.find(wanted, offset)
            self._tell({"do": "games_found", **asdict(wanted), "games": games, "total": total, "offset": offset})

        self._questions.ask("find", wanted, answer)
        self.tell_work()

    def tell_work(self) -> None:
        """Tell how far the reviews are."""
        self._tell({"do": "games_work", **self.reviews.state})

    def progress(self) -> None:
        """Tell accuracy and mistakes over time."""
        tell = lambda index: self._tell({"do": "games_progress", "points": index.progress()})  # noqa: E731
        self._questions.ask("progress", None, tell)

    def explore(self, board: chess.Board, side: str) -> None:
        """Tell what was played in a position in the games."""
        board = board.copy()

        def answer(index: GameIndex) -> None:
            moves = [{"uci": one.move.uci(), "san": board.san(one.move), "counts": one.counts}
                     for one in index.explore(board, side)]  # fmt: skip
            self._tell({"do": "explored", "fen": board.fen(), "moves": moves})

        self._questions.ask("explore", (board.fen(), side), answer)

    def name(self, name: str) -> None:
        """Note an own name."""
        self._change(lambda index: index.add_name(name))

    def open(self, key: str) -> None:
        """Open a game for analysis."""

        def answer(index: GameIndex) -> None:
            game = index.game(key)
            self._lay(Setup(board_at(game), None, headers=dict(game.headers), source=game))

        self._questions.do(answer)

    def go_on(self, key: str) -> None:
        """Continue a game against Aino."""

        def answer(index: GameIndex) -> None:
            setup, side = saved_game(index.game(key)), index.side(key)
            human = chess.WHITE if side is None else side
            self._lay(setup if setup.levels is not None else replace(setup, human=human))

        self._questions.do(answer)

    def delete(self, key: str) -> None:
        """Delete a game for good."""
        self._change(lambda index: index.delete(key))

    def _change(self, work: Callable[[GameIndex], None]) -> None:
        """Change the index, and let the page ask for its list again."""

        def answer(index: GameIndex) -> None:
            work(index)
            self._tell({"do": "games_read", "imported": "", "names": [], "problems": []})

        self._questions.do(answer)

    def review(self, key: str) -> None:
        """Review a game in the background, or all of one's own without a review."""

        def answer(index: GameIndex) -> None:
            self.reviews.add([key] if key else index.unreviewed())
            self.tell_work()

        self._questions.do(answer)

    def puzzle(self, act: Callable[[PuzzleDesk], None]) -> None:
        """Let the desk do something: its base may be large."""
        self._questions.do(lambda index: act(self.puzzles))

    def stop(self) -> None:
        """Drop all reviews that wait."""
        self.reviews.forget()
        self.tell_work()

    # ---- import -----------------------------------------------------------------------------------------------------

    def upload_path(self, name: str) -> Path:
        """Where a file on its way here is written to. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{_UPLOAD}{os.urandom(4).hex()}-{_plain(name)}"

    def take_in(self, upload: Path) -> None:
        """Make an uploaded file one of the folder, plain UTF-8 under a free name, and read it; on a thread.

        If the program is killed meanwhile, the next one does it. Raises OSError.
        """
        self._import(upload.replace(upload.with_name(upload.name.replace(_UPLOAD, _IMPORT, 1))))

    def _import(self, upload: Path) -> None:
        name = upload.name.removeprefix(_IMPORT).partition("-")[2]

        def work(job: SearchJob[None]) -> None:
            with self._importing:  # One by one, because each looks for a name that is free.
                if re.search(r"\.[ct]sv(\.\w+)?$", name, re.IGNORECASE):
                    says = self._take_puzzles(upload, name)
                    self._tell({"do": "games_read", "imported": "", "names": [], "problems": [says]})
                else:
                    self._take_games(upload, name)

        SearchJob[None]().start(work)

    def _take_games(self, upload: Path, name: str) -> None:
        stem = re.sub(r"(\.pgn)?(\.(gz|bz2|xz|zst))?$", "", name) or "games"
        names = [f"{stem}.pgn", *(f"{stem}-{number}.pgn" for number in range(2, 1000))]
        target = next(path for path in map(self.folder.joinpath, names) if not path.exists())
        try:
            with open_unpacked(upload) as (stream, _), atomic_write(target) as out:
                out.writelines(utf8_pieces(stream))
            self._read(target.name)
        except (AinoError, *PACKED_ERRORS) as error:
            self._tell({"do": "games_read", "imported": "", "names": [], "problems": [str(error)]})
        finally:
            upload.unlink(missing_ok=True)

    def _take_puzzles(self, upload: Path, name: str) -> str:
        """Take up the puzzles of a file; return a sentence about it."""
        try:
            with contextlib.closing(Trainer(self.folder)) as trainer:
                return trainer.add_file(upload, name)
        except (AinoError, OSError, sqlite3.Error) as error:
            return str(error)
        finally:
            upload.unlink(missing_ok=True)


def _plain(name: str) -> str:
    """Return a file's name without what a folder or a system might take otherwise."""
    return re.sub(r"[^\w.-]+", "_", name)[-80:].lstrip(".-_")
