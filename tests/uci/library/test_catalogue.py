"""The list of one's own games: what is found and how it is sorted, progress and the explorer."""

from itertools import chain, permutations, product

import chess
import pytest

from tests.boards import board_after
from tests.uci.library.own_games import row_of, text_of, whites, write
from uci.library.catalogue import ReviewFacts
from uci.library.game_query import GameQuery
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
    dates = [game["date"] for game in games.catalogue.find(GameQuery())[0]]
    assert dates == sorted(DATES.values(), reverse=True)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"text": "sicilian"}, ["Cleo"]),
        ({"text": "knights ben"}, ["Anna"]),
        ({"text": "%"}, []),
        ({"text": "2024-01-03"}, ["Cleo"]),
        ({"text": "2024.01.03"}, ["Cleo"]),
        ({"text": "1/2-1/2"}, ["Dora"]),
        ({"result": "won"}, ["Cleo", "Anna"]),
        ({"result": "lost"}, []),
        ({"result": "drawn"}, ["Dora"]),
        ({"result": "other"}, []),
        ({"result": "won", "side": "black"}, ["Cleo"]),
    ],
)
def test_games_are_found_by(games, wanted, found):
    """Of `2024-01-03`, as the list shows it, nothing was found."""
    games.add_name("ANNA")
    assert whites(games, **wanted) == found


@pytest.mark.parametrize("text", ["магнус", "étienne özil", "МАГ", "OZIL", "2024.01.02", "1-0"])
def test_names_in_other_scripts_are_found(games, tmp_path, text):
    """Capitals of other scripts were other letters."""
    write(
        tmp_path / "mine.pgn",
        ("Магнус", "Étienne ÖZIL", "2024.01.02", "1-0", "e4 e5"),
        ("李", "x", "", "*", "d4"),
    )
    games.refresh()
    assert whites(games, text=text) == ["Магнус"]


CHAPTER = '[Event "Endings: Pawns"]\n[ChapterName "Pawns"]\n[Opening "?"]\n[FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"]'


def test_a_chapter_of_a_study_has_its_name(games, tmp_path):
    """Each was a game of ? against ?."""
    (tmp_path / "study.pgn").write_text(f"{CHAPTER}\n\n1. e4 {{ Go }} 1... -- 2. e5 *\n")
    assert games.refresh() == []
    (found,), _ = games.catalogue.find(GameQuery("endings pawns"))
    assert (found["white"], found["black"], found["opening"]) == ("Pawns", "", "")


@pytest.fixture
def with_masters(games, tmp_path):
    others = [
        ("Élan", "Zoe", "2020.01.01", "1-0", "c4 e5 Nc3 c5 e4"),
        ("fox", "?", "", "*", "e4 c5"),
    ]
    write(tmp_path / "masters.pgn", *others)
    games.refresh()
    return games


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("white", "Anna Cleo Dora Élan fox"),
        ("black", "Cleo Anna Dora Élan fox"),
        ("-plies", "Anna Cleo Élan Dora fox"),
        ("date", "Élan Anna Cleo Dora fox"),
        ("-accuracy", "Dora Cleo Anna Élan fox"),
        ("nonsense", "Dora Cleo Anna Élan fox"),
    ],
)
def test_the_list_is_sorted_by(with_masters, order, found):
    """What is not known stands last, whichever way it is sorted."""
    assert whites(with_masters, order=order) == found.split()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"file": "masters.pgn"}, ["Élan", "fox"]),
        ({"line": "e2e4 c7c5"}, ["Cleo", "fox"]),
        ({"line": "e2e4 c7c5", "file": "masters.pgn"}, ["fox"]),
        ({"line": "e2e4 c7c5 b1c3 e7e5 c2c4"}, ["Élan"]),
    ],
    ids=["of a file", "that reach a position", "both", "by another order of moves"],
)
def test_the_list_shows_the_games(with_masters, wanted, found):
    assert whites(with_masters, **wanted) == found


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
    (games := GamesFolder(tmp_path)).refresh()
    first, total = games.catalogue.find(GameQuery(order="white"))
    rest, _ = games.catalogue.find(GameQuery(order="white"), offset=len(first))
    assert [game["white"] for game in first + rest] == [f"P{number:02}" for number in range(total)]


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


