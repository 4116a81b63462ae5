"""My games on the page: what it asks for, done on the thread of the worker who owns the folder."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace

import chess

from engine.errors import DataError
from uci.common.reading import board_at
from uci.game.game_file import ANALYSES
from uci.game.timed_game import Setup, saved_game
from uci.language import shown_moves, translated
from uci.library.cooperative import Steps
from uci.library.export import lesson_page, pgn_of
from uci.library.game_query import GameQuery
from uci.library.games_folder import GamesFolder
from uci.library.glicko import Rating
from uci.library.progress import counted_games, points, positions, rows
from uci.library.training_words import standing_text
from uci.web.board_session import BoardSession, on_games
from uci.web.games_desk import Exported, GamesDesk
from uci.web.request_forms import (
    Request,
    are_game_keys,
    are_game_texts,
    is_flag,
    is_game_key,
    is_line,
    is_name,
    is_word,
    number_of,
)
from uci.web.table import Table

_MOST_ON_PAGE = 100  # games on a page
_MOST_POSITIONS = 200  # of mistakes that are listed together


def explore_here(session: BoardSession, side: str, file: str) -> None:
    session.games.ask(explore, board=session.table.shown.copy(), side=side, file=file)


def find(desk: GamesDesk, games: GamesFolder, offset: int, **wanted: str) -> None:
    """Tell the page a part of the list, and how far the reviews are."""
    found, total = games.catalogue.find(GameQuery(**wanted), offset)
    desk.tell({"do": "games_found", **wanted, "games": found, "total": total, "offset": offset})
    desk.tell_work()


def progress(desk: GamesDesk, games: GamesFolder) -> None:
    """Tell accuracy and mistakes over time, and mistakes by opening, colour and motif."""
    counted = counted_games(games.catalogue.reviewed())
    desk.tell({"do": "games_progress", "points": points(counted), "rows": rows(counted)})


def mistakes(desk: GamesDesk, games: GamesFolder, by: str, name: str) -> None:
    """Tell where the mistakes are that a row of the progress counts."""
    found = positions(counted_games(games.catalogue.reviewed()), by, name)
    desk.tell({"do": "games_mistakes", "positions": found[:_MOST_POSITIONS], "total": len(found)})


def explore(desk: GamesDesk, games: GamesFolder, board: chess.Board, side: str, file: str) -> None:
    """Tell what was played in a position in the games, and in which files there are more."""
    moves = [{"uci": one.move.uci(), "san": shown_moves(board.san(one.move)), "counts": one.counts}
             for one in games.catalogue.explore(board, side, file)]  # fmt: skip
    line = " ".join(map(chess.Move.uci, board.move_stack))
    desk.tell(
        {
            "do": "explored",
            "fen": board.fen(),
            "moves": moves,
            "line": line,
            "files": games.catalogue.files(),
        }
    )


def welcome(desk: GamesDesk, games: GamesFolder) -> Steps:
    """Tell what a first page offers: a game to go on with, one to review, puzzles that are due."""
    yield from games.refreshing()
    standing = desk.puzzles.training.standing
    has_trained = standing.rating != Rating()
    offers = {
        "unfinished": games.catalogue.unfinished(),
        "unreviewed": games.catalogue.last_unreviewed(),
        "puzzles": standing_text(standing) if has_trained else "",
    }
    desk.tell({"do": "welcome", **offers})


def names(desk: GamesDesk, games: GamesFolder) -> None:
    """Tell one's own names, and whose games there are besides."""
    desk.ask_names(games, games.catalogue.likely_names())


def name(desk: GamesDesk, games: GamesFolder, name: str, mine: bool) -> None:
    """Note that a name is one's own, or is not; "" is nobody's. The page asks for its list
    again.
    """
    games.add_name(name, mine)
    desk.asked.clear()
    desk.tell({"do": "games_read", "problems": []})


