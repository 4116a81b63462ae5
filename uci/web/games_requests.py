"""My games on the page: what it asks for, done on the thread of the worker who owns the folder."""

import contextlib
import itertools
from dataclasses import replace

import chess

from engine.errors import DataError
from engine.pages.board import Facts
from uci.common.reading import board_at
from uci.game.game_file import ListedGame, SavedGame
from uci.game.timed_game import Setup, saved_game, without_clocks
from uci.language import _, shown_moves, translated
from uci.library.cooperative import Steps
from uci.library.export import pgn_of
from uci.library.game_query import GameQuery
from uci.library.game_records import Game
from uci.library.games_folder import GamesFolder
from uci.library.glicko import Rating
from uci.library.progress import counted_games, points, positions, rows
from uci.library.training_words import standing_text
from uci.web.analysis_tags import is_chapter
from uci.web.board_game import BoardGame
from uci.web.board_session import BoardSession
from uci.web.games_service import Exported, GamesService, on_games
from uci.web.request_forms import (
    Request,
    are_game_keys,
    is_flag,
    is_game_key,
    is_line,
    is_name,
    is_word,
    number_of,
)

_MOST_CHAPTERS = 200
_MOST_POSITIONS = 200  # of mistakes that are listed together


def explore_here(session: BoardSession, side: str, file: str) -> None:
    session.games.ask(explore, board=session.board_game.study.shown.copy(), side=side, file=file)


def find(service: GamesService, games: GamesFolder, offset: int, **wanted: str) -> None:
    """Tell the page a part of the list, and how far the reviews are."""
    listed, total = games.catalogue.find(GameQuery(**wanted), offset)
    service.tell({"do": "games_found", **wanted, "games": listed, "total": total, "offset": offset})
    service.tell_work()


def progress(service: GamesService, games: GamesFolder) -> None:
    """Tell accuracy and mistakes over time, and mistakes by opening, colour and motif."""
    counted = counted_games(games.catalogue.reviewed())
    service.tell({"do": "games_progress", "points": points(counted), "rows": rows(counted)})


def mistakes(service: GamesService, games: GamesFolder, by: str, name: str) -> None:
    """Tell where the mistakes are that a row of the progress counts."""
    places = positions(counted_games(games.catalogue.reviewed()), by, name)
    service.tell(
        {"do": "games_mistakes", "positions": places[:_MOST_POSITIONS], "total": len(places)}
    )


def explore(
    service: GamesService, games: GamesFolder, board: chess.Board, side: str, file: str
) -> None:
    """Tell what was played in a position in the games, and in which files there are more."""
    moves = list[Facts]()
    for played in games.catalogue.explore(board, side, file):
        san = shown_moves(board.san(played.move))
        moves.append({"uci": played.move.uci(), "san": san, "counts": played.counts})
    line = " ".join(map(chess.Move.uci, board.move_stack))
    service.tell(
        {
            "do": "explored",
            "fen": board.fen(),
            "moves": moves,
            "line": line,
            "files": games.catalogue.files(),
        }
    )


def welcome(service: GamesService, games: GamesFolder) -> Steps:
    """Tell what a first page offers: a game to go on with, one to review, puzzles that are due."""
    yield from games.refreshing()
    standing = service.puzzles.training.standing
    has_trained = standing.rating != Rating()
    offers = {
        "unfinished": games.catalogue.unfinished(),
        "unreviewed": games.catalogue.last_unreviewed(),
        "puzzles": standing_text(standing) if has_trained else "",
    }
    service.tell({"do": "welcome", **offers})


def names(service: GamesService, games: GamesFolder) -> None:
    """Tell one's own names, and whose games there are besides."""
    service.ask_names(games, games.catalogue.likely_names())


def name(service: GamesService, games: GamesFolder, name: str, mine: bool) -> None:
    """Note that a name is one's own, or is not; "" is nobody's. The page asks for its list
    again.
    """
    games.add_name(name, mine)
    service.asked.clear()
    service.tell({"do": "games_read", "problems": []})


def delete(service: GamesService, games: GamesFolder, keys: list[str]) -> None:
    """Delete games for good, with their puzzles. The page asks for its list again."""
    deletion = games.delete(keys)
    service.puzzles.forget(deletion.puzzles)
    service.tell({"do": "games_read", "problems": list(dict.fromkeys(deletion.sentences))})


