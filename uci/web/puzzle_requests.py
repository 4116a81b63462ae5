"""Puzzles on the page: what it asks for, and what answers a wrong try."""

from collections.abc import Callable

import chess

from uci.library.solving import REFUTATION, PuzzleAttempt
from uci.web.board_session import BoardSession
from uci.web.games_service import on_games
from uci.web.puzzle_service import PuzzleService
from uci.web.request_forms import Request, is_rating, is_uci, is_word
from uci.web.snapshot import tried


def refute(session: BoardSession) -> None:
    """Show what answers a wrong try at a puzzle, unless the engine is at a review."""
    attempt = session.games.puzzles.attempt
    if attempt and attempt.failed and not session.is_reviewing:
        session.tasks.start(_refute(session, attempt, attempt.failed))


async def _refute(session: BoardSession, attempt: PuzzleAttempt, failed: chess.Move) -> None:
    board = attempt.refuted
    result = None
    if any(board.legal_moves):
        result = await session.engine.search(board, session.for_analysis, REFUTATION)
        if result is None:
            return  # the engine is wanted for something else
        session.go_on()
        if not result.infos or attempt.failed != failed:
            return
    line = attempt.refute(result)
    shown = tried(attempt.board, (failed, *line[:1]))
    session.tell({"do": "refuted", "fen": attempt.board.fen(), "says": attempt.says, **shown})


def _on_puzzles(act: Callable[..., None]) -> Callable[..., None]:
    """Return a request that the worker carries out."""
    return on_games(lambda service, games, **fields: act(service.puzzles, **fields))


_WANTED = {"source": is_word, "theme": is_word, "least": is_rating, "most": is_rating}
REQUESTS: dict[str, Request] = {
    "puzzles_next": (_on_puzzles(PuzzleService.next), _WANTED),
    "puzzles_move": (_on_puzzles(PuzzleService.move), {"uci": is_uci}),
    "puzzles_answer": (_on_puzzles(PuzzleService.answer), {}),
    "puzzles_refute": (refute, {}),
}
