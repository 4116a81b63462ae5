"""An analysis that is opened from My games goes on in the file that it is from."""

import asyncio

import chess
import pytest

from tests.boards import games_in
from tests.uci.library.own_games import listed, write
from tests.uci.web.web_visit import SessionAlone
from uci.game.game_file import ANALYSES
from uci.library.changes import save_game
from uci.library.game_query import GameQuery
from uci.web import games_requests
from uci.web.board_game import BoardGame
from uci.web.new_games import loaded_game
from uci.web.saver import record_of

WRITTEN = """[SetUp "1"]
[FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"]

{ From here. [%csl Ge2] } 1. e4 $1 { Long words that do not fit into one line of a PGN file with all the others }
(1. e3 Kd7 (1... Kf7 $14 { no }) 2. Kd2) 1... Kd7 { [%cal Ge4e5] } *"""


@pytest.fixture
def analysis(tmp_path):
    """The file of an analysis."""
    file = tmp_path / ANALYSES / "yesterday.pgn"
    save_game(record_of(BoardGame(loaded_game(WRITTEN, 1)[0])), file)
    return file


def play_on(board, *moves):
    """Play moves behind the last one and save after each; then the board is closed."""
    board.ask("look", node=board.study.numbers[board.study.last])
    for move in moves:
        board.ask("move", uci=move)
        board.save_now()
    board.close()


async def test_an_analysis_goes_on_where_it_stood(analysis, tmp_path):
    """It was saved and could never be opened again."""
    board = await SessionAlone(tmp_path).open()
    play_on(board, "e1e2", "d7e6")
    text = analysis.read_text()
    assert text.count("[Event ") == 1
    assert "Kd7 { [%cal Ge4e5] } 2. Ke2 Ke6 *" in " ".join(text.split())
    assert not (tmp_path / "games.pgn").exists()


async def test_an_analysis_that_is_looked_at_is_not_written(analysis, tmp_path):
    before = analysis.read_bytes()
    board = await SessionAlone(tmp_path).open()
    board.save_now()
    board.close()
    assert analysis.read_bytes() == before


FORMS = {
    "without a space": lambda text: text.replace("1... Kd7", "1...Kd7"),
    "of Windows": lambda text: text.replace("\n", "\r\n"),
    "without its last line": lambda text: text.rstrip("\n"),
    "in one line": lambda text: text.replace(" with all", "\nwith all"),
    "behind another game": lambda text: "1. d4 *\n\n" + text,
}


@pytest.mark.parametrize("form", FORMS)
async def test_an_analysis_is_replaced_whatever_became_of_its_form(analysis, tmp_path, form):
    """It was appended as a second game, and a deleted variation came back."""
    board = await SessionAlone(tmp_path).open()
    analysis.write_bytes(FORMS[form](analysis.read_text()).encode())
    play_on(board, "e1e2")
    text = analysis.read_text()
    assert text.count("[Event ") == 1
    assert " 2. Ke2 *" in " ".join(text.split())


async def test_what_another_program_wrote_into_an_analysis_stays_beside_it(analysis, tmp_path):
    board = await SessionAlone(tmp_path).open()
    other = analysis.read_text().replace("Long words", "Other words")
    analysis.write_text(other)
    board.ask("look", node=1)
    board.ask("move", uci="e8f8")
    board.save_now()
    board.close()
    text = analysis.read_text()
    assert text.startswith(other.rstrip())
    assert text.count("[Event ") == 2


async def test_what_cannot_be_read_of_an_analysis_is_not_replaced(analysis, tmp_path):
    """All behind an illegal move was gone with the next comment."""
    analysis.write_text(text := "1. e4 e5 (1... c5 2. Nf9 {Long words.}) *")
    board = await SessionAlone(tmp_path).open()
    play_on(board, "g1f3")
    assert analysis.read_text() == text
    assert "2. Nf3 *" in (tmp_path / ANALYSES / "games.pgn").read_text()


