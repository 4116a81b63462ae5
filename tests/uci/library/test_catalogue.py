"""The list of one's own games: what is found and how it is sorted, progress and the explorer."""

from itertools import chain, permutations, product

import chess
import pytest

from tests.boards import board_after
from tests.uci.library.own_games import listed, row_of, rows_of, text_of, whites, write
from uci.library.game_query import GameQuery
from uci.library.game_records import ReviewFacts
from uci.library.games_folder import GamesFolder

DATES = {
    "2025.03.01": "2025.03.01",
    "2025.??.??": "2025",
    "2025.11.??": "2025.11",
    "2025-3-9": "2025.03.09",
    "31.12.2019": "2019.12.31",
    "12/31/2018": "2018.12.31",
    "yesterday": "",
    "\u0662\u0660\u0662\u0661.01.02": "2021.01.02",
    "Oct 15, 2016": "2016",
    "20140301": "2014.03.01",
    "2013.13.45": "2013",
    "2012.13.13": "2012",
}


def test_days_in_any_form_have_their_place(games, tmp_path):
    """A game of 2025.??.?? came before all others of that year, and 31.12.2019 was of the year 31."""
    rows = [(f"White {number}", "B", date, "1-0", "e4 e5") for number, date in enumerate(DATES)]
    write(tmp_path / "mine.pgn", *rows)
    games.refresh()
    dates = [row["date"] for row in rows_of(games)]
    assert dates == sorted(DATES.values(), reverse=True)


CHAPTER = '[Event "Endings: Pawns"]\n[ChapterName "Pawns"]\n[Opening "?"]\n[FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"]'


def test_a_chapter_of_a_study_has_its_name(games, tmp_path):
    """Each was a game of ? against ?."""
    (tmp_path / "study.pgn").write_text(f"{CHAPTER}\n\n1. e4 {{ Go }} 1... -- 2. e5 *\n")
    assert not games.refresh()
    (row,) = rows_of(games, text="endings pawns")
    assert row["white"] == "Pawns"
    assert row["black"] == ""
    assert row["opening"] == ""


MASTERS = [
    ("Élan", "Zoe", "2020.01.01", "1-0", "c4 e5 Nc3 c5 e4"),
    ("fox", "?", "", "*", "e4 c5"),
    ("Магнус", "Étienne ÖZIL", "2023.05.06", "0-1", "d4"),
]


@pytest.fixture
def with_masters(games, tmp_path):
    write(tmp_path / "masters.pgn", *MASTERS)
    games.add_name("ANNA")
    games.refresh()
    return games


LISTED = [
    ({"text": "sicilian"}, "Cleo fox"),
    ({"text": "knights ben"}, "Anna"),
    ({"text": "%"}, ""),
    ({"text": "2024-01-03"}, "Cleo"),  # as the list shows it
    ({"text": "2024.01.03"}, "Cleo"),
    ({"text": "1/2-1/2"}, "Dora"),
    # Capitals of other scripts were other letters.
    ({"text": "магнус"}, "Магнус"),
    ({"text": "étienne özil"}, "Магнус"),
    ({"text": "МАГ"}, "Магнус"),
    ({"text": "OZIL"}, "Магнус"),
    ({"result": "won"}, "Cleo Anna"),
    ({"result": "lost"}, ""),
    ({"result": "drawn"}, "Dora"),
    ({"result": "won", "side": "black"}, "Cleo"),
    ({"file": "masters.pgn"}, "Магнус Élan fox"),
    ({"line": "e2e4 c7c5"}, "Cleo fox"),
    ({"line": "e2e4 c7c5", "file": "masters.pgn"}, "fox"),
    ({"line": "e2e4 c7c5 b1c3 e7e5 c2c4"}, "Élan"),  # by another order of moves
    # What is not known stands last, whichever way it is sorted.
    ({"order": "white"}, "Anna Cleo Dora Élan fox Магнус"),
    ({"order": "black"}, "Cleo Anna Магнус Dora Élan fox"),
    ({"order": "-plies"}, "Anna Cleo Élan Dora fox Магнус"),
    ({"order": "date"}, "Élan Магнус Anna Cleo Dora fox"),
    ({"order": "-accuracy"}, "Dora Cleo Anna Магнус Élan fox"),
    ({"order": "nonsense"}, "Dora Cleo Anna Магнус Élan fox"),
]


@pytest.mark.parametrize(("query", "players"), LISTED, ids=repr)
def test_the_list_shows_what_is_wanted(with_masters, query, players):
    assert whites(with_masters, **query) == players.split()


def test_games_of_one_day_stand_in_their_order(games, tmp_path):
    """Lichess's files have the latest game first."""
    days = [("12:30:00", "Late"), ("09:00:00", "Early"), ("09:10:00", "Middle")]
    texts = (
        text_of([(white, "B", "2025.01.01", "1-0", "f3 e5")], f'[UTCTime "{time}"]\n')
        for time, white in days
    )
    (tmp_path / "mine.pgn").write_text("\n".join(texts))
    games.refresh()
    assert whites(games) == ["Late", "Middle", "Early"]
    assert row_of(games, "Late")["date"] == "2025.01.01"