def open_game(service: GamesService, games: GamesFolder, key: str, ply: int) -> None:
    """Open a game for analysis after so many plies, from one's own side, with its review if
    there is one.
    """
    entry = games.known(key)
    game = games.game(entry.key)
    side = games.catalogue.side(entry.line)
    origin: SavedGame | ListedGame = ListedGame(entry.key, games.path_of(entry))
    # What could not be read must not be replaced.
    if entry.file.has_analyses and not game.errors:
        origin = _as_saved(games, entry)
    setup = Setup(
        board_at(game), None, headers=game.headers, source=game, seen_by=side, origin=origin
    )
    board_game = BoardGame(setup)
    board_game.study.look(game)
    for node in itertools.islice(game.mainline(), max(0, ply - game.ply())):
        board_game.study.look(node)
    review = None
    with contextlib.suppress(DataError):
        review = games.reviews.read(entry.line)
    service.lay(board_game, review)
    if game.errors:
        fault = translated(str(game.errors[0]))
        sentence = _("the PGN has a fault: {fault}", fault=fault)
        service.tell({"do": "say", "text": sentence, "kind": "error"})
    if is_chapter(game.headers):
        _tell_chapters(service, games, entry)


def _tell_chapters(service: GamesService, games: GamesFolder, entry: Game) -> None:
    """Tell what other chapters there are in the file of a game, in their order."""
    chapters = list[dict[str, str]]()
    for game in entry.file.games[:_MOST_CHAPTERS]:
        chapters.append({"key": game.key, "name": game.chapter or f"{game.white} – {game.black}"})
    service.tell({"do": "chapters", "chapters": chapters, "key": entry.key})


def go_on(service: GamesService, games: GamesFolder, key: str) -> None:
    """Continue a game. One against Aino goes on where it stands."""
    entry = games.known(key)
    game = games.game(entry.key)
    setup = saved_game(game)
    if setup.levels is None:
        side = games.catalogue.side(entry.line)
        human = chess.WHITE if side is None else side
        service.lay(BoardGame(replace(setup, human=human)), None)
        return
    setup = replace(setup, source=without_clocks(game))
    if not game.errors:  # what could not be read must not be replaced
        setup = replace(setup, origin=_as_saved(games, entry))
    service.lay(BoardGame(setup), None)


def _as_saved(games: GamesFolder, entry: Game) -> SavedGame:
    """Return a game as it stands in its file, apart from the tree that is edited."""
    return SavedGame(games.game(entry.key), games.path_of(entry), entry.place)


def export(service: GamesService, games: GamesFolder, keys: list[str], **wanted: str) -> Steps:
    """Make a file of the chosen games, or of all that are listed, which the page then fetches."""
    chosen = keys or games.catalogue.keys(GameQuery(**wanted))
    text = yield from pgn_of(games, chosen)
    service.exported = Exported("aino-games.pgn", text)
    service.tell({"do": "exported", "name": service.exported.name})


def review(service: GamesService, games: GamesFolder, key: str) -> None:
    """Review a game in the background, or all of one's own without a review."""
    catalogue = games.catalogue
    service.reviews.add([catalogue.game(key).line] if key else catalogue.unreviewed())
    service.tell_work()


def stop(service: GamesService, games: GamesFolder) -> None:
    """Drop all reviews that wait."""
    service.reviews.forget()
    service.tell_work()


_CHOICE = {
    "text": is_name,
    "result": is_word,
    "side": is_word,
    "file": is_name,
    "line": is_line,
    "order": is_word,
    "unfolded": is_word,
}
_LIST = {**_CHOICE, "offset": number_of(0, 10**7)}
_KEY = {"key": is_game_key}
REQUESTS: dict[str, Request] = {
    "games_refresh": (on_games(GamesService.refresh), {}),
    "games_find": (on_games(find), _LIST),
    "games_progress": (on_games(progress), {}),
    "games_mistakes": (on_games(mistakes), {"by": is_word, "name": is_name}),
    "explore_games": (explore_here, {"side": is_word, "file": is_name}),
    "welcome": (on_games(welcome), {}),
    "games_names": (on_games(names), {}),
    "games_name": (on_games(name), {"name": is_name, "mine": is_flag}),
    "games_open": (on_games(open_game), {**_KEY, "ply": number_of(0, 10**4)}),
    "games_continue": (on_games(go_on), _KEY),
    "games_delete": (on_games(delete), {"keys": are_game_keys}),
    "games_review": (on_games(review), {"key": lambda value: value == "" or is_game_key(value)}),
    "games_export": (on_games(export), {**_CHOICE, "keys": are_game_keys}),
    "games_stop": (on_games(stop), {}),
}
