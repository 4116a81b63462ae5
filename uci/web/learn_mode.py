"""Learning from the mistakes of a reviewed game on the board, from the position before each."""

from __future__ import annotations

from dataclasses import replace

import chess.pgn

from engine.board.notation import board_after
from engine.errors import MoveError
from engine.search.result import SearchInfo
from uci.annotate.looks import deeper
from uci.annotate.marking import instead_of
from uci.annotate.move_marks import BAD
from uci.annotate.move_review import MoveReview
from uci.language import _
from uci.web.board_session import BoardSession
from uci.web.lesson import Lesson
from uci.web.request_forms import Request, is_flag
from uci.web.table import Table

# ---- requests ------------------------------------------------------------------------------------


def learn(session: BoardSession, here: bool) -> None:
    """Ask for a better move in the place of the mistake that is looked at (`here`), or of the next
    one: what one nearly finds comes first, and after the last one the first again.
    """
    table = session.table
    mistakes = _mistakes(table)
    if not mistakes:
        raise MoveError(_("there is no mistake to learn from"))
    nodes = [node for _mistake, node in mistakes]
    latest = table.lesson.node if table.lesson else table.here
    at = 0
    if latest in nodes:
        at = nodes.index(latest) if here else nodes.index(latest) + 1
    at %= len(mistakes)
    mistake, node = mistakes[at]
    if table.is_game and not table.is_analysing:
        table.analyse(True)
    table.look(node.parent)
    table.lesson = Lesson(mistake, node, (at + 1, len(mistakes)))
    session.changed()


def show_answer(session: BoardSession) -> None:
    if session.table.lesson is not None:
        session.table.lesson.show_answer()
        session.changed()


def leave(session: BoardSession) -> None:
    """Go to the mistake, with all that is said of it."""
    if session.table.lesson is not None:
        session.table.look(session.table.lesson.node)
        session.changed()


REQUESTS: dict[str, Request] = {
    "learn": (learn, {"here": is_flag}),
    "learn_answer": (show_answer, {}),
    "learn_leave": (leave, {}),
}


def _mistakes(table: Table) -> list[tuple[MoveReview, chess.pgn.ChildNode]]:
    """Return the mistakes of the person, or of both sides where there are none, with their
    nodes.
    """
    if table.review.kept is None:
        return []
    found = [
        (move, node)
        for move, node in zip(table.review.kept.review.moves, table.review.moves, strict=False)
        if move.mark in BAD and move.best_line and node in table.tree.numbers
    ]
    own = [one for one in found if one[0].mover == table.seen_by] or found
    return sorted(own, key=lambda one: one[0].people.distance if one[0].people else 0.0)


# ---- Aino's part ---------------------------------------------------------------------------------


async def look_at_try(session: BoardSession) -> None:
    """Search a move that was tried, and say what it costs."""
    table = session.table
    lesson = table.lesson
    if lesson is None or not lesson.is_looking:
        session.engine.stop()
        return
    move = lesson.line[0]
    mistake = lesson.mistake
    tried = mistake
    if move != mistake.move:
        board = board_after(mistake.board, move)
        infos = list[SearchInfo]()
        if not board.is_game_over(claim_draw=True):
            limits = deeper(session.review_limits)
            result = await session.engine.search(
                board, lambda options: replace(session.for_analysis(options), multi_pv=1), limits
            )
            if result is None:
                return
            infos = [*result.infos]
        tried = instead_of(mistake, move, infos[0] if infos else None)
    if table is session.table and table.lesson is lesson and lesson.line[:1] == (move,):
        lesson.tell(tried)
        session.tell_state()
