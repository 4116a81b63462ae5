"""The games in a file: which are the same, and how each is found and read again."""

import chess

from tests.boards import games_in
from tests.uci.library.own_games import text_of
from tests.unit.board.pgn_forms import TEXTS, WORDS, played_game, san, whole, words_of
from tests.unit.files.test_text import zipped
from uci.library import game_files
from uci.library.game_files import digest_of, find_games, game_at, game_equality, line_key

GAME = {
    "Event": "Club",
    "Date": "2024.05.01",
    "Round": "1",
    "White": "Ann",
    "Black": "Bob",
    "Result": "1-0",
}
EXERCISE = "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"


def pgn(moves="1. e4 e5", **tags):
    lines = "".join(f'[{name} "{value}"]\n' for name, value in (GAME | tags).items())
    return f"{lines}\n{moves} {(GAME | tags)['Result']}\n\n"


DIFFERENT = [
    {"Event": "Cup"},
    {"Date": "2024.05.02"},
    {"Time": "10:00"},
    {"Round": "3"},
    {"UTCTime": "10:00:00"},
    {"White": "Al"},
    {"Black": "Al"},
    {"Result": "0-1"},
    {"Result": "*"},
    {"FEN": EXERCISE},
    {"FEN": EXERCISE.replace("4K3", "3K4")},
    {"moves": "1. e4 c5"},
    {"moves": "1. e4 e5 2. d4"},
    {"moves": "1. -- e5"},
    {"moves": "1. e4 --"},
    {"moves": "1. e4 -- 2. d4"},
]
SAME = [
    {"Site": "home"},
    {"Event": "Club "},
    {"Opening": "?"},
    {"WhiteElo": "1200"},
    {"FEN": chess.STARTING_FEN},
    {"moves": "1. e4 { Good } (1. d4) e5 $1"},
]


def test_games_are_the_same_by_what_was_played(tmp_path):
    """Exercises with other positions and games of other rounds were one, and one deletion took them
    all.
    """
    texts = [pgn(**facts) for facts in ({}, *DIFFERENT, *SAME)]
    (path := tmp_path / "mine.pgn").write_text("".join(texts))
    games = list(find_games(path))
    different, same = games[: 1 + len(DIFFERENT)], games[1 + len(DIFFERENT) :]
    assert len({game.equality for game in different}) == len(different)
    assert {game.equality for game in same} == {games[0].equality}
    assert [game.place.digest for game in games] == [digest_of(text.encode()) for text in texts]
    assert [game.line for game in games] == [line_key(game) for game in games_in(path)]
    starts_and_moves = [facts for facts in DIFFERENT if facts.keys() & {"FEN", "moves"}]
    assert len({game.line for game in games}) == 1 + len(starts_and_moves)


RESULTS = ["½-½", "1/2", "1:0", "0.5-0.5", "1–0", "1-0 forfeit", "+/-", "?", "", "Draw", "White wins", "*"]  # fmt: skip


def test_a_game_is_read_again_however_it_is_written(tmp_path):
    """One with "½-½", "1/2", "1:0" or "1-0 forfeit" had another key when it was opened: "has
    changed".
    """
    words = words_of(played_game(1), san)
    texts = [write(words) for write in TEXTS.values()]
    texts += [whole(" ".join(write(["e4", "e5"]))) for write in WORDS.values()]
    for tag in RESULTS:
        texts += [whole("1. e4 e5", {"Result": tag}, end) for end in ("*", "1/2-1/2", "½-½")]
    (path := tmp_path / "mine.pgn").write_text("\n\n".join(texts), encoding="utf-8")
    games = list(find_games(path))
    assert len(games) == len(texts)
    read_again = [game_equality(game_at(path, game.place)) for game in games]
    assert read_again == [game.equality for game in games]
    assert {game.tags["Result"] for game in games[-2:]} == {"1/2-1/2"}


ODD = """
[White "A \\"B\\" C"]
[FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"]

1. e4 {x} (1. e3) Kd7 *

1. e4 Zz9 *

[white "small"]
[BLACK "B"]

1. e4 *

[White "A"]

[Black "apart"]
[FEN "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKB1R w KQkq - 0 1"]

1. e4 e5 1-0
"""
SHOWN = {"White": "?", "Black": "?", "Result": "?", "FEN": None}


def test_main_lines_alone_give_the_same_games(tmp_path):
    (path := tmp_path / "mine.pgn").write_text(text_of() + ODD)
    slow = list(game_files._read_slowly(path.read_bytes(), []))
    fast = list(find_games(path))
    assert [game.place.begin for game in slow] == [game.place.begin for game in fast]
    assert [game.equality for game in slow] == [game.equality for game in fast]
    for name, unknown in SHOWN.items():
        assert [game.tags.get(name, unknown) for game in fast] == [
            game.tags.get(name) for game in slow
        ]
    assert slow[-1].tags["Black"] == "apart"
    whole_games = [game_equality(game) for game in games_in(path)[:4]]
    assert whole_games == [game.equality for game in slow[:4]]


def test_games_of_an_archive_are_read_again_from_their_places(tmp_path):
    path = tmp_path / "games.zip"
    path.write_bytes(zipped(b"1. e4 e5", c="1. d4 d5 *", d="1. c4 *"))
    games = [game_at(path, game.place) for game in find_games(path)]
    assert [game.next().san() for game in games] == ["e4", "d4", "c4"]
