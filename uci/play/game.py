"""A terminal game: its position and clocks, the engine that plays in it, and the console that shows it."""

from __future__ import annotations

import datetime
import random
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import chess
from rich.console import Console

from engine.cli.console import say, waiting
from engine.search.result import SearchResult
from uci.game.clock import GameClock, clock_text
from uci.game.level import Level
from uci.game.resume import SavedGame
from uci.play.asking import Countdown
from uci.terminal.board_view import BoardStyle, captured_text, render_bar, render_board
from uci.terminal.opening_names import opening_name
from uci.terminal.verdict import Verdict
from uci.terminal.waiting import search_interruptibly

if TYPE_CHECKING:
    from engine.player import Engine

_HINT_LEVEL = Level(movetime_s=1.0)  # hints use full strength, whatever the opponent's level


class Ask(Protocol):
    """Reads a line, as `uci.play.asking.ask`."""

    def __call__(self, prompt: str, countdown: Countdown | None = None) -> str: ...


@dataclass
class GameSettings:
    """Who plays, and how it looks. `human` is None where Aino plays both sides."""

    human: chess.Color | None
    levels: dict[chess.Color, Level]  # Aino's level for each colour
    style: BoardStyle
    clock: GameClock | None = None
    pgn: Path | None = None  # where to save the game; None for a file of its own
    bar: bool = False  # whether to show the evaluation bar under every board
    book: bool = False  # whether Aino begins with known openings, by chance
    scores: bool = False  # whether to show what Aino thinks of its moves
    started: datetime.datetime = field(default_factory=datetime.datetime.now)

    def again(self, swap: bool) -> GameSettings:
        """The settings of another game: fresh clocks, and the other colours where a `swap` is wanted."""
        fresh = replace(self, started=datetime.datetime.now())
        if self.clock is not None:
            fresh.clock = GameClock(self.clock.control, self.clock.now)
        if swap:
            fresh.human = None if self.human is None else not self.human
            fresh.levels = {side: self.levels[not side] for side in chess.COLORS}
        return fresh


