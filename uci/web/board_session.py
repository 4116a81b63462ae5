"""One person at one table with one engine: the state of the board, and what its modes share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import chess
import chess.pgn

from engine.errors import AinoError, DataError
from engine.files.atomic import real_path
from engine.native.awake import awake_s
from engine.options import EngineOptions
from engine.search.limits import Limits, SearchJob
from uci.annotate.review import DEFAULT_LIMITS
from uci.game.choice import Choice
from uci.game.game_file import save_game
from uci.game.level import parse_level
from uci.game.timed_game import Setup
from uci.language import _, translated
from uci.library.reviews import KeptReview
from uci.library.worker import failure
from uci.terminal.limit_flags import USUAL_LINES
from uci.web.board_engine import BoardEngine
from uci.web.shelf import Shelf
from uci.web.snapshot import review_of, snapshot
from uci.web.table import Table

if TYPE_CHECKING:
    from engine.player import Engine

# After a game or an analysis was changed: a machine may lose its power, a program be killed.
_SAVE_S = 3.0
# Of the time that the latest save took, until the next one: a file of `--pgn` may be large.
_PAUSE = 20.0
Tell = Callable[[dict[str, Any]], None]
Work = TypeVar("Work")


@dataclass(frozen=True)
class Services:
    """What a session works with."""

    engine: BoardEngine
    # Saves a game, in place of what was saved of it before, or an analysis; returns a sentence that
    # says where it is. Raises DataError.
    save: Callable[[chess.pgn.Game, chess.pgn.Game | None, bool], str]
    line_count: int = USUAL_LINES  # of an analysis, until others are chosen
    review_limits: Limits = DEFAULT_LIMITS
    games: Path | None = None  # the folder of one's own games
    load: Callable[[], Engine] | None = None  # makes an engine for reviews in the background
    # Chooses Aino's openings; without it Aino searches from the first move on.
    rng: random.Random | None = None


@dataclass(frozen=True)
class Review:
    """How far the review of the game is."""

    is_running: bool = False
    done: int = 0  # moves that have been judged
    total: int = 0
    page: Callable[[str], str] | None = None  # the page for a nonce, once the review is ready
    # Its marks and its curve, in the language of who asks.
    says: Callable[[], dict[str, Any]] = dict

    def message(self) -> dict[str, Any]:
        """Return what the page is told, but for what it says of moves."""
        ready = self.page is not None
        name = "reviewed" if ready else "unreviewed"
        if self.is_running:
            name = "reviewing"
        return {
            "do": name,
            "running": self.is_running,
            "ready": ready,
            "done": self.done,
            "total": self.total,
        }


class BoardSession:
    """`tell` sends a message to the page that is at the board.

    All methods run in the event loop and return at once; the engine works in tasks.
    """

    def __init__(self, services: Services, setup: Setup, tell: Tell) -> None:
        self.services = services
        self.engine = services.engine
        self.tell = tell
        self.choice = Choice.read(services.games)
        self.table = self._lay(Table(setup))
        if setup.levels is not None:
            self.choice = Choice.of(self.table)
        self.shows_lines = True
        self.line_count = services.line_count
        self.review = Review()
        self.reviewed: tuple[Table, Review] | None = None  # the table that was reviewed last
        self.hinted: dict[str, Any] | None = None  # the latest hint
        self.advising = asyncio.Lock()  # while a hint is searched for, or the answer to a draw
        self._tasks: set[asyncio.Task[bool]] = set()
        self._flag: asyncio.TimerHandle | None = None
        self._soon: asyncio.TimerHandle | None = None  # until a save
        self._latest_save = SearchJob[str]()
        self._took_s = 0.0
        self._saved = ""  # where the game is that was saved last, or why it could not be saved
        self._is_known = False  # whether the page has the moves of this table
        self.is_working = False  # whether a thread works on a request, and the others wait
        self.shelf = self._make_shelf()

    def _make_shelf(self) -> Shelf | None:
        games, load = self.services.games, self.services.load
        if games is None or load is None:
            return None
        tell = partial(self._from_thread, self.tell)
        lay = partial(self._from_thread, self.put)
        return Shelf(
            games, load, tell, lay, lambda: self.table.is_engine_turn, self.services.review_limits
        )

    def arrive(self) -> None:
        """Take note that a page has come to the board."""
        self._loop = asyncio.get_running_loop()
        self._is_known = False
        if self.shelf is not None:
            self.shelf.arrive()

    def close(self) -> str | None:
        """End the engine's work and save what is not saved; return where it is, or what cannot be
        saved.
        """
        self.review = Review()
        self.engine.stop()
        self.table.wait(True)
        saving = self._begin_save()
        self._latest_save.join()
        if self.shelf is not None:
            self.shelf.close()
        told = saving.result() if saving is not None else None
        return f"{told}\n\n{self.table.record()}" if told and self.table.is_worth_saving else told

    # ---- the page --------------------------------------------------------------------------------

    def tell_state(self) -> None:
        """All that a page shows but hints, which it forgets with the position, lines that follow,
        and moves it has.
        """
        shown = {"on": self.shows_lines, "count": self.line_count}
        state = snapshot(self.table, is_new=not self._is_known)
        self._is_known = True
        back = self.reviewed is not None and self.reviewed[0] is not self.table
        self.tell(
            {
                **state,
                "review": self.review.message(),
                "shows": shown,
                "choice": vars(self.choice),
                "saved": self._saved,
                "back": back,
            }
        )

    def _from_thread(self, act: Callable[..., None], *given: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act, *given)

    def say(self, text: str, kind: str = "note") -> None:
        """Send words to the page: a note, or an error."""
        self.tell({"do": "say", "text": translated(text), "kind": kind})

    def changed(self) -> None:
        """Tell the new state and set the engine to the work that it asks for."""
        self.noted()
        self.go_on()

    def noted(self) -> None:
        """Tell the new state and save it soon. Something was written: the engine works on."""
        if self._soon is not None:
            self._soon.cancel()
        if self.table.end is not None:
            self._save()
        else:
            self._soon = asyncio.get_running_loop().call_later(
                max(_SAVE_S, _PAUSE * self._took_s), self._save
            )
        self.tell_state()

    def go_on(self) -> None:
        """Set clocks and engine to what the table asks for."""
        self.set_flag_timer()

    def on_idle(self) -> None:
        """Go on after the work on a thread."""

    def work(self, work: Callable[[], Work], then: Callable[[Work], None]) -> None:
        """Let a thread do what takes longer than a moment, and go on with what it returns. Other
        requests wait.
        """
        self.is_working = True
        self.start(self._work(work, then))

    async def _work(self, work: Callable[[], Work], then: Callable[[Work], None]) -> None:
        async def working() -> None:
            then(await asyncio.to_thread(work))

        if not await self._reporting(working()):
            self.tell_state()
        self.is_working = False
        self.on_idle()

    # ---- the table -------------------------------------------------------------------------------

    def replace_table(self, table: Table, *notes: str) -> None:
        """Begin another game, after saving the one before. The `notes` are on its position."""
        self._save(tells=True)
        table.wait(self.table.is_waiting)  # The page may be gone.
        self.table = self._lay(table)
        self.set_review(Review())
        self._is_known = False
        self._saved = ""
        self.changed()
        for text in notes:  # now, because the page says first what has changed
            self.say(text)

    def put(self, table: Table, kept: KeptReview | None) -> None:
        """Put another table there, with its review if there is one."""
        self.replace_table(table)
        if kept is not None:
            self.set_review(
                Review(page=kept.page, says=partial(review_of, kept.review, table, table.moves))
            )

    def _lay(self, table: Table) -> Table:
        """Give a table its level, where nothing tells one: the one that was chosen last."""
        if table.setup.levels is None:
            table.level = parse_level(self.choice.level)
        table.load(not self.engine.is_loaded)
        return table

    def choose(self, choice: Choice) -> None:
        """Take note of what is wanted of the next games, too."""
        self.choice = choice
        choice.keep(self.services.games)

    def play(self, move: chess.Move) -> None:
        """Play a move of the running game."""
        self.table.play(move)
        self._saved = ""
        self.changed()

    def _begin_save(self) -> SearchJob[str] | None:
        """Save the table as it is now on a thread, after what is being saved; None where there is
        nothing to save.
        """
        table, earlier = self.table, self._latest_save
        if not table.is_worth_saving:
            return None
        record = table.record()
        before = table.saved
        version = table.saved_version
        table.saved, table.saved_version = record, table.version

        def save(job: SearchJob[str]) -> str:
            earlier.join()
            try:
                return self._write(table, record, before)
            except DataError as error:
                table.saved, table.saved_version = before, version  # it has to be tried again
                return str(error)

        self._latest_save = SearchJob[str]().start(save)
        return self._latest_save

    def _write(self, table: Table, record: chess.pgn.Game, before: chess.pgn.Game | None) -> str:
        """Write a game: what was changed goes into the text that it came from, or else into another
        file, and the page hears why. Raises DataError.
        """
        if table.setup.analysis is not None:
            return saved_in(table.setup.analysis, record, before)
        if table.kept is None or self.shelf is None:
            return self.services.save(record, before, not table.is_played)
        try:
            digest, path = self.shelf.rewrite(table.kept, record).result()
        except Exception as error:  # noqa: BLE001 - whatever it is, what was written is not lost
            reason = translated(error.args[0] if isinstance(error, DataError) else failure(error))
            saved = self.services.save(record, before, not table.is_played)
            told = _("{saved}. The file that it is from stays as it is: {reason}",
                     saved=saved, reason=reason)  # fmt: skip
            if reason != table.kept_apart:
                table.kept_apart = reason
                self._from_thread(self.say, told)
            return told
        table.kept = (table.kept[0], digest)
        table.kept_apart = ""
        return _("The game is saved in {path}", path=path)

    def _save(self, tells: bool = False) -> None:
        """Save the table; say where, or let the state of a game that has ended tell it."""
        if (saving := self._begin_save()) is not None:
            self.start(self._told_saved(self.table, saving, tells))

    async def _told_saved(self, table: Table, saving: SearchJob[str], tells: bool) -> None:
        begun = awake_s()
        where = await saving
        self._took_s = awake_s() - begun
        if tells:
            self.say(where)
        elif table is self.table and not table.is_running:  # a running game is told of at its end
            self._saved = where
            self.tell_state()

    def set_review(self, review: Review) -> None:
        """Keep how far a review is, and tell the page. One that is running and gives way is
        stopped.
        """
        if self.review.is_running and not review.is_running:
            self.engine.stop()
        self.review = review
        if review.page is not None:
            self.reviewed = self.table, review
        elif self.reviewed is not None and self.reviewed[0] is self.table:
            self.reviewed = None
        self.tell({**self.review.message(), "marks": {}, "curve": [], **self.review.says()})

    # ---- the clocks ------------------------------------------------------------------------------

    def set_flag_timer(self) -> None:
        """Wait for the moment when the flag of the side to move falls."""
        if self._flag is not None:
            self._flag.cancel()
            self._flag = None
        clock = self.table.clock
        if clock is not None and clock.running is not None:
            delay = max(0.0, clock.left(clock.running)) + 0.01
            self._flag = asyncio.get_running_loop().call_later(delay, self._check_flag)

    def _check_flag(self) -> None:
        if self.table.fall_of_flag():
            self.changed()
        else:
            self.set_flag_timer()

    # ---- the engine ------------------------------------------------------------------------------

    async def be_loaded(self) -> None:
        """Wait until the engine is loaded; the clock of whoever waits for it stands still
        meanwhile.
        """
        table = self.table
        if not table.is_loading:
            return
        table.ask(table.is_human_turn)
        self.set_flag_timer()
        self.tell_state()
        try:
            await self.engine.prepare()
        finally:
            table.load(not self.engine.is_loaded)
            table.ask(False)
            if table is self.table:
                self.set_flag_timer()
                self.tell_state()

    def for_analysis(self, options: EngineOptions) -> EngineOptions:
        """Return the options with which the engine analyses and reviews."""
        return replace(options, analyse_mode=True, limit_strength=False, multi_pv=self.line_count)

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Let a task work beside the conversation."""
        task = asyncio.ensure_future(self._reporting(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reporting(self, work: Awaitable[object]) -> bool:
        """Do some work and return whether it succeeded; a failure is reported instead of being
        lost.
        """
        try:
            await work
            return True
        except Exception as error:  # noqa: BLE001 - the page stays usable, whatever the engine met
            self.say(
                f"{type(error).__name__}: {error}"
                if not isinstance(error, AinoError)
                else str(error),
                "error",
            )
            return False


def saved_in(file: Path, game: chess.pgn.Game, before: chess.pgn.Game | None) -> str:
    """Save a game in a file, in the place of what was saved `before`; return where it is. Raises
    DataError.
    """
    try:
        save_game(game, file, before)
    except OSError as error:
        raise DataError(
            _("The game cannot be saved in {path}: {error}", path=file, error=error.strerror)
        ) from error
    return _("The game is saved in {path}", path=real_path(file))
