"""Three games of one's own, the file that they are in, and what is asked of their catalogue."""

from engine.options import EngineOptions
from engine.player import Engine
from engine.search.limits import Limits
from uci.library.game_query import GameQuery
from uci.library.games_folder import GamesFolder
from uci.web.games_service import GamesService

GAMES = [
    ("Anna", "Ben", "2024.01.02", "1-0", "e4 e5 Nf3 Nc6 Bc4 Nf6 Ng5 d5"),
    ("Cleo", "anna", "2024.01.03", "0-1", "e4 c5 Nf3 d6 d4 cxd4"),
    ("Dora", "Eve", "2024.01.04", "1/2-1/2", "d4 d5 c4 e6"),
]
FAY = ("Fay", "Gil", "2024.02.01", "1-0", "e4")


def text_of(games=GAMES, extra=""):
    return "\n".join(
        f'[White "{white}"]\n[Black "{black}"]\n[Date "{date}"]\n[Result "{result}"]\n{extra}\n{moves} {result}\n'
        for white, black, date, result, moves in games
    )


def write(path, *games, extra=""):
    """Write games of (white, black, date, result, moves) into a file."""
    path.write_text(text_of(list(games), extra), encoding="utf-8")


def listed(folder):
    """My games of a folder, read."""
    games = GamesFolder(folder)
    games.refresh()
    return games


def rows_of(games, **query):
    """The games that are listed, up to a page of them."""
    return games.catalogue.find(GameQuery(**query))[0]


def whites(games, **query):
    """The white players of the games that are listed."""
    rows, total = games.catalogue.find(GameQuery(**query))
    assert total == len(rows)
    return [row["white"] for row in rows]


def lines_of(games):
    """The lines of the games that are listed."""
    return [games.catalogue.game(row["key"]).line for row in rows_of(games)]


def row_of(games, white):
    return next(row for row in rows_of(games) if row["white"] == white)


def delete(games, white):
    """Delete the game of a player; return what is said."""
    return " ".join(games.delete([row_of(games, white)["key"]]).sentences)


def small_engine():
    return Engine(EngineOptions(evaluator="material", threads=1, hash_mib=16))


def wait_for_worker(shelf):
    """All that was asked of it before is done."""
    shelf._worker.call(print).result()


def shelf_in(folder, tell=lambda message: None):
    """A shelf whose reviews are quick; `tell` hears what a page would."""
    return GamesService(
        folder, small_engine, tell, lambda table, review: None, lambda: False, Limits(nodes=1)
    )
