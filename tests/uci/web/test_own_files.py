"""What is changed in an opened game goes into its file, or into another one, and the page says why."""

import asyncio
import threading
from concurrent.futures import Future
from unittest.mock import Mock

import chess.pgn
import pytest

from engine.board.pgn.game_reader import read_games
from engine.errors import DataError
from tests.boards import games_in, moves_in
from tests.uci.web.web_visit import SessionAlone
from uci.common.reading import board_at
from uci.game.game_file import ListedGame
from uci.game.timed_game import Setup
from uci.library.changes import save_game
from uci.web.board_game import BoardGame
from uci.web.saver import Saver, record_of

WHOLE = '[White "Anna"]\n[Black "Ben"]\n[Result "1-0"]\n\n1.  e4 e5 (1... c5)\n2. Nf3 1-0\n'
CUT = WHOLE.replace("2. Nf3", "2. Nf3 Nc6 3. Bb5 Nf6 4. Bxa7 a6 {I was lost here} 5. O-O")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mine.pgn"


async def comment(desk, words="Mine."):
    """Writes about the first move, and returns where that is saved."""
    desk.study.comment(desk.study.root.next(), words)
    last = await desk.session.saver.now(desk.session.board_game)
    await asyncio.sleep(0)
    return last.sentence


async def said_where(desk):
    """Where the game is saved. That the PGN has a fault is said at its opening."""
    while "is saved in" not in (text := (await desk.told_of("say"))["text"]):
        assert "the PGN has a fault" in text
    return text


def analyses(path):
    return games_in(path.parent / "analyses" / "games.pgn")


async def test_a_comment_goes_into_the_games_own_file(path):
    path.write_text(WHOLE)
    desk = await SessionAlone(path.parent).open()
    assert str(path) in await comment(desk)
    desk.close()
    assert path.read_text() == WHOLE.replace("e4", "e4 {Mine.}")


async def test_a_game_that_was_not_read_wholly_stays_as_it_is(path):
    """A comment on its first move was written, and all behind the illegal one was gone."""
    path.write_text(CUT)
    desk = await SessionAlone(path.parent).open()
    where = await comment(desk)
    assert await said_where(desk) == where
    assert "analyses/games.pgn. The file that it is from stays as it is: " in where
    assert "line 6:26 of it, 'Bxa7': illegal move" in where
    (analysis,) = analyses(path)
    assert analysis.next().comment == "Mine."
    assert analysis.headers["Source"] == "mine.pgn"
    assert desk.session.saver.sentence(desk.session.board_game) == where
    desk.close()
    assert path.read_text() == CUT


async def test_words_are_saved_whatever_fails_in_the_games_file(path, monkeypatch):
    """They were taken for saved where another error came than those that are expected."""
    path.write_text(WHOLE)
    desk = await SessionAlone(path.parent).open()
    monkeypatch.setattr("uci.library.changes.edit", Mock(side_effect=MemoryError))
    await comment(desk)
    assert analyses(path)[0].next().comment == "Mine."
    desk.close()


@pytest.mark.parametrize("is_shown", [True, False])
def test_words_whose_save_fails_as_the_board_closes_are_told(tmp_path, is_shown):
    """They counted as saved from the moment at which the save began."""
    late = Future()
    (tmp_path / "analyses").touch()
    saver = Saver(tmp_path, tmp_path / "today.pgn", Mock(return_value=late), Mock(), Mock())
    table = BoardGame(Setup(chess.Board(), None, origin=ListedGame("key", tmp_path / "x.pgn")))
    table.study.comment(table.study.root, "My words.")
    saver.begin(table)
    saver.now(table)
    shown = opened(WHOLE)
    saver.begin(shown)
    threading.Timer(0.1, late.set_exception, [DataError("x.pgn has changed")]).start()
    assert "My words." in (saver.finish(table if is_shown else shown) or "")


def test_what_cannot_be_replaced_in_a_new_file_is_not_appended_to_it(tmp_path, monkeypatch):
    def save_new_ones(game, file, home):
        if home is not None:
            raise DataError("no space left")
        return save_game(game, file, home)

    monkeypatch.setattr("uci.web.saver.save_game", save_new_ones)
    saver = Saver(tmp_path, tmp_path / "games.pgn", Mock(), Mock(), Mock())
    table = BoardGame(Setup(chess.Board(), None))
    saver.begin(table)
    for words in ("One.", "Two."):
        table.study.comment(table.study.root, words)
        sentence = saver.finish(table)
    assert "no space left" in sentence
    assert [game.comment for game in analyses(tmp_path / "games.pgn")] == ["One."]


async def test_the_reason_is_said_once(path):
    path.write_text(CUT)
    desk = await SessionAlone(path.parent).open()
    await comment(desk)
    await said_where(desk)
    await comment(desk, "More.")
    while not desk.told.empty():
        assert desk.told.get_nowait()["do"] != "say"
    assert len(analyses(path)) == 1
    desk.close()


def opened(text):
    (source,) = (read.game for read in read_games(text))
    return BoardGame(Setup(board_at(source), None, headers=dict(source.headers), source=source))


FROM_A_FEN = (
    '[White "A"]\n[SetUp "1"]\n[FEN "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"]\n\n1. e4 Kd7 (1... Ke7) *\n'
)
IN_A_STUDY = '[Event "Study: Rooks"]\n[White "?"]\n[Black "?"]\n\n1. e4 e5 (1... c5) *\n'
PROMOTED = {
    "a game": (WHOLE.replace("\n\n", '\n[Date "2024.01.02"]\n[WhiteElo "2000"]\n\n', 1),
               {"Event": "Analysis of Anna – Ben 2024.01.02", "White": "?", "Result": "*", "WhiteElo": None}),
    "from a FEN": (FROM_A_FEN, {"FEN": "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"}),
    "in a study": (IN_A_STUDY, {"Event": "Study: Rooks"}),
}  # fmt: skip


@pytest.mark.parametrize(("text", "tags"), PROMOTED.values(), ids=PROMOTED)
def test_a_promoted_variation_of(text, tags):
    """The game had the players' names and their result, and they never played it."""
    table = opened(text)
    table.study.promote(table.study.root.next().variations[1])
    headers = record_of(table).headers
    assert {name: headers.get(name) for name in tags} == tags


def test_a_game_with_another_variation_keeps_its_tags():
    table = opened(WHOLE)
    table.study.look(table.study.root)
    table.study.explore(moves_in("d2d4"))
    assert record_of(table).headers["White"] == "Anna"


def test_a_longer_game_is_not_the_players():
    table = opened(WHOLE)
    table.study.look(table.study.last)
    table.study.explore(moves_in("b8c6"))
    assert record_of(table).headers["Result"] == "*"
