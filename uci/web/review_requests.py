"""The review of a game: it runs until it is ready or not wanted, and its page replaces the one
before.
"""

from engine.board.notation import board_after
from engine.errors import MoveError
from uci.language import _
from uci.library.reviews import KeptReview
from uci.web.board_game import BoardGame
from uci.web.board_session import BoardSession
from uci.web.request_forms import Request
from uci.web.review_state import ReadyReview, RunningReview
from uci.web.saver import record_of

_LEAST_PLIES = 5  # of a game that is reviewed, unless it is mate: two moves teach nothing


def review(session: BoardSession) -> None:
    board_game = session.board_game
    if board_game.is_game and board_game.end is None:
        raise MoveError(_("a game can be reviewed when it is over"))
    moves = board_game.study.moves
    is_mate = board_after(board_game.study.root.board(), *board_game.study.main_line).is_checkmate()
    if len(moves) < _LEAST_PLIES and not is_mate:
        raise MoveError(_("there are too few moves to review"))
    session.set_review(RunningReview(0, len(moves)))
    session.tasks.start(_review(session, board_game))


def stop_review(session: BoardSession) -> None:
    session.set_review(None)
    session.say(_("The review was stopped; nothing of it is kept."))
    session.go_on()


def go_back(session: BoardSession) -> None:
    """Go back to the game that was reviewed last, from what was tried there."""
    if session.reviewed is not None:
        board_game, review = session.reviewed
        session.replace_board_game(board_game, review)


REQUESTS: dict[str, Request] = {
    "review": (review, {}),
    "back_to_review": (go_back, {}),
    "stop_review": (stop_review, {}),
}


async def _review(session: BoardSession, board_game: BoardGame) -> None:
    def on_ply(done: int, of: int) -> None:
        if session.is_reviewing and board_game is session.board_game:
            session.set_review(RunningReview(done, of))

    limits = session.review_limits
    record = record_of(board_game)
    moves = tuple(board_game.study.moves)
    try:
        reviewed = await session.engine.review(record, session.for_analysis, limits, on_ply)
    except Exception:
        if board_game is session.board_game:
            session.set_review(None)
            session.go_on()
        raise
    if reviewed is None or board_game is not session.board_game:
        return
    kept = KeptReview(reviewed, session.engine.evaluator_name, limits, board_game.human)
    session.set_review(ReadyReview(kept, moves))
    session.go_on()
    session.games.keep(kept)
