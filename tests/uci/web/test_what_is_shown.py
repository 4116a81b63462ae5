"""What the board shows belongs to what is on it: lines, reviews, titles, chapters, sentences."""

import chess
import pytest

from engine.search.result import SearchInfo
from tests.uci.web.web_visit import FOOLS_MATE, SessionAlone, text_in, with_board
from uci.game.timed_game import Setup
from uci.web.board_game import BoardGame
from uci.web.new_games import loaded_game
from uci.web.snapshot import lines_of, snapshot

PROMOTION = chess.Board("2r3k1/3P4/8/8/8/8/8/4K3 w - - 0 1")
STUDY = """[Event "Rooks: {number}"]
[Site "https://lichess.org/study/abc/{number}"]
[ChapterName "Chapter {number}"]
[Result "*"]

1. e4 e5 {{{number}}} *
"""
GAME = '[Event "Club"]\n[Date "2024.05.??"]\n[White "A"]\n[WhiteElo "1900"]\n[Result "1-0"]\n\n1. e4 e5 2. Nf3 1-0\n'


def info(wdl, *line, mate=None):
    moves = [chess.Move.from_uci(move) for move in line]
    return SearchInfo(1, 1, 1, 1, 1, 0, 1, 0, mate, wdl, moves)


EVEN = (300, 400, 300)
WINS = (1000, 0, 0)


@pytest.mark.parametrize(
    ("board", "infos", "shown"),
    [
        (PROMOTION, [info(EVEN, "d7d8b", "c8d8"), info(EVEN, "d7d8q", "c8d8"), info((200, 400, 400), "d7c8q")],
         ["d8=Q+ Rxd8", "dxc8=Q+"]),
        (PROMOTION, [info((500, 400, 100), "d7c8q"), info((400, 400, 200), "d7c8r")], ["dxc8=Q+"]),
        (PROMOTION, [info((500, 400, 100), "d7c8n"), info((400, 400, 200), "e1e2")], ["dxc8=N", "Ke2"]),
        (chess.Board(), [info(EVEN, "e2e4"), info(WINS, "d2d4", mate=5), info((500, 400, 100), "c2c4"),
                         info(WINS, "g1f3", mate=2)], ["Nf3", "d4", "c4", "e4"]),
    ],
    ids=["taken at once", "less than a queen", "better than a queen", "by their scores"],
)  # fmt: skip
def test_lines_are_sorted_without_pointless_promotions(board, infos, shown):
    lines = lines_of(board, infos, len(infos))["lines"]
    assert [" ".join(move["san"] for move in line["moves"]) for line in lines] == shown


@with_board({"setup": Setup(human=None)})
async def test_the_analysis_rests_until_it_is_asked_to_look_deeper(visit, tab):
    """It went on for ever, in hidden tabs too, and reviews in the background had no machine."""
    assert (await tab.message("rested"))["fen"] == chess.STARTING_FEN
    *_, first, second = visit.engine.limits
    assert not first.infinite
    assert not second.infinite
    assert second.movetime_ms == 10_000
    await tab.send("deeper")
    await tab.until(lambda _message: visit.engine.limits[-1].infinite)


async def test_one_goes_back_to_a_review_only_from_what_tries_it(tab):
    """Games of others offered it, too."""
    await tab.load(FOOLS_MATE)
    await tab.send("review")
    await tab.until(lambda message: message["do"] == "review" and message["ready"])
    await tab.send("play_from_here", side="white", level="full", clock="")
    assert (await tab.state_with("isGame"))["back"]
    await tab.load("1. d4 *")
    assert not (await tab.state(lambda state: not state["isGame"]))["back"]


async def test_two_moves_are_not_reviewed(tab):
    await tab.load("1. e4 e5 2. Nf3 Nc6 *")
    await tab.send("review")
    assert "too few moves" in await tab.said()


async def test_saving_an_earlier_game_says_nothing_over_the_next_one(tab, tmp_path):
    """ "The game is saved in ..." stood over a game that was not."""
    await tab.load("1. e4 *")
    await tab.send("explore", moves=["d2d4"])
    await tab.send("position", fen="4k3/8/8/8/8/8/8/4K2R w K - 0 1")
    await text_in(tmp_path / "analyses" / "games.pgn")
    await tab.send("lines", on=False, count=4)
    await tab.state(lambda state: state["shows"]["count"] == 4)
    assert not [message["text"] for message in tab.seen if "is saved" in message.get("text", "")]


def test_a_game_of_others_has_its_title_day_and_result_above_it_and_its_players_ratings():
    state = snapshot(BoardGame(loaded_game(GAME, 1)[0]), is_new=True)
    assert state["about"] == ["Club", "2024-05", "1-0"]
    assert state["ratings"] == {"white": "1900", "black": ""}


async def opened(folder, name):
    """What is told after a game of the folder was opened, up to a message of this name."""
    desk = await SessionAlone(folder).open()
    message = await desk.told_of(name)
    desk.close()
    return message


async def test_a_chapter_comes_with_the_other_chapters_of_its_study(tmp_path):
    """To go to the next one took three clicks and typing."""
    text = "\n".join(STUDY.format(number=number) for number in (1, 2, 3))
    (tmp_path / "study.pgn").write_text(text)
    names = [chapter["name"] for chapter in (await opened(tmp_path, "chapters"))["chapters"]]
    assert names == ["Chapter 1", "Chapter 2", "Chapter 3"]


async def test_the_title_of_a_chapter_is_edited_in_its_file(tmp_path):
    """Names of an imported study could not be changed."""
    file = tmp_path / "study.pgn"
    text = "\n".join(STUDY.format(number=number) for number in (1, 2))
    file.write_text(text)
    desk = await SessionAlone(tmp_path).open()
    key = desk.session.board_game.setup.origin.key
    chapters = (await desk.told_of("chapters"))["chapters"]
    number = [chapter["key"] for chapter in chapters].index(key) + 1
    desk.ask("name", title='Rook "ends"', white="Anna", black="")
    desk.save_now()
    desk.close()
    changed = file.read_text()
    assert '\n[White "Anna"]\n' in changed
    before, after = f'[ChapterName "Chapter {number}"]', '[ChapterName "Rook \\"ends\\""]'
    assert changed.replace('\n[White "Anna"]', "") == text.replace(before, after)


async def test_a_variation_that_cannot_be_read_is_told_as_its_game_is_opened(tmp_path):
    """It was dropped without a word."""
    (tmp_path / "games.pgn").write_text("1. e4 e5 2. Nf3 (2. Nf9) 2... Nc6 *\n")
    assert "'Nf9'" in (await opened(tmp_path, "say"))["text"]
