"""An analysis that is opened from My games goes on in the file that it is from."""

import gzip

import chess
import chess.pgn
import pytest

from tests.boards import games_in
from tests.uci.library.own_games import write
from tests.uci.web.web_visit import SessionAlone
from uci.game.game_file import ANALYSES, save_game
from uci.library.game_query import GameQuery
from uci.library.games_folder import GamesFolder
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


async def test_an_analysis_goes_on_where_it_stood(analysis, tmp_path):
    """It was saved and could never be opened again."""
    board = SessionAlone(tmp_path)
    await board.open()
    board.ask(
        "look", node=board.session.board_game.study.numbers[board.session.board_game.study.last]
    )
    board.ask("move", uci="e1e2")
    board.save_now()
    board.ask("move", uci="d7e6")
    board.save_now()
    board.close()
    text = analysis.read_text(encoding="utf-8")
    assert text.count("[Event ") == 1
    assert "Kd7 { [%cal Ge4e5] } 2. Ke2 Ke6 *" in " ".join(text.split())
    assert not (tmp_path / "games.pgn").exists()


async def test_an_analysis_that_is_looked_at_is_not_written(analysis, tmp_path):
    before = analysis.read_bytes()
    board = SessionAlone(tmp_path)
    await board.open()
    board.save_now()
    board.close()
    assert analysis.read_bytes() == before


async def test_what_another_program_made_of_an_analysis_stays_beside_it(analysis, tmp_path):
    """Only a text that is what Aino would write gives way: nothing of it was left unread."""
    other = analysis.read_text(encoding="utf-8").replace("1... Kd7", "1...Kd7")
    analysis.write_text(other, encoding="utf-8")
    board = SessionAlone(tmp_path)
    await board.open()
    board.ask("look", node=1)
    board.ask("move", uci="e8f8")
    board.save_now()
    board.close()
    text = analysis.read_text(encoding="utf-8")
    assert text.startswith(other.rstrip())
    assert text.count("[Event ") == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_a_game_is_saved_in_the_letters_of_its_file(tmp_path, encoding):
    """It stood there in UTF-8, and no reader found it among wide letters."""
    path = tmp_path / "mine.pgn"
    path.write_bytes('[White "Jörg"]\n\n1. e4 *\n'.encode(encoding))
    game = chess.pgn.Game({"White": "Übel"})
    save_game(game, path)
    (later := chess.pgn.Game({"White": "Über"})).add_main_variation(chess.Move.from_uci("d2d4"))
    save_game(later, path, game)
    assert [one.headers["White"] for one in games_in(path)] == ["Jörg", "Über"]


def test_nothing_is_saved_behind_a_packed_file(tmp_path):
    path = tmp_path / "mine.pgn"
    path.write_bytes(packed := gzip.compress(b"1. e4 *"))
    with pytest.raises(OSError, match="unpack it first"):
        save_game(chess.pgn.Game(), path)
    assert path.read_bytes() == packed


def row_of_analysis(games):
    return games.catalogue.find(GameQuery(result=ANALYSES))[0][0]


async def named(folder, title="The trap", white="Anna", black=""):
    """A new analysis with a title and names, saved, and the list of My games."""
    board = SessionAlone(folder)
    board.ask("name", title=title, white=white, black=black)
    board.ask("move", uci="e2e4")
    board.close()
    games = GamesFolder(folder)
    games.refresh()
    return games


async def test_an_analysis_has_the_names_that_one_gave(tmp_path):
    row = row_of_analysis(await named(tmp_path, black="Ben"))
    assert [row[name] for name in ("white", "black", "ending")] == ["Anna", "Ben", "The trap"]


async def test_an_analysis_of_nobody_is_listed_by_its_title(tmp_path):
    row = row_of_analysis(await named(tmp_path, white=""))
    assert row["white"] == "The trap"


async def test_names_of_an_analysis_outlive_another_main_line(tmp_path):
    """It would be "Analysis of Anna – Ben", as of a game that was played."""
    await named(tmp_path, black="Ben")
    board = SessionAlone(tmp_path)
    await board.open()
    board.ask("look", node=1)
    board.ask("move", uci="e7e5")
    board.close()
    games = GamesFolder(tmp_path)
    games.refresh()
    assert row_of_analysis(games)["white"] == "Anna"


async def test_the_names_of_a_game_that_was_played_stay(tmp_path):
    write(tmp_path / "mine.pgn", ("Anna", "Ben", "2024.01.02", "1-0", "e4 e5"))
    board = SessionAlone(tmp_path)
    await board.open()
    board.ask("name", title="Mine", white="Me", black="")
    told = await board.told_of("say")
    assert "names of a game that was played stay" in told["text"]
    board.close()