async def test_an_analysis_whose_file_cannot_be_changed_goes_on_in_another(analysis, tmp_path):
    """What was added stood nowhere."""
    analysis.write_bytes(data := "1. e4 e5 *".encode("utf-16"))
    board = await SessionAlone(tmp_path).open()
    play_on(board, "g1f3", "b8c6")
    assert analysis.read_bytes() == data
    text = (tmp_path / ANALYSES / "games.pgn").read_text()
    assert text.count("[Event ") == 1
    assert "2. Nf3 Nc6 *" in text


UNFINISHED = """[Event "Web game"]
[White "You"]
[Black "Aino (easy)"]
[Result "*"]

1. e4 { Mine. } 1... e5 ( 1... c5 ) *
"""


@pytest.fixture
def going_on(tmp_path):
    """A board on which a game of the file goes on."""

    async def begin(text=UNFINISHED):
        (tmp_path / "mine.pgn").write_text(text)
        board = SessionAlone(tmp_path)
        games = listed(tmp_path)
        key = games.catalogue.find(GameQuery())[0][0]["key"]
        games_requests.go_on(board.session.games, games, key)
        await asyncio.sleep(0)
        return board

    return begin


async def test_a_game_that_is_continued_goes_on_where_it_stood(going_on, tmp_path):
    """The old one stayed unfinished, and was offered again."""
    board = await going_on()
    board.ask("resign")
    board.close()
    games = listed(tmp_path)
    assert games.catalogue.unfinished() is None
    text = (tmp_path / "mine.pgn").read_text()
    assert text.count("[Event ") == 1
    assert "Mine." in text
    assert "1... c5" in text


async def test_a_game_of_others_goes_on_with_white(going_on):
    board = await going_on('[White "A"]\n[Black "B"]\n\n1. e4 e5 *\n')
    assert board.session.board_game.human == chess.WHITE
    assert board.session.board_game.plies == 2
    board.close()


async def test_a_game_that_left_its_file_keeps_the_name_of_that(going_on, tmp_path):
    """The next save lost it."""
    board = await going_on()
    (tmp_path / "mine.pgn").unlink()
    (tmp_path / "mine.pgn").mkdir()
    board.ask("analyse", on=True)
    for words in ("One.", "Two."):
        board.ask("comment", node=1, text=words)
        board.save_now()
    board.close()
    (game,) = games_in(tmp_path / "games.pgn")
    assert game.headers["Source"] == "mine.pgn"
    assert game.next().comment == "Two."


def row_of_analysis(games):
    return games.catalogue.find(GameQuery(result=ANALYSES))[0][0]


async def named(folder, title="The trap", white="Anna", black=""):
    """A new analysis with a title and names, saved, and the list of My games."""
    board = SessionAlone(folder)
    board.ask("name", title=title, white=white, black=black)
    board.ask("move", uci="e2e4")
    board.close()
    return listed(folder)


async def test_an_analysis_of_nobody_is_listed_by_its_title(tmp_path):
    row = row_of_analysis(await named(tmp_path, white=""))
    assert row["white"] == "The trap"


async def test_names_of_an_analysis_outlive_another_main_line(tmp_path):
    """It would be "Analysis of Anna – Ben", as of a game that was played."""
    await named(tmp_path, black="Ben")
    board = await SessionAlone(tmp_path).open()
    board.ask("look", node=1)
    board.ask("move", uci="e7e5")
    board.close()
    row = row_of_analysis(listed(tmp_path))
    assert [row[name] for name in ("white", "black", "ending")] == ["Anna", "Ben", "The trap"]


async def test_the_names_of_a_game_that_was_played_stay(tmp_path):
    write(tmp_path / "mine.pgn", ("Anna", "Ben", "2024.01.02", "1-0", "e4 e5"))
    board = await SessionAlone(tmp_path).open()
    board.ask("name", title="Mine", white="Me", black="")
    assert "names of a game that was played stay" in (await board.told_of("say"))["text"]
    board.close()
