"""The web board's server: who is served what, what messages do, and what others are told."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import chess
import chess.pgn
import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

from engine.errors import ConfigError, DataError, NetFileError
from engine.options import EngineOptions
from engine.search.job import SearchJob
from engine.search.limits import Limits
from engine.search.result import OnInfo, SearchInfo, SearchResult
from tests.boards import board_after
from tests.protocol.fake_engine import FakeEngine
from uci.game.clock import GameClock, GameTime
from uci.game.game_file import save_game
from uci.game.level import parse_level
from uci.game.timed_game import Setup
from uci.web.board_engine import BoardEngine
from uci.web.board_session import Services
from uci.web.conductor import Conductor
from uci.web.requests import LONGEST_MESSAGE, LONGEST_PGN, REQUESTS, read_request
from uci.web.server import BoardSocket, WebServer

WAIT_S = 200.0
QUIET_GAME = """\
e4 e5 Nf3 Nc6 Bb5 a6 Ba4 Nf6 d3 b5 Bb3 Bc5 O-O d6 Nc3 Bg4 h3 Bh5 g4 Bg6 Bg5 h6 Bh4 O-O a3 Qd7 Nd5 Nxd5 Bxd5 Rab8"""


class WebEngine(FakeEngine):
    """Plays the first legal move. A `slow` one waits for its stop, whatever the limits."""

    slow = False
    wdl = (400, 300, 300)

    def __init__(self, options: EngineOptions) -> None:
        super().__init__(options)
        self.job = SearchJob[Any]()
        self.evaluator = SimpleNamespace(name="fake")

    def search(self, limits: Limits, on_info: OnInfo | None = None, job: SearchJob | None = None) -> SearchResult:
        self.job = job or SearchJob()
        if self.slow:
            self.job.hold(Limits(infinite=True))
        return super().search(limits, on_info, self.job)

    def stop(self) -> None:
        self.job.stop()

    def _info(self, move: chess.Move, rank: int) -> SearchInfo:
        return replace(super()._info(move, rank), wdl=self.wdl)


class Visit:
    """A running server with one fake engine, and the tabs that a test opens."""

    loop: asyncio.Runner  # in which server and tabs live

    def __init__(
        self, folder: Path, setup: Setup | None = None, load: Callable[[], Any] | None = None, **place: Any
    ) -> None:
        self.engine = WebEngine(EngineOptions())
        self.board_engine = BoardEngine(load or (lambda: self.engine))  # type: ignore[arg-type, return-value]
        self.folder = folder
        self.tabs: list[Tab] = []
        services = Services(self.board_engine, self._keep, Limits(nodes=1))
        self.empty = asyncio.Event()
        self.server = WebServer(lambda tell: Conductor(services, setup or Setup(), tell), self.empty.set, **place)

    def _keep(self, game: chess.pgn.Game) -> str:
        save_game(game, self.folder / "games.pgn")
        return "saved"

    async def get(self, path: str = "", **headers: str) -> HTTPResponse:
        request = HTTPRequest(f"http://127.0.0.1:{self.server.port}{path}", headers=headers)
        client = AsyncHTTPClient(force_instance=True)
        try:
            return await client.fetch(request, raise_error=False)
        finally:
            client.close()

    async def tab(self, **headers: str) -> Tab:
        address = self.server.url.replace("http", "ws") + "socket"
        fields = {"Origin": f"http://127.0.0.1:{self.server.port}", **headers}
        request = HTTPRequest(address, headers={name: value for name, value in fields.items() if value})
        self.tabs.append(Tab(await websocket_connect(request)))
        return self.tabs[-1]

    async def close(self) -> None:
        for tab in self.tabs:
            await tab.close()
        self.server.conductor.close()
        await self.server.close()
        await self.board_engine.close()


class Tab:
    """The socket of one tab."""

    def __init__(self, socket: WebSocketClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []
        self.is_open = True

    async def read(self) -> str | bytes | None:
        """The next message; None where the socket is closed."""
        async with asyncio.timeout(WAIT_S):
            message = await self.socket.read_message()
        self.is_open = message is not None
        return message

    async def close(self) -> None:
        """Closes the socket and waits until it is closed."""
        self.socket.close()
        while self.is_open:
            await self.read()

    async def send(self, request: str, **fields: object) -> None:
        await self.socket.write_message(json.dumps({"do": request, **fields}))

    async def until(self, right: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message that is right."""
        while True:
            text = await self.read()
            assert text is not None, f"closed after {self.seen}"
            message: dict[str, Any] = json.loads(text)
            self.seen.append(message)
            if right(message):
                return message

    async def state(self, right: Callable[[dict[str, Any]], bool] = lambda state: True) -> dict[str, Any]:
        """The next state that is right."""
        return await self.until(lambda message: message["do"] == "state" and right(message))

    async def played(self, uci: str) -> None:
        """Makes the first move of a game, and waits for the answer."""
        await self.send("move", uci=uci)
        await self.state(lambda state: len(state["steps"]) == 3)

    async def said(self) -> str:
        """The next words, but for those about an engine that is still being loaded."""
        told = await self.until(lambda message: message["do"] == "say" and "getting ready" not in message["text"])
        return str(told["text"])


