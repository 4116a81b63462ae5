"""The review of a game: it runs until it is ready or not wanted, and its page replaces the one
before.
"""

from __future__ import annotations

from dataclasses import replace

from engine.errors import MoveError
from uci.language import _
from uci.library.reviews import KeptReview
from uci.web.board_session import BoardSession
from uci.web.request_forms import Request
from uci.web.table import Table
from uci.web.table_review import TableReview


def review(session: BoardSession) -> None:
    if session.table.is_game and session.table.end is None:
        raise MoveError(_("a game can be reviewed when it is over"))
    if not session.table.plies:
        raise MoveError(_("there are no moves to review"))
    session.set_review(TableReview(is_running=True, total=session.table.plies))
    session.tasks.start(_review(session, session.table))


def stop_review(session: BoardSession) -> None:
    session.set_review(TableReview())
    session.go_on()


def go_back(session: BoardSession) -> None:
    """Go back to the table that was reviewed last, from what was tried there."""
    if session.reviewed is not None:
        session.replace_table(session.reviewed)


REQUESTS: dict[str, Request] = {
    "review": (review, {}),
    "back_to_review": (go_back, {}),
    "stop_review": (stop_review, {}),
}


async def _review(session: BoardSession, table: Table) -> None:
    def on_ply(done: int, of: int) -> None:
        if table.review.is_running and table is session.table:
            session.set_review(replace(table.review, done=done, total=of))

    limits = session.review_limits
    game = table.record()
    moves = tuple(table.moves)
    try:
        reviewed = await session.engine.review(game, session.for_analysis, limits, on_ply)
    except Exception:
        if table is session.table:
            stop_review(session)
        raise
    if reviewed is None or table is not session.table:
        return
    kept = KeptReview(reviewed, session.engine.evaluator_name, limits, table.human)
    session.set_review(TableReview(kept=kept, moves=moves))
    session.go_on()
    session.games.keep(kept)