class TerminalGame:
    """A person against the engine, or the engine against itself: the position, the clocks, and what is shown of them.

    `uci.play.loop` plays it; what can be typed besides moves is in `uci.play.typed_commands`.
    """

    def __init__(self, console: Console, engine: Engine, board: chess.Board, settings: GameSettings, ask: Ask) -> None:
        self.board = board
        self.console = console
        self.settings = settings
        self.clock_times: dict[int, float] = {}  # seconds left to the mover after each ply
        self.verdict: Verdict | None = None  # Aino's latest verdict, from White's view
        self._engine = engine
        self.asker = ask
        self.rng = random.Random()
        self._perspective = settings.human if settings.human is not None else chess.WHITE
        self._start_ply = len(board.move_stack)
        self._opening = ""

    # ---- changes of the position ------------------------------------------------------------------------------------

    @property
    def is_engine_turn(self) -> bool:
        """Whether Aino is to move."""
        return self.board.turn != self.settings.human

    @property
    def sides_text(self) -> str:
        """Who plays what, and how strongly."""
        human, levels = self.settings.human, self.settings.levels
        if human is None:
            return "Aino plays both sides"
        return f"you have {chess.COLOR_NAMES[human].title()}; Aino's level: {levels[not human].text}"

    @property
    def has_new_moves(self) -> bool:
        """Whether moves were played that no file has."""
        return len(self.board.move_stack) > self._start_ply

    def start_clock(self) -> None:
        """Lets the mover's clock run; nobody's runs before the first move of a new or loaded game."""
        if self.settings.clock is not None and self.has_new_moves:
            self.settings.clock.start(self.board.turn)

    def push(self, move: chess.Move) -> None:
        """Plays a legal move and stops the mover's clock."""
        mover = self.board.turn
        self.board.push(move)
        if self.settings.clock is not None:
            self.settings.clock.stop()
            self.clock_times[len(self.board.move_stack)] = self.settings.clock.left(mover)

    def take_back(self) -> bool:
        """Undoes the person's last move and Aino's answer, if there is one, clocks included; False without a move."""
        plies = 1 if self.is_engine_turn else 2
        if len(self.board.move_stack) < plies:
            return False
        for _ in range(plies):
            self.clock_times.pop(len(self.board.move_stack), None)
            self.board.pop()
        self._start_ply = min(self._start_ply, len(self.board.move_stack))
        clock = self.settings.clock
        if clock is not None:
            ply = len(self.board.move_stack)
            for side, left_after in ((not self.board.turn, ply), (self.board.turn, ply - 1)):
                clock.set_left(side, self.clock_times.get(left_after, clock.control.seconds))
        self.verdict = None
        return True

    def replace_board(self, board: chess.Board) -> None:
        """Continues from another position; the clocks start anew."""
        clock = self.settings.clock
        self.resume(SavedGame(board, clock=GameClock(clock.control, clock.now) if clock is not None else None))

    def resume(self, saved: SavedGame) -> None:
        """Continues a saved game, with its sides, levels and clocks if it names them."""
        self.board = saved.board
        self._start_ply = len(saved.board.move_stack)
        self.verdict = None
        self.clock_times = dict(saved.clock_times)
        self.settings.clock = saved.clock or self.settings.clock
        if saved.levels is not None:
            self.settings.human, self.settings.levels = saved.human, dict(saved.levels)
            self._perspective = chess.WHITE if saved.human is None else saved.human

    def flip(self) -> None:
        """Turns the board round."""
        self._perspective = not self._perspective

    # ---- the engine -------------------------------------------------------------------------------------------------

    def search(self, level: Level = _HINT_LEVEL) -> SearchResult:
        """Searches the position, for a hint or at a level, and keeps the verdict; Ctrl-C stops it and is raised."""
        clock = self.settings.clock
        self._engine.set_options(level.options(self._engine.options))
        self._engine.set_position(self.board)
        left, begun, white = clock.limits() if clock is not None else None, time.monotonic(), self.board.turn
        with waiting(self.console, "Aino is thinking") as tell:
            result = search_interruptibly(self._engine, level.limits(left, white), tell=tell)
            time.sleep(max(0.0, level.pace_s(left, white) - (time.monotonic() - begun)))
        if result.infos:
            self.verdict = Verdict.of_info(result.infos[0]).seen_by_white(self.board.turn)
        return result

    # ---- output -----------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Prints the board, what was captured, and the evaluation bar where it is wanted and known."""
        self.console.print(render_board(self.board, self._perspective, self.settings.style))
        captured = captured_text(self.board, self.settings.style)
        if captured:
            self.say(captured)
        if self.settings.bar and self.settings.scores and self.verdict is not None:
            self.say(render_bar(self.verdict, self.settings.style))

    def say(self, text: str) -> None:
        """Prints a text as it is."""
        say(self.console, text)

    def tell_opening(self) -> None:
        """Names the opening when it has changed."""
        name = opening_name(self.board)
        if name and name != self._opening:
            self._opening = name
            self.say(f"Opening: {name}")

    # ---- questions --------------------------------------------------------------------------------------------------

    def ask(self, prompt: str) -> str:
        """The person's answer, without spaces around it. Raises EOFError, and FlagFell when their time is up."""
        clock, side = self.settings.clock, self.board.turn
        if clock is None:
            return self.asker(prompt).strip()

        def clocks() -> str:
            return f"[you {clock_text(clock.left(side))}, Aino {clock_text(clock.left(not side))}] "

        return self.asker(prompt, Countdown(clocks, lambda: clock.left(side))).strip()

    def confirms(self, question: str) -> bool:
        """Whether the person answers yes."""
        return self.ask(f"{question} [y/N] ").lower() in ("y", "yes")
