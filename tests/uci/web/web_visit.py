"""A visit to the web board: its server with a fake engine, and the tabs that a test opens."""

import asyncio
import json
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

from engine.options import EngineOptions
from engine.search.job import SearchJob
from engine.search.limits import Limits
from tests.protocol.fake_engine import FakeEngine
from uci.game.timed_game import Setup
from uci.web.board_session import Services
from uci.web.dispatch import Dispatcher
from uci.web.engine_service import EngineService
from uci.web.server import WebServer

WAIT_S = 200.0
FOOLS_MATE = "1. f3 e5 2. g4 Qh4# 0-1"


def with_board(*made_of):
    """Runs a test that takes `visit` or `tab` with each of these boards, made as `Visit` is."""
    return pytest.mark.parametrize("visit", made_of, indirect=True)


class WebEngine(FakeEngine):
    """Plays the first legal move. A `slow` one waits for its stop, whatever the limits."""

    slow = False
    wdl = (400, 300, 300)
    searches = 0

    def __init__(self, options):
        super().__init__(options)
        self.job = SearchJob[Any]()
        self.evaluator = SimpleNamespace(name="fake")

    def search(self, limits, on_info=None, job=None):
        self.job = job or SearchJob()
        self.searches += 1
        if self.slow:
            self.job.hold(Limits(infinite=True))
        return super().search(limits, on_info, self.job)

    def stop(self):
        self.job.stop()

    def _info(self, move, rank):
        return replace(super()._info(move, rank), wdl=self.wdl)


class Visit:
    """A running server with one fake engine, and the tabs that a test opens."""

    loop: asyncio.Runner  # in which server and tabs live

    def __init__(self, folder, setup=None, load=None, **place):
        self.engine = WebEngine(EngineOptions())
        self.board_engine = EngineService(load or (lambda: self.engine))
        self.folder = folder
        self.tabs = []
        services = Services(
            self.board_engine,
            lambda: self.engine,
            folder,
            folder / "games.pgn",
            review_limits=Limits(nodes=1),
        )
        self.empty = asyncio.Event()
        self.server = WebServer(
            lambda tell: Dispatcher(services, setup or Setup(), tell), self.empty.set, **place
        )

    @property
    def session(self):
        return self.server.board.session

    async def get(self, path="", method="GET", **headers):
        url = f"http://127.0.0.1:{self.server.port}{path}"
        request = HTTPRequest(url, method, headers)
        with closing(AsyncHTTPClient(force_instance=True)) as client:
            return await client.fetch(request, raise_error=False)

    async def tab(self, page="", **headers):
        address = f"{self.server.url.replace('http', 'ws')}socket?page={page}"
        fields = {"Origin": f"http://127.0.0.1:{self.server.port}", **headers}
        request = HTTPRequest(
            address, headers={name: value for name, value in fields.items() if value}
        )
        self.tabs.append(Tab(await websocket_connect(request)))
        return self.tabs[-1]

    async def search_begins(self):
        """Waits until the engine searches for the first time."""
        while not self.engine.searches:
            await asyncio.sleep(0.01)

    async def is_left(self):
        """Waits until the server knows that all tabs are closed."""
        while self.server.tabs:
            await asyncio.sleep(0.01)

    async def reopened(self, tab):
        """The page's next connection, after one that was lost."""
        await tab.close()
        await self.is_left()
        return await self.tab()

    async def close(self):
        self.session.close()
        arrived = []
        self.server.board.arrive = lambda: arrived.append(True)
        await self.server.close()
        for tab in reversed(self.tabs):
            await tab.close()
        assert not arrived, "another page came to the board while Aino ended"
        await self.board_engine.close()


