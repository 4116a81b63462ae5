"""Lets the page come and go, does what it asks, and sets the engine to the work of the mode that the board is in."""

from __future__ import annotations

from engine.errors import AinoError
from uci.game.timed_game import Setup
from uci.language import _
from uci.web import analysis_mode, game_mode
from uci.web.board_session import BoardSession, Review, Services, Tell
from uci.web.requests import read_request


class Conductor(BoardSession):
    """A session and the page at its board."""

    def __init__(self, services: Services, setup: Setup, tell: Tell) -> None:
        super().__init__(services, setup, tell)
        self._waiting = list[str | bytes]()  # requests while a thread works on the one before them
        self.table.wait(True)

    def arrive(self) -> None:
        """Send everything to a page that has come to the board, and let the game continue."""
        super().arrive()
        self.table.wait(False)
        self.tell_state()
        if self.review != Review():
            self.set_review(self.review)
        if self.hinted is not None and self.hinted["fen"] == self.table.board.fen():
            self.tell(self.hinted)
        if not self.engine.is_loaded:
            self.say(_("Aino is getting ready; the very first start compiles the engine. You can begin."))
        self.go_on()

    def leave(self) -> None:
        """Stop the clocks, and the engine unless it reviews a game: the page is gone."""
        self.table.wait(True)
        if not self.review.is_running:
            self.engine.stop()
        self.set_flag_timer()

    def receive(self, text: str | bytes) -> None:
        """Do what a message asks for, in its turn.

        A message that cannot be carried out is answered by an error and changes nothing.
        """
        if self.is_working:
            self._waiting.append(text)
            return
        try:
            action, fields = read_request(text)
            action(self, **fields)
        except (AinoError, OSError) as error:
            self.say(str(error), "error")
            self.tell_state()

    def on_idle(self) -> None:
        """Do what was asked for meanwhile."""
        waiting, self._waiting = self._waiting, []
        for text in waiting:
            self.receive(text)

    def go_on(self) -> None:
        """Set the engine to the work that the table asks for."""
        super().go_on()
        if self.review.is_running:
            return
        if self.table.is_engine_turn:
            self.start(game_mode.reply(self))
        elif self.table.is_analysing and self.shows_lines and not self.table.is_waiting:
            self.start(analysis_mode.show_lines(self))
        else:
            self.engine.stop()