@pytest.fixture
def visit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Visit]:
    """A fresh server; a test may give what else it is made of as the fixture's parameter."""

    async def begun() -> Visit:
        return Visit(tmp_path, **getattr(request, "param", {}))

    with asyncio.Runner() as loop:
        visit = loop.run(begun())
        visit.loop = loop
        try:
            yield visit
        finally:
            loop.run(visit.close())


@pytest.fixture
def tab(visit: Visit) -> Tab:
    """The visit's first tab."""
    return visit.loop.run(visit.tab())


def sans(state: dict[str, Any]) -> list[str]:
    return [step["san"] for step in state["steps"][1:]]


# ---- who is served ----


async def test_page_is_served_to_who_knows_the_token(visit: Visit) -> None:
    page = await visit.get(f"/{visit.server.token}/")
    assert page.code == 200
    text = page.body.decode()
    assert "<title>Aino</title>" in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert text.count(f'nonce="{nonce}"') == 1
    assert page.headers["X-Frame-Options"] == "DENY"
    again = await visit.get(f"/{visit.server.token}/")
    assert again.headers["Content-Security-Policy"] != policy


@pytest.mark.parametrize(("code", "kept"), [("de", "de"), ("fr", "fr"), ("", ""), ("x;y", "")])
async def test_a_page_comes_in_the_language_just_chosen(visit: Visit, code: str, kept: str) -> None:
    """The page set the cookie itself and reloaded: on a busy machine the reload came first, in the old language."""
    headers = {"Cookie": "aino-language=fr", "Accept-Language": "de"}
    page = await visit.get(f"/{visit.server.token}/?language={quote(code)}", **headers)
    assert f'<html lang="{kept or "de"}"' in page.body.decode()
    assert page.headers["Set-Cookie"].startswith((f"aino-language={kept};", f'aino-language="{kept}";'))
    page = await visit.get(f"/{visit.server.token}/", **headers)
    assert '<html lang="fr"' in page.body.decode()
    assert "Set-Cookie" not in page.headers


@pytest.mark.parametrize("path", ["/", "/wrong/", "/wrong/game.pgn", "/favicon.ico", "/../etc/passwd", "/TOKEN/other"])
async def test_nothing_else_is_served(visit: Visit, path: str) -> None:
    answer = await visit.get(path.replace("TOKEN", visit.server.token))
    assert answer.code == 404
    assert visit.server.token not in answer.body.decode()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:PORT", "127.0.0.1", "127.0.0.1:1"])
async def test_foreign_host_names_are_refused(visit: Visit, host: str) -> None:
    port = str(visit.server.port)
    for path in ("/", f"/{visit.server.token}/"):
        assert (await visit.get(path, Host=host.replace("PORT", port))).code == 403
    assert (await visit.get(f"/{visit.server.token}/", Host=f"localhost:{port}")).code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:PORT", ""])
async def test_socket_is_closed_to_other_origins(visit: Visit, origin: str) -> None:
    with pytest.raises(Exception, match="403"):
        await visit.tab(Origin=origin.replace("PORT", str(visit.server.port)))
    assert not visit.server.tabs


async def test_server_listens_on_this_machine_only(visit: Visit, tmp_path: Path) -> None:
    assert visit.server.url.startswith("http://127.0.0.1:")
    other = Visit(tmp_path)
    assert (other.server.port, other.server.token) != (visit.server.port, visit.server.token)
    assert len(visit.server.token) >= 32
    await other.close()