class Tab:
    """The socket of one tab."""

    def __init__(self, socket):
        self.socket = socket
        self.seen = []
        self.is_open = True
        self._nodes = {}

    async def read(self):
        """The next message; None where the socket is closed."""
        async with asyncio.timeout(WAIT_S):
            message = await self.socket.read_message()
        self.is_open = message is not None
        return message

    async def close(self):
        """Closes the socket and waits until it is closed."""
        self.socket.close()
        while self.is_open:
            await self.read()

    async def send(self, request, **fields):
        await self.socket.write_message(json.dumps({"do": request, **fields}))

    async def load(self, text, game=1):
        """Opens a game of a PGN for analysis."""
        await self.send("load", text=text, game=game)

    async def until(self, right):
        """The next message that is right."""
        while True:
            text = await self.read()
            assert text is not None, f"closed after {self.seen}"
            message = json.loads(text)
            if message["do"] == "state":
                self._nodes = {**({} if message["isNew"] else self._nodes), **message["nodes"]}
                message["steps"] = self._steps(message["last"])
            self.seen.append(message)
            if right(message):
                return message

    def _steps(self, last):
        """The nodes from the start of the game to its last."""
        parents = {
            number: int(parent) for parent, node in self._nodes.items() for number in node["next"]
        }
        path = [last]
        while path[0] in parents:
            path.insert(0, parents[path[0]])
        return [self._nodes[str(number)] for number in path]

    async def state(self, right=lambda state: True):
        """The next state that is right."""
        return await self.until(lambda message: message["do"] == "state" and right(message))

    async def state_with(self, name):
        """The next state in which there is this."""
        return await self.state(lambda state: state[name])

    async def with_plies(self, count):
        """The next state with so many moves."""
        return await self.state(lambda state: len(state["steps"]) == count + 1)

    async def without_game(self):
        """The next state in which nothing is played but analysed."""
        return await self.state(lambda state: not state["isGame"])

    async def played(self, uci):
        """Makes the first move of a game, and waits for the answer."""
        await self.send("move", uci=uci)
        await self.with_plies(2)

    async def message(self, kind):
        """The next message of a kind."""
        return await self.until(lambda message: message["do"] == kind)

    async def said(self):
        """The next words, but for those about an engine that is still being loaded."""
        message = await self.until(
            lambda message: message["do"] == "say" and "getting ready" not in message["text"]
        )
        return str(message["text"])


async def text_in(file, words=""):
    """The text of a file, as soon as these words stand in it."""
    async with asyncio.timeout(WAIT_S):
        while not file.exists() or words not in (text := file.read_text()):
            await asyncio.sleep(0.01)
    return text


def sans(state):
    return [step["san"] for step in state["steps"][1:]]


class SessionAlone:
    """A board without a server: its session, and what it tells its page."""

    def __init__(self, folder, setup=None, has_page=True):
        self.told = asyncio.Queue()
        load = lambda: WebEngine(EngineOptions())  # noqa: E731
        services = Services(EngineService(load), load, folder, folder / "games.pgn")
        self.dispatcher = Dispatcher(services, setup or Setup(human=None), self.told.put_nowait)
        self.session = self.dispatcher.session
        if has_page:
            self.dispatcher.arrive()

    def ask(self, request, **fields):
        self.dispatcher.receive(json.dumps({"do": request, **fields}))

    async def told_of(self, kind):
        """The next message of a kind."""
        async with asyncio.timeout(WAIT_S):
            while (message := await self.told.get())["do"] != kind:
                pass
            return message

    def load(self, game=1):
        self.ask("load", text="1. e4 *", game=game)

    async def open(self):
        """Opens the first game of the list, and returns itself."""
        self.ask("games_refresh")
        await self.told_of("games_read")
        fields = dict.fromkeys(("text", "result", "side", "file", "line", "order", "unfolded"), "")
        self.ask("games_find", **fields, offset=0)
        game = (await self.told_of("games_found"))["games"][0]
        before = self.session.board_game
        self.ask("games_open", key=game["key"], ply=0)
        async with asyncio.timeout(WAIT_S):
            while self.session.board_game is before:
                await asyncio.sleep(0.01)
        return self

    @property
    def study(self):
        return self.session.board_game.study

    def save_now(self):
        self.session.saver.finish(self.session.board_game)

    def close(self):
        self.session.close()
