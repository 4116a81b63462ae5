"""Chosen games for others, as one PGN in the words that stand in their files."""

from __future__ import annotations

from collections.abc import Generator, Iterable

from engine.errors import DataError
from engine.files.text import open_unpacked, printable, reading, utf8_pieces
from uci.language import _
from uci.library.catalogue import GamesFile
from uci.library.game_files import digest_of
from uci.library.games_folder import GamesFolder


def pgn_of(games: GamesFolder, keys: Iterable[str]) -> Generator[None, None, str]:
    """Return the texts of games, each with an empty line behind it, in steps, one for each file.
    Raises DataError.
    """
    keys = list(keys)
    files = dict.fromkeys(games.known(key).file for key in keys)
    texts = dict[str, str]()
    for file in files:
        texts |= _texts_in(games, file, keys)
        yield
    return "".join(texts[key] for key in keys if key in texts)


def _texts_in(games: GamesFolder, file: GamesFile, keys: list[str]) -> dict[str, str]:
    """Return the texts of the games of a file that are still there, by their keys.

    Nobody else has a turn while the file is read, so that its games stand where the catalogue has
    them.
    """
    path = games.folder / file.name
    with reading(path), open_unpacked(path) as (stream, _share):
        data = b"".join(utf8_pieces(stream))
    here = {game.key: game for game in file.games}
    texts = dict[str, str]()
    for key in keys:
        if game := here.get(key):
            text = data[game.place.begin : game.place.end]
            if digest_of(text) != game.place.digest:
                raise DataError(_("{path} has changed; open My games again", path=printable(path)))
            texts[key] = f"{text.decode(errors='replace').strip()}\n\n"
    return texts
