"""The PGN of a game against Aino, and the folder of files that keep games."""

import contextlib
import datetime
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import chess
import chess.pgn

from engine.files.text import is_hidden
from engine.files.user_folder import user_folder
from engine.native.locks import FileLock
from uci.common.reading import read_game
from uci.openings.opening_names import opening_name

ANALYSES = "analyses"  # the folder of analyses, beside the games
LAST = "last"  # names the game saved last
REVIEWED = ".annotated"  # in the names of reviews
REVIEWS = "reviews"  # a folder in the folder of games: reviews that are kept, and locks
_OWNING = threading.Lock()
_WAIT_S = 0.005  # between two looks whether another program has written


@dataclass(frozen=True)
class TextPlace:
    """Where a game's text stands in a file, in bytes of what is read from that: UTF-8 whose lines
    end in line feeds.
    """

    begin: int  # of its first tag
    end: int  # where the next game begins
    digest: str  # of the text between them, without white space around it


@dataclass(frozen=True)
class SavedGame:
    """A game as it was saved, and where."""

    game: chess.pgn.Game
    path: Path
    place: TextPlace


@dataclass(frozen=True)
class ListedGame:
    """A game in the list of My games. What a person changes is spliced into its author's text."""

    key: str
    path: Path


def games_folder() -> Path:
    """Where games are saved: aino/games in the system's folder for the user's data, or below the
    working folder.
    """
    return (user_folder("data") or Path.cwd()) / "aino" / "games"


def default_path(now: datetime.datetime) -> Path:
    """Return a file name of the game's own in the folder of saved games."""
    return games_folder() / f"{now:%Y%m%d-%H%M%S}.pgn"


def pgn_files(folder: Path) -> list[Path]:
    """Return the PGN files of a folder, without reviews beside them. Windows writes *.PGN, too."""
    names = os.listdir(folder) if folder.is_dir() else []
    return [folder / name for name in names
            if name.lower().endswith(".pgn") and REVIEWED not in name and not is_hidden(name)]  # fmt: skip


@contextlib.contextmanager
def owning(folder: Path) -> Iterator[None]:
    """Wait until nobody else writes games, reviews or names in a folder: no other thread, and no
    other program.

    Makes the folder. Where nothing can be locked, only threads of this program are kept out.
    """
    with contextlib.suppress(OSError):
        (folder / REVIEWS).mkdir(parents=True, exist_ok=True)
    with _OWNING, FileLock(folder / REVIEWS / ".owner").held(_WAIT_S):
        yield


def load_game(name: str, number: int | None = None) -> chess.pgn.Game:
    """Return a saved game by its file's name and its number there; without a number the first game,
    of `last` the last.

    Raises DataError.
    """
    path = _find_file(name)
    if number is None and not name == LAST != path.name:
        number = 1
    return read_game(path, number)


def _find_file(name: str) -> Path:
    """Find the file that a name means: a path, `last` for the game saved last, or a file in the
    folder of saved games.

    A name that means none of them comes back as a path, for the reader to complain about.
    """
    path = Path(os.path.expanduser(name))
    if path.exists():
        return path
    if name == LAST:
        return max(pgn_files(games_folder()), key=lambda file: file.stat().st_mtime, default=path)
    kept = [games_folder() / f"{name}{suffix}" for suffix in ("", ".pgn", ".PGN")]
    return next((file for file in kept if file.is_file()), path)


def game_from_board(
    board: chess.Board, headers: Mapping[str, str], result: str, clock_times: Mapping[int, float]
) -> chess.pgn.Game:
    """Return the game on a board's move stack; `clock_times` are the mover's seconds left after
    each ply.
    """
    game = chess.pgn.Game.from_board(board)
    game.headers.update(Site="-", Round="-", Result=result)
    game.headers.update(headers)
    if name := opening_name(board):
        game.headers["Opening"] = name
    for ply, node in enumerate(game.mainline(), 1):
        if ply in clock_times:
            node.set_clock(max(0.0, round(clock_times[ply], 1)))
    return game