@pytest.fixture
def played(tmp_path):
    write(tmp_path / "played.pgn", *PLAYED)
    (games := GamesFolder(tmp_path)).refresh()
    return games


def explored(games, board, **of):
    return [(one.move.uci(), one.counts) for one in games.catalogue.explore(board, **of)]


@pytest.mark.parametrize(
    ("board", "counts"),
    [
        (chess.Board(), [("d2d4", (2, 0, 0, 0)), ("g1f3", (0, 1, 1, 0)), ("e2e4", (0, 0, 0, 1))]),
        (board_after(KNIGHTS), [("c2c4", (1, 0, 1, 0)), ("e2e3", (0, 1, 0, 0))]),
        (board_after(f"{KNIGHTS} c4 c6"), []),
        (chess.Board("4k3/8/8/8/8/8/8/4K3 w - - 0 1"), []),
        (board_after("d4 --"), []),
    ],
    ids=[
        "at the start",
        "by any order of moves",
        "that nobody reached",
        "from another start",
        "a pass",
    ],
)
def test_the_explorer_counts_what_was_played(played, board, counts):
    assert explored(played, board) == counts


def test_the_explorer_counts_the_games_of_an_own_side(played):
    played.add_name("a")
    assert explored(played, board_after(KNIGHTS), side="black") == [("c2c4", (0, 0, 1, 0))]


def test_the_explorer_counts_the_games_of_a_file(with_masters):
    counts = [("c2c4", (1, 0, 0, 0)), ("e2e4", (0, 0, 0, 1))]
    assert explored(with_masters, chess.Board(), file="masters.pgn") == counts


def test_the_explorer_counts_no_analysis(played, tmp_path):
    (tmp_path / "analyses").mkdir()
    write(tmp_path / "analyses" / "a.pgn", ("?", "?", "", "*", "h4"))
    played.refresh()
    assert "h2h4" not in dict(explored(played, chess.Board()))


def test_the_explorer_knows_any_number_of_orders_of_moves(tmp_path):
    """It knew 300."""
    orders = product(permutations(("a3", "b3", "c3", "d3")), permutations(("a6", "b6", "c6", "d6")))
    lines = [" ".join([*chain(*zip(*order, strict=True)), "e4"]) for order in orders]
    write(tmp_path / "orders.pgn", *[("H", "I", "2024.01.06", "1-0", line) for line in lines])
    (games := GamesFolder(tmp_path)).refresh()
    assert explored(games, board_after(lines[0][:-3])) == [("e2e4", (len(lines), 0, 0, 0))]


AGAINST_AINO = [
    ("You", "Aino (easy)", "2024.02.01", "*", "e4 e5"),
    ("You", "Aino (easy)", "2024.02.02", "1-0", "d4 d5"),
    ("Ben", "Cleo", "2024.02.03", "*", "c4 e5"),
]


@pytest.fixture
def against_aino(tmp_path):
    write(tmp_path / "mine.pgn", *AGAINST_AINO)
    (games := GamesFolder(tmp_path)).refresh()
    return games


def test_the_latest_game_against_aino_that_is_not_over_is_offered(against_aino):
    assert against_aino.catalogue.unfinished()["date"] == "2024.02.01"


def test_the_latest_of_ones_own_games_without_a_review_is_offered(against_aino):
    catalogue = against_aino.catalogue
    assert catalogue.last_unreviewed()["date"] == "2024.02.02"
    for game in catalogue._games.values():
        catalogue.note_review(game.line, ReviewFacts({}, {}, {}))
    assert catalogue.last_unreviewed() is None