async def test_overlong_message_ends_the_conversation(visit: Visit, tab: Tab) -> None:
    await tab.state()
    await tab.socket.write_message("x" * (LONGEST_MESSAGE + 1))
    while await tab.read() is not None:
        pass
    assert (await (await visit.tab()).state())["steps"]


async def code_for(visit: Visit, host: str) -> int:
    return (await visit.get(f"/{visit.server.token}/", Host=f"{host}:{visit.server.port}")).code


async def test_other_machines_are_served_only_where_that_is_asked_for(visit: Visit, tmp_path: Path) -> None:
    assert not visit.server.is_open
    everywhere = Visit(tmp_path, host="0.0.0.0")
    assert everywhere.server.is_open
    assert everywhere.server.token in everywhere.server.url
    assert "0.0.0.0" not in everywhere.server.url
    assert [await code_for(everywhere, host) for host in ("127.0.0.1", "192.168.1.7", "localhost")] == [200] * 3
    assert [await code_for(everywhere, host) for host in ("evil.example", "1.2.3.4.evil.example")] == [403] * 2
    assert await code_for(visit, "192.168.1.7") == 403
    assert (await everywhere.get("/", Host=f"127.0.0.1:{everywhere.server.port}")).code == 404, "without the token"
    with pytest.raises(ConfigError, match=f"port {everywhere.server.port}"):
        Visit(tmp_path, host="0.0.0.0", port=everywhere.server.port)
    await everywhere.close()


@pytest.mark.parametrize("visit", [{"setup": Setup(is_asked=True)}], indirect=True)
async def test_the_first_page_asks_what_game_is_wanted_until_a_move_is_made(tab: Tab) -> None:
    assert (await tab.state())["asks"]
    await tab.send("move", uci="e2e4")
    assert not (await tab.state())["asks"]


@pytest.mark.parametrize(
    "visit",
    [
        {
            "setup": Setup(
                levels=dict.fromkeys(chess.COLORS, parse_level("elo 1400")), clock=GameClock(GameTime(60.0, 0.0))
            )
        }
    ],
    indirect=True,
)
async def test_a_limited_level_takes_its_time_and_a_slow_answer_to_another_position_is_dropped(tab: Tab) -> None:
    await tab.send("move", uci="e2e4")
    thinking = await tab.state(lambda state: state["thinking"])
    begun = time.monotonic()
    await tab.send("take_back")
    await tab.send("move", uci="d2d4")
    await tab.state(lambda state: sans(state)[:1] == ["d4"] and len(state["steps"]) == 3)
    assert time.monotonic() - begun > 0.3
    assert thinking["steps"][-1]["san"] == "e4"


@pytest.mark.parametrize("letter", ["x", "\u20ac", "\x01"])
async def test_a_pgn_that_is_too_long_is_refused_in_words(tab: Tab, letter: str) -> None:
    """A message that is too long closes the socket, so that every text of the greatest length must fit into one."""
    await tab.state()
    for length in (LONGEST_PGN, LONGEST_PGN + 1):
        text = ("1. e4 {" + letter * length)[: length - 3] + "} *"
        await tab.socket.write_message(json.dumps({"do": "load", "text": text, "game": 1}, ensure_ascii=False))
        if length == LONGEST_PGN:
            await tab.state(lambda state: not state["isGame"])
        else:
            assert "load: bad value of text" in await tab.said()


# ---- messages ----


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", "1", '"move"', '{"do": 1}', '{"do": "close"}', '{"do": "move"}',
     '{"do": "move", "uci": 1}', '{"do": "move", "uci": "e2e4e5"}',
     '{"do": "hint", "x": 1}', '{"do": "look", "variation": 1, "ply": 0}',
     '{"do": "look", "variation": true, "ply": true}', '{"do": "look", "variation": true, "ply": -1}',
     '{"do": "explore", "moves": "e2e4"}', '{"do": "explore", "moves": [1]}',
     '{"do": "lines", "on": true, "count": 99}',
     '{"do": "new", "side": "red", "level": "", "clock": "", "fen": "", "chess960": ""}', "[" * 100_000],
)  # fmt: skip
def test_messages_of_another_form_are_refused(text: str) -> None:
    with pytest.raises(DataError):
        read_request(text)


