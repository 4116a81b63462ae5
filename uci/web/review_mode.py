"""The review of a game: it runs until it is ready or not wanted, and its page replaces the one
before.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from engine.errors import MoveError
from uci.language import _
from uci.library.reviews import KeptReview
from uci.web.board_session import BoardSession, Review
from uci.web.snapshot import review_of
from uci.web.table import Table


def review(session: BoardSession) -> None:
    if session.table.is_game and session.table.end is None:
        raise MoveError(_("a game can be reviewed when it is over"))
    if not session.table.plies:
        raise MoveError(_("there are no moves to review"))
    session.set_review(Review(is_running=True, total=session.table.plies))
    session.start(_review(session, session.table))


def stop_review(session: BoardSession) -> None:
    session.set_review(Review())
    session.go_on()


def go_back(session: BoardSession) -> None:
    """Go back to the table that was reviewed last, from what was tried there."""
    if session.reviewed is not None:
        table, review = session.reviewed
        session.replace_table(table)
        session.set_review(review)


async def _review(session: BoardSession, table: Table) -> None:
    def on_ply(done: int, of: int) -> None:
        if session.review.is_running and table is session.table:
            session.set_review(replace(session.review, done=done, total=of))

    limits = session.services.review_limits
    game = table.record()
    moves = table.moves
    try:
        reviewed = await session.engine.review(game, session.for_analysis, limits, on_ply)
    except Exception:
        if table is session.table:
            stop_review(session)
        raise
    if reviewed is None or table is not session.table:
        return
    kept = KeptReview(reviewed, session.engine.evaluator_name, limits, table.human)
    session.set_review(Review(page=kept.page, says=partial(review_of, reviewed, table, moves)))
    session.go_on()
    if session.shelf is not None:
        session.shelf.keep(kept)
