"""The game on the web board, and the variation that is looked at beside it: rules and clocks, no engine, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import chess
import chess.pgn

from engine.board.notation import board_after
from uci.game.ends import UNFINISHED, GameEnd, end_by_flag, end_on_board
from uci.game.game_file import game_from_board
from uci.game.timed_game import Setup, TimedGame
from uci.terminal.author_notes import notes_of

MOST_PLIES = 2000  # plies; a game or variation takes no more. The longest known tournament game has 538 (269 moves)


@dataclass
class Variation:
    """Moves that leave the game after its first `fork` plies."""

    fork: int
    moves: list[chess.Move]


class Table(TimedGame):
    """One game, its end, and in analysis the position that is looked at. On a board for analysis nobody plays.

    The clocks wait while the game is analysed or nobody is at the board, and while somebody waits until the engine is
    loaded: Aino to move, or the person for an answer.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.end = end_on_board(self.board) if self.is_game else None
        self.is_analysing = not self.is_game
        self.is_waiting = False  # nobody is at the board
        self.is_loading = False  # Aino cannot think yet
        self.is_asked = False  # the person waits for Aino's answer to something else than a move
        self.variation: Variation | None = None
        self.notes = notes_of(setup.source) if setup.source is not None else []  # of its author, for each ply
        self._in_variation = False
        self._looked_at = self.plies  # plies from the start of the game, through the variation or not

    # ---- the game ---------------------------------------------------------------------------------------------------

    @property
    def is_game(self) -> bool:
        """Whether Aino plays in it; otherwise it is a board for analysis."""
        return self.human is not None or self.setup.is_watched

    @property
    def is_running(self) -> bool:
        """Whether a game is being played at this moment."""
        return self.is_game and self.end is None and not self.is_analysing and not self.is_waiting

    @property
    def is_engine_turn(self) -> bool:
        """Whether Aino is to move in a running game."""
        return self.is_running and super().is_engine_turn

    @property
    def is_human_turn(self) -> bool:
        """Whether the person is to move in a running game."""
        return self.is_running and not super().is_engine_turn

    def play(self, move: chess.Move) -> None:
        """Play a legal move of the running game. A flag that fell before it ends the game instead."""
        if self.fall_of_flag():
            return
        self.push(move)
        self.end = end_on_board(self.board)
        self.run_clock()

    def run_clock(self) -> None:
        """Let the clock of the side to move run if the game does; else stop both."""
        if self.is_running and not (self.is_loading and (self.is_engine_turn or self.is_asked)):
            self.start_clock()
        elif self.clock is not None:
            self.clock.set_left(self.board.turn, self.clock.left(self.board.turn))

    def fall_of_flag(self) -> bool:
        """End the game if the side to move has no time left; return whether it did."""
        if not (self.is_running and self.is_flag_down):
            return False
        self.finish(end_by_flag(self.board))
        return True

    def finish(self, end: GameEnd) -> None:
        """End the game."""
        self.end = end
        self.run_clock()

    def take_back(self) -> bool:
        """As in every game; a game that has ended goes on."""
        if not self.is_game or not super().take_back():
            return False
        self.end = None
        self.variation = None
        self.look(False, self.plies)
        self.run_clock()
        return True

    def wait(self, waiting: bool) -> None:
        """Stop the game while nobody is at the board, or let it continue."""
        self.fall_of_flag()
        self.is_waiting = waiting
        self.run_clock()

    def load(self, loading: bool) -> None:
        """Stop the clock of whoever waits while the engine is being loaded, or let it run."""
        self.is_loading = loading
        self.run_clock()

    def ask(self, asked: bool) -> None:
        """Note that the person waits for an answer, or has it: while the engine is being loaded, this costs no time."""
        self.fall_of_flag()
        self.is_asked = asked
        self.run_clock()

    # ---- analysis ---------------------------------------------------------------------------------------------------

    def analyse(self, analysing: bool) -> None:
        """Enter or leave analysis, during which the game waits. A board without a game is always in analysis."""
        self.fall_of_flag()
        self.is_analysing = analysing or not self.is_game
        self.look(False, self.plies)
        self.run_clock()

    @property
    def place(self) -> tuple[bool, int]:
        """What is looked at: whether in the variation, and after how many plies of its line."""
        return self._in_variation, self._looked_at

    @property
    def line(self) -> list[chess.Move]:
        """The moves of the game, or of its part before the variation and the variation."""
        game = self.board.move_stack
        if not self._in_variation or self.variation is None:
            return list(game)
        return [*game[: self.variation.fork], *self.variation.moves]

    @property
    def shown(self) -> chess.Board:
        """The position that is looked at, with its moves; in a game, the latest."""
        if not self.is_analysing:
            return self.board
        return board_after(self.board.root(), *self.line[: self._looked_at])

    def look(self, in_variation: bool, ply: int) -> None:
        """Look at another position of the game or the variation; a ply beyond its ends means the nearest one."""
        self._in_variation = in_variation and self.variation is not None
        self._looked_at = max(0, min(ply, len(self.line)))

    def explore(self, moves: Sequence[chess.Move]) -> None:
        """Play legal moves in the position that is looked at: along its line, or as a new variation.

        On a board without a game, moves at the end of the line extend it.
        """
        for move in moves[: MOST_PLIES - self._looked_at]:
            self._explore_one(move)

    def _explore_one(self, move: chess.Move) -> None:
        line, ply = self.line, self._looked_at
        if line[ply : ply + 1] == [move]:
            self._looked_at += 1
        elif self._in_variation and self.variation is not None and ply > self.variation.fork:
            self.variation.moves[ply - self.variation.fork :] = [move]
            self._looked_at += 1
        elif not self.is_game and ply == self.plies:
            self.board.push(move)
            self.look(False, ply + 1)
        else:
            self.variation = Variation(ply, [move])
            self.look(True, ply + 1)

    def drop_variation(self) -> None:
        """Remove the variation; look at where it left the game."""
        if self.variation is not None:
            fork, self.variation = self.variation.fork, None
            self.look(False, fork)

    # ---- its PGN ----------------------------------------------------------------------------------------------------

    def record(self, end: GameEnd | None = None, event: str = "Web game") -> chess.pgn.Game:
        """Return the game as PGN, with the variation; the result is "*" while it lasts."""
        if self.is_game:
            game = super().record(end or self.end or UNFINISHED, event)
        elif self.setup.source is not None:
            game = self._with_source(self.setup.source)
        else:
            headers = self.setup.headers or {"Event": "Analysis", "Date": f"{self.started:%Y.%m.%d}"}
            game = game_from_board(self.board, headers, headers.get("Result", UNFINISHED.result), self.clock_times)
        if self.variation is not None:
            nodes: list[chess.pgn.GameNode] = [game, *game.mainline()]
            nodes[self.variation.fork].add_line(self.variation.moves)
        return game

    def _with_source(self, source: chess.pgn.Game) -> chess.pgn.Game:
        """Return a copy of the game that was loaded, with its author's notes, and the moves behind it."""
        game = source.accept(chess.pgn.GameBuilder())
        for move in self.board.move_stack[source.end().ply() - source.ply() :]:
            game.end().add_main_variation(move)
        return game
