"""Chosen games for others, as one PGN in the words that stand in their files."""

from collections.abc import Generator, Iterable

from engine.files.text import open_unpacked, reading, utf8_pieces
from uci.library.game_files import check_unchanged
from uci.library.game_records import Game, GamesFile
from uci.library.games_folder import GamesFolder


def pgn_of(games: GamesFolder, keys: Iterable[str]) -> Generator[None, None, str]:
    """Return the texts of games, each with an empty line behind it, in steps, one for each file.
    Raises DataError.
    """
    chosen = [games.known(key) for key in keys]
    by_file = dict[GamesFile, list[Game]]()
    for game in chosen:
        by_file.setdefault(game.file, []).append(game)
    texts = dict[Game, str]()
    for file, own in by_file.items():
        texts |= _texts_in(games, file, own)
        yield
    return "".join(texts[game] for game in chosen if game in texts)


def _texts_in(games: GamesFolder, file: GamesFile, own: Iterable[Game]) -> dict[Game, str]:
    """Return the texts of games of a file that are still there, by the games.

    Nobody else has a turn while the file is read, so that its games stand where the catalogue has
    them.
    """
    path = games.folder / file.name
    with reading(path), open_unpacked(path) as (stream, _share):
        data = b"".join(utf8_pieces(stream))
    staying = set(file.games)
    texts = dict[Game, str]()
    for game in own:
        if game in staying:
            text = data[game.place.begin : game.place.end]
            check_unchanged(text, path, game.place)
            texts[game] = f"{text.decode(errors='replace').strip()}\n\n"
    return texts
