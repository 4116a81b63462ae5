"""My games on the page: what it asks is done by the worker who owns the folder, the board apart."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import chess
import chess.pgn

from engine.errors import DataError
from engine.files.atomic import LONGEST_NAME, remove_left_behind
from engine.files.text import (
    GAMES,
    LOOKED_AT,
    PUZZLES,
    kind_of,
    open_unpacked,
    wanted_kind,
)
from engine.native.locks import FileLock
from engine.player import Engine
from engine.search.limits import Limits
from uci.game.game_file import REVIEWS
from uci.game.timed_game import Setup, saved_game
from uci.language import _, several, shown_moves, translated
from uci.library.changes import take_in
from uci.library.index import GameIndex
from uci.library.kept_reviews import KeptReview
from uci.library.review_queue import BEGUN, BackgroundReviews
from uci.library.wanted import Wanted
from uci.library.worker import GamesWorker, Steps, failure
from uci.terminal.reading import board_at
from uci.web.puzzle_desk import PuzzleDesk
from uci.web.table import Table

_UPLOAD = ".upload-"  # begins the names of files that are on their way here,
_IMPORT = ".import-"  # and of those that are here, and were not taken in yet

Tell = Callable[[dict[str, Any]], None]


class Shelf:
    """The games of a folder, for the page. `tell` sends it a message and `lay` puts a table there,
    from any thread.

    `is_busy` tells whether Aino thinks there, and `load` makes the reviews' engine.
    """

    def __init__(
        self, folder: Path, load: Callable[[], Engine], tell: Tell, lay: Callable[[Table, KeptReview | None], None],
        is_busy: Callable[[], bool], limits: Limits,
    ) -> None:  # fmt: skip
        self._folder, self._tell, self._lay = folder, tell, lay
        self._keeper = FileLock(folder / REVIEWS / ".open")
        self._has_resumed = self._is_reading = False
        self._mark = os.urandom(
            4
        ).hex()  # in the names of files that arrive while this program runs
        self._worker = GamesWorker(
            folder, lambda text: tell({"do": "say", "text": text, "kind": "error"})
        )
        self.desk = PuzzleDesk(folder, tell)
        self._reviews = BackgroundReviews(self._worker, load, limits, self._tell_work, is_busy)

    def arrive(self) -> None:
        """Continue the imports and reviews that were left when the program ended: a page is there."""
        if self._folder.is_dir():
            self._worker.do(self._resume)

    def _resume(self, index: GameIndex) -> Steps:
        self.desk.show()
        if not self._has_resumed and self._is_first():  # Else what it finds there may be at work.
            self._has_resumed = True
            remove_left_behind(self._folder)
            for left in [
                *self._folder.glob(f"{_UPLOAD}*"),
                *(self._folder / REVIEWS).glob(f"*{BEGUN}"),
            ]:
                if self._mark not in left.name:
                    left.unlink(missing_ok=True)
            for left in self._folder.glob(f"{_IMPORT}*"):
                if self._mark not in left.name:
                    yield from self._import(index, left)
        self._has_resumed = True
        if self._reviews.state["left"]:
            yield from index.refreshing()
            self._reviews.begin()

    def _is_first(self) -> bool:
        """Whether no other program has this folder open."""
        with contextlib.suppress(OSError):  # of a folder in which nothing can be written
            return self._keeper.try_acquire()
        return False

    def close(self) -> None:
        """Stop the work; it goes on the next time."""
        self._reviews.stop()
        self._worker.close(self._keeper.release)

    def ask(self, request: Callable[..., object], **fields: Any) -> None:
        """Let the worker carry out one of the requests below. Of a question to the index, only the
        latest counts.
        """

        def work(index: GameIndex) -> object:
            return request(self, index, **fields)

        if request in (Shelf.find, Shelf.progress, Shelf.explore, Shelf.names):
            self._worker.ask(request.__name__, {**fields, "offset": 0}, work)
        else:
            self._worker.do(work)

    # ---- requests, on the worker's thread --------------------------------------------------------

    def refresh(self, index: GameIndex) -> Steps | None:
        """Read what is new in the folder, and tell the page."""
        if self._is_reading:
            return None
        self._is_reading = True
        return self._read(index)

    def _read(self, index: GameIndex, imported: str = "") -> Steps:
        """Read it; `imported` names a file just taken in."""
        names, problems = list[str](), list[str]()
        try:
            problems = yield from index.refreshing(
                lambda games: self._tell({"do": "games_reading", "games": games})
            )
            if imported:
                if index.drop_known(imported):
                    problems.append(
                        _(
                            "{file} has no game that Aino can play and does not have yet.",
                            file=imported,
                        )
                    )
                    yield from index.refreshing()
                else:
                    _games, total = index.find(Wanted(file=imported))
                    text = several(
                        "{file}: {count} game.", "{file}: {count} games.", total, file=imported
                    )
                    problems = [text, *problems]
                    names = index.likely_names(imported)
            if not (names or index.own_names.is_told):
                names = index.likely_names()
        except Exception as error:  # noqa: BLE001 - the page waits for an end
            problems.append(failure(error))
        self._is_reading = self._is_reading and bool(imported)
        self._tell({"do": "games_read", "problems": problems})
        if names:
            self._tell_names(index, names)

    def _tell_names(self, index: GameIndex, likely: list[str]) -> None:
        self._tell({"do": "games_names", "own": index.own_names.all[1:], "likely": likely})

    def find(
        self,
        index: GameIndex,
        text: str,
        result: str,
        side: str,
        file: str,
        line: str,
        order: str,
        offset: int,
    ) -> None:
        """Tell the page a part of the list, and how far the reviews are."""
        wanted = Wanted(text, result, side, file, line, order)
        games, total = index.find(wanted, offset)
        self._tell(
            {
                "do": "games_found",
                **asdict(wanted),
                "games": games,
                "total": total,
                "offset": offset,
            }
        )
        self._tell_work()

    def _tell_work(self) -> None:
        self._tell({"do": "games_work", **self._reviews.state})

    def progress(self, index: GameIndex) -> None:
        """Tell accuracy and mistakes over time."""
        self._tell({"do": "games_progress", "points": index.progress()})

    def explore(self, index: GameIndex, board: chess.Board, side: str, file: str) -> None:
        """Tell what was played in a position in the games, and in which files there are more."""
        moves = [{"uci": one.move.uci(), "san": shown_moves(board.san(one.move)), "counts": one.counts}
                 for one in index.explore(board, side, file)]  # fmt: skip
        line = " ".join(map(chess.Move.uci, board.move_stack))
        self._tell(
            {
                "do": "explored",
                "fen": board.fen(),
                "moves": moves,
                "line": line,
                "files": index.files(),
            }
        )

    def names(self, index: GameIndex) -> None:
        """Tell one's own names, and whose games there are besides."""
        self._tell_names(index, index.likely_names())

    def name(self, index: GameIndex, name: str, mine: bool) -> None:
        """Note that a name is one's own, or is not; "" is nobody's. The page asks for its list
        again.
        """
        index.add_name(name, mine)
        self._tell({"do": "games_read", "problems": []})

    def delete(self, index: GameIndex, key: str, text: str) -> None:
        """Delete the text of a game that was shown, by its digest, for good. The page asks for its
        list again.
        """
        says = index.delete(key, text)
        self._tell({"do": "games_read", "problems": [says] if says else []})

    def open(self, index: GameIndex, key: str, ply: int) -> None:
        """Open a game for analysis after so many plies, from one's own side, with its review if
        there is one.
        """
        game, text = index.game_text(key)
        side, headers = index.side(key), dict(game.headers)
        table = Table(
            Setup(
                board_at(game), None, headers=headers, source=game, seen_by=side, kept=(key, text)
            )
        )
        nodes = [game, *game.mainline()]
        table.look(
            nodes[max(0, ply - game.board().ply())]
            if ply < len(nodes) + game.board().ply()
            else game
        )
        review = None
        with contextlib.suppress(DataError):
            review = KeptReview.read(self._folder, key)
        self._lay(table, review)

    def go_on(self, index: GameIndex, key: str) -> None:
        """Continue a game against Aino."""
        setup, side = saved_game(index.game(key)), index.side(key)
        human = chess.WHITE if side is None else side
        self._lay(Table(setup if setup.levels is not None else replace(setup, human=human)), None)

    def review(self, index: GameIndex, key: str) -> None:
        """Review a game in the background, or all of one's own without a review."""
        self._reviews.add([key] if key else index.unreviewed())
        self._tell_work()

    def next_puzzle(self, index: GameIndex, source: str, theme: str, least: int, most: int) -> None:
        """Show another puzzle."""
        self.desk.next(source, theme, least, most)

    def stop(self, index: GameIndex) -> None:
        """Drop all reviews that wait."""
        self._reviews.forget()
        self._tell_work()

    # ---- reviews ---------------------------------------------------------------------------------

    def begin_review(self, key: str) -> None:
        """Take note that the board reviews a game of this key."""
        self._worker.do(lambda index: (self._folder / REVIEWS / f"{key}{BEGUN}").touch())

    def keep(self, review: KeptReview, key: str) -> None:
        """Keep the board's review, unless the game was deleted since it began."""
        self._worker.do(lambda index: review.write(self._folder / REVIEWS / f"{key}{BEGUN}"))

    def review_page(self, key: str, nonce: str) -> Future[str]:
        """Return the page of a game's review. The future raises DataError where there is none."""
        return self._worker.call(lambda index: KeptReview.read(self._folder, key).page(nonce))

    def rewrite(self, kept: tuple[str, str], game: chess.pgn.Game) -> Future[tuple[str, Path]]:
        """Write a game into its file, in place of the text of this key and digest, as
        `GameIndex.rewrite` does.
        """
        return self._worker.call(lambda index: index.rewrite(*kept, game))

    # ---- import ----------------------------------------------------------------------------------

    def upload_path(self, name: str) -> Path:
        """Where a file on its way here is written to. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^\w.-]+", "_", name)[-LONGEST_NAME:].lstrip(
            ".-_"
        )  # what no folder or system takes otherwise
        return self._folder / f"{_UPLOAD}{self._mark}{os.urandom(4).hex()}-{name}"

    def take_in(self, upload: Path) -> None:
        """Make an uploaded file one of the folder, plain UTF-8 under a free name, and read it.

        If the program is killed meanwhile, the next one does it. Raises OSError.
        """
        left = upload.replace(upload.with_name(upload.name.replace(_UPLOAD, _IMPORT, 1)))
        self._worker.do(lambda index: self._import(index, left))

    def _import(self, index: GameIndex, upload: Path) -> Steps:
        name = upload.name.removeprefix(_IMPORT).partition("-")[2]
        try:
            with open_unpacked(upload) as (stream, _share):
                found = wanted_kind(kind_of(stream.read(LOOKED_AT)), name, GAMES, PUZZLES)
            if found == PUZZLES or (
                not found and re.search(r"\.[ct]sv(\.\w+)?$", name, re.IGNORECASE)
            ):
                says = yield from self.desk.trainer.adding(upload, name)
                upload.unlink()
                self._tell({"do": "games_read", "problems": [says]})
            else:
                taken = yield from take_in(upload, name)
                yield from self._read(index, taken)
        except Exception as error:  # noqa: BLE001 - the page waits for an end
            upload.unlink(missing_ok=True)
            says = translated(failure(error))
            self._tell(
                {
                    "do": "games_read",
                    "problems": [says if says.startswith(name) else f"{name}: {says}"],
                }
            )
