"""One person at one table with one engine: what the modes of the board share."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.options import EngineOptions
from engine.search.limits import Limits
from uci.annotate.review import DEFAULT_LIMITS
from uci.common.limit_flags import USUAL_LINES
from uci.game.level import parse_level
from uci.game.preferences import Choice
from uci.game.timed_game import Setup
from uci.language import translated
from uci.library.reviews import KeptReview
from uci.library.worker import failure
from uci.web.board_tasks import BoardTasks, FlagTimer
from uci.web.engine_desk import EngineDesk
from uci.web.games_desk import GamesDesk
from uci.web.people_desk import PeopleDesk
from uci.web.saver import Saver
from uci.web.snapshot import review_of, review_told, snapshot
from uci.web.table import Table
from uci.web.table_review import TableReview

if TYPE_CHECKING:
    from engine.player import Engine

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Services:
    """What a session works with."""

    engine: EngineDesk
    load: Callable[[], Engine]  # makes an engine for reviews in the background
    folder: Path  # of one's own games
    file: Path  # in which new games are saved
    line_count: int = USUAL_LINES  # of an analysis, until others are chosen
    review_limits: Limits = DEFAULT_LIMITS
    # Chooses Aino's openings; without it Aino searches from the first move on.
    rng: random.Random | None = None


class BoardSession:
    """`tell` sends a message to the page that is at the board. `set_to_work` sets the engine to
    what the table asks for; `on_idle` hears when a thread has done the work for which others
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
        self.people = PeopleDesk()
        self.choice = Choice.read(services.folder)
        self.table = self._lay(Table(setup))
        if setup.levels is not None:
            self.choice = Choice.of(self.table)
        self._open_games(services)
        self.shows_lines = True
        self.line_count = services.line_count
        self.reviewed: Table | None = None  # the table that was reviewed last
        self.hinted: dict[str, Any] | None = None  # the latest hint
        self.advising = asyncio.Lock()  # while a hint is searched for, or the answer to a draw
        self._loop: asyncio.AbstractEventLoop | None = None  # known once a page has come
        self._flag = FlagTimer(self.changed)
        self._is_known = False  # whether the page has the moves of this table

    def _open_games(self, services: Services) -> None:
        """Make what keeps games and puzzles in the folder. It works on threads."""
        self.games = GamesDesk(
            services.folder,
            services.load,
            partial(self._from_thread, self.tell),
            partial(self._from_thread, self.put),
            lambda: self.table.is_engine_turn,
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
        self.table.wait(False)
        self.tell_state()
        self._tell_review()
        if self.hinted is not None and self.hinted["fen"] == self.table.board.fen():
            self.tell(self.hinted)

    def leave(self) -> None:
        """Stop the clocks, and the engine unless it reviews a game: the page is gone."""
        self.table.wait(True)
        if not self.table.review.is_running:
            self.engine.stop()
        self._flag.watch(self.table)

    def close(self) -> str | None:
        """End the engine's work and save what is not saved; return where it is, or what cannot be
        saved.
        """
        self.table.review = TableReview()
        self.engine.stop()
        self.table.wait(True)
        where = self.saver.finish(self.table)
        self.games.close()
        return where

    # ---- the page --------------------------------------------------------------------------------

    def tell_state(self) -> None:
        """Tell the page all that it shows, of the moves only those that it does not have.

        Hints and lines of analysis are told apart: the page forgets them when the position changes.
        """
        state = snapshot(self.table, is_new=not self._is_known)
        self._is_known = True
        self.tell(
            {
                **state,
                "shows": {"on": self.shows_lines, "count": self.line_count},
                "choice": vars(self.choice),
                "back": self.reviewed not in (None, self.table),
            }
        )

    def _from_thread(self, act: Callable[..., None], *given: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act, *given)

    def say(self, text: str, kind: str = "note") -> None:
        """Send words to the page: a note, or an error."""
        self.tell({"do": "say", "text": translated(text), "kind": kind})

    def report(self, error: Exception) -> None:
        """Tell the page what failed: it stays usable."""
        self.say(failure(error), "error")

    def changed(self) -> None:
        """Tell the new state and set the engine to the work that it asks for."""
        self.noted()
        self.go_on()

    def noted(self) -> None:
        """Tell the new state and save it soon. Something was written: the engine works on."""
        self.saver.soon(self.table)
        self.tell_state()

    def go_on(self) -> None:
        """Set clocks and engine to what the table asks for."""
        self._flag.watch(self.table)
        self._set_to_work()

    # ---- the table -------------------------------------------------------------------------------

    def replace_table(self, table: Table, *notes: str) -> None:
        """Begin another game, after saving the one before. The `notes` are on its position."""
        self.saver.now(self.table, aloud=True)
        table.wait(self.table.is_waiting)  # The page may be gone.
        self.table = self._lay(table)
        self._is_known = False
        self.changed()
        self._tell_review()
        for text in notes:  # now, because the page says first what has changed
            self.say(text)

    def put(self, table: Table, kept: KeptReview | None) -> None:
        """Put another table there, with its review if there is one."""
        table.review = TableReview(kept=kept, moves=tuple(table.moves))
        self.replace_table(table)

    def _lay(self, table: Table) -> Table:
        """Give a table its level, where nothing tells one: the one that was chosen last."""
        if table.setup.levels is None:
            table.level = parse_level(self.choice.level)
        table.load(not self.engine.is_loaded)
        return table

    def choose(self, choice: Choice) -> None:
        """Take note of what is wanted of the next games, too."""
        self.choice = choice
        choice.keep(self._folder)

    def _saved(self, table: Table, where: str, aloud: bool) -> None:
        """Say where a table was saved, or let the state of a game that has ended tell it."""
        if aloud:
            self.say(where)
        elif table is self.table and not table.is_running:  # a running game is told of at its end
            table.where_saved = where
            self.tell_state()

    def set_review(self, review: TableReview) -> None:
        """Note how far the review is, and tell the page. One that is running and gives way is
        stopped.
        """
        if self.table.review.is_running and not review.is_running:
            self.engine.stop()
        self.table.review = review
        self._tell_review()

    def _tell_review(self) -> None:
        review = self.table.review
        if review.kept is not None:
            self.reviewed = self.table
        elif self.reviewed is self.table:
            self.reviewed = None
        self.tell({"do": "review", **review_told(review), **review_of(self.table)})

    # ---- the engine ------------------------------------------------------------------------------

    async def be_loaded(self) -> None:
        """Wait until the engine is loaded; the clock of whoever waits for it stands still
        meanwhile.
        """
        table = self.table
        if not table.is_loading:
            return
        table.ask(table.is_human_turn)
        self._flag.watch(self.table)
        self.tell_state()
        try:
            await self.engine.prepare()
        finally:
            table.load(not self.engine.is_loaded)
            table.ask(False)
            if table is self.table:
                self._flag.watch(self.table)
                self.tell_state()

    def for_analysis(self, options: EngineOptions) -> EngineOptions:
        """Return the options with which the engine analyses and reviews."""
        return replace(options, analyse_mode=True, limit_strength=False, multi_pv=self.line_count)


def on_games(action: Callable[..., object]) -> Callable[..., None]:
    """Return a request that the worker of the games carries out."""

    @functools.wraps(action)
    def act(session: BoardSession, **fields: Any) -> None:
        session.games.ask(action, **fields)

    return act
