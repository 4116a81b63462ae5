"""The page at its board: it comes and goes, and what it asks is done in its turn."""

from collections.abc import Callable
from functools import partial

from engine.board.pgn.game_writer import game_text
from engine.errors import AinoError
from engine.pages.board import Tell
from uci.game.timed_game import Setup
from uci.language import _
from uci.web import (
    analysis_requests,
    game_requests,
    games_requests,
    learn_requests,
    puzzle_requests,
    review_requests,
)
from uci.web.board_session import BoardSession, Services
from uci.web.games_service import GamesService
from uci.web.request_forms import Request, read_request
from uci.web.review_state import ReadyReview
from uci.web.saver import record_of

# All requests, by name.
REQUESTS: dict[str, Request] = {
    **game_requests.REQUESTS,
    **analysis_requests.REQUESTS,
    **review_requests.REQUESTS,
    **learn_requests.REQUESTS,
    **games_requests.REQUESTS,
    **puzzle_requests.REQUESTS,
}


class Dispatcher:
    """Lets a page use a session, and sets the engine to the work that the board asks for."""

    def __init__(self, services: Services, setup: Setup, tell: Tell) -> None:
        self.session = BoardSession(services, setup, tell, self._set_to_work, self._catch_up)
        self._waiting = list[str | bytes]()  # requests while a thread works on the one before them
        self.session.board_game.wait(True)

    def arrive(self) -> None:
        """Send everything to a page that has come to the board, and let the game continue."""
        self.session.arrive()
        if not self.session.engine.is_loaded:
            self.session.say(
                _("Aino is getting ready; the very first start compiles the engine. You can begin.")
            )
        self.session.go_on()

    def leave(self) -> None:
        """Let the game wait: the page is gone."""
        self.session.leave()

    def close(self) -> str | None:
        """End all work and save what is not saved; return where it is, or what cannot be saved."""
        return self.session.close()

    @property
    def games(self) -> GamesService:
        return self.session.games

    def game_file(self) -> tuple[str, Callable[[], str]]:
        """Return a name for the game's file, and what makes its text."""
        board_game = self.session.board_game
        name = f"aino-{board_game.started:%Y%m%d-%H%M%S}.pgn"
        return name, partial(game_text, record_of(board_game))

    def review_page(self) -> Callable[..., str] | None:
        """Return what makes the page of the game's review for a nonce; None where there is none."""
        review = self.session.review
        if not isinstance(review, ReadyReview):
            return None
        return review.kept.page

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
        """Set the engine to the work that the board asks for, once no review runs."""
        session = self.session
        board_game = session.board_game
        if session.is_reviewing:
            return
        if board_game.is_engine_turn:
            session.tasks.start(game_requests.reply(session))
        elif session.lesson is not None:
            session.tasks.start(learn_requests.look_at_try(session))
        elif board_game.is_analysing and session.shows_lines and not board_game.is_waiting:
            session.tasks.start(analysis_requests.show_lines(session))
        else:
            session.engine.stop()