def test_every_request_takes_the_fields_of_its_message() -> None:
    taken = {name: [*inspect.signature(action).parameters][1:] for name, (action, _) in REQUESTS.items()}
    assert taken == {name: [*fields] for name, (_, fields) in REQUESTS.items()}


async def test_a_second_click_on_play_here_does_not_close_the_page(visit: Visit, tab: Tab) -> None:
    await tab.state()
    second = await visit.tab()
    await second.until(lambda message: message["do"] == "busy")
    for _ in range(2):
        await second.socket.write_message('{"do":"take_over"}')
    await second.state()
    await second.send("move", uci="e2e4")
    assert sans(await second.state(lambda state: len(state["steps"]) > 1))[0] == "e4"


@pytest.mark.parametrize(
    ("request_name", "fields", "words"),
    [
        ("move", {"uci": "e2e5"}, "e2e5 is illegal in this position"),
        ("move", {"uci": "zz"}, "zz is illegal in this position"),
        ("move", {"uci": "0000"}, "0000 is illegal in this position"),
        ("type", {"text": "Z0"}, "cannot read 'Z0'"),
        ("type", {"text": "Ke2"}, "Ke2 is illegal"),
        ("take_back", {}, "you have no move to take back"),
        ("offer_draw", {}, "Draw declined"),
        ("position", {"fen": "8/8/8/8/8/8/8/8 w - - 0 1"}, "king"),
        ("position", {"fen": "\u0000"}, "FEN"),
        ("load", {"text": "", "game": 1}, "no game"),
        ("load", {"text": "1. e4", "game": 7}, "1 game"),
        ("load", {"text": '[Variant "Atomic"]\n\n1. e4 *', "game": 1}, "variant"),
        ("explore", {"moves": ["e2e4"]}, "analysis only"),
        ("review", {}, "when it is over"),
        ("level", {"level": "elo 9"}, "elo"),
        ("new", {"side": "white", "level": "full", "clock": "x", "fen": "", "chess960": ""}, "clock"),
        ("new", {"side": "white", "level": "full", "clock": "", "fen": "", "chess960": "960"}, "0 to 959"),
        ("drop_variation", {"x": 1}, "expected the fields"),
    ],
)
async def test_what_cannot_be_done_is_told_and_changes_nothing(
    tab: Tab, request_name: str, fields: dict[str, object], words: str
) -> None:
    before = await tab.state()
    await tab.send(request_name, **fields)
    assert words in await tab.said()
    after = await tab.state()
    assert (after["steps"], after["isGame"], after["end"]) == (before["steps"], True, None)


# ---- games ----


async def test_game_goes_to_its_end_and_is_saved_once(visit: Visit, tab: Tab, tmp_path: Path) -> None:
    await tab.send("move", uci="e2e4")
    state = await tab.state(lambda state: len(state["steps"]) == 3)
    assert sans(state)[0] == "e4"
    await tab.send("resign")
    state = await tab.state(lambda state: state["end"] is not None)
    assert state["end"] == {"result": "0-1", "reason": "you resigned"}
    await tab.send("again", swap=True)
    state = await tab.state(lambda state: state["human"] == "black" and len(state["steps"]) == 2)
    assert state["end"] is None
    await visit.close()
    text = (tmp_path / "games.pgn").read_text()
    assert text.count("[Event ") == 1  # nobody answered Aino's first move of the second game
    assert "0-1" in text