def test_the_next_part_of_a_list_goes_on_where_the_first_ended(tmp_path):
    write(tmp_path / "mine.pgn", *[(f"P{number:02}", "B", "", "1-0", "e4") for number in range(60)])
    games = listed(tmp_path)
    first, total = games.catalogue.find(GameQuery(order="white"))
    second, _ = games.catalogue.find(GameQuery(order="white"), offset=len(first))
    players = [row["white"] for row in first + second]
    assert players == [f"P{number:02}" for number in range(total)]


# ---- one's own side ------------------------------------------------------------------------------


def test_nobody_is_asked_again_after_none_of_the_names(games, tmp_path):
    assert not games.own_names.is_told
    games.add_name("", False)
    assert GamesFolder(tmp_path).own_names.is_told


# ---- the explorer --------------------------------------------------------------------------------

PLAYED = [
    ("A", "B", "2024.01.01", "1-0", "d4 d5 Nf3 Nf6 c4"),
    ("C", "A", "2024.01.02", "0-1", "Nf3 Nf6 d4 d5 c4 e6"),
    ("D", "E", "2024.01.03", "1/2-1/2", "Nf3 d5 d4 Nf6 e3"),
    ("F", "G", "2024.01.04", "*", "e4 e5"),
    ("F", "G", "2024.01.05", "1-0", "d4 d5"),
]
KNIGHTS = "d4 Nf6 Nf3 d5"


def explored(games, board, **of):
    """The moves of the explorer, each with White's wins, draws, losses and games without an end."""
    moves = games.catalogue.explore(board, **of)
    return ", ".join(f"{move.move.uci()} {move.counts}" for move in moves)


EXPLORED = {
    "at the start": (
        chess.Board(),
        {},
        "d2d4 (2, 0, 0, 0), e2e4 (0, 0, 0, 2), g1f3 (0, 1, 1, 0), c2c4 (1, 0, 0, 0)",
    ),
    "by any order of moves": (board_after(KNIGHTS), {}, "c2c4 (1, 0, 1, 0), e2e3 (0, 1, 0, 0)"),
    "where a game ended": (board_after("d4 d5"), {}, "g1f3 (1, 0, 0, 0)"),
    "that nobody reached": (board_after(f"{KNIGHTS} c4 c6"), {}, ""),
    "from another start": (chess.Board("4k3/8/8/8/8/8/8/4K3 w - - 0 1"), {}, ""),
    "a pass": (board_after("d4 --"), {}, ""),
    "of an own side": (board_after(KNIGHTS), {"side": "black"}, "c2c4 (0, 0, 1, 0)"),
    "of a file": (chess.Board(), {"file": "more.pgn"}, "c2c4 (1, 0, 0, 0), e2e4 (0, 0, 0, 1)"),
}


@pytest.mark.parametrize(("board", "of", "counts"), EXPLORED.values(), ids=EXPLORED)
def test_the_explorer_counts_what_was_played(tmp_path, board, of, counts):
    (tmp_path / "analyses").mkdir()
    write(tmp_path / "analyses" / "a.pgn", ("?", "?", "", "*", "h4"))
    write(tmp_path / "played.pgn", *PLAYED)
    write(tmp_path / "more.pgn", *MASTERS[:2])
    games = listed(tmp_path)
    games.add_name("a")
    assert explored(games, board, **of) == counts


def test_the_explorer_knows_any_number_of_orders_of_moves(tmp_path):
    """It knew 300."""
    orders = product(permutations(("a3", "b3", "c3", "d3")), permutations(("a6", "b6", "c6", "d6")))
    lines = [" ".join([*chain(*zip(*order, strict=True)), "e4"]) for order in orders]
    write(tmp_path / "orders.pgn", *[("H", "I", "2024.01.06", "1-0", line) for line in lines])
    games = listed(tmp_path)
    assert explored(games, board_after(lines[0][:-3])) == f"e2e4 ({len(lines)}, 0, 0, 0)"


AGAINST_AINO = [
    ("You", "Aino (easy)", "2024.02.01", "*", "e4 e5"),
    ("You", "Aino (easy)", "2024.02.02", "1-0", "d4 d5"),
    ("Ben", "Cleo", "2024.02.03", "*", "c4 e5"),
]


@pytest.fixture
def against_aino(tmp_path):
    write(tmp_path / "mine.pgn", *AGAINST_AINO)
    return listed(tmp_path)


def test_the_latest_game_against_aino_that_is_not_over_is_offered(against_aino):
    assert against_aino.catalogue.unfinished()["date"] == "2024.02.01"


def test_the_latest_of_ones_own_games_without_a_review_is_offered(against_aino):
    catalogue = against_aino.catalogue
    assert catalogue.last_unreviewed()["date"] == "2024.02.02"
    for game in catalogue._games.values():
        catalogue.note_review(game.line, ReviewFacts({}, {}, {}))
    assert catalogue.last_unreviewed() is None
