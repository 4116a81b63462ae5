"""The page at its board: it comes and goes, and what it asks is done in its turn."""

from __future__ import annotations

from engine.errors import AinoError
from uci.game.timed_game import Setup
from uci.language import _
from uci.web import analysis_mode, game_mode, games_mode, learn_mode, puzzle_mode, review_mode
from uci.web.board_session import BoardSession, Services, Tell
from uci.web.request_forms import Request, read_request

# The requests of all modes, by name.
REQUESTS: dict[str, Request] = {
    **game_mode.REQUESTS,
    **analysis_mode.REQUESTS,
    **review_mode.REQUESTS,
    **learn_mode.REQUESTS,
    **games_mode.REQUESTS,
    **puzzle_mode.REQUESTS,
}


class Conductor:
    """Lets a page use a session, and sets the engine to the work of the board's mode."""

    def __init__(self, services: Services, setup: Setup, tell: Tell) -> None:
        self.session = BoardSession(services, setup, tell, self._set_to_work, self._catch_up)
        self._waiting = list[str | bytes]()  # requests while a thread works on the one before them
        self.session.table.wait(True)

    def arrive(self) -> None:
        """Send everything to a page that has come to the board, and let the game continue."""
        self.session.arrive()
        if not self.session.engine.is_loaded:
            self.session.say(
                _("Aino is getting ready; the very first start compiles the engine. You can begin.")
            )
        self.session.go_on()

    def receive(self, text: str | bytes) -> None:
        """Do what a message asks for, in its turn.

        A message that cannot be carried out is answered by an error and changes nothing.
        """
        if self.session.tasks.is_working:
            self._waiting.append(text)
            return
        try:
            action, fields = read_request(text, REQUESTS)
            action(self.session, **fields)
        except (AinoError, OSError) as error:
            self.session.say(str(error), "error")
            self.session.tell_state()

    def _catch_up(self) -> None:
        """Do what was asked for while a thread worked. What fails holds up no other request."""
        waiting = self._waiting
        self._waiting = []
        for text in waiting:
            try:
                self.receive(text)
            except Exception as error:  # noqa: BLE001 - the page stays usable
                self.session.report(error)

    def _set_to_work(self) -> None:
        """Set the engine to the work that the table asks for, once no review runs."""
        session = self.session
        table = session.table
        if table.review.is_running:
            return
        if table.is_engine_turn:
            session.tasks.start(game_mode.reply(session))
        elif table.lesson is not None:
            session.tasks.start(learn_mode.look_at_try(session))
        elif table.is_analysing and session.shows_lines and not table.is_waiting:
            session.tasks.start(analysis_mode.show_lines(session))
        else:
            session.engine.stop()
