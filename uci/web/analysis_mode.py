"""Analysis: any position of a game, a variation or a file, and lines of what Aino thinks of it."""

from __future__ import annotations

from collections.abc import Sequence

import chess

from engine.board.notation import board_after
from engine.errors import MoveError
from engine.search.limits import Limits
from engine.search.result import SearchInfo
from uci.game.timed_game import Setup
from uci.language import _, translated
from uci.library.solving import REFUTATION, Attempt
from uci.web.beginnings import chosen_position, loaded_game
from uci.web.board_session import BoardSession
from uci.web.shelf import Shelf
from uci.web.snapshot import legal, lines_of, verdict_at_end
from uci.web.table import Table

# The first lines of an analysis come after this; later ones each second.
_FIRST_LOOK = Limits(movetime_ms=150)

# ---- requests ------------------------------------------------------------------------------------


def analyse(session: BoardSession, on: bool) -> None:
    session.table.analyse(on)
    session.changed()


def look(session: BoardSession, node: int) -> None:
    if session.table.is_analysing:
        session.table.look(session.table.tree.node(node))
        session.changed()


def explore(session: BoardSession, moves: list[str]) -> None:
    if not session.table.is_analysing:
        raise MoveError(_("moves of a line can be played in analysis only"))
    board = session.table.shown.copy()
    found = []
    for uci in moves:
        found.append(legal(uci, board))
        board.push(found[-1])
    session.table.explore(found)
    session.changed()


def explore_games(session: BoardSession, side: str, file: str) -> None:
    if session.shelf is not None:
        session.shelf.ask(Shelf.explore, board=session.table.shown.copy(), side=side, file=file)


def lines(session: BoardSession, on: bool, count: int) -> None:
    session.shows_lines, session.line_count = on, count
    session.changed()


def position(session: BoardSession, fen: str) -> None:
    board, notes = chosen_position(fen, session.table.shown)
    session.replace_table(Table(Setup(board, None)), *notes)


def load(session: BoardSession, text: str, game: int) -> None:
    """Read a PGN on a thread: games with a thousand variations take a second."""

    def read() -> tuple[Table, list[str], str]:
        setup, names, fault = loaded_game(text, game)
        return Table(setup), names, fault

    def show(found: tuple[Table, list[str], str]) -> None:
        table, names, fault = found
        table.look(table.tree.game)
        session.replace_table(table)
        if fault:
            session.say(_("the PGN has a fault: {fault}", fault=translated(fault)), "error")
        if len(names) > 1:
            session.tell({"do": "games", "names": names, "game": game})

    session.work(read, show)


def refute(session: BoardSession) -> None:
    """Show what answers a wrong try at a puzzle, unless the engine is at a review."""
    attempt = session.shelf and session.shelf.desk.attempt
    if attempt and attempt.failed and not session.review.is_running:
        session.start(_refute(session, attempt, attempt.failed))


# ---- Aino's part ---------------------------------------------------------------------------------


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


async def show_lines(session: BoardSession) -> None:
    """Show lines of the position that is looked at until something else is to be done."""
    board = session.table.shown.copy()
    if not any(board.legal_moves):
        session.engine.stop()
        session.tell(verdict_at_end(board))
        return

    def on_lines(infos: Sequence[SearchInfo]) -> None:
        session.tell(lines_of(session.table, board, infos))

    for limits in (_FIRST_LOOK, Limits(infinite=True)):
        if await session.engine.search(board, session.for_analysis, limits, on_lines) is None:
            return
