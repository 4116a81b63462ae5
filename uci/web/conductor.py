"""Lets the page come and go, does what it asks, and sets the engine to the work of the mode that the board is in."""

from __future__ import annotations

from engine.errors import AinoError
from uci.game.timed_game import Setup
from uci.language import _
from uci.web import analysis_mode, game_mode
from uci.web.board_session import BoardSession, Review, Services, Tell
from uci.web.requests import read_request


class Conductor:
    """A session and the page at its board. All methods run in the event loop and return at once."""

    def __init__(self, services: Services, setup: Setup, tell: Tell) -> None:
        self.session = BoardSession(services, setup, tell)
        self.session.go_on, self.session.on_idle = self._go_on, self._catch_up
        self._waiting = list[str | bytes]()  # requests while a thread works on the one before them
        self.session.table.wait(True)

    def arrive(self) -> None:
        """Send everything to a page that has come to the board, and let the game continue."""
        session = self.session
        session.arrive()
        session.table.wait(False)
        session.tell_state()
        if session.review != Review():
            session.set_review(session.review)
        if session.hinted is not None and session.hinted["fen"] == session.table.board.fen():
            session.tell(session.hinted)
        if not session.engine.is_loaded:
            session.say(_("Aino is getting ready; the very first start compiles the engine. You can begin."))
        self._go_on()

    def leave(self) -> None:
        """Stop the clocks, and the engine unless it reviews a game: the page is gone."""
        self.session.table.wait(True)
        if not self.session.review.is_running:
            self.session.engine.stop()
        self.session.set_flag_timer()

    def receive(self, text: str | bytes) -> None:
        """Do what a message asks for, in its turn.

        A message that cannot be carried out is answered by an error and changes nothing.
        """
        if self.session.is_working:
            self._waiting.append(text)
            return
        try:
            action, fields = read_request(text)
            action(self.session, **fields)
        except (AinoError, OSError) as error:
            self.session.say(str(error), "error")
            self.session.tell_state()

    def _catch_up(self) -> None:
        waiting, self._waiting = self._waiting, []
        for text in waiting:
            self.receive(text)

    def close(self) -> str | None:
        """End the engine's work and save a game that is not saved; return where it is."""
        return self.session.close()

    def _go_on(self) -> None:
        """Set the engine to the work that the table asks for."""
        session, table = self.session, self.session.table
        session.set_flag_timer()
        if session.review.is_running:
            return
        if table.is_engine_turn:
            session.start(game_mode.reply(session))
        elif table.is_analysing and session.shows_lines and not table.is_waiting:
            session.start(analysis_mode.show_lines(session))
        else:
            session.engine.stop()
