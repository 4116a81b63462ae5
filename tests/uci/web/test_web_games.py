"""Games, analysis and reviews on the web board: what a tab asks for, and what it is told."""

import asyncio
import json
import threading
from unittest.mock import Mock

import chess
import pytest

from engine.errors import DataError
from engine.options import EngineOptions
from tests.boards import board_after
from tests.uci.play.terminal_game import Time
from tests.uci.web.web_visit import FOOLS_MATE, WAIT_S, WebEngine, sans, text_in, with_board
from uci.game.clock import GameClock, GameTime
from uci.game.level import parse_level
from uci.game.timed_game import Setup
from uci.web.board_game import BoardGame


def limited(level, increment, seconds=60):
    """A game at a level, with a clock for each side."""
    return Setup(
        levels=dict.fromkeys(chess.COLORS, parse_level(level)),
        clock=GameClock(GameTime(seconds, increment)),
    )


@with_board({"setup": limited("elo 1400", 0, 900)})
async def test_an_answer_to_another_position_is_dropped(tab):
    await tab.send("move", uci="e2e4")
    thinking = await tab.state_with("thinking")
    await tab.send("take_back")
    await tab.send("move", uci="d2d4")
    await tab.state(lambda state: sans(state)[:1] == ["d4"] and len(state["steps"]) == 3)
    assert thinking["steps"][-1]["san"] == "e4"


GAME = {"side": "white", "level": "full", "clock": "", "fen": "", "chess960": ""}


@pytest.mark.parametrize(
    ("request_name", "fields", "words"),
    [
        ("move", {"uci": "e2e5"}, "e2e5 is illegal in this position"),
        ("move", {"uci": "0000"}, "0000 is illegal in this position"),
        ("type", {"text": "Ke2"}, "Ke2 is illegal"),
        ("offer_draw", {}, "Draw declined"),
        ("position", {"fen": "8/8/8/8/8/8/8/8 w - - 0 1"}, "king"),
        ("load", {"text": "", "game": 1}, "no game"),
        ("explore", {"moves": ["e2e4"]}, "analysis only"),
        ("level", {"level": "elo 9"}, "elo"),
        ("new", GAME | {"clock": "x"}, "clock"),
    ],
)
async def test_what_cannot_be_done_changes_nothing(tab, request_name, fields, words):
    before = await tab.state()
    await tab.send(request_name, **fields)
    assert words in await tab.said()
    after = await tab.state()
    assert after["steps"] == before["steps"]
    assert after["isGame"]
    assert after["end"] is None


async def test_a_game_is_saved_once(visit, tab, tmp_path):
    await tab.played("e2e4")
    await tab.send("resign")
    end = (await tab.state_with("end"))["end"]
    assert end == {"result": "0-1", "reason": "you resigned"}
    await tab.send("again", swap=True)
    await tab.state(lambda state: state["human"] == "black" and len(state["steps"]) == 2)
    await visit.close()
    text = (tmp_path / "games.pgn").read_text()
    assert text.count("[Event ") == 1  # nobody answered Aino's first move of the second game
    assert "0-1" in text


async def test_an_opponent_that_gives_up_loses(tab, monkeypatch):
    monkeypatch.setattr(BoardGame, "resigns", lambda game, result: True)
    await tab.send("move", uci="e2e4")
    state = await tab.state_with("end")
    assert state["end"] == {"result": "1-0", "reason": "Aino resigned"}
    assert sans(state) == ["e4"]