async def test_a_game_that_could_not_be_saved_is_saved_later(visit: Visit, tab: Tab, tmp_path: Path) -> None:
    """It counted as saved, and was lost with the program."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tests.commands.test_web_server.save_game", full_disk)
        await tab.played("e2e4")
        await tab.send("resign")
        assert "no space" in (await tab.state(lambda state: state["end"]))["saved"]
    assert visit.server.conductor.close() == "saved"
    assert "1. e4" in (tmp_path / "games.pgn").read_text()


def full_disk(game: chess.pgn.Game, path: Path) -> None:
    raise DataError("no space left on device")


async def test_unfinished_game_is_saved_at_the_end_of_the_program(visit: Visit, tab: Tab, tmp_path: Path) -> None:
    await tab.played("e2e4")
    await visit.close()
    assert "1. e4" in (tmp_path / "games.pgn").read_text()


@pytest.mark.parametrize(
    "visit",
    [{"setup": Setup(levels=dict.fromkeys(chess.COLORS, parse_level("elo 1500")), clock=GameClock(GameTime(60, 2)))}],
    indirect=True,
)
async def test_levels_and_clocks_reach_the_engine(visit: Visit, tab: Tab) -> None:
    await tab.played("e2e4")
    assert visit.engine.options.limit_strength
    assert visit.engine.options.elo == 1500
    limits = visit.engine.limits[-1]
    assert limits.white_time_ms == 60_000
    assert limits.black_increment_ms == 2_000
    await tab.send("level", level="nodes 7")
    await tab.send("move", uci="d2d4")
    await tab.state(lambda state: len(state["steps"]) == 5)
    assert visit.engine.limits[-1].nodes == 7
    assert not visit.engine.options.limit_strength


async def test_taking_back_stops_a_thinking_engine_at_once(visit: Visit, tab: Tab) -> None:
    visit.engine.slow = True
    await tab.send("move", uci="e2e4")
    await tab.state(lambda state: state["thinking"])
    await tab.send("take_back")
    state = await tab.state(lambda state: not state["thinking"])
    assert sans(state) == []


@pytest.mark.parametrize("visit", [{"setup": Setup(clock=GameClock(GameTime(60, 0)))}], indirect=True)
async def test_game_waits_while_no_tab_is_open(visit: Visit, tab: Tab) -> None:
    await tab.played("e2e4")
    await tab.close()
    while visit.server.tabs:
        await asyncio.sleep(0.01)
    table = visit.server.conductor.session.table
    assert table.clock.running is None
    async with asyncio.timeout(WAIT_S):
        await visit.empty.wait()
    left = table.clock.left(chess.WHITE)
    await asyncio.sleep(0.05)
    assert table.clock.left(chess.WHITE) == left
    state = await (await visit.tab()).state()
    assert state["clock"]["running"] == "white"


async def test_engine_answers_after_a_reload_in_its_thinking(visit: Visit, tab: Tab) -> None:
    visit.engine.slow = True
    await tab.send("move", uci="e2e4")
    await tab.state(lambda state: state["thinking"])
    await tab.close()
    while visit.server.tabs:
        await asyncio.sleep(0.01)
    visit.engine.slow = False
    await (await visit.tab()).state(lambda state: len(state["steps"]) == 3)


@pytest.mark.parametrize("visit", [{"setup": Setup(board_after(QUIET_GAME))}], indirect=True)
async def test_draw_is_agreed_when_aino_is_not_better(visit: Visit, tab: Tab) -> None:
    visit.engine.wdl = (300, 300, 400)  # seen by the person, who is to move
    await tab.send("offer_draw")
    await tab.until(lambda message: message["do"] == "say" and "declined" in message["text"])
    visit.engine.wdl = (600, 300, 100)
    await tab.send("offer_draw")
    state = await tab.state(lambda state: state["end"] is not None)
    assert state["end"]["reason"] == "draw agreed"


# ---- analysis ----


async def test_analysis_shows_lines_of_what_is_looked_at(visit: Visit, tab: Tab) -> None:
    await tab.send("load", text="1. e4 e5 2. Nf3 *", game=1)
    start = await tab.until(lambda message: message["do"] == "lines")
    assert start["fen"] == chess.STARTING_FEN
    await tab.send("look", variation=False, ply=1)
    lines = await tab.until(lambda message: message["do"] == "lines" and " b " in message["fen"])
    assert lines["lines"][0]["score"] == "-0.10"  # the engine's +0.10 for the side to move, seen by White
    assert lines["lines"][0]["wdl"] == [300, 300, 400]
    assert visit.engine.options.analyse_mode
    await tab.send("lines", on=True, count=5)
    await tab.state()
    await tab.until(lambda message: message["do"] == "lines")
    assert visit.engine.options.multi_pv == 5


async def test_analysis_of_a_mate_says_so(tab: Tab) -> None:
    await tab.send("load", text="1. f3 e5 2. g4 Qh4# 0-1", game=1)
    await tab.send("look", variation=False, ply=4)
    over = await tab.until(lambda message: message["do"] == "lines" and not message["lines"])
    assert over["over"]["text"] == "Checkmate"
    assert over["over"]["wdl"] == [0, 0, 1000]


async def test_of_many_games_one_is_chosen(tab: Tab) -> None:
    text = '[White "A"]\n\n1. e4 *\n\n[White "B"]\n\n1. d4 *\n'
    await tab.send("load", text=text, game=2)
    state = await tab.state(lambda state: not state["isGame"])
    assert sans(state) == ["d4"]
    assert state["names"]["white"] == "B"
    games = await tab.until(lambda message: message["do"] == "games")
    assert len(games["names"]) == 2


async def test_a_game_goes_on_from_where_one_looks(tab: Tab) -> None:
    await tab.send("load", text="1. e4 e5 2. Nf3 *", game=1)
    await tab.send("look", variation=False, ply=2)
    await tab.send("play_from_here", side="white", level="full", clock="5+3")
    state = await tab.state(lambda state: state["firstPly"] == 2)
    assert state["isGame"]
    assert sans(state) == ["e4", "e5"]
    assert state["clock"]["white"] == 300
    assert state["firstPly"] == 2


async def test_chess960_positions_by_number(tab: Tab) -> None:
    await tab.send("new", side="white", level="full", clock="", fen="", chess960="0")
    state = await tab.state(lambda state: state["chess960"])
    assert state["steps"][0]["fen"].startswith("bbqnnrkr/")


@pytest.mark.parametrize("number", ["0", "959", "400"])
async def test_chess960_position_of_the_board_is_set_up_again(tab: Tab, number: str) -> None:
    await tab.send("new", side="white", level="full", clock="", fen="", chess960=number)
    state = await tab.state(lambda state: state["chess960"])
    fen = state["steps"][0]["fen"]
    await tab.send("position", fen=fen)
    state = await tab.state(lambda state: not state["isGame"])
    assert state["steps"][0]["fen"] == fen
    assert state["chess960"]


async def test_odd_castling_rights_are_set_up_without_them_and_told(tab: Tab) -> None:
    await tab.send("position", fen="r4rk1/8/8/8/8/8/8/R3K2R w KQkq - 0 1")
    state = await tab.state(lambda state: not state["isGame"])
    assert state["steps"][0]["fen"] == "r4rk1/8/8/8/8/8/8/R3K2R w KQ - 0 1"
    # Said afterwards, because the page says what the new state is.
    said = await tab.until(lambda message: message["do"] == "say" and "rook on a8" in message["text"])
    assert said["kind"] == "note"


async def test_review_can_be_stopped_and_forgotten(visit: Visit, tab: Tab) -> None:
    visit.engine.slow = True
    await tab.send("load", text="1. f3 e5 2. g4 Qh4# 0-1", game=1)
    await tab.send("lines", on=False, count=3)
    await tab.send("review")
    await tab.until(lambda message: message["do"] == "reviewing")
    await tab.send("stop_review")
    await tab.until(lambda message: message["do"] == "unreviewed")
    assert visit.server.conductor.session.review.page is None
    assert (await visit.get(f"/{visit.server.token}/review")).code == 404


async def test_a_failed_review_is_told_and_the_board_goes_on(visit: Visit, tab: Tab) -> None:
    await tab.send("load", text="1. f3 e5 *", game=1)
    await tab.until(lambda message: message["do"] == "lines")
    visit.engine.fail = True
    await tab.send("review")
    await tab.until(lambda message: message["do"] == "unreviewed")
    assert "RuntimeError" in await tab.said()
    visit.engine.fail = False
    await tab.send("look", variation=False, ply=1)
    await tab.until(lambda message: message["do"] == "lines")


async def test_game_can_be_downloaded(visit: Visit, tab: Tab) -> None:
    await tab.played("e2e4")
    answer = await visit.get(f"/{visit.server.token}/game.pgn")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "1. e4" in answer.body.decode()


# ---- faults ----


async def test_engine_that_fails_is_told_and_the_board_stays(visit: Visit, tab: Tab) -> None:
    visit.engine.fail = True
    await tab.send("move", uci="e2e4")
    assert "RuntimeError: broken" in await tab.said()
    visit.engine.fail = False
    await tab.send("take_back")
    assert sans(await tab.state(lambda state: not state["thinking"])) == []


async def test_page_is_told_that_the_engine_is_being_loaded(visit: Visit) -> None:
    first = await visit.tab()
    assert "getting ready" in (await first.until(lambda message: message["do"] == "say"))["text"]
    await first.send("hint")
    await first.until(lambda message: message["do"] == "hint")
    await first.close()
    while visit.server.tabs:
        await asyncio.sleep(0.01)
    second = await visit.tab()
    await second.send("take_back")
    assert "no move" in (await second.until(lambda message: message["do"] == "say"))["text"]


LOADED = threading.Event()


class Stopwatch:
    """A clock's time in seconds, as a test sets it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def load_late() -> WebEngine:
    assert LOADED.wait(WAIT_S)
    return WebEngine(EngineOptions())


