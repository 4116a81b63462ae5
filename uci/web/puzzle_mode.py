"""Puzzles on the page: what it asks for, and what answers a wrong try."""

from __future__ import annotations

from typing import Any

import chess

from engine.board.notation import board_after
from uci.library.solving import REFUTATION, Attempt
from uci.web.board_session import BoardSession
from uci.web.request_forms import Request, is_rating, is_uci, is_word


def next_puzzle(session: BoardSession, **wanted: Any) -> None:
    session.games.ask(lambda desk, games: desk.puzzles.next(**wanted))


def move(session: BoardSession, uci: str) -> None:
    session.games.ask(lambda desk, games: desk.puzzles.move(uci))


def answer(session: BoardSession) -> None:
    session.games.ask(lambda desk, games: desk.puzzles.answer())


def refute(session: BoardSession) -> None:
    """Show what answers a wrong try at a puzzle, unless the engine is at a review."""
    attempt = session.games.puzzles.attempt
    if attempt and attempt.failed and not session.table.review.is_running:
        session.start(_refute(session, attempt, attempt.failed))


async def _refute(session: BoardSession, attempt: Attempt, failed: chess.Move) -> None:
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
    after = board_after(board, *line[:1])
    shown = {"fen": attempt.board.fen(), "after": after.fen(), "says": attempt.says}
    squares = [[move.from_square, move.to_square] for move in (failed, *line[:1])]
    session.tell(
        {
            "do": "refuted",
            **shown,
            "squares": squares,
            "check": after.king(after.turn) if after.is_check() else None,
        }
    )


_WANTED = {"source": is_word, "theme": is_word, "least": is_rating, "most": is_rating}
REQUESTS: dict[str, Request] = {
    "puzzles_next": (next_puzzle, _WANTED),
    "puzzles_move": (move, {"uci": is_uci}),
    "puzzles_answer": (answer, {}),
    "puzzles_refute": (refute, {}),
}
