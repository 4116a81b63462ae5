"""Reviews of one's own games in the background, one after the other; what is wanted survives the
page and the program.

A wish is an empty file beside the reviews, named by the line of the game. It goes with the game, so
that a killed program goes on where it was, and no review comes back that was deleted.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import AinoError
from engine.native.locks import FileLock
from engine.search.job import SearchJob
from engine.search.limits import Limits
from uci.annotate.comments import mend_result
from uci.annotate.review import review_game, until_stopped
from uci.game.game_file import REVIEWS, owning
from uci.library.game_files import WISH, is_key, line_key
from uci.library.games_folder import GamesFolder
from uci.library.reviews import KeptReview
from uci.library.worker import GamesWorker, failure

if TYPE_CHECKING:
    from engine.player import Engine

_POLL_S = 0.05  # while the engine at the board thinks, the reviews look again after this time
_WAIT_S = 0.5  # between two looks whether another program has done its reviews


class BackgroundReviews:
    """Reviews the games that were wished for, on a thread with an engine of its own, which `load`
    makes.

    `tell` hears of each change, on that thread. While `is_busy`, the reviews wait, so that nobody
    waits for them.
    """

    def __init__(
        self,
        worker: GamesWorker,
        load: Callable[[], Engine],
        limits: Limits,
        tell: Callable[[], None] = lambda: None,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._worker = worker
        self._load = load
        self._tell = tell
        self._is_busy = is_busy
        self._limits = limits
        self._place = worker.folder / REVIEWS
        # The job that looks at the wishes, until it has seen that there is none.
        self._job: SearchJob[None] | None = None
        self._changing_job = threading.Lock()
        self._running = ""
        self._share = 0.0
        self.problem = ""  # of the latest review that failed

    @property
    def state(self) -> dict[str, Any]:
        """The key of the game that is being reviewed, the share of it that is done, and the games
        that are left.
        """
        return {
            "running": self._running,
            "share": self._share,
            "left": len(self._wishes()),
            "problem": self.problem,
        }

    def add(self, lines: Iterable[str]) -> None:
        """Wish for reviews of games. Raises OSError where the wish cannot be kept."""
        for line in lines:
            (self._place / f"{line}{WISH}").touch()
        self.begin()

    def begin(self) -> None:
        """Start to work, if anything is wished for and nothing runs."""
        with self._changing_job:
            if self._job is not None or not self._wishes():
                return
            self._job = job = SearchJob[None]()  # before its thread may be told to stop
        job.start(self._work)

    def forget(self) -> None:
        """Drop all wishes, and the review that runs."""
        with owning(self._worker.folder):
            for path in self._wishes():
                path.unlink(missing_ok=True)
        self.stop()

    def stop(self) -> None:
        """Stop working; wishes stay."""
        with self._changing_job:
            job, self._job = self._job, None
        if job is not None:
            job.stop()

    def _next_wish(self, job: SearchJob[None]) -> Path | None:
        """Return what is wished for next, or end a job, because it was stopped or there is none."""
        with self._changing_job:
            wishes = self._wishes()
            if self._job is job and wishes:
                return wishes[0]
            self._end(job)
        return None

    def _end(self, job: SearchJob[None]) -> None:
        if self._job is job:
            self._job = None

    def _wishes(self) -> list[Path]:
        times = {}
        for path in self._place.glob(f"*{WISH}"):
            with contextlib.suppress(FileNotFoundError):  # that review has just become ready
                if is_key(path.stem):
                    times[path] = path.stat().st_mtime_ns
        return sorted(times, key=lambda path: (times[path], path))

    def _work(self, job: SearchJob[None]) -> None:
        lock = FileLock(self._place / ".reviewing")
        try:
            while not lock.try_acquire():  # another program reviews the same games
                self._tell()
                if job.stopped:
                    return
                time.sleep(_WAIT_S)
            if self._wishes():
                with self._load() as engine:
                    engine.set_options(
                        replace(engine.options, analyse_mode=True, limit_strength=False, threads=1)
                    )
                    while wish := self._next_wish(job):
                        self._review(engine, wish, job)
        except (KeyboardInterrupt, CancelledError):  # of a review that was stopped
            pass
        except Exception as error:  # noqa: BLE001 - no review may end without a word
            self.problem = failure(error)
        finally:
            with self._changing_job:
                self._end(job)
            lock.release()
            self._running = ""
            self._share = 0.0
            self._tell()

    def _review(self, engine: Engine, wish: Path, job: SearchJob[None]) -> None:
        key = wish.name.removesuffix(WISH)
        self._running = key
        self._share = 0.0

        def wait() -> None:
            while self._is_busy() and not job.stopped:
                time.sleep(_POLL_S)

        def on_ply(done: int, total: int) -> None:
            self._share = done / total
            self._tell()

        try:
            game = self._worker.call(lambda games: games.game(key)).result()
            review = review_game(
                engine, game, self._limits, on_ply, search=until_stopped(job, wait)
            )
            mend_result(review.game)
            kept_review = KeptReview(review, engine.evaluator.name, self._limits, None)
            self._worker.call(lambda games: _keep(games, wish, kept_review)).result()
        except AinoError as error:
            # A game that is gone or cannot be reviewed must not stop the others.
            self.problem = str(error)
            wish.unlink(missing_ok=True)
        self._tell()


def _keep(games: GamesFolder, wish: Path, review: KeptReview) -> None:
    """Keep a review if it is still wanted, and the game is still there."""
    games.refresh()
    if wish.exists():
        games.keep_review(line_key(review.review.game), review)
        wish.unlink(missing_ok=True)
