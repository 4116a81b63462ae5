"""Learning from the mistakes of a reviewed game on the board, from the position before each."""

from dataclasses import replace

from chess.pgn import ChildNode

from engine.board.notation import board_after
from engine.errors import MoveError
from engine.search.result import SearchInfo
from uci.annotate.looks import deeper
from uci.annotate.marking import instead_of
from uci.annotate.move_marks import BAD
from uci.annotate.move_review import MoveReview
from uci.language import _
from uci.web.board_session import BoardSession
from uci.web.request_forms import Request, is_flag
from uci.web.review_state import Lesson, ReadyReview

# ---- requests ------------------------------------------------------------------------------------


def learn(session: BoardSession, here: bool) -> None:
    """Ask for a better move in the place of the mistake that is looked at (`here`), or of the next
    one in the game; after the last one comes the first again.
    """
    board_game = session.board_game
    study = board_game.study
    mistakes = _mistakes(session)
    if not here:
        own = [mistake for mistake in mistakes if mistake[0].mover == board_game.seen_by]
        mistakes = own or mistakes
    if not mistakes:
        raise MoveError(_("there is no mistake to learn from"))
    latest = study.here
    if session.lesson is not None:
        latest = session.lesson.node
    nodes = [node for _mistake, node in mistakes]
    if here and latest in nodes:
        at = nodes.index(latest)
    else:
        coming = (at for at, node in enumerate(nodes) if node.ply() > latest.ply())
        at = next(coming, 0)
    mistake, node = mistakes[at]
    if board_game.is_game and not board_game.is_analysing:
        board_game.analyse(True)
    study.look(node.parent)
    session.lesson = Lesson(mistake, node, (at + 1, len(mistakes)))
    session.changed()


def show_answer(session: BoardSession) -> None:
    if session.lesson is not None:
        session.lesson.show_answer()
        session.changed()


def leave(session: BoardSession) -> None:
    """Go to the mistake, with all that is said of it."""
    if session.lesson is not None:
        session.board_game.study.look(session.lesson.node)
        session.changed()


REQUESTS: dict[str, Request] = {
    "learn": (learn, {"here": is_flag}),
    "learn_answer": (show_answer, {}),
    "learn_leave": (leave, {}),
}


def _mistakes(session: BoardSession) -> list[tuple[MoveReview, ChildNode]]:
    """Return the mistakes of both sides, in the order of the game, with their nodes."""
    review = session.review
    if not isinstance(review, ReadyReview):
        return []
    mistakes = list[tuple[MoveReview, ChildNode]]()
    for move, node in zip(review.kept.review.moves, review.moves, strict=False):
        is_there = node in session.board_game.study.numbers
        if move.mark in BAD and move.best_line and is_there:
            mistakes.append((move, node))
    return mistakes


# ---- Aino's part ---------------------------------------------------------------------------------


async def look_at_try(session: BoardSession) -> None:
    """Search a move that was tried, and say what it costs."""
    lesson = session.lesson
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
    if session.lesson is lesson and lesson.line[:1] == (move,):
        lesson.tell(tried)
        session.tell_state()
