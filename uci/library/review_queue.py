"""Reviews of one's own games in the background, one after the other; what is wanted survives the page and the program.

A wish is an empty file beside the reviews, and goes when the review is there. So a killed program goes on where it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chess
from markupsafe import Markup

from engine.board.pgn.game_writer import game_text
from engine.errors import AinoError, DataError
from engine.files.atomic import atomic_write
from engine.search.job import SearchInterrupted, SearchJob
from engine.search.limits import Limits
from engine.search.result import SearchResult
from uci.annotate.accuracy import PHASE_NAMES
from uci.annotate.comments import add_comments, how_reviewed, mend_result
from uci.annotate.game_page import game_section, render_game_page
from uci.annotate.judge import BAD
from uci.annotate.review import GameReview, review_game
from uci.library.game_files import game_key
from uci.library.index import REVIEWS, GameIndex, alone_in
from uci.library.puzzles import puzzles_of

if TYPE_CHECKING:
    from engine.player import Engine

WISH = ".wanted"
_POLL_S = 0.05  # while the engine at the board thinks, the reviews look again after this time


def keep_review(
    folder: Path, review: GameReview, section: tuple[str, str], how: str, reader: chess.Color | None
) -> None:
    """Keep a review beside the games: its part of a page, what a list shows, and its puzzles. Raises OSError."""
    kept = {"name": section[0], "section": section[1], "how": how, "facts": review_facts(review)}
    (folder / REVIEWS).mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / REVIEWS / f"{game_key(review.game)}.json") as file:
        file.write(json.dumps({**kept, "puzzles": puzzles_of(review, reader)}).encode())


def kept_review_page(folder: Path, key: str, nonce: str) -> str:
    """Return the page of a kept review, for a server that allows scripts by a nonce. Raises DataError."""
    try:
        kept = json.loads((folder / REVIEWS / f"{key}.json").read_text(encoding="utf-8"))
        section = (kept["name"], Markup(kept["section"]))  # a template made the text, so it is already escaped
        return render_game_page("Review of the game", [section], kept["how"], nonce)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"there is no review of this game: {error}") from error


def review_facts(review: GameReview) -> dict[str, Any]:
    """Return what a list shows: each side's accuracy, and its mistakes in each phase."""
    facts: dict[str, Any] = {"mistakes": {}}
    for side in chess.COLORS:
        name = chess.COLOR_NAMES[side]
        facts[name] = review.accuracy(side)
        own = [phase for move, phase in zip(review.moves, review.phases, strict=False)
               if move.mover == side and move.judgement in BAD]  # fmt: skip
        facts["mistakes"][name] = [own.count(phase) for phase in PHASE_NAMES]
    return facts


class BackgroundReviews:
    """Reviews the games that were wished for, on a thread with an engine of its own, which `load` makes.

    `tell` hears of each change, on that thread. While `is_busy`, the reviews wait, so that nobody waits for them.
    """

    def __init__(
        self,
        folder: Path,
        load: Callable[[], Engine],
        limits: Limits,
        tell: Callable[[], None] = lambda: None,
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._folder, self._load, self._tell, self._is_busy, self._limits = folder, load, tell, is_busy, limits
        self._job: SearchJob[None] | None = None
        self._lock = threading.Lock()
        self._running, self._share = "", 0.0
        self.problem = ""  # of the latest review that failed

    @property
    def state(self) -> dict[str, Any]:
        """The key of the game that is being reviewed, the share of it that is done, and the games that are left."""
        place = self._folder / REVIEWS
        left = sum(name.endswith(WISH) for name in os.listdir(place)) if place.is_dir() else 0
        return {"running": self._running, "share": self._share, "left": left, "problem": self.problem}

    def add(self, keys: Iterable[str]) -> None:
        """Wishes for reviews. Raises DataError where the wish cannot be kept."""
        try:
            (self._folder / REVIEWS).mkdir(parents=True, exist_ok=True)
            for key in keys:
                (self._folder / REVIEWS / f"{key}{WISH}").touch()
        except OSError as error:
            raise DataError(str(error)) from error
        self.begin()

    def begin(self) -> None:
        """Start to work, if anything is wished for and nothing runs."""
        with self._lock:
            if self._wishes() and (self._job is None or self._job.done()):
                self._job = SearchJob[None]().start(self._work)

    def forget(self) -> None:
        """Drop all wishes, and the review that runs."""
        for path in self._wishes():
            path.unlink(missing_ok=True)
        self.stop()

    def stop(self) -> None:
        """Stop working; wishes stay."""
        if self._job is not None:
            self._job.stop()

    def _wishes(self) -> list[Path]:
        found = list[tuple[int, Path]]()
        for path in (self._folder / REVIEWS).glob(f"*{WISH}"):
            with contextlib.suppress(FileNotFoundError):  # that review has just become ready
                found.append((path.stat().st_mtime_ns, path))
        return [path for _, path in sorted(found)]

    def _work(self, job: SearchJob[None]) -> None:
        def waits() -> None:  # another program reviews the same games
            self._tell()
            if job.stopped:
                raise KeyboardInterrupt

        try:
            with alone_in(self._folder, "reviewing", waits):
                if self._wishes():
                    self._review_all(job)
        except (KeyboardInterrupt, AinoError, OSError) as error:
            self.problem = str(error)
        self._running, self._share = "", 0.0
        self._tell()

    def _review_all(self, job: SearchJob[None]) -> None:
        with contextlib.closing(GameIndex(self._folder)) as index, self._load() as engine:
            engine.set_options(replace(engine.options, analyse_mode=True, limit_strength=False, threads=1))
            while not job.stopped and (wishes := self._wishes()):
                self._review(engine, index, wishes[0], job)

    def _review(self, engine: Engine, index: GameIndex, wish: Path, job: SearchJob[None]) -> None:
        key = wish.name.removesuffix(WISH)
        self._running, self._share = key, 0.0

        def search(engine: Engine, limits: Limits) -> SearchResult:
            while self._is_busy() and not job.stopped:
                time.sleep(_POLL_S)
            result = engine.search(limits, None, job)
            if job.stopped:
                raise SearchInterrupted(result)
            return result

        def on_ply(done: int, total: int) -> None:
            self._share = done / total
            self._tell()

        try:
            review = review_game(engine, index.game(key), self._limits, on_ply, search=search)
            mend_result(review.game)
            how, reader = how_reviewed(engine.evaluator.name, self._limits), index.side(key)
            section = game_section(review, 1, game_text(add_comments(review, how)), reader)
            keep_review(self._folder, review, section, how, reader)
        except AinoError as error:  # a game that is gone or cannot be reviewed must not stop the others
            self.problem = str(error)
        wish.unlink(missing_ok=True)
        self._tell()
