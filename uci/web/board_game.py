"""The game on the web board: rules and clocks, no engine, no network."""

import chess
import chess.pgn

from uci.game.ends import GameEnd, end_by_flag, end_on_board
from uci.game.game_file import ListedGame, SavedGame
from uci.game.timed_game import Setup, TimedGame
from uci.web.analysis_tags import AnalysisTags, is_chapter
from uci.web.study import Study


class BoardGame(TimedGame):
    """A game, its end, and the study of its moves. On a board for analysis nobody plays.

    The clocks wait while the game is analysed or nobody is at the board, and while somebody waits
    until the engine is loaded: Aino to move, or the person for an answer.
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.end = end_on_board(self.board) if self.is_game else None
        self.is_analysing = not self.is_game
        self.is_waiting = False  # nobody is at the board
        self.is_loading = False  # Aino cannot think yet
        self.is_asked = False  # the person waits for Aino's answer to something else than a move
        self.study = Study(setup.source or chess.pgn.Game.from_board(self.board), self.is_game)
        self.tags = AnalysisTags(setup, f"{self.started:%Y.%m.%d}", self.study.main_line)

    # ---- the game --------------------------------------------------------------------------------

    @property
    def is_game(self) -> bool:
        """Whether Aino plays in it; otherwise it is a board for analysis."""
        return self.human is not None or self.setup.is_watched

    @property
    def seen_by(self) -> chess.Color | None:
        """The side that is the person's own, if that is known."""
        return self.setup.seen_by if self.human is None else self.human

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
        """Play a legal move of the running game. A flag that fell before it ends the game
        instead.
        """
        if self.fall_of_flag():
            return
        self.study.play(move)
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
        """As in every game, but not in analysis. An end goes, too."""
        before = self.plies
        if not self.is_game or self.is_analysing or not super().take_back():
            return False
        self.end = None
        for _ply in range(before - self.plies):
            self.study.take_back()
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

    def ask(self, is_asked: bool) -> None:
        """Note that the person waits for an answer, or has it: while the engine is being loaded,
        this costs no time.
        """
        self.fall_of_flag()
        self.is_asked = is_asked
        self.run_clock()

    # ---- analysis --------------------------------------------------------------------------------

    def analyse(self, analysing: bool) -> None:
        """Enter or leave analysis, during which the game waits. A board without a game is always in
        analysis.
        """
        self.fall_of_flag()
        self.is_analysing = analysing or not self.is_game
        self.study.look(self.study.last)
        self.run_clock()

    @property
    def to_play(self) -> chess.Board:
        """The position in which moves are made: in a game the latest one."""
        return self.study.shown if self.is_analysing else self.board

    @property
    def may_be_named(self) -> bool:
        """Whether its title and names are the person's own to choose: those of an analysis or of a
        chapter, not of a game.
        """
        is_listed = isinstance(self.setup.origin, ListedGame)
        return not self.is_game and (not is_listed or is_chapter(self.setup.headers))

    @property
    def is_played(self) -> bool:
        """Whether it is a game in which the person has moved, or Aino against itself."""
        if isinstance(self.setup.origin, SavedGame):
            return self.is_game
        # Aino began.
        return self.is_game and self.plies - self.first_ply > (self.setup.board.turn != self.human)