async def test_a_game_that_could_not_be_saved_is_saved_later(visit, tab, tmp_path):
    """It counted as saved, and was lost with the program."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("uci.web.saver.save_game", Mock(side_effect=DataError("no space left")))
        await tab.played("e2e4")
        await tab.send("resign")
        assert (
            "no space" in (await tab.state(lambda state: state["end"] and state["saved"]))["saved"]
        )
        assert "1. e4" in visit.session.close(), "the terminal has it at least"
    assert "is saved in" in visit.session.close()
    assert "1. e4" in (tmp_path / "games.pgn").read_text()


@with_board({"setup": limited("nodes 7", 0)})
async def test_a_game_is_saved_while_it_is_played(visit, tab, tmp_path, monkeypatch):
    """It was lost with its machine; and who resigned seconds after the last move had a game without
    an end.
    """
    monkeypatch.setattr("uci.web.saver._SAVE_S", 0.0)
    file = tmp_path / "games.pgn"
    await tab.played("e2e4")
    visit.session.board_game.clock.set_left(chess.WHITE, 9.0)
    for text, request, fields in (("e4", "hint", {}), ("0:00:09.0", "lines", {"on": False, "count": 3}),
                                  ("nodes 8", "level", {"level": "nodes 8"}), ("0-1", "resign", {})):  # fmt: skip
        await tab.send(request, **fields)
        assert (await text_in(file, text)).count("[Event ") == 1, (
            "each save takes the place of the last"
        )


@with_board({"setup": limited("elo 1500", 2)})
async def test_the_choices_of_a_game_reach_the_engine(visit, tab):
    await tab.played("e2e4")
    assert visit.engine.options.human_pace
    assert visit.engine.options.elo == 1500
    limits = visit.engine.limits[-1]
    assert limits.white_time_ms == 60_000
    assert limits.black_increment_ms == 2_000
    await tab.send("level", level="nodes 7")
    await tab.send("move", uci="d2d4")
    await tab.with_plies(4)
    assert visit.engine.limits[-1].nodes == 7
    assert not visit.engine.options.limit_strength


@with_board({"setup": Setup(clock=GameClock(GameTime(60, 0)))})
async def test_game_waits_while_no_tab_is_open(visit, tab):
    await tab.played("e2e4")
    await tab.close()
    await visit.is_left()
    assert visit.session.board_game.clock.running is None
    async with asyncio.timeout(WAIT_S):
        await visit.empty.wait()
    assert (await (await visit.tab()).state())["clock"]["running"] == "white"


async def test_engine_answers_after_a_reload_in_its_thinking(visit, tab):
    visit.engine.slow = True
    await tab.send("move", uci="e2e4")
    await tab.state_with("thinking")
    await tab.close()
    await visit.is_left()
    visit.engine.slow = False
    await (await visit.tab()).with_plies(2)


async def test_a_drawing_leaves_the_engine_at_its_search(visit, tab):
    """Each arrow would have made Aino begin to think anew."""
    visit.engine.slow = True
    await tab.send("move", uci="e2e4")
    await visit.search_begins()
    job = visit.engine.job
    await tab.send("draw", node=1, source=6, target=21, colour="green")
    await tab.state(lambda state: state["nodes"].get("1", {}).get("drawn"))
    await asyncio.sleep(0.05)
    assert visit.engine.job is job
    assert not job.stopped
    visit.engine.slow = False
    job.stop()


QUIET_GAME = """\
e4 e5 Nf3 Nc6 Bb5 a6 Ba4 Nf6 d3 b5 Bb3 Bc5 O-O d6 Nc3 Bg4 h3 Bh5 g4 Bg6 Bg5 h6 Bh4 O-O a3 Qd7 Nd5 Nxd5 Bxd5 Rab8"""
SET_UP = chess.Board("4k3/8/8/8/8/8/r7/6KR w - - 0 16")  # behind move 15, by its number


@with_board(*[{"setup": Setup(board)} for board in (board_after(QUIET_GAME), SET_UP)])
async def test_draw_is_agreed_when_aino_is_not_better(visit, tab):
    visit.engine.wdl = (300, 300, 400)  # seen by the person, who is to move
    visit.engine.slow = True
    await tab.send("offer_draw")
    await visit.search_begins()
    visit.engine.slow = False
    await tab.send("level", level="easy")  # The offer had been forgotten.
    await tab.until(lambda message: message["do"] == "say" and "declined" in message["text"])
    visit.engine.wdl = (350, 300, 350)  # exactly even
    await tab.send("offer_draw")
    assert (await tab.state_with("end"))["end"]["reason"] == "draw agreed"


async def test_analysis_shows_lines_of_what_is_looked_at(visit, tab):
    await tab.load("1. e4 e5 2. Nf3 *")
    assert (await tab.message("lines"))["fen"] == chess.STARTING_FEN
    await tab.send("look", node=1)
    shown = await tab.until(lambda message: message["do"] == "lines" and " b " in message["fen"])
    line = shown["lines"][0]
    assert (line["score"], line["wdl"]) == ("-0.34", [300, 300, 400]), "seen by White"
    assert visit.engine.options.analyse_mode
    await tab.send("lines", on=True, count=5)
    # The longer search for the lines before may still say something.
    await tab.until(lambda message: message["do"] == "lines" and visit.engine.options.multi_pv == 5)


async def test_analysis_of_a_mate_says_so(tab):
    await tab.load(FOOLS_MATE)
    await tab.send("look", node=4)
    over = await tab.until(lambda message: message["do"] == "lines" and not message["lines"])
    assert over["over"]["text"] == "Checkmate"
    assert over["over"]["wdl"] == [0, 0, 1000]


async def test_of_many_games_one_is_chosen(tab):
    await tab.load('[White "A"]\n\n1. e4 *\n\n[White "B"]\n\n1. d4 *\n', game=2)
    state = await tab.without_game()
    assert sans(state) == ["d4"]
    assert state["names"]["white"] == "B"
    assert len((await tab.message("games"))["names"]) == 2


async def test_odd_castling_rights_are_told(tab):
    await tab.send("position", fen="r4rk1/8/8/8/8/8/8/R3K2R w KQkq - 0 1")
    state = await tab.without_game()
    assert state["steps"][0]["fen"] == "r4rk1/8/8/8/8/8/8/R3K2R w KQ - 0 1"
    # Said afterwards, because the page says what the new state is.
    assert (await tab.until(lambda message: "rook on a8" in message.get("text", "")))[
        "kind"
    ] == "note"


async def test_an_analysis_is_kept_when_something_else_begins(tab, tmp_path, monkeypatch):
    """What was tried on a board without a game was gone without a word; a game that was only looked
    at is not kept.
    """
    monkeypatch.setattr("uci.web.saver._SAVE_S", 1e6)  # else it is kept already
    await tab.load("1. e4 e5 *")
    await tab.load("1. d4 d5 *")
    await tab.send("look", node=1)
    await tab.send("explore", moves=["g8f6", "c2c4"])
    await tab.send("position", fen=chess.STARTING_FEN)
    text = await text_in(tmp_path / "analyses" / "games.pgn")
    assert text.count("[Event ") == 1
    assert "1. d4 d5 ( 1... Nf6 2. c4 ) *" in text


def is_review(*state):
    """Whether a message tells that the review is running, ready, or neither."""
    return lambda message: (
        message["do"] == "review"
        and [name for name in ("running", "ready") if message[name]] == [*state]
    )


async def begin_review(tab):
    """Of a game of four plies, without lines beside it."""
    await tab.load(FOOLS_MATE)
    await tab.send("lines", on=False, count=3)
    await tab.send("review")


async def test_the_review_of_an_opened_game_is_kept(visit, tab):
    """Only those of games against Aino were."""
    reviews = []
    visit.session.games.keep = reviews.append
    await begin_review(tab)
    await tab.until(is_review("ready"))
    assert [len(kept.review.moves) for kept in reviews] == [4]


async def test_a_stopped_review_is_forgotten(visit, tab):
    visit.engine.slow = True
    await begin_review(tab)
    await tab.until(is_review("running"))
    await tab.send("stop_review")
    await tab.until(is_review())
    assert "nothing of it is kept" in await tab.said()
    assert visit.session.review is None
    assert (await visit.get(f"/{visit.server.token}/review")).code == 404


async def test_the_board_goes_on_after_its_engine_failed(visit, tab):
    visit.engine.fail = True
    await tab.send("move", uci="e2e4")
    assert "RuntimeError: broken" in await tab.said()
    visit.engine.fail = False
    await tab.load(FOOLS_MATE)
    await tab.message("lines")
    visit.engine.fail = True
    await tab.send("review")
    await tab.until(is_review())
    assert "RuntimeError" in await tab.said()
    visit.engine.fail = False
    await tab.send("look", node=1)
    await tab.message("lines")


async def test_page_is_told_that_the_engine_is_being_loaded(visit):
    first = await visit.tab()
    assert "getting ready" in (await first.message("say"))["text"]
    await first.send("hint")
    await first.message("hint")
    second = await visit.reopened(first)
    await second.send("take_back")
    assert "no move" in (await second.message("say"))["text"]


LOADED = threading.Event()


def load_late():
    assert LOADED.wait(WAIT_S)
    return WebEngine(EngineOptions())


@with_board({"setup": Setup(clock=GameClock(GameTime(600, 0))), "load": load_late})
async def test_ainos_clock_waits_until_the_engine_is_loaded(tab):
    await tab.send("move", uci="e2e4")
    waits = await tab.state_with("thinking")
    assert waits["loading"]
    assert waits["clock"]["running"] is None
    LOADED.set()
    thinks = await tab.state(lambda state: not state["loading"])
    assert thinks["thinking"]
    assert thinks["clock"]["running"] == "black"
    assert (await tab.with_plies(2))["clock"]["running"] == "white"


async def test_a_page_that_comes_back_shows_what_was_advised_in_this_position(visit, tab):
    await tab.played("e2e4")
    await tab.send("hint")
    hint = await tab.message("hint")
    tab = await visit.reopened(tab)
    assert await tab.message("hint") == hint
    await tab.send("take_back")
    await tab.with_plies(0)
    tab = await visit.reopened(tab)
    await tab.send("take_back")
    await tab.said()
    assert not [message for message in tab.seen if message["do"] == "hint"]


async def test_a_game_that_waits_for_its_analysis_is_not_reviewed(tab):
    await tab.played("e2e4")
    await tab.send("analyse", on=True)
    await tab.state_with("analysing")
    await tab.send("review")
    assert "when it is over" in await tab.said()


@pytest.mark.parametrize(("request_name", "side"), [("offer_draw", chess.WHITE), ("review", None)])
@with_board({"load": load_late})
async def test_what_was_asked_is_about_the_game_of_its_time(visit, tab, request_name, side):
    """A draw that was offered while the engine was loaded ended it."""
    LOADED.clear()
    dispatcher = visit.server.board
    session = visit.session
    session.replace_board_game(BoardGame(Setup(board_after(QUIET_GAME), side)))
    dispatcher.receive(f'{{"do": "{request_name}"}}')
    dispatcher.receive(json.dumps({"do": "new", **GAME}))
    await tab.state(lambda state: state["isGame"] and len(state["steps"]) == 1)
    LOADED.set()
    while session.tasks._running:
        await asyncio.sleep(0.01)
    assert session.board_game.end is None
    assert session.review is None


@pytest.mark.parametrize("request_name", ["hint", "offer_draw"])
@with_board({"load": load_late})
async def test_an_answer_that_waits_for_the_engine_costs_the_person_no_time(
    visit, tab, request_name, monkeypatch
):
    monkeypatch.setattr("uci.web.game_requests.DRAW_FROM_PLY", 0)
    table = visit.session.board_game
    table.board = board_after("e4 e5")
    table.clock = GameClock(GameTime(600, 0), clock := Time())
    table.run_clock()
    LOADED.clear()
    clock.seconds = 10.0
    await tab.send(request_name)
    state = await tab.state_with("loading")
    assert state["clock"]["running"] is None
    clock.seconds = 110.0
    LOADED.set()
    state = await tab.state(lambda state: not state["loading"] and state["clock"]["running"])
    assert state["clock"]["white"] == pytest.approx(590.0)
