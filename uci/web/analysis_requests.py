"""Analysis: any position of a game, a variation or a file, and lines of what Aino thinks of it."""

import asyncio
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import chess

from engine.errors import MoveError
from engine.options import EngineOptions
from engine.search.limits import Limits
from engine.search.result import SearchInfo
from uci.annotate.people import RATINGS, people_network
from uci.game.timed_game import Setup, clicked_move
from uci.language import _, shown_moves, translated
from uci.web.board_game import BoardGame
from uci.web.board_session import BoardSession
from uci.web.new_games import chosen_position, loaded_game
from uci.web.request_forms import (
    Request,
    is_colour,
    is_comment,
    is_flag,
    is_moves,
    is_name,
    is_node,
    is_pgn,
    is_position,
    is_square,
    number_of,
)
from uci.web.snapshot import lines_of, verdict_at_end
from uci.web.study import Study

# The first lines of an analysis come after this; later ones each second.
_FIRST_LOOK = Limits(movetime_ms=150)
# Then Aino rests, until something else is looked at or it is asked to look deeper: a page that
# nobody looks at costs nothing, and reviews in the background have the machine.
_LOOK = Limits(movetime_ms=10_000)
_DEEPER = Limits(infinite=True)
_OTHER_PROMOTIONS = 3  # beside that to a queen
# Of the moves that people play: how many are shown, and the least share of players for one.
_MOST_PEOPLE_MOVES = 6
_LEAST_SHARE = 0.01

# ---- requests ------------------------------------------------------------------------------------


def analyse(session: BoardSession, on: bool) -> None:
    session.board_game.analyse(on)
    session.changed()


def look(session: BoardSession, node: int) -> None:
    study = session.board_game.study
    if session.board_game.is_analysing:
        study.look(study.node(node))
        session.changed()


def explore(session: BoardSession, moves: list[str]) -> None:
    if not session.board_game.is_analysing:
        raise MoveError(_("moves of a line can be played in analysis only"))
    study = session.board_game.study
    board = study.shown.copy()
    line = list[chess.Move]()
    for uci in moves:
        move = clicked_move(board, uci)
        line.append(move)
        board.push(move)
    study.explore(line)
    session.changed()


def people(session: BoardSession, rating: int) -> None:
    """Tell what players of a rating would play in the position that is looked at."""
    session.tasks.start(_ask_people(session, session.board_game.study.shown.copy(), rating))


def lines(session: BoardSession, on: bool, count: int) -> None:
    session.shows_lines, session.line_count = on, count
    session.changed()


def deeper(session: BoardSession) -> None:
    """Look at the position until something else is to be done."""
    if session.board_game.is_analysing and not session.is_reviewing:
        session.tasks.start(_show_lines(session, (_DEEPER,)))


def name(session: BoardSession, title: str, white: str, black: str) -> None:
    if not session.board_game.may_be_named:
        raise MoveError(_("the names of a game that was played stay"))
    session.board_game.tags.name(title, white, black)
    session.noted()


def position(session: BoardSession, fen: str) -> None:
    board, notes = chosen_position(fen, session.board_game.study.shown)
    session.replace_board_game(BoardGame(Setup(board, None)), notes=notes, is_from_review=True)


def load(session: BoardSession, text: str, game: int) -> None:
    """Read a PGN on a thread: games with a thousand variations take a second."""

    def read() -> tuple[BoardGame, list[str], str]:
        setup, names, fault = loaded_game(text, game)
        return BoardGame(setup), names, fault

    def show(loaded: tuple[BoardGame, list[str], str]) -> None:
        board_game, names, fault = loaded
        board_game.study.look(board_game.study.root)
        session.replace_board_game(board_game)
        if fault:
            session.say(_("the PGN has a fault: {fault}", fault=translated(fault)), "error")
        if len(names) > 1:
            session.tell({"do": "games", "names": names, "game": game})

    session.tasks.work(read, show)


def on_node(
    action: Callable[..., None], tell: Callable[[BoardSession], None] = BoardSession.noted
) -> Callable[..., None]:
    """Return a request that changes a node of the study; `tell` says so afterwards."""

    @functools.wraps(action)
    def act(session: BoardSession, node: int, **fields: Any) -> None:
        study = session.board_game.study
        action(study, study.node(node), **fields)
        tell(session)

    return act


_NODE = {"node": is_node}
_SHAPE = {"source": is_square, "target": is_square, "colour": is_colour}
REQUESTS: dict[str, Request] = {
    "analyse": (analyse, {"on": is_flag}),
    "look": (look, _NODE),
    "explore": (explore, {"moves": is_moves}),
    "people": (people, {"rating": number_of(*RATINGS)}),
    "lines": (lines, {"on": is_flag, "count": number_of(1, 218)}),
    "deeper": (deeper, {}),
    "name": (name, {"title": is_name, "white": is_name, "black": is_name}),
    "position": (position, {"fen": is_position}),
    "load": (load, {"text": is_pgn, "game": number_of(1, 100_000)}),
    "promote": (on_node(Study.promote, BoardSession.changed), _NODE),
    "delete": (on_node(Study.delete, BoardSession.changed), _NODE),
    "comment": (on_node(Study.comment), {**_NODE, "text": is_comment}),
    "draw": (on_node(Study.draw), {**_NODE, **_SHAPE}),
    "wipe": (on_node(Study.wipe), _NODE),
    "mark": (on_node(Study.mark), {**_NODE, "glyph": number_of(0, 6)}),
}

# ---- Aino's part ---------------------------------------------------------------------------------


_people = functools.cache(people_network)  # read at the first question
_asking_people = threading.Lock()


def _predict(board: chess.Board, rating: int) -> Mapping[chess.Move, float]:
    """Return how likely a player of this Elo makes each legal move, the likeliest first. Raises
    NetFileError.
    """
    with _asking_people:
        return _people()(board, rating)


async def _ask_people(session: BoardSession, board: chess.Board, rating: int) -> None:
    shares = await asyncio.to_thread(_predict, board, rating)
    moves = [
        {"uci": move.uci(), "san": shown_moves(board.san(move)), "share": round(share, 3)}
        for move, share in shares.items()
        if share >= _LEAST_SHARE
    ]
    answer = {"fen": board.fen(), "rating": rating, "moves": moves[:_MOST_PEOPLE_MOVES]}
    session.tell({"do": "people", **answer})


async def show_lines(session: BoardSession) -> None:
    """Show lines of the position that is looked at for some seconds, or until something else is to
    be done.
    """
    await _show_lines(session, (_FIRST_LOOK, _LOOK))


async def _show_lines(session: BoardSession, looks: Sequence[Limits]) -> None:
    board = session.board_game.study.shown.copy()
    if not any(board.legal_moves):
        session.engine.stop()
        session.tell(verdict_at_end(board))
        return

    def on_lines(infos: Sequence[SearchInfo]) -> None:
        session.tell(lines_of(board, infos, session.line_count))

    def options_of(options: EngineOptions) -> EngineOptions:
        options = session.for_analysis(options)
        if any(move.promotion for move in board.legal_moves):
            return replace(options, multi_pv=options.multi_pv + _OTHER_PROMOTIONS)
        return options

    for limits in looks:
        if await session.engine.search(board, options_of, limits, on_lines) is None:
            return
    session.tell({"do": "rested", "fen": board.fen()})
