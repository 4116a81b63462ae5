"""One person at one board with one engine: what all requests of the page share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.options import EngineOptions
from engine.pages.board import Facts, Tell
from engine.search.limits import Limits
from uci.annotate.review import DEFAULT_LIMITS
from uci.common.limit_flags import USUAL_LINES
from uci.game.level import parse_level
from uci.game.preferences import Preferences
from uci.game.timed_game import Setup
from uci.language import translated
from uci.library.reviews import KeptReview
from uci.library.worker import failure
from uci.web.board_game import BoardGame
from uci.web.engine_service import EngineService
from uci.web.games_service import GamesService
from uci.web.review_state import BoardReview, Lesson, ReadyReview, RunningReview
from uci.web.saver import Saver
from uci.web.snapshot import review_of, review_told, snapshot

if TYPE_CHECKING:
    from engine.player import Engine

_BEHIND_S = 0.01  # a timer may be early

Work = TypeVar("Work")


@dataclass(frozen=True)
class Services:
    """What a session works with."""

    engine: EngineService
    load: Callable[[], Engine]  # makes an engine for reviews in the background
    folder: Path  # of one's own games
    file: Path  # in which new games are saved
    line_count: int = USUAL_LINES  # of an analysis, until others are chosen
    review_limits: Limits = DEFAULT_LIMITS
    # Chooses Aino's openings; without it Aino searches from the first move on.
    rng: random.Random | None = None


class BoardSession:
    """`tell` sends a message to the page that is at the board. `set_to_work` sets the engine to
    what the board asks for; `on_idle` hears when a thread has done the work for which others
    waited.

    All methods run in the event loop and return at once; the engine works in tasks.
    """

    def __init__(
        self,
        services: Services,
        setup: Setup,
        tell: Tell,
        set_to_work: Callable[[], None] = lambda: None,
        on_idle: Callable[[], None] = lambda: None,
    ) -> None:
        self.engine = services.engine
        self.review_limits = services.review_limits
        self.rng = services.rng
        self.tell = tell
        self._set_to_work = set_to_work
        self.tasks = BoardTasks(self.report, self.tell_state, on_idle)
        self._folder = services.folder
        self.preferences = Preferences.read(services.folder)
        self._open_games(services)
        self.board_game = self._lay(BoardGame(setup))
        if setup.levels is not None:
            self.preferences = Preferences.of(self.board_game)
        self.review: BoardReview = None
        self.lesson: Lesson | None = None  # a mistake that one tries to do better
        self.shows_lines = True
        self.line_count = services.line_count
        # The game that was reviewed last, with its review.
        self.reviewed: tuple[BoardGame, ReadyReview] | None = None
        self.hinted: Facts | None = None  # the latest hint
        self.advising = asyncio.Lock()  # while a hint is searched for, or the answer to a draw
        self._loop: asyncio.AbstractEventLoop | None = None  # known once a page has come
        self._flag = FlagTimer(self.changed)
        self._is_known = False  # whether the page has the moves of this game

    def _open_games(self, services: Services) -> None:
        """Make what keeps games and puzzles in the folder. It works on threads."""
        self.games = GamesService(
            services.folder,
            services.load,
            partial(self._from_thread, self.tell),
            partial(self._from_thread, self.put),
            lambda: self.board_game.is_engine_turn,
            services.review_limits,
        )
        self.saver = Saver(
            services.folder,
            services.file,
            self.games.rewrite,
            partial(self._from_thread, self._saved),
            partial(self._from_thread, self.say),
        )

    def arrive(self) -> None:
        """Tell everything to a page that has come to the board, and let the game continue."""
        self._loop = asyncio.get_running_loop()
        self._is_known = False
        self.games.arrive()
        self.board_game.wait(False)
        self.tell_state()
        self._tell_review()
        if self.hinted is not None and self.hinted["fen"] == self.board_game.board.fen():
            self.tell(self.hinted)

    def leave(self) -> None:
        """Stop the clocks, and the engine unless it reviews a game: the page is gone."""
        self.board_game.wait(True)
        if not self.is_reviewing:
            self.engine.stop()
        self._flag.watch(self.board_game)

    def close(self) -> str | None:
        """End the engine's work and save what is not saved; return where it is, or what cannot be
        saved.
        """
        self.review = None
        self.engine.stop()
        self.board_game.wait(True)
        where = self.saver.finish(self.board_game)
        self.games.close()
        return where

    # ---- the page --------------------------------------------------------------------------------

    def tell_state(self) -> None:
        """Tell the page all that it shows, of the moves only those that it does not have.

        Hints and lines of analysis are told apart: the page forgets them when the position changes.
        """
        is_new = not self._is_known
        state = snapshot(self.board_game, is_new=is_new, review=self.review, lesson=self.lesson)
        is_other_reviewed = self.reviewed is not None and self.reviewed[0] is not self.board_game
        self._is_known = True
        self.tell(
            {
                **state,
                "shows": {"on": self.shows_lines, "count": self.line_count},
                "choice": vars(self.preferences),
                "saved": self.saver.sentence(self.board_game),
                "back": is_other_reviewed,
            }
        )

    def _from_thread(self, act: Callable[..., None], *values: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act, *values)

    def say(self, text: str, kind: str = "note") -> None:
        """Send words to the page: a note, or an error."""
        self.tell({"do": "say", "text": translated(text), "kind": kind})

    def report(self, error: Exception) -> None:
        """Tell the page what failed: it stays usable."""
        self.say(failure(error), "error")

    def changed(self) -> None:
        """Tell the new state and set the engine to the work that it asks for. A lesson ends where
        another position than its own is looked at.
        """
        study = self.board_game.study
        if self.lesson is not None:
            is_there = self.lesson.node in study.numbers
            if not is_there or self.lesson.node.parent is not study.here:
                self.lesson = None
        self.noted()
        self.go_on()

    def noted(self) -> None:
        """Tell the new state and save it soon. Something was written: the engine works on."""
        self.saver.soon(self.board_game)
        self.tell_state()

    def go_on(self) -> None:
        """Set clocks and engine to what the board asks for."""
        self._flag.watch(self.board_game)
        self._set_to_work()

    # ---- the game --------------------------------------------------------------------------------

    def replace_board_game(
        self,
        board_game: BoardGame,
        review: BoardReview = None,
        notes: Sequence[str] = (),
        is_from_review: bool = False,
    ) -> None:
        """Begin another game, after saving the one before. The `notes` are on its position; from a
        game that tries what a review said one goes back to it.
        """
        self.saver.now(self.board_game)
        if not is_from_review:
            self.reviewed = None
        board_game.wait(self.board_game.is_waiting)  # The page may be gone.
        self.board_game = self._lay(board_game)
        self.review = review
        self.lesson = None
        self._is_known = False
        self.changed()
        self._tell_review()
        for text in notes:  # now, because the page says first what has changed
            self.say(text)

    def put(self, board_game: BoardGame, kept: KeptReview | None) -> None:
        """Put another game there, with its review if there is one."""
        review: BoardReview = None
        if kept is not None:
            review = ReadyReview(kept, tuple(board_game.study.moves))
        self.replace_board_game(board_game, review)

    def _lay(self, board_game: BoardGame) -> BoardGame:
        """Give a game its level, where nothing tells one: the one that was chosen last."""
        if board_game.setup.levels is None:
            board_game.level = parse_level(self.preferences.level)
        board_game.load(not self.engine.is_loaded)
        self.saver.begin(board_game)
        return board_game

    def choose(self, preferences: Preferences) -> None:
        """Take note of what is wanted of the next games, too."""
        self.preferences = preferences
        preferences.keep(self._folder)

    def _saved(self, board_game: BoardGame, sentence: str, is_lost: bool) -> None:
        """Let the state of a game tell where it is saved, and say of an earlier one that it could
        not be.
        """
        if board_game is self.board_game:
            if not board_game.is_running:
                self.tell_state()
        elif is_lost:
            self.say(sentence, "error")

    @property
    def is_reviewing(self) -> bool:
        """Whether the engine is at a review of the game."""
        return isinstance(self.review, RunningReview)

    def set_review(self, review: BoardReview) -> None:
        """Note how far the review is, and tell the page. One that is running and gives way is
        stopped.
        """
        if self.is_reviewing and not isinstance(review, RunningReview):
            self.engine.stop()
        self.review = review
        self._tell_review()

    def _tell_review(self) -> None:
        if isinstance(self.review, ReadyReview):
            self.reviewed = (self.board_game, self.review)
        elif self.reviewed is not None and self.reviewed[0] is self.board_game:
            self.reviewed = None
        marks = review_of(self.review, self.board_game.study)
        self.tell({"do": "review", **review_told(self.review), **marks})

    # ---- the engine ------------------------------------------------------------------------------

    async def be_loaded(self) -> None:
        """Wait until the engine is loaded; the clock of whoever waits for it stands still
        meanwhile.
        """
        board_game = self.board_game
        if not board_game.is_loading:
            return
        board_game.ask(board_game.is_human_turn)
        self._flag.watch(self.board_game)
        self.tell_state()
        try:
            await self.engine.prepare()
        finally:
            board_game.load(not self.engine.is_loaded)
            board_game.ask(False)
            if board_game is self.board_game:
                self._flag.watch(self.board_game)
                self.tell_state()

    def for_analysis(self, options: EngineOptions) -> EngineOptions:
        """Return the options with which the engine analyses and reviews."""
        return replace(options, analyse_mode=True, limit_strength=False, multi_pv=self.line_count)


# ---- beside the conversation with the page: tasks, a thread's work, and the clock ------------------


class BoardTasks:
    """`report` hears of each failure, none of which is lost. `tell_state` tells the page what it
    shows, after a request that failed; `on_idle` lets the requests go on that waited.
    """

    def __init__(
        self,
        report: Callable[[Exception], None],
        tell_state: Callable[[], None],
        on_idle: Callable[[], None],
    ) -> None:
        self._report = report
        self._tell_state = tell_state
        self._on_idle = on_idle
        self._running = set[asyncio.Task[None]]()
        self.is_working = False  # whether a thread works on a request, and the others wait

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a task work beside the conversation."""
        task = asyncio.ensure_future(self._reporting(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def work(self, work: Callable[[], Work], then: Callable[[Work], None]) -> None:
        """Let a thread do what takes longer than a moment, and go on with what it returns. Other
        requests wait.
        """
        self.is_working = True
        self.start(self._work(work, then))

    async def _work(self, work: Callable[[], Work], then: Callable[[Work], None]) -> None:
        try:
            then(await asyncio.to_thread(work))
        except Exception as error:  # noqa: BLE001 - the page stays usable, whatever was met
            self._report(error)
            self._tell_state()
        finally:  # whatever fails or is cancelled, the other requests have waited
            self.is_working = False
            self._on_idle()

    async def _reporting(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the page stays usable, whatever was met
            self._report(error)


class FlagTimer:
    """Calls `on_fall` when the flag of the side to move falls."""

    def __init__(self, on_fall: Callable[[], None]) -> None:
        self._on_fall = on_fall
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, board_game: BoardGame) -> None:
        """Wait for the flag at this board_game, as its clock runs now, and of no other."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        clock = board_game.clock
        if clock is not None and clock.running is not None:
            delay = max(0.0, clock.left(clock.running)) + _BEHIND_S
            self._timer = asyncio.get_running_loop().call_later(delay, self._look, board_game)

    def _look(self, board_game: BoardGame) -> None:
        if board_game.fall_of_flag():
            self._on_fall()
        else:
            self.watch(board_game)
