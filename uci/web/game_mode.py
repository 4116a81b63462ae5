"""A game against Aino: what the page may ask for while it is played, and Aino's part in it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import chess

from engine.errors import MoveError
from engine.native.uptime import uptime_s
from engine.pages.board import squares_of
from engine.search.limits import Limits
from engine.search.result import SearchResult
from uci.common.evaluation import Evaluation
from uci.game.ends import (
    DECLINED,
    DRAW_AGREED,
    DRAW_FROM_PLY,
    TOO_EARLY,
    accepts_draw,
    end_by_resigning,
)
from uci.game.level import HINT_LEVEL, Level, parse_level
from uci.game.move_input import read_human_move
from uci.game.preferences import Choice
from uci.game.timed_game import clicked_move
from uci.language import _, shown_moves
from uci.openings.opening_names import book_move
from uci.web.board_session import BoardSession
from uci.web.new_tables import chosen_game, chosen_position
from uci.web.request_forms import (
    Request,
    is_flag,
    is_position,
    is_side,
    is_uci,
    is_word,
    text_of,
)
from uci.web.snapshot import lines_of
from uci.web.table import Table
from uci.web.table_review import TableReview

_WATCHED_S = 1.0  # the least time for a move where Aino plays itself, so that people can follow

# ---- requests ------------------------------------------------------------------------------------


def new(session: BoardSession, side: str, level: str, clock: str, fen: str, chess960: str) -> None:
    board, notes = chosen_position(fen, session.table.shown, chess960)
    table = Table(chosen_game(board, side, level, clock))
    session.choose(Choice.of(table))
    session.replace_table(table, *notes)


def play_from_here(session: BoardSession, side: str, level: str, clock: str) -> None:
    setup = chosen_game(session.table.shown.copy(), side, level, clock)
    session.choose(Choice.parse(level, clock))
    session.tasks.work(lambda: Table(setup), session.replace_table)


def again(session: BoardSession, swap: bool) -> None:
    """Begin the same game once more, from its start."""
    if not session.table.is_game:
        raise MoveError(_("there is no game to play again"))
    session.replace_table(Table(session.table.again(swap)))


def move(session: BoardSession, uci: str) -> None:
    _move(session, clicked_move(session.table.to_play, uci))


def type_move(session: BoardSession, text: str) -> None:
    _move(session, read_human_move(session.table.to_play, text))


def _move(session: BoardSession, chosen: chess.Move) -> None:
    table = session.table
    if table.lesson is not None and not table.lesson.is_over:
        table.lesson.look_at(chosen)
    elif table.is_analysing:
        table.explore([chosen])
    elif table.is_human_turn:
        table.play(chosen)
    else:
        raise MoveError(_("the game is over") if table.end else _("it is Aino's move"))
    session.changed()


def take_back(session: BoardSession) -> None:
    if not session.table.take_back():
        raise MoveError(_("you have no move to take back"))
    session.set_review(TableReview())
    session.changed()


def hint(session: BoardSession) -> None:
    if session.table.is_human_turn:
        session.tasks.start(_hint(session, session.table, session.table.board.copy()))


async def _advice(session: BoardSession, table: Table, board: chess.Board) -> SearchResult | None:
    """Return what Aino thinks of a position in which the person asked. None if it is no more that
    of the table.
    """
    await session.be_loaded()
    # A search that something else stops, such as another level, begins anew.
    async with session.advising:
        while table is session.table and table.is_human_turn and table.board == board:
            if (result := await _search(session, board, HINT_LEVEL)) is not None:
                return result
    return None


async def _hint(session: BoardSession, table: Table, board: chess.Board) -> None:
    result = await _advice(session, table, board)
    if result is not None and result.best_move is not None:
        line = lines_of(table, board, result.infos)["lines"][:1] if result.infos else []
        (squares,) = squares_of([result.best_move])
        san = shown_moves(board.san(result.best_move))
        session.hinted = {
            "do": "hint",
            "fen": board.fen(),
            "san": san,
            "squares": squares,
            "line": line,
        }
        session.tell(session.hinted)


def offer_draw(session: BoardSession) -> None:
    table = session.table
    if not table.is_human_turn:
        raise MoveError(_("offer a draw when it is your move"))
    if table.board.ply() < DRAW_FROM_PLY:
        raise MoveError(_(TOO_EARLY))
    session.tasks.start(_consider_draw(session, table, table.board.copy()))


async def _consider_draw(session: BoardSession, table: Table, board: chess.Board) -> None:
    session.say(_("Aino considers your offer"))
    result = await _advice(session, table, board)
    if result is None:
        return
    if result.infos and accepts_draw(Evaluation.of_info(result.infos[0])):
        table.finish(DRAW_AGREED)
        session.changed()
    else:
        session.say(_(DECLINED))


def resign(session: BoardSession) -> None:
    table = session.table
    if not table.is_running or table.human is None:
        raise MoveError(_("there is no game to resign"))
    table.finish(end_by_resigning(table.human))
    session.changed()


def level(session: BoardSession, level: str) -> None:
    session.table.level = parse_level(level)
    session.choose(replace(session.choice, level=session.table.level.text))
    session.changed()


_START = {"side": is_side, "level": is_word, "clock": is_word}
REQUESTS: dict[str, Request] = {
    "new": (new, {**_START, "fen": is_position, "chess960": text_of(3)}),
    "play_from_here": (play_from_here, _START),
    "again": (again, {"swap": is_flag}),
    "move": (move, {"uci": is_uci}),
    "type": (type_move, {"text": is_word}),
    "take_back": (take_back, {}),
    "hint": (hint, {}),
    "offer_draw": (offer_draw, {}),
    "resign": (resign, {}),
    "level": (level, {"level": is_word}),
}

# ---- Aino's part ---------------------------------------------------------------------------------


async def reply(session: BoardSession) -> None:
    """Aino's move."""
    table = session.table
    await session.be_loaded()
    if table is not session.table or not table.is_engine_turn:
        return
    board = table.board.copy()
    result = await _answer(session, table)
    if (
        result is None
        or table is not session.table
        or not table.is_engine_turn
        or table.board != board
    ):
        return
    if result.best_move is None:
        raise MoveError(f"the engine found no move in {table.board.fen()}")
    table.play(result.best_move)
    session.changed()


async def _answer(session: BoardSession, table: Table) -> SearchResult | None:
    """Return what Aino plays: a known opening, or what a search finds."""
    begun = uptime_s()
    board = table.board.copy()
    rng = session.rng
    clock = table.clock.limits() if table.clock is not None else None
    known = book_move(board, rng) if rng is not None and not table.level.alone else None
    result = (
        SearchResult(known, None, [], [], 0, 0)
        if known
        else await _search(session, board, table.level, clock)
    )
    least_s = _WATCHED_S if table.human is None else 0.0
    await asyncio.sleep(max(0.0, least_s - (uptime_s() - begun)))
    return result


async def _search(
    session: BoardSession, board: chess.Board, level: Level, clock: Limits | None = None
) -> SearchResult | None:
    """Search at a level, by clocks where there are some. None if something else came up."""
    return await session.engine.search(board, level.options, level.limits(clock, board.turn))
