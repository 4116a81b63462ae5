"""Folders of files with equal games in several of them, edited at random: a change touches its own
game alone, and equal games never stand in for one another.
"""

import io
import random

import chess.pgn
import pytest

from engine.errors import DataError
from engine.files.source_text import SourceText
from tests.unit.board.pgn_forms import TEXTS, WORDS, played_game, san, whole, words_of
from uci.library import games_folder
from uci.library.game_query import GameQuery
from uci.library.games_folder import GamesFolder

SEEDS = (0, 1, 2, 3, 100, 122, 178, 205)  # the later ones found faults
FILES = 40
CHANGES = 40  # of each folder
PLIES = (3, 8, 16)
STANDING = ["", "{My book}\n\n", "; a line\n", "% escape\n", "Some prose stands here.\n\n"]
ENCODINGS = [("\n", "utf-8"), ("\n", "utf-8-sig"), ("\r\n", "cp1252"), ("\r\n", "utf-8-sig")]
COMMENTS = ["", "mine", "[%cal Ge2e4] ü words", "long words " * 9]


def game_text(rng):
    """A game in one of many forms."""
    words = words_of(played_game(rng.randrange(8), rng.choice(PLIES)), san)
    if rng.random() < 0.5:
        return rng.choice([*TEXTS.values()])(words).strip()
    return whole(" ".join(rng.choice([*WORDS.values()])(words))).strip()


def fill(folder, rng):
    """Write files in which a few games stand again and again."""
    pool = [game_text(rng) for _ in range(4)]
    for number in range(FILES):
        games = [rng.choice(STANDING) + rng.choice(pool) for _ in range(rng.randrange(1, 5))]
        line_end, encoding = rng.choice(ENCODINGS)
        text = ("\n\n".join(games) + rng.choice(["", "\n", "\n\n"])).replace("\r", "")
        (folder / f"{number}.pgn").write_text(text, encoding, "replace", newline=line_end)


def edit(game, rng):
    """Change a comment, marks or variations somewhere in a game."""
    node = rng.choice([game, *game.mainline()])
    kind = rng.choice(["comment", "marks", "less", "more"])
    if kind == "comment":
        node.comment = rng.choice(COMMENTS)
    elif kind == "marks" and node.parent:
        node.nags = set(rng.sample(range(1, 7), rng.randrange(2)))
    elif kind == "less" and len(node.variations) > 1:
        node.variations.pop(1)
    elif kind == "more" and node.variations:
        free = [move for move in node.board().legal_moves if not node.has_variation(move)]
        for move in free[:1]:
            node.add_variation(move)


def text_of(path):
    return SourceText(path, 0, 1 << 30).text if path.exists() else b""


def content(games):
    """Where the games stand, and what is shown of them."""
    rows, total = games.catalogue.find(GameQuery())
    shown = [(row["file"], row["copies"]) for row in rows]
    places = {(game.file.name, game.place) for game in games.catalogue._games.values()}
    return places, total, shown


def change(games, rng):
    """Edit or delete a game, and see that nothing else has changed; whether that was refused."""
    key = rng.choice(sorted(games.catalogue._games))
    place = games.catalogue.game(key).place
    path = games.path_of(games.catalogue.game(key))
    neighbours = {file: file.read_bytes() for file in path.parent.glob("*.pgn") if file != path}
    before = text_of(path)
    text = before[place.begin : place.end]
    if rng.random() < 0.6:
        after = edited(games, key, text, rng)
    else:
        games.delete([key])
        after = None if key in games.catalogue._games else b""
    expected = text if after is None else after
    assert text_of(path) == before[: place.begin] + expected + before[place.end :]
    assert {file: file.read_bytes() for file in neighbours} == neighbours
    return after is None


def edited(games, key, text, rng):
    """Edit a game; return its text then, None where that is refused."""
    game = games.game(key)
    is_plain = read(text) == str(game)
    edit(game, rng)
    try:
        listed = games.rewrite(key, game)
    except DataError:
        return None
    place = games.catalogue.game(listed.key).place
    after = text_of(listed.path)[place.begin : place.end]
    assert str(games.game(listed.key)) == str(game)
    assert not is_plain or read(after) == str(game)
    return after


def read(text):
    """A game as python-chess reads it."""
    return str(chess.pgn.read_game(io.StringIO(text.decode())))


def read_folder(folder):
    games = GamesFolder(folder)
    games.refresh()
    return games


@pytest.mark.parametrize("seed", SEEDS)
def test_a_change_of_a_game_touches_nothing_else(seed, tmp_path, monkeypatch):
    monkeypatch.setattr(games_folder, "_PART", 100)
    rng = random.Random(seed)
    fill(tmp_path, rng)
    games = read_folder(tmp_path)
    refused = sum(change(games, rng) for _ in range(CHANGES))
    assert content(games) == content(read_folder(tmp_path))
    assert refused < CHANGES / 4
