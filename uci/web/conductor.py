"""Does what the page asks: changes the table, sets the engine to work, and tells the page."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chess
import chess.pgn

from engine.board.pgn.game_writer import game_text
from engine.errors import AinoError, MoveError
from engine.options import EngineOptions
from engine.search.limits import Limits
from engine.search.result import SearchInfo, SearchResult
from uci.annotate.comments import add_comments, how_reviewed
from uci.annotate.game_page import game_section, render_game_page
from uci.game.ends import DECLINED, DRAW_AGREED, DRAW_FROM_PLY, TOO_EARLY, accepts_draw, end_by_resigning
from uci.game.level import HINT_LEVEL, Level, parse_level
from uci.game.move_input import read_human_move
from uci.game.timed_game import Setup
from uci.library.review_queue import keep_review
from uci.terminal.opening_names import book_move
from uci.terminal.verdict import Verdict
from uci.web.beginnings import chosen_game, chosen_position, loaded_game
from uci.web.board_engine import BoardEngine
from uci.web.shelf import Shelf
from uci.web.snapshot import lines_of, snapshot, verdict_at_end
from uci.web.table import Table
from uci.web.wishes import read_wish

if TYPE_CHECKING:
    from engine.player import Engine

_FIRST_LOOK = Limits(movetime_ms=150)  # the first lines of an analysis come after this; later ones each second
_REVIEW = Limits(nodes=20_000)
_WATCHED_S = 1.0  # the least time for a move where Aino plays itself, so that people can follow

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Desk:
    """What the conductor works with."""

    engine: BoardEngine
    save: Callable[[chess.pgn.Game], str]  # returns a sentence that says where the game is
    review_limits: Limits = _REVIEW
    games: Path | None = None  # the folder of one's own games
    load: Callable[[], Engine] | None = None  # makes an engine for reviews in the background
    rng: random.Random | None = None  # chooses Aino's openings; without it Aino searches from the first move on


class Conductor:
    """One person at one table with one engine. `tell` sends a message to the page that is at the board.

    All methods run in the event loop and return at once; the engine works in tasks.
    """

    def __init__(self, desk: Desk, setup: Setup, tell: Tell) -> None:
        self._engine = desk.engine
        self.table = self._lay(setup)
        self.review_page: Callable[[str], str] | None = None  # the page for a nonce
        self._desk = desk
        self._tell = tell
        self._tasks: set[asyncio.Task[None]] = set()
        self._flag: asyncio.TimerHandle | None = None
        self._shows_lines, self._line_count = True, 3
        self._reviewing = False
        self._reviewed = (0, 0)  # moves that a running review has judged, and how many there are
        self._hinted: dict[str, Any] | None = None  # the latest hint
        self._is_saved = False
        self._saved = ""  # where the game is that was saved last
        self.table.wait(True)
        self.shelf: Shelf | None = None
        if desk.games is not None and desk.load is not None:
            self.shelf = Shelf(desk.games, desk.load, self._tell_from_thread, self._replace_table,
                               lambda: self.table.is_engine_turn, desk.review_limits)  # fmt: skip

    # ---- the page comes and goes ------------------------------------------------------------------------------------

    def arrive(self) -> None:
        """A page has come to the board: sends it everything and lets the game continue."""
        self.table.wait(False)
        self._tell_state()
        if self._reviewing or self.review_page is not None:
            self._tell(self._review_state())
        if self._hinted is not None and self._hinted["fen"] == self.table.board.fen():
            self._tell(self._hinted)
        if self.shelf is not None:
            self._loop = asyncio.get_running_loop()
            self.shelf.arrive()
        if not self._engine.is_loaded:
            self._say("Aino is getting ready; the very first start compiles the engine. You can begin.")
        self._go_on()

    def leave(self) -> None:
        """The page is gone: stops the clocks and the engine, unless that reviews a game."""
        self.table.wait(True)
        if not self._reviewing:
            self._engine.stop()
        self._set_flag_timer()

    def receive(self, text: str | bytes) -> None:
        """Does what a message asks for. A message that cannot be carried out is answered by an error and changes
        nothing.
        """
        try:
            name, fields = read_wish(text)
            if not name.startswith(("games_", "puzzles_")):
                getattr(self, f"_do_{name}")(**fields)
            elif self.shelf is not None:
                (self.shelf if name.startswith("games_") else self.shelf.puzzles).receive(name, fields)
        except AinoError as error:
            self._say(str(error), "error")
            self._tell_state()

    def close(self) -> str | None:
        """Ends the engine's work and saves a game that is not saved; returns where it is."""
        self._end_review()
        self._engine.stop()
        if self.shelf is not None:
            self.shelf.close()
        return self._save()

    # ---- requests: the game -----------------------------------------------------------------------------------------

    def _do_new(self, side: str, level: str, clock: str, fen: str, chess960: str) -> None:
        board = chosen_position(fen, self.table.shown, self._say, chess960)
        self._replace_table(chosen_game(board, side, level, clock))

    def _do_play_from_here(self, side: str, level: str, clock: str) -> None:
        self._replace_table(chosen_game(self.table.shown.copy(), side, level, clock))

    def _do_again(self, swap: bool) -> None:
        """The same game once more, from its start."""
        if not self.table.is_game:
            raise MoveError("there is no game to play again")
        self._replace_table(self.table.again(swap))

    def _replace_table(self, setup: Setup) -> None:
        where = self._save()
        self._forget_review()
        self.table = self._lay(setup)
        self._is_saved = not self.table.is_game
        self._changed()
        if where is not None:
            self._say(where)

    def _lay(self, setup: Setup) -> Table:
        """A table for a new game."""
        table = Table(setup)
        table.load(not self._engine.is_loaded)
        return table

    def _do_move(self, uci: str) -> None:
        self._move(self._legal(uci, self.table.shown))

    def _do_type(self, text: str) -> None:
        self._move(read_human_move(self.table.shown, text))

    def _move(self, move: chess.Move) -> None:
        table = self.table
        if table.is_analysing:
            table.explore([move])
        elif table.is_human_turn:
            table.play(move)
            self._is_saved = False
        else:
            raise MoveError("the game is over" if table.end else "it is Aino's move")
        self._changed()

    def _do_take_back(self) -> None:
        if not self.table.take_back():
            raise MoveError("you have no move to take back")
        self._forget_review()
        self._changed()

    def _do_hint(self) -> None:
        if self.table.is_human_turn:
            self._start(self._hint())

    async def _hint(self) -> None:
        table, board = self.table, self.table.board.copy()
        await self._be_loaded()
        if table is not self.table or not table.is_human_turn or table.board != board:
            return
        result = await self._search(board, HINT_LEVEL)
        if result is not None and result.best_move is not None:
            move = result.best_move
            line = lines_of(self.table, board, result.infos)["lines"][:1] if result.infos else []
            squares = [move.from_square, move.to_square]
            found = {"fen": board.fen(), "san": board.san(move), "squares": squares, "line": line}
            self._hinted = {"do": "hint", **found}
            self._tell(self._hinted)

    def _do_offer_draw(self) -> None:
        table = self.table
        if not table.is_human_turn:
            raise MoveError("offer a draw when it is your move")
        if table.plies < DRAW_FROM_PLY:
            raise MoveError(TOO_EARLY)
        self._start(self._consider_draw())

    async def _consider_draw(self) -> None:
        self._say("Aino considers your offer")
        await self._be_loaded()
        if not self.table.is_human_turn:
            return
        result = await self._search(self.table.board.copy(), HINT_LEVEL)
        if result is None or not result.infos or not self.table.is_human_turn:
            return
        if accepts_draw(Verdict.of_info(result.infos[0])):
            self.table.finish(DRAW_AGREED)
            self._changed()
        else:
            self._say(DECLINED)

    def _do_resign(self) -> None:
        if not self.table.is_running or self.table.human is None:
            raise MoveError("there is no game to resign")
        self.table.finish(end_by_resigning(self.table.human))
        self._changed()

    def _do_level(self, level: str) -> None:
        self.table.level = parse_level(level)
        self._changed()

    # ---- requests: analysis -----------------------------------------------------------------------------------------

    def _do_analyse(self, on: bool) -> None:
        self.table.analyse(on)
        self._changed()

    def _do_look(self, variation: bool, ply: int) -> None:
        if self.table.is_analysing:
            self.table.look(variation, ply)
            self._changed()

    def _do_explore(self, moves: list[str]) -> None:
        if not self.table.is_analysing:
            raise MoveError("moves of a line can be played in analysis only")
        board = self.table.shown.copy()
        found = []
        for uci in moves:
            found.append(self._legal(uci, board))
            board.push(found[-1])
        self.table.explore(found)
        self._changed()

    def _do_drop_variation(self) -> None:
        self.table.drop_variation()
        self._changed()

    def _do_lines(self, on: bool, count: int) -> None:
        self._shows_lines, self._line_count = on, count
        self._changed()

    def _do_position(self, fen: str) -> None:
        self._replace_table(Setup(chosen_position(fen, self.table.shown, self._say), None))

    def _do_load(self, text: str, game: int) -> None:
        setup, names, fault = loaded_game(text, game)
        self._replace_table(setup)
        self.table.look(False, 0)
        self._changed()
        if fault:
            self._say(f"the PGN has a fault: {fault}", "error")
        if len(names) > 1:
            self._tell({"do": "games", "names": names, "game": game})

    def _do_review(self) -> None:
        if self.table.is_game and self.table.end is None:
            raise MoveError("a game can be reviewed when it is over")
        if not self.table.plies:
            raise MoveError("there are no moves to review")
        self._start(self._review())

    async def _review(self) -> None:
        table, total = self.table, self.table.plies
        self._reviewing, self._reviewed, self.review_page = True, (0, total), None
        self._tell(self._review_state())

        def on_ply(done: int, of: int) -> None:
            if self._reviewing and table is self.table:
                self._reviewed = done, of
                self._tell(self._review_state())

        limits = self._desk.review_limits
        try:
            review = await self._engine.review(table.record(), self._for_analysis, limits, on_ply)
        except Exception:
            if table is self.table:
                self._forget_review()
                self._go_on()
            raise
        if review is None or table is not self.table:
            return
        self._reviewing = False
        how = how_reviewed(self._engine.evaluator_name, limits)
        section = game_section(review, 1, game_text(add_comments(review, how)), table.human)
        self.review_page = lambda nonce: render_game_page("Review of the game", [section], how, nonce)
        self._tell(self._review_state())
        self._go_on()
        if self.shelf is not None and table.is_game:
            keep_review(self.shelf.folder, review, section, how, table.human)

    def _review_state(self) -> dict[str, Any]:
        """Whether a game is being reviewed, or was."""
        done, total = self._reviewed
        ready = self.review_page is not None
        name = "reviewing" if self._reviewing else "reviewed" if ready else "unreviewed"
        return {"do": name, "running": self._reviewing, "ready": ready, "done": done, "total": total}

    def _do_stop_review(self) -> None:
        self._forget_review()
        self._go_on()

    def _forget_review(self) -> None:
        self._end_review()
        self.review_page = None
        self._tell(self._review_state())

    def _end_review(self) -> None:
        if self._reviewing:
            self._reviewing = False
            self._engine.stop()

    # ---- the engine -------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Tells the new state and sets the engine to the work that it asks for."""
        if self.table.end is not None and self.table.is_game and not self._is_saved:
            self._save()
        self._tell_state()
        self._go_on()

    def _go_on(self) -> None:
        self._set_flag_timer()
        if self._reviewing:
            return
        if self.table.is_engine_turn:
            self._start(self._reply())
        elif self.table.is_analysing and self._shows_lines and not self.table.is_waiting:
            self._start(self._analyse())
        else:
            self._engine.stop()

    async def _be_loaded(self) -> None:
        """Waits until the engine is loaded; the clock of whoever waits for it stands still meanwhile."""
        table = self.table
        if not table.is_loading:
            return
        table.ask(table.is_human_turn)
        self._set_flag_timer()
        self._tell_state()
        try:
            await self._engine.prepare()
        finally:
            table.load(not self._engine.is_loaded)
            table.ask(False)
            if table is self.table:
                self._set_flag_timer()
                self._tell_state()

    async def _reply(self) -> None:
        """Aino's move."""
        table = self.table
        await self._be_loaded()
        if table is not self.table or not table.is_engine_turn:
            return
        board = table.board.copy()
        result = await self._answer(table)
        if result is None or table is not self.table or not table.is_engine_turn or table.board != board:
            return
        if result.best_move is None:
            raise MoveError(f"the engine found no move in {table.board.fen()}")
        table.play(result.best_move)
        self._changed()

    async def _answer(self, table: Table) -> SearchResult | None:
        """What Aino plays: a known opening, or what a search finds at a human pace."""
        begun, clock = time.monotonic(), table.clock.limits() if table.clock is not None else None
        rng = self._desk.rng
        known = book_move(table.board.copy(), rng) if rng is not None else None
        if known is not None:
            result: SearchResult | None = SearchResult(known, None, [], [], 0, 0)
        else:
            result = await self._search(table.board.copy(), table.level, table)
        least_s = max(table.level.pace_s(clock, table.board.turn), _WATCHED_S if table.human is None else 0.0)
        await asyncio.sleep(max(0.0, least_s - (time.monotonic() - begun)))
        return result

    async def _search(self, board: chess.Board, level: Level, table: Table | None = None) -> SearchResult | None:
        """Searches at a level, by the clocks of `table` where it has them. None if something else came up."""
        clock = table.clock.limits() if table is not None and table.clock is not None else None
        return await self._engine.search(board, level.options, level.limits(clock, board.turn))

    async def _analyse(self) -> None:
        """Shows lines of the position that is looked at until something else is to be done."""
        board = self.table.shown.copy()
        if not any(board.legal_moves):
            self._engine.stop()
            self._tell(verdict_at_end(board))
            return

        def on_lines(infos: Sequence[SearchInfo]) -> None:
            self._tell(lines_of(self.table, board, infos))

        for limits in (_FIRST_LOOK, Limits(infinite=True)):
            if await self._engine.search(board, self._for_analysis, limits, on_lines) is None:
                return

    def _for_analysis(self, options: EngineOptions) -> EngineOptions:
        return replace(options, analyse_mode=True, limit_strength=False, multi_pv=self._line_count)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(self._reporting(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reporting(self, work: Awaitable[None]) -> None:
        """Some work of the engine, whose failure is reported instead of being lost."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the page stays usable, whatever the engine met
            self._say(f"{type(error).__name__}: {error}" if not isinstance(error, AinoError) else str(error), "error")

    # ---- the rest ---------------------------------------------------------------------------------------------------

    def _set_flag_timer(self) -> None:
        if self._flag is not None:
            self._flag.cancel()
            self._flag = None
        clock = self.table.clock
        if clock is not None and clock.running is not None:
            delay = max(0.0, clock.left(clock.running)) + 0.01
            self._flag = asyncio.get_running_loop().call_later(delay, self._check_flag)

    def _check_flag(self) -> None:
        if self.table.fall_of_flag():
            self._changed()
        else:
            self._set_flag_timer()

    def _tell_state(self) -> None:
        """Everything that a page shows but hints, which the page forgets with the position, and lines that follow."""
        shown = {"on": self._shows_lines, "count": self._line_count}
        saved = self._saved if self._is_saved else ""
        self._tell({**snapshot(self.table), "review": self._review_state(), "shows": shown, "saved": saved})

    def _tell_from_thread(self, message: dict[str, Any]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, message)

    def _say(self, text: str, kind: str = "note") -> None:
        self._tell({"do": "say", "text": text, "kind": kind})

    def _save(self) -> str | None:
        """Saves a game in which the person has moved, once; returns where it is."""
        played = self.table.plies - self.table.first_ply
        aino_began = self.table.setup.board.turn != self.table.human
        if self._is_saved or not self.table.is_game or played <= aino_began:
            return None
        self._is_saved = True
        self._saved = self._desk.save(self.table.record())
        return self._saved

    def _legal(self, uci: str, board: chess.Board) -> chess.Move:
        try:
            move = board.parse_uci(uci)
        except ValueError:
            move = chess.Move.null()
        if not move:  # python-chess reads a null move from 0000
            raise MoveError(f"{uci} is illegal in this position")
        return move
