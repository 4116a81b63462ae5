"""A game against Aino: what the page may ask for while it is played, and Aino's part in it."""

import asyncio
from dataclasses import replace
from functools import partial

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
    end_by_giving_up,
    end_by_resigning,
)
from uci.game.level import HINT_LEVEL, Level, parse_level
from uci.game.move_input import read_human_move
from uci.game.preferences import Preferences
from uci.game.timed_game import clicked_move
from uci.language import _, shown_moves
from uci.openings.opening_names import book_move
from uci.web.board_game import BoardGame
from uci.web.board_session import BoardSession
from uci.web.new_games import chosen_game, chosen_position
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

_WATCHED_S = 1.0  # the least time for a move where Aino plays itself, so that people can follow

# ---- requests ------------------------------------------------------------------------------------


def new(session: BoardSession, side: str, level: str, clock: str, fen: str, chess960: str) -> None:
    board, notes = chosen_position(fen, session.board_game.study.shown, chess960)
    board_game = BoardGame(chosen_game(board, side, level, clock))
    session.choose(Preferences.of(board_game))
    session.replace_board_game(board_game, notes=notes, is_from_review=bool(fen))


def play_from_here(session: BoardSession, side: str, level: str, clock: str) -> None:
    setup = chosen_game(session.board_game.study.shown.copy(), side, level, clock)
    session.choose(Preferences.parse(level, clock))
    begin = partial(session.replace_board_game, is_from_review=True)
    session.tasks.work(lambda: BoardGame(setup), begin)


def again(session: BoardSession, swap: bool) -> None:
    """Begin the same game once more, from its start."""
    if not session.board_game.is_game:
        raise MoveError(_("there is no game to play again"))
    again = BoardGame(session.board_game.again(swap))
    session.replace_board_game(again, is_from_review=True)


def move(session: BoardSession, uci: str) -> None:
    _move(session, clicked_move(session.board_game.to_play, uci))


def type_move(session: BoardSession, text: str) -> None:
    _move(session, read_human_move(session.board_game.to_play, text))


def _move(session: BoardSession, chosen: chess.Move) -> None:
    board_game = session.board_game
    if session.lesson is not None and not session.lesson.is_over:
        session.lesson.look_at(chosen)
    elif board_game.is_analysing:
        board_game.study.explore([chosen])
    elif board_game.is_human_turn:
        board_game.play(chosen)
    elif board_game.end:
        raise MoveError(_("the game is over"))
    else:
        raise MoveError(_("it is Aino's move"))
    session.changed()


def take_back(session: BoardSession) -> None:
    if not session.board_game.take_back():
        raise MoveError(_("you have no move to take back"))
    session.set_review(None)
    session.changed()


def hint(session: BoardSession) -> None:
    if session.board_game.is_human_turn:
        session.tasks.start(_hint(session, session.board_game, session.board_game.board.copy()))


async def _advice(
    session: BoardSession, board_game: BoardGame, board: chess.Board
) -> SearchResult | None:
    """Return what Aino thinks of a position in which the person asked. None if it is no more that
    of the board.
    """
    await session.be_loaded()
    # A search that something else stops, such as another level, begins anew.
    async with session.advising:
        while (
            board_game is session.board_game
            and board_game.is_human_turn
            and board_game.board == board
        ):
            if (result := await _search(session, board, HINT_LEVEL)) is not None:
                return result
    return None


async def _hint(session: BoardSession, board_game: BoardGame, board: chess.Board) -> None:
    result = await _advice(session, board_game, board)
    if result is None or result.best_move is None:
        return
    line = []
    if result.infos:
        line = lines_of(board, result.infos, 1)["lines"]
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
    board_game = session.board_game
    if not board_game.is_human_turn:
        raise MoveError(_("offer a draw when it is your move"))
    if board_game.board.ply() < DRAW_FROM_PLY:
        raise MoveError(_(TOO_EARLY))
    session.tasks.start(_consider_draw(session, board_game, board_game.board.copy()))


async def _consider_draw(session: BoardSession, board_game: BoardGame, board: chess.Board) -> None:
    session.say(_("Aino considers your offer"))
    result = await _advice(session, board_game, board)
    if result is None:
        return
    if result.infos and accepts_draw(Evaluation.of_info(result.infos[0])):
        board_game.finish(DRAW_AGREED)
        session.changed()
    else:
        session.say(_(DECLINED))


def resign(session: BoardSession) -> None:
    board_game = session.board_game
    if not board_game.is_running or board_game.human is None:
        raise MoveError(_("there is no game to resign"))
    board_game.finish(end_by_resigning(board_game.human))
    session.changed()


def level(session: BoardSession, level: str) -> None:
    session.board_game.level = parse_level(level)
    session.choose(replace(session.preferences, level=session.board_game.level.text))
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
    board_game = session.board_game
    await session.be_loaded()
    if board_game is not session.board_game or not board_game.is_engine_turn:
        return
    board = board_game.board.copy()
    result = await _answer(session, board_game)
    if (
        result is None
        or board_game is not session.board_game
        or not board_game.is_engine_turn
        or board_game.board != board
    ):
        return
    if result.best_move is None:
        raise MoveError(f"the engine found no move in {board_game.board.fen()}")
    if board_game.resigns(result):
        board_game.finish(end_by_giving_up(board.turn))
    else:
        board_game.play(result.best_move)
    session.changed()


async def _answer(session: BoardSession, board_game: BoardGame) -> SearchResult | None:
    """Return what Aino plays: a known opening, or what a search finds."""
    begun = uptime_s()
    board = board_game.board.copy()
    from_book = None
    if session.rng is not None and board_game.level.knows_openings:
        from_book = book_move(board, session.rng)
    if from_book is not None:
        result: SearchResult | None = SearchResult(from_book, None, [], [], 0, 0)
    else:
        clock = None
        if board_game.clock is not None:
            clock = board_game.clock.limits()
        result = await _search(session, board, board_game.level, clock)
    if board_game.human is None:
        await asyncio.sleep(max(0.0, _WATCHED_S - (uptime_s() - begun)))
    return result


async def _search(
    session: BoardSession, board: chess.Board, level: Level, clock: Limits | None = None
) -> SearchResult | None:
    """Search at a level, by clocks where there are some. None if something else came up."""
    return await session.engine.search(board, level.options, level.limits(clock, board.turn))