@pytest.mark.parametrize(
    "visit", [{"setup": Setup(clock=GameClock(GameTime(600, 0))), "load": load_late}], indirect=True
)
async def test_ainos_clock_waits_until_the_engine_is_loaded(tab: Tab) -> None:
    await tab.send("move", uci="e2e4")
    waits = await tab.state(lambda state: state["thinking"])
    assert (waits["loading"], waits["clock"]["running"]) == (True, None)
    LOADED.set()
    thinks = await tab.state(lambda state: not state["loading"])
    assert (thinks["thinking"], thinks["clock"]["running"]) == (True, "black")
    assert (await tab.state(lambda state: len(state["steps"]) == 3))["clock"]["running"] == "white"


def load_nothing() -> None:
    raise NetFileError("missing.dit", "a net file", "nothing")


@pytest.mark.parametrize("visit", [{"load": load_nothing}], indirect=True)
async def test_engine_that_cannot_be_loaded_is_told(tab: Tab) -> None:
    await tab.send("move", uci="e2e4")
    assert "missing.dit" in await tab.said()


async def test_too_many_tabs_are_turned_away(visit: Visit) -> None:
    tabs = [await visit.tab() for _ in range(9)]
    assert await tabs[-1].read() is None
    assert tabs[-1].socket.close_code == 4000
    assert (await tabs[1].until(lambda message: True))["do"] == "busy"


