"""A terminal game: its position and clocks, the engine that plays in it, and the console that shows it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import chess
from rich.console import Console

from engine.console import say, waiting
from engine.search.result import SearchResult
from uci.game.clock import GameClock
from uci.game.level import Level
from uci.terminal.board_view import BoardStyle, render_bar, render_board
from uci.terminal.opening_names import opening_name
from uci.terminal.verdict import Verdict
from uci.terminal.waiting import search_interruptibly

if TYPE_CHECKING:
    from engine.player import Engine

__all__ = ["GameSettings", "TerminalGame"]

_ADVICE = Level(movetime_s=1.0)  # hints use full strength, whatever the opponent's level


@dataclass
class GameSettings:
    """Who plays, and how it looks. `human` is None where Aino plays both sides."""

    human: chess.Color | None
    levels: dict[chess.Color, Level]  # Aino's level for each colour
    style: BoardStyle
    clock: GameClock | None = None
    bar: bool = False  # whether to show the evaluation bar under every board
    started: datetime.datetime = field(default_factory=datetime.datetime.now)


class TerminalGame:
    """A person against the engine, or the engine against itself: the position, the clocks, and what is shown of them.

    `uci.play.loop` plays it; what can be typed besides moves is in `uci.play.typed_commands`.
    """

    def __init__(
        self,
        console: Console,
        engine: Engine,
        board: chess.Board,
        settings: GameSettings,
    ) -> None:
        self.board = board
        self.console = console
        self.settings = settings
        self.clock_times: dict[int, float] = {}  # seconds left to the mover after each ply
        self.verdict: Verdict | None = None  # Aino's latest verdict, from White's view
        self._engine = engine
        self._perspective = settings.human if settings.human is not None else chess.WHITE
        self._start_ply = len(board.move_stack)
        self._opening = ""

    # ---- changes of the position ------------------------------------------------------------------------------------

    @property
    def is_engine_turn(self) -> bool:
        """Whether Aino is to move."""
        return self.board.turn != self.settings.human

    def push(self, move: chess.Move) -> None:
        """Plays a legal move and stops the mover's clock."""
        mover = self.board.turn
        self.board.push(move)
        if self.settings.clock is not None:
            self.settings.clock.stop()
            self.clock_times[len(self.board.move_stack)] = self.settings.clock.left(mover)

    def take_back(self) -> bool:
        """Undoes Aino's last move and the person's before it, clocks included; False where there is none."""
        if len(self.board.move_stack) - self._start_ply < 2:
            return False
        for _ in range(2):
            self.clock_times.pop(len(self.board.move_stack), None)
            self.board.pop()
        clock = self.settings.clock
        if clock is not None:
            ply = len(self.board.move_stack)
            for side, left_after in ((not self.board.turn, ply), (self.board.turn, ply - 1)):
                clock.set_left(side, self.clock_times.get(left_after, clock.control.seconds))
        self.verdict = None
        return True

    def replace_board(self, board: chess.Board) -> None:
        """Goes on from another position; clocks start anew."""
        self.board = board
        self._start_ply = 0
        self.verdict = None
        self.clock_times.clear()
        if self.settings.clock is not None:
            self.settings.clock = GameClock(self.settings.clock.control)

    def flip(self) -> None:
        """Turns the board round."""
        self._perspective = not self._perspective

    # ---- the engine -------------------------------------------------------------------------------------------------

    def search(self, level: Level = _ADVICE) -> SearchResult:
        """Searches the position, for a hint or at a level, and keeps the verdict; Ctrl-C stops it and is raised."""
        clock = self.settings.clock
        self._engine.set_options(level.options(self._engine.options))
        self._engine.set_position(self.board)
        limits = level.limits(clock.limits() if clock is not None else None)
        with waiting(self.console, "Aino is thinking"):
            result = search_interruptibly(self._engine, limits)
        if result.infos:
            self.verdict = Verdict.of_info(result.infos[0]).seen_by_white(self.board.turn)
        return result

    # ---- output -----------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Prints the board, with the evaluation bar where it is wanted and known."""
        self.console.print(render_board(self.board, self._perspective, self.settings.style))
        if self.settings.bar and self.verdict is not None:
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
