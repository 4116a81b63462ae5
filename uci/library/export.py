"""Chosen games for others: as one PGN, in the words that stand in their files, or as one page to
learn from.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable

from engine.board.pgn.game_writer import game_text
from engine.errors import DataError
from engine.files.text import open_unpacked, reading, utf8_pieces
from uci.annotate.game_page import plain_section, render_game_page
from uci.language import _
from uci.library.games_folder import GamesFolder

Export = Generator[None, None, str]  # makes a text in steps, one for each game


def pgn_of(games: GamesFolder, keys: Iterable[str]) -> Export:
    """Return the texts of games, each with an empty line behind it. Raises DataError."""
    texts = dict[str, bytes]()
    found = list[str]()
    for key in keys:
        copy = games.known(key).fullest
        if copy.file not in texts:
            path = games.folder / copy.file
            with reading(path), open_unpacked(path) as (stream, _share):
                texts[copy.file] = b"".join(utf8_pieces(stream))
        text = texts[copy.file][copy.begin : copy.end].decode(errors="replace")
        found.append(f"{text.strip()}\n\n")
        yield
    return "".join(found)


def lesson_page(games: GamesFolder, keys: Iterable[str]) -> Export:
    """Return a page of games on which one steps through their moves, words and variations; those
    with a review ask for the better moves. Raises DataError.
    """
    sections = []
    how = ""
    for number, key in enumerate(keys, 1):
        try:
            kept = games.kept_review(key)
        except DataError:
            game = games.game(key)
            sections.append(plain_section(game, number, game_text(game)))
        else:
            how = kept.how
            sections.append(kept.section(number))
        yield
    return render_game_page(_("Lesson"), sections, how or _("without a review"))