# ---- a connection that is lost ----


async def reopened(visit: Visit, tab: Tab) -> Tab:
    """The page's next connection, after one that was lost."""
    await tab.close()
    while visit.server.tabs:
        await asyncio.sleep(0.01)
    return await visit.tab()


async def test_a_review_goes_on_while_the_connection_is_lost(visit: Visit, tab: Tab) -> None:
    visit.engine.slow = True
    await tab.send("load", text="1. f3 e5 2. g4 Qh4# 0-1", game=1)
    await tab.send("lines", on=False, count=3)
    await tab.send("review")
    await tab.until(lambda message: message["do"] == "reviewing")
    tab = await reopened(visit, tab)
    state = await tab.state()
    assert state["review"]["running"]
    assert state["review"]["total"] == 4
    visit.engine.slow = False
    visit.engine.job.stop()  # The search that waits is one that was stopped, so the review has ended.
    await tab.send("stop_review")
    await tab.until(lambda message: message["do"] == "unreviewed")
    await tab.send("review")
    await tab.until(lambda message: message["do"] == "reviewed")
    state = await (await reopened(visit, tab)).state()
    assert state["review"] == {**state["review"], "running": False, "ready": True}


async def test_a_review_that_ends_while_the_connection_is_lost_is_ready(visit: Visit, tab: Tab) -> None:
    await tab.send("load", text="1. f3 e5 2. g4 Qh4# 0-1", game=1)
    await tab.send("lines", on=False, count=3)
    await tab.send("review")
    await tab.close()
    while visit.server.conductor.session.review.page is None:
        await asyncio.sleep(0.01)
    state = await (await visit.tab()).state()
    assert state["review"]["ready"]
    assert (await visit.get(f"/{visit.server.token}/review")).code == 200


async def test_a_page_that_comes_back_shows_what_was_chosen_and_advised(visit: Visit, tab: Tab) -> None:
    await tab.played("e2e4")
    await tab.send("hint")
    hint = await tab.until(lambda message: message["do"] == "hint")
    await tab.send("lines", on=False, count=5)
    await tab.state(lambda state: not state["shows"]["on"])
    tab = await reopened(visit, tab)
    assert (await tab.state())["shows"] == {"on": False, "count": 5}
    assert await tab.until(lambda message: message["do"] == "hint") == hint
    await tab.send("take_back")
    await tab.state(lambda state: len(state["steps"]) == 1)
    tab = await reopened(visit, tab)
    await tab.state()
    await tab.send("take_back")
    await tab.said()
    assert not [message for message in tab.seen if message["do"] == "hint"], "of another position"


