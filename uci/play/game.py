"""The loop of a terminal game: show, ask, answer, until the game ends or the player leaves."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import chess
from rich.console import Console

from engine.errors import AinoError, MoveError
from engine.search.results import SearchResult
from uci.openings import opening_name
from uci.play.board_view import BoardStyle, render_bar, render_board
from uci.play.clock import GameClock, clock_text
from uci.play.commands import COMMANDS
from uci.play.ends import UNFINISHED, GameEnd, end_by_flag, end_on_board
from uci.play.level import Level
from uci.play.move_input import read_human_move
from uci.terminal import say, waiting
from uci.verdict import Verdict
from uci.waiting import search_interruptibly

if TYPE_CHECKING:
    from engine.player import Engine

__all__ = ["GameSettings", "TerminalGame"]

_ADVICE = Level(movetime_s=1.0)  # at full strength, whatever the opponent's level
_LEAST_COMMAND = 3  # letters; a shorter word is no misspelt command


@dataclass
class GameSettings:
    """Who plays, and how it looks. `human` is None where Aino plays both sides."""

    human: chess.Color | None
    levels: dict[chess.Color, Level]  # of Aino with either colour
    style: BoardStyle
    clock: GameClock | None = None
    bar: bool = False  # the evaluation bar under every board


class TerminalGame:
    """A person against the engine, or the engine against itself; `ask` reads a line, EOFError at the end of input.

    What can be typed besides moves is in `uci.play.commands`.
    """

    def __init__(
        self,
        console: Console,
        engine: Engine,
        board: chess.Board,
        settings: GameSettings,
        ask: Callable[[str], str] = input,
    ) -> None:
        self.board = board
        self.console = console
        self.settings = settings
        self.clock_times: dict[int, float] = {}  # seconds left to the mover after each ply
        self.verdict: Verdict | None = None  # Aino's latest, White's view
        self._engine = engine
        self._ask = ask
        self._perspective = settings.human if settings.human is not None else chess.WHITE
        self._start_ply = len(board.move_stack)
        self._opening = ""

    def play(self) -> GameEnd:
        """Plays to the end; leaving (quit, EOF, Ctrl-C) gives result "*"."""
        if self.settings.human is not None:
            self.say("Moves like e4, Nf3 or g1f3; 'help' lists the rest.")
        self.show()
        try:
            while True:
                end = end_on_board(self.board) or (self._engine_turn() if self.is_engine_turn else self._human_turn())
                if end is not None:
                    return end
        except (EOFError, KeyboardInterrupt):
            self.console.print()
            return UNFINISHED

    # ---- turns ------------------------------------------------------------------------------------------------------

    @property
    def is_engine_turn(self) -> bool:
        """Whether Aino is to move."""
        return self.board.turn != self.settings.human

    def _human_turn(self) -> GameEnd | None:
        clock = self.settings.clock
        if clock is not None:
            clock.start(self.board.turn)
        number = f"{self.board.fullmove_number}{'.' if self.board.turn == chess.WHITE else '...'}"
        text = self._ask(f"{self._clocks()}{number} your move: ").strip()
        if clock is not None and clock.left(self.board.turn) <= 0:
            return end_by_flag(self.board)
        try:
            return self._obey(text)
        except AinoError as error:
            self.say(str(error))
        return None

    def _obey(self, text: str) -> GameEnd | None:
        """Plays a typed move or runs a typed command. Raises AinoErrors whose messages help."""
        if not text:
            return None
        word, _, argument = text.partition(" ")
        command = COMMANDS.get(word.lower())
        if command is not None:
            return command.run(self, argument.strip())
        try:
            move = read_human_move(self.board, text)
        except MoveError as error:
            raise _with_guess(error, word.lower(), COMMANDS) from None
        self._push(move)
        if end_on_board(self.board):
            self.show()
        return None

    def _engine_turn(self) -> GameEnd | None:
        clock = self.settings.clock
        if clock is not None:
            clock.start(self.board.turn)
        mover = self.board.turn
        result = self.search(self.settings.levels[mover])
        if clock is not None and clock.left(mover) <= 0:
            return end_by_flag(self.board)
        if result.best_move is None:
            raise MoveError(f"the engine found no move in {self.board.fen()}")
        san = self.board.san(result.best_move)
        number = f"{self.board.fullmove_number}{'.' if mover == chess.WHITE else '...'} "
        self._push(result.best_move)
        self.show()
        self.say(f"Aino plays {number}{san} ({_opinion(result)})")
        self._tell_opening()
        return None

    def _push(self, move: chess.Move) -> None:
        mover = self.board.turn
        self.board.push(move)
        if self.settings.clock is not None:
            self.settings.clock.stop()
            self.clock_times[len(self.board.move_stack)] = self.settings.clock.left(mover)

    def search(self, level: Level = _ADVICE) -> SearchResult:
        """Searches the position, for advice or at a level, and keeps the verdict; Ctrl-C stops it and is raised."""
        clock = self.settings.clock
        self._engine.set_options(level.options(self._engine.options))
        self._engine.set_position(self.board)
        limits = level.limits(clock.limits() if clock is not None else None)
        with waiting(self.console, "Aino is thinking"):
            result = search_interruptibly(self._engine, limits)
        if result.infos:
            self.verdict = Verdict.of_info(result.infos[0]).seen_by_white(self.board.turn)
        return result

    # ---- changes of the position ------------------------------------------------------------------------------------

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

    # ---- output -----------------------------------------------------------------------------------------------------

    def show(self) -> None:
        """Prints the board, with the evaluation bar where it is wanted and known."""
        self.console.print(render_board(self.board, self._perspective, self.settings.style))
        if self.settings.bar and self.verdict is not None:
            self.say(render_bar(self.verdict, self.settings.style))

    def say(self, text: str) -> None:
        """Prints a text as it is."""
        say(self.console, text)

    def _clocks(self) -> str:
        clock = self.settings.clock
        if clock is None:
            return ""
        return f"[you {clock_text(clock.left(self.board.turn))}, Aino {clock_text(clock.left(not self.board.turn))}] "

    def _tell_opening(self) -> None:
        name = opening_name(self.board)
        if name and name != self._opening:
            self._opening = name
            self.say(f"Opening: {name}")


def _opinion(result: SearchResult) -> str:
    """What the engine thinks of the move it plays, which need not be the best where its strength is limited."""
    played = [child for child in result.children if child.move == result.best_move and child.visits]
    if played:
        return Verdict.of_move(played[0]).text
    return Verdict.of_info(result.infos[0]).text if result.infos else "book"


def _with_guess(error: MoveError, word: str, names: Mapping[str, object]) -> MoveError:
    """The error, with a command's name added where the word looks like a slip of it."""
    close = difflib.get_close_matches(word, names, 1) if len(word) >= _LEAST_COMMAND else []
    return MoveError(f"{error}; did you mean '{close[0]}'?") if close else error