def delete(desk: GamesDesk, games: GamesFolder, texts: dict[str, str]) -> Steps:
    """Delete the texts of games that were shown, by their digests, for good, with their puzzles.
    The page asks for its list again.
    """
    told = list[str]()
    for key, text in texts.items():
        try:
            says, puzzles = games.delete(key, text)
        except DataError as error:
            told.append(translated(str(error)))
        else:
            desk.puzzles.forget(puzzles)
            told.append(says)
        yield
    desk.tell({"do": "games_read", "problems": list(filter(None, dict.fromkeys(told)))})


def open_game(desk: GamesDesk, games: GamesFolder, key: str, ply: int) -> None:
    """Open a game for analysis after so many plies, from one's own side, with its review if
    there is one.
    """
    game, text = games.game_text(key)
    known = games.known(key)
    side = games.catalogue.side(key)
    setup = Setup(board_at(game), None, headers=game.headers, source=game, seen_by=side)
    file = desk.folder / known.fullest.file
    if file.parent == desk.folder / ANALYSES:
        table = Table(replace(setup, analysis=file))
        table.saved = table.record()
    else:
        table = Table(replace(setup, kept=(known.key, text)))
    table.look(game)
    for node in itertools.islice(game.mainline(), max(0, ply - game.ply())):
        table.look(node)
    review = None
    with contextlib.suppress(DataError):
        review = games.reviews.read(known.line)
    desk.lay(table, review)


def go_on(desk: GamesDesk, games: GamesFolder, key: str) -> None:
    """Continue a game against Aino."""
    setup = saved_game(games.game(key))
    side = games.catalogue.side(key)
    human = chess.WHITE if side is None else side
    desk.lay(Table(setup if setup.levels is not None else replace(setup, human=human)), None)


def export(desk: GamesDesk, games: GamesFolder, form: str, keys: list[str], **wanted: str) -> Steps:
    """Make a file of the chosen games, or of all that are listed, which the page then fetches."""
    chosen = keys or games.catalogue.keys(GameQuery(**wanted))
    if form == "page":
        text = yield from lesson_page(games, chosen[:_MOST_ON_PAGE])
        desk.exported = Exported("aino-lesson.html", "text/html", text)
    else:
        text = yield from pgn_of(games, chosen)
        desk.exported = Exported("aino-games.pgn", "application/x-chess-pgn", text)
    desk.tell({"do": "exported", "name": desk.exported.name})


def review(desk: GamesDesk, games: GamesFolder, key: str) -> None:
    """Review a game in the background, or all of one's own without a review."""
    catalogue = games.catalogue
    desk.reviews.add([catalogue.game(key).line] if key else catalogue.unreviewed())
    desk.tell_work()


def stop(desk: GamesDesk, games: GamesFolder) -> None:
    """Drop all reviews that wait."""
    desk.reviews.forget()
    desk.tell_work()


_CHOICE = {
    "text": is_name,
    "result": is_word,
    "side": is_word,
    "file": is_name,
    "line": is_line,
    "order": is_word,
}
_LIST = {**_CHOICE, "offset": number_of(0, 10**7)}
_KEY = {"key": is_game_key}
REQUESTS: dict[str, Request] = {
    "games_refresh": (on_games(GamesDesk.refresh), {}),
    "games_find": (on_games(find), _LIST),
    "games_progress": (on_games(progress), {}),
    "games_mistakes": (on_games(mistakes), {"by": is_word, "name": is_name}),
    "explore_games": (explore_here, {"side": is_word, "file": is_name}),
    "welcome": (on_games(welcome), {}),
    "games_names": (on_games(names), {}),
    "games_name": (on_games(name), {"name": is_name, "mine": is_flag}),
    "games_open": (on_games(open_game), {**_KEY, "ply": number_of(0, 10**4)}),
    "games_continue": (on_games(go_on), _KEY),
    "games_delete": (on_games(delete), {"texts": are_game_texts}),
    "games_review": (on_games(review), {"key": lambda value: value == "" or is_game_key(value)}),
    "games_export": (on_games(export), {**_CHOICE, "form": is_word, "keys": are_game_keys}),
    "games_stop": (on_games(stop), {}),
}