async def test_a_game_that_waits_for_its_analysis_is_not_reviewed(visit: Visit, tab: Tab) -> None:
    await tab.played("e2e4")
    await tab.send("review")
    assert "when it is over" in await tab.said()
    await tab.send("analyse", on=True)
    await tab.state(lambda state: state["analysing"])
    await tab.send("review")
    assert "when it is over" in await tab.said()
    await tab.send("analyse", on=False)
    await tab.send("resign")
    await tab.state(lambda state: state["end"])
    await tab.send("analyse", on=True)
    await tab.send("review")
    await tab.until(lambda message: message["do"] == "reviewed")


# ---- how browsers name a server ----


@pytest.mark.parametrize(
    ("listens", "port", "host", "known"),
    [
        ("127.0.0.1", 80, "127.0.0.1", True),  # Browsers leave out the port of http.
        ("127.0.0.1", 80, "localhost", True),
        ("127.0.0.1", 80, "LocalHost:80", True),
        ("127.0.0.1", 80, "127.0.0.1:8080", False),
        ("127.0.0.1", 8080, "127.0.0.1", False),
        ("127.0.0.1", 443, "127.0.0.1", False),
        ("127.0.0.1", 443, "127.0.0.1:443", True),
        ("Aino.local", 8080, "aino.local:8080", True),
        ("0.0.0.0", 80, "192.168.1.7", True),
        ("0.0.0.0", 80, "foreign.example", False),
        ("::1", 80, "[::1]", True),
        ("::1", 8080, "[::1]:8080", True),
        ("::1", 8080, "[::1]", False),
        ("::", 8080, "[fe80::7]:8080", True),
        ("::", 8080, "192.168.1.7:8080", True),
        ("127.0.0.1", 80, "", False),
        ("127.0.0.1", 80, ":80", False),
        ("127.0.0.1", 80, "[::1", False),
        ("127.0.0.1", 80, "127.0.0.1:80:80", False),
    ],
)
async def test_a_server_knows_its_names(visit: Visit, listens: str, port: int, host: str, known: bool) -> None:
    visit.server.host, visit.server.port = listens, port
    assert visit.server.knows(host) == known


@pytest.mark.parametrize(
    ("host", "origin", "same"),
    [
        ("localhost", "http://localhost", True),
        ("LOCALHOST:80", "http://localhost", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("localhost", "https://localhost", False),
        ("localhost:8080", "http://localhost", False),
        ("localhost", "http://localhost.foreign.example", False),
        ("localhost", "null", False),
        ("localhost", "", False),
    ],
)
def test_a_page_of_the_server_may_open_its_socket(host: str, origin: str, same: bool) -> None:
    socket = SimpleNamespace(request=SimpleNamespace(host=host))
    assert BoardSocket.check_origin(socket, origin) == same  # type: ignore[arg-type]


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize("visit", [{"host": "::1"}], indirect=True)
async def test_a_server_listens_on_an_address_of_ipv6(visit: Visit) -> None:
    assert visit.server.url.startswith(f"http://[::1]:{visit.server.port}/")
    assert not visit.server.is_open
    tab = await visit.tab(Origin=visit.server.url.rpartition("/")[0].rpartition("/")[0])
    assert (await tab.state())["isGame"]


# ---- nobody's clock runs while Aino gets ready ----


@pytest.mark.parametrize("asked", ["hint", "offer_draw"])
@pytest.mark.parametrize("visit", [{"load": load_late}], indirect=True)
async def test_an_answer_that_waits_for_the_engine_costs_the_person_no_time(
    visit: Visit, tab: Tab, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uci.web.game_mode.DRAW_FROM_PLY", 0)
    table = visit.server.conductor.session.table
    table.board = chess.Board()
    for move in ("e2e4", "e7e5"):
        table.board.push_uci(move)
    table.clock = GameClock(GameTime(600, 0), clock := Stopwatch())
    table.run_clock()
    LOADED.clear()
    clock.now = 10.0
    await tab.send(asked)
    state = await tab.state(lambda state: state["loading"])
    assert state["clock"]["running"] is None
    clock.now = 110.0
    LOADED.set()
    state = await tab.state(lambda state: not state["loading"] and state["clock"]["running"])
    assert state["clock"]["white"] == pytest.approx(590.0)
